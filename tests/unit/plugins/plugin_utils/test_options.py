# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every public variable of every role, as text and as YAML gives it: what it looks like, or refused by name."""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from ansible_collections.overc.system.plugins.plugin_utils import options
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from ansible_collections.overc.system.plugins.plugin_utils.option_names import INTERNAL, refuse_cut_off, unknown

ROOT = Path(__file__).resolve().parents[4]
# Roles whose variables are set by other roles
PRIVATE = ("health", "preflight", "report")
# Not for people
HANDED_ON = {"fleet_command", "__pull_run"}


def specified() -> dict[str, dict[str, t.Any]]:
    found: dict[str, dict[str, t.Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        if path.parts[-3] not in PRIVATE:
            for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
                found.update(entry.get("options") or {})
    return {name: spec for name, spec in found.items() if name not in HANDED_ON}


SPECIFIED = specified()
OF_TYPE = {
    kind: [name for name, spec in SPECIFIED.items() if spec["type"] == kind] for kind in ("bool", "list", "dict", "raw")
}
TEXT = [name for name, spec in SPECIFIED.items() if spec["type"] in ("str", "path") and "choices" not in spec]
PLAIN = [name for name in TEXT if name not in ("fleet_window", "fleet_not_after", "pull_window")]
CHOICES = [name for name, spec in SPECIFIED.items() if "choices" in spec]
LISTS = [name for name in OF_TYPE["list"] if name not in ("overlay_containers", "pull_rings", "host_upgrade_run")]
NUMBERS = [
    name for name in OF_TYPE["raw"]
    if name not in ("fleet_canary", "fleet_serial", "fleet_max_fail_percentage", "fleet_exclude")
]  # fmt: skip


def converted(name: str, value: t.Any) -> t.Any:
    return options.converter(name)(value)


def anything(*values: t.Any) -> tuple[t.Any, ...]:
    return values


def refused(name: str, value: t.Any) -> None:
    with pytest.raises(FleetError, match=rf"^{re.escape(name)}\b.*[.]$"):
        converted(name, value)


def test_every_variable_has_a_kind() -> None:
    assert set(SPECIFIED) == set(options.public()) - set(options.COMMON)


def test_every_default_is_specified() -> None:
    """A variable that only has a default would be neither validated nor known, and refused as a misspelt one."""
    for path in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        role = path.parts[-3]
        entries = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
        specs = {name for entry in entries.values() for name in entry.get("options") or {}}
        assert set(yaml.safe_load(path.read_text()) or {}) <= specs, role


def test_every_type_is_tried() -> None:
    assert {name for names in OF_TYPE.values() for name in names} | set(TEXT) | set(CHOICES) == set(SPECIFIED)


@pytest.mark.parametrize("name", [name for name, spec in SPECIFIED.items() if "default" in spec])
def test_defaults_can_be_given(name: str) -> None:
    default = SPECIFIED[name]["default"]
    wanted = [default] if name == "fleet_serial" else default
    assert converted(name, default) == wanted
    if SPECIFIED[name]["type"] != "dict" and name != "fleet_serial":
        assert converted(name, default if isinstance(default, list) else str(default)) == wanted


@pytest.mark.parametrize("name", OF_TYPE["bool"])
def test_booleans(name: str) -> None:
    for text in anything("false", "False", "no", "off", "0", 0, False, " no "):
        assert converted(name, text) is False
    for text in anything("true", "TRUE", "yes", "on", "1", 1, True):
        assert converted(name, text) is True
    for text in anything("maybe", "", None, 2, 0.5, [], {}, ["false"], dt.date(2026, 12, 1), "[x]"):
        refused(name, text)


@pytest.mark.parametrize("name", LISTS)
def test_lists(name: str) -> None:
    assert converted(name, "a,b") == converted(name, ["a", "b"]) == converted(name, "[a, b]") == ["a", "b"]
    assert converted(name, '["a", "b"]') == converted(name, " a , b ") == ["a", "b"]
    assert converted(name, "[x]") == converted(name, "x") == ["x"]
    assert converted(name, "") == converted(name, None) == converted(name, []) == converted(name, "[]") == []
    assert converted(name, [1]) == converted(name, 1) == ["1"]
    for value in anything(
        "a,,b",
        "[a",
        "{a: b}",
        {"a": 1},
        True,
        [True],
        [None],
        [["a"]],
        [1.5],
        dt.date(2026, 12, 1),
        [dt.date(2026, 12, 1)],
    ):
        refused(name, value)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    assert converted(name, "5") == converted(name, 5) == converted(name, " 5 ") == converted(name, 5.0) == 5
    for value in anything(
        "five",
        "",
        None,
        True,
        -1,
        "10%",
        "a,b",
        "[5]",
        [5],
        {},
        float("inf"),
        "1e999999999",
        dt.date(2026, 12, 1),
    ):
        refused(name, value)


def test_commands_are_lists_of_arguments() -> None:
    name = "host_upgrade_run"
    for alone in (["systemctl", "enable", "x"], "[systemctl, enable, x]", [["systemctl", "enable", "x"]]):
        assert converted(name, alone) == [["systemctl", "enable", "x"]]
    assert converted(name, '[["a", "b c"], ["d", 1]]') == [["a", "b c"], ["d", "1"]]
    assert converted(name, "") == converted(name, None) == converted(name, []) == []
    for value in anything(
        "systemctl enable x", "a,b", ["systemctl enable x"], [["a"], "b"], [[]], {"a": 1}, True, 7, "[[a]"
    ):
        refused(name, value)


@pytest.mark.parametrize("name", CHOICES)
def test_choices(name: str) -> None:
    for choice in SPECIFIED[name]["choices"]:
        assert converted(name, choice) == converted(name, f" {choice} ") == choice
    for value in anything("nosuch", "", None, True, False, 1, [], {}, dt.date(2026, 12, 1), SPECIFIED[name]["choices"]):
        refused(name, value)


@pytest.mark.parametrize("name", PLAIN)
def test_text(name: str) -> None:
    assert converted(name, "false") == "false"
    assert converted(name, "[x]") == "[x]"
    assert (converted(name, None), converted(name, 7)) == ("", "7")
    for value in anything(True, False, 1.10, [], ["a"], {}, dt.date(2026, 12, 1), dt.datetime(2026, 12, 1)):  # noqa: DTZ001
        refused(name, value)


@pytest.mark.parametrize("name", OF_TYPE["dict"])
def test_mappings(name: str) -> None:
    assert converted(name, {}) == converted(name, "") == converted(name, None) == converted(name, "{}") == {}
    for value in anything("a", "a=b", "[a]", ["a"], True, 1, "{a", {1: "a"}, dt.date(2026, 12, 1)):
        refused(name, value)


@pytest.mark.parametrize("name", [name for name in OF_TYPE["dict"] if name.endswith("_layout")])
def test_layout(name: str) -> None:
    assert converted(name, '{"kernel": "bzImage"}') == {"kernel": "bzImage"}
    with pytest.raises(FleetError, match="Did you mean root_subvolume"):
        converted(name, {"root_subvolum": "x"})
    refused(name, {"package_manager": "yum"})


@pytest.mark.parametrize("name", ["host_upgrade_health", "host_rollback_health"])
def test_health(name: str) -> None:
    given = '{"units": "false", "services": "ssh,cron", "ports": "22,80", "commands": "true", "retries": "2", "urls": "http://a/?b,c"}'
    assert converted(name, given) == {
        "units": False, "services": ["ssh", "cron"], "ports": ["22", "80"], "commands": ["true"], "retries": 2,
        "urls": ["http://a/?b,c"],
    }  # fmt: skip
    assert converted(name, {"commands": "[ -e /etc/fstab ]"}) == {"commands": ["[ -e /etc/fstab ]"]}
    with pytest.raises(FleetError, match="Did you mean services"):
        converted(name, {"service": ["nginx"]})
    for value in anything(
        {"units": "maybe"}, {"retries": "many"}, {"ports": [0]}, {"ports": "http"}, {"commands": "echo a,b"}, {"commands": ["'"]},
        {"services": ["-x"]}, {"urls": ["ftp://a"]}, {"tasks": True}, {"soak": -1},
    ):  # fmt: skip
        refused(name, value)


def test_containers() -> None:
    (found,) = converted(
        "overlay_containers", '[{"container": "c1", "directories": "/usr,/lib", "sources": "essential"}]'
    )
    assert found == {"container": "c1", "directories": ["/usr", "/lib"], "sources": ["essential"]}
    assert converted("overlay_containers", found) == [found]
    for value in anything(
        "c1",
        ["c1"],
        [{"container": "c1"}],
        [{"container": "c1", "directorys": []}],
        {"container": "c1"},
        True,
    ):
        with pytest.raises(FleetError, match=r"^overlay_containers"):
            converted("overlay_containers", value)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-12-01T04:00:00Z", "2026-12-01T04:00:00Z"),
        ("2026-12-01T05:00:00+01:00", "2026-12-01T04:00:00Z"),
        ("2026-12-01 04:00:00Z", "2026-12-01T04:00:00Z"),
        (yaml.safe_load("2026-12-01T04:00:00Z"), "2026-12-01T04:00:00Z"),
        (yaml.safe_load("2026-12-01T05:00:00+01:00"), "2026-12-01T04:00:00Z"),
        (yaml.safe_load("2026-12-01 04:00:00"), "2026-12-01T04:00:00Z"),
        ("", ""),
        (None, ""),
    ],
)
def test_moment(value: t.Any, wanted: str) -> None:
    assert converted("fleet_not_after", value) == wanted


