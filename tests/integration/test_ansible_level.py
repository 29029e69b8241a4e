# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user meets: ``ansible``, ``ansible-playbook`` and ``ansible-doc``, over real SSH."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.integration.controller import Answer, Controller
from tests.integration.disk_facts import booted, disk_state
from tests.lab import Host
from tests.lab.settings import REPOSITORY

MakeHost = Callable[..., Host]
MODULES = sorted(path.stem for path in (REPOSITORY / "plugins/modules").glob("overc_*.py"))
# The host modules that share the options of the layout
WITH_LAYOUT = [name for name in MODULES if name.startswith("overc_host_") and name != "overc_host_health"]


# --- check mode -------------------------------------------------------------------------------------------------------


def test_check_and_diff(ansible: Controller, host: Host) -> None:
    host.release("v2")
    before = disk_state(host)
    planned = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true", "--check", "--diff")
    assert planned.rc == 0, planned.output
    assert {"-default subvolume: rootfs", "+default subvolume: rootfs_upgrade"} <= set(planned.stdout.splitlines())
    assert {"-lab-app.noarch 1.0-1", "+lab-app.noarch 2.0-1"} <= set(planned.stdout.splitlines())
    assert (host.boots, disk_state(host)) == (1, before)

    whole = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "full=true", "--check")
    assert {entry["status"] for entry in whole.result["actions"]} == {"planned"}
    assert planned.result["steps"] == [entry["description"] for entry in whole.result["actions"]]

    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "full=true")
    assert "default subvolume" not in done.stdout.partition(" => ")[0], "without --diff there is no diff"
    assert [entry["step"] for entry in done.result["actions"]] == [e["step"] for e in whole.result["actions"]]


def test_what_one_asks_by_hand_fits_a_screen(ansible: Controller, host: Host) -> None:
    """What tools print is shown once, and only where something failed; -v has the rest."""

    def said(module: str, *options: str, lines: int) -> Answer:
        answer = ansible(host.name, f"overc.system.overc_{module}", *options)
        assert len(answer.stdout.splitlines()) <= lines, answer.stdout
        assert not {"stdout", "stdout_lines", "stderr", "cmd", "actions"} & set(answer.result)
        return answer

    host.release("v2")
    host.enable_repo("pre-fails")
    failed = said("host_upgrade", lines=30)
    assert failed.rc == 2
    assert failed.result["rc"] == 1
    assert any("scriptlet failed" in line for line in failed.result["output"])
    host.disable_repo("pre-fails")

    assert said("host_info", lines=39).result["requirements"] == []
    pending = said("host_update", lines=25).result
    assert (pending["msg"], len(pending["changes"])) == ("5 packages are pending", 5)
    assert pending["changes"][0].startswith("lab-app 1.0-1 -> 2.0-1, 6.")
    said("host_upgrade", "--check", lines=70)
    staged = said("host_upgrade", lines=50).result
    assert staged["changes"][0] == "lab-app 1.0-1 -> 2.0-1"
    assert "rc" not in staged

    whole = ansible(host.name, "overc.system.overc_host_info", "-v").result
    assert all(entry["ok"] for entry in whole["requirements"])
    assert len(whole["requirements"]) > 10
    assert said("host_rollback", lines=40).result["state"] == "clean"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("reboot=perhaps", ()),
        ("reboot=true reboot_timeout=soon", ()),
        ("reboot_timeout=0", ()),
        ("reboot_timeout=true", ()),
        ('{"reboot_timeout": Infinity}', ()),
        ('{"reboot_timeout": 1e400}', ()),
        ('{"reboot_timeout": 1000000000000000000000}', ()),
        ("reboot=true", ("-B60", "-P1")),
    ],
)
def test_bad_arguments_change_nothing(
    ansible: Controller, host: Host, arguments: str, options: tuple[str, ...]
) -> None:
    host.release("v2")
    before = disk_state(host)
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", arguments, *options)
    assert (done.rc, done.result["error_id"], done.result["changed"]) == (2, "bad_argument", False), done.output
    assert (host.boots, disk_state(host)) == (1, before)


def test_in_the_background(ansible: Controller, host: Host) -> None:
    """Long upgrades may run detached from the connection, as long as nobody asks for the reboot."""
    host.release("v2")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-B", "120", "-P", "1")
    assert done.rc == 0, done.output
    assert (done.result["staged"], host.default_subvolume()) == ("rootfs_upgrade", "rootfs_upgrade")


# --- options ----------------------------------------------------------------------------------------------------------


def test_carry_over_of_nothing_is_refused(ansible: Controller, host: Host) -> None:
    host.release("v2")
    before = disk_state(host)
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true carry_over=/var/lib/nothing")
    assert (done.rc, done.result["error_id"]) == (2, "bad_argument")
    assert (host.boots, disk_state(host)) == (1, before)


def test_module_defaults_group(ansible: Controller, host: Host, tmp_path: Path) -> None:
    """One place for the layout of all hosts: also the module behind an action plugin gets it."""
    tasks = [
        {f"overc.system.{name}": {}, "register": "done", "failed_when": "done.error_id | default() != 'bad_argument'"}
        for name in MODULES
        if name in WITH_LAYOUT
    ]
    defaults = {"group/overc.system.overc": {"root_subvolume": "no/name"}}
    done = ansible.play(tmp_path / "play.yml", hosts=host.name, module_defaults=defaults, tasks=tasks)
    assert done.rc == 0, done.output


def test_playbook_with_three_hosts(ansible: Controller, make_host: MakeHost, tmp_path: Path) -> None:
    """Side by side; one of them has a bad package, and the others do not mind."""
    hosts = [make_host(f"fleet{number}") for number in range(3)]
    for host in hosts:
        host.release("v2")
    hosts[1].enable_repo("post-fails")
    task = {"overc.system.overc_host_upgrade": {"reboot": True}, "register": "done"}
    answer = ansible("fleet*", "overc.system.overc_host_upgrade", "-a", "reboot=true", "--forks", "3")
    assert answer.rc == 2, answer.output
    assert {name: result.get("error_id") for name, result in answer.results.items()} == {
        "fleet0": None,
        "fleet1": "package_manager_failed",
        "fleet2": None,
    }
    assert [booted(host) for host in hosts] == ["rootfs_upgrade", "rootfs", "rootfs_upgrade"]
    hosts[1].disable_repo("post-fails")
    done = ansible.play(tmp_path / "play.yml", "--forks", "3", hosts="fleet*", tasks=[task])
    assert done.rc == 0, done.output
    assert [booted(host) for host in hosts] == ["rootfs_upgrade"] * 3
    assert done.stdout.count("changed=1") == 1, "only the one that was left behind"


# --- documentation ----------------------------------------------------------------------------------------------------


def test_documentation_is_rendered(ansible: Controller) -> None:
    names = [f"overc.system.{name}" for name in MODULES]
    done = ansible.run("ansible-doc", "--json", *names)
    assert done.rc == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == set(names)
    for name, entry in found.items():
        assert {"options", "attributes", "author", "description"} <= set(entry["doc"]), name
        assert entry["return"], name
        assert yaml.safe_load(entry["examples"]), name
        if name.rpartition(".")[2] in WITH_LAYOUT:
            assert "root_subvolume" in entry["doc"]["options"], "the doc fragment is there"
    text = ansible.run("ansible-doc", "overc_host_upgrade")
    assert text.rc == 0, text.output
    assert "backup_subvolume" in text.stdout