def test_what_is_no_moment_and_no_window() -> None:
    for value in anything(
        "2026-12-01", yaml.safe_load("2026-12-01"), "soon", "2026-12-01T04:00:00", 5, True, [], "[x]"
    ):
        refused("fleet_not_after", value)
    for name in ("fleet_window", "pull_window"):
        assert converted(name, "22:00-04:00") == "22:00-04:00"
        for value in anything(
            "22-4", "1:00-1:00", yaml.safe_load("22:00"), True, ["22:00-04:00"], dt.date(2026, 12, 1)
        ):
            refused(name, value)


def test_shares_of_hosts() -> None:
    assert [converted("fleet_canary", value) for value in (3, "3", "10%", "00", "0%")] == [3, 3, "10%", 0, "0%"]
    assert converted("fleet_serial", "1,10,25%") == converted("fleet_serial", "[1, 10, 25%]") == [1, 10, "25%"]
    assert [converted("fleet_max_fail_percentage", value) for value in (10, "10", "10%", "12.5 %")] == [
        10,
        10,
        10,
        12.5,
    ]
    for value in anything("none", "", None, True, -1, "101%", 1.5, [1], {}, dt.date(2026, 12, 1)):
        refused("fleet_canary", value)
    for value in anything("", None, 0, "0", "0%", "1,,2", "x", True, {}, [[1]], dt.date(2026, 12, 1)):
        refused("fleet_serial", value)
    for value in anything("", None, True, -1, "101%", "a,b", [1], {}, dt.date(2026, 12, 1)):
        refused("fleet_max_fail_percentage", value)


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("fleet_windows", "fleet_window"),
        ("fleet_cannary", "fleet_canary"),
        ("host_upgrade_exlude", "host_upgrade_exclude"),
        ("host_upgrade_heatlh", "host_upgrade_health"),
        ("host_upgarde_reboot", "host_upgrade_reboot"),
        ("host_rollback_reboots", "host_rollback_reboot"),
        ("overc_layuot", "overc_layout"),
    ],
)
def test_misspelt_names(given: str, meant: str) -> None:
    assert unknown(["fleet", "host_upgrade"], [given]) == [(given, meant)]


def test_names_of_other_people() -> None:
    theirs = ["host_name", "host_ip", "host_group", "overlay_network", "pulled", "fleetwood", "ansible_host"]
    assert unknown(["fleet", "host_upgrade"], theirs) == []
    # Given for this very run it was meant for us
    assert unknown(["host_upgrade"], ["host_reboot"], extra=["host_reboot"])[0][0] == "host_reboot"
    assert unknown(["overlay"], ["overlay_container"]) == [("overlay_container", "overlay_containers")]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("reboot", "host_upgrade_reboot"),
        ("serial", "fleet_serial"),
        ("exclude", "fleet_exclude or host_upgrade_exclude"),
        ("max_fail_percentage", "fleet_max_fail_percentage"),
    ],
)
def test_names_without_their_beginning(given: str, meant: str) -> None:
    """A module's names and Ansible's, given for a run of a fleet: as if nothing had been said."""
    assert unknown(["fleet", "host_upgrade"], ["target", given], ["target", given]) == [(given, meant)]
    # From the inventory it is somebody's own; so it is where it is what ours is made of (fleet_serial: "{{ serial }}")
    assert unknown(["fleet", "host_upgrade"], [given], ["target"]) == []
    assert unknown(["fleet", "host_upgrade"], [given], [given], "{{ " + given + " }}") == []
    # A play of one's own may have such names
    assert unknown(["host_upgrade"], [given], [given]) == []


def test_what_ansible_cuts_off_a_value_is_refused() -> None:
    refuse_cut_off({"target": "h1"})
    with pytest.raises(FleetError, match="-e: 'h2' belongs to no variable"):
        refuse_cut_off({"fleet_exclude": "h1,", "_raw_params": "h2"})


def set_by_roles() -> dict[str, str]:
    """What roles and playbooks register, set as facts or give to a task, and where."""
    used: dict[str, str] = {}

    def walk(node: t.Any, where: str) -> None:
        if isinstance(node, dict):
            names = [node[key] for key in ("vars", "ansible.builtin.set_fact") if isinstance(node.get(key), dict)]
            for name in (node.get("register"), *(name for given in names for name in given)):
                if isinstance(name, str):
                    used[name] = where
        for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(value, where)

    for folder in ("roles", "playbooks"):
        for path in sorted((ROOT / folder).rglob("*.yml")):
            if path.parent.name != "meta":
                walk(yaml.safe_load(path.read_text()), str(path.relative_to(ROOT)))
    return used


@pytest.mark.parametrize("name", sorted(INTERNAL))
def test_what_playbooks_set_themselves_is_not_given_for_a_run(name: str) -> None:
    """``-e`` wins over whatever a playbook says: an upgrade would take itself for a rollback."""
    mine = name.startswith("fleet_verdict") or name == "pull_target"
    assert unknown(["fleet", "host_upgrade", "pull", "overlay", "bootloader"], [name]) == []
    assert bool(unknown(["fleet", "host_upgrade", "pull", "overlay", "bootloader"], [name], [name])) is not mine


def test_what_roles_set_themselves_begins_with_two_underscores() -> None:
    """Never a name that a person may have for something, or set by mistake."""
    handed: set[str] = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            handed.update(entry.get("options") or {})
    known = handed | INTERNAL | set(options.public())
    own = {name: where for name, where in set_by_roles().items() if name not in known | {"ansible_python_interpreter"}}
    assert {"__host_upgrade_stage", "__fleet_plan"} <= set(own)
    assert [f"{where}: {name}" for name, where in own.items() if not name.startswith("__")] == []
    roles = [path.name for path in (ROOT / "roles").iterdir()]
    prefixes = tuple(f"__{role}_" for role in (*roles, "overc"))
    assert [name for name, where in own.items() if where.startswith("roles/") and not name.startswith(prefixes)] == []


def tasks_of(node: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """Every task, also those in blocks."""
    for entry in node if isinstance(node, list) else ():
        for key in ("block", "rescue", "always", "tasks"):
            yield from tasks_of(entry.get(key))
        yield entry


def test_no_limit_of_a_configuration_ends_what_takes_its_time() -> None:
    """ANSIBLE_TASK_TIMEOUT is for tasks that take seconds: an upgrade that is given up in its middle goes on without anybody."""
    long = ("overc.system.overc_host_", "overc.system.overc_wait", "ansible.builtin.pause", "ansible.builtin.wait_for_")
    found = {}
    for folder in ("roles", "playbooks"):
        for path in sorted((ROOT / folder).rglob("*.yml")):
            if path.parent.name in ("tasks", "playbooks"):
                for task in tasks_of(yaml.safe_load(path.read_text())):
                    if any(key.startswith(long) for key in task):
                        found[f"{path.relative_to(ROOT)}: {task['name']}"] = task.get("timeout")
    assert len(found) > 20
    assert {name for name, limit in found.items() if limit != 0} == set()


def test_rings() -> None:
    wanted = [{"name": "canary", "successes": 2, "hosts": ["a", "b"]}, {"name": "rest"}]
    assert converted("pull_rings", wanted) == wanted
    given = '[{"name": "canary", "successes": "2", "hosts": "a,b"}, {"name": "rest"}]'
    assert converted("pull_rings", given) == wanted
    assert converted("pull_rings", "") == converted("pull_rings", None) == converted("pull_rings", []) == []
    with pytest.raises(FleetError, match=r"pull_rings\[0\].*Did you mean successes"):
        converted("pull_rings", [{"name": "canary", "sucesses": 2}])
    for value in anything(
        "a,b", "canary", {"name": "a"}, ["canary"], [{"name": "a", "soak": "1h"}], [{"failures": -1}], True
    ):
        refused("pull_rings", value)
