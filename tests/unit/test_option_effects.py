# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No option of a role is without effect: set to another value than its default, something that is done changes.

The tasks of the role are rendered as they are written, once with all defaults and once with the one option; and what plugins
make of the options is compared. That a task merely names an option is not enough.
"""

from __future__ import annotations

import functools
import json
import typing as t
from pathlib import Path

import jinja2
import pytest
import yaml  # type: ignore[import-untyped]
from ansible.errors import AnsibleFilterError
from ansible.plugins.filter.core import FilterModule as CoreFilters
from ansible.plugins.test.core import TestModule as CoreTests
from ansible_collections.overc.system.plugins.filter import fleet
from ansible_collections.overc.system.plugins.plugin_utils import role_arguments, run_gate, run_record, run_wave
from ansible_collections.overc.system.plugins.plugin_utils.options import DEFAULTS, ROLES, convert

from tests.unit.fleet_answers import BAD, NOW, PENDING, REFUSED, planned

ROOT = Path(__file__).resolve().parents[2]
# Whose tasks work with the options of a role beside its own
_WITH: t.Final = {"host_upgrade": ("preflight", "health"), "host_rollback": ("preflight", "health")}
# What the module answers of which the tasks go on
STAGE: t.Final = {"state": "staged", "reboot_required": True, "booted": "rootfs", "fingerprint": "f1", "actions": [{}]}

# Another value than the default, for each option of each role
OTHER: t.Final[dict[str, t.Any]] = {
    "bootloader_layout": {"kernel": "vmlinuz"},
    "bootloader_state": "absent",
    "bootloader_adopt_custom_cfg": "append",
    "host_rollback_drain_tasks": "/drain.yml",
    "host_rollback_undrain_tasks": "/undrain.yml",
    "host_upgrade_drain_tasks": "/drain.yml",
    "host_upgrade_undrain_tasks": "/undrain.yml",
    "host_upgrade_run": [["true"]],
    "host_upgrade_upgrade_mode": "dup",
    "host_upgrade_third_party_sources": "keep",
    "host_upgrade_pins": "keep",
    "host_upgrade_state_policy": "refuse",
    "host_upgrade_gpg_policy": "report",
    "host_upgrade_hidden_policy": "report",
    "host_upgrade_health_before": "ignore",
    "overlay_state": "absent",
    "overlay_containers": [{"container": "c", "directories": ["/usr"]}],
    "overlay_apply": "boot",
    "overlay_state_policy": "report",
    "pull_state": "absent",
    "pull_rings": [{"name": "canary", "successes": 1, "hosts": ["h1"]}],
    "pull_environment": {"A": "b"},
    "pull_ring": "canary",
    "pull_window": "22:00-04:00",
}
# Options that mean something only together with others
TOGETHER: t.Final[dict[str, dict[str, t.Any]]] = {
    "host_upgrade_health_before": {"health": {"ports": [1]}},
    **{
        f"pull_{option}": {
            "rings": [{"name": "canary", "successes": 1, "hosts": ["h1"]}], "ring": "canary",
            "verdicts": "s3+https://h/b", "verdicts_unsigned": False, "verdict_signers": ["canary/h1 ssh-ed25519 AAAA"],
            "verdicts_key_id": "id", "verdicts_token": "token",
        }
        for option in ("ring", "rings", "verdicts", "verdicts_token", "verdicts_key_id", "verdicts_region", "verdicts_unsigned",
                       "verdict_signers", "verdict_key")
    },
}  # fmt: skip
OTHER_IN_RINGS: t.Final[dict[str, t.Any]] = {
    "pull_ring": "",
    "pull_rings": [{"name": "canary", "successes": 2, "hosts": ["h1"]}],
    "pull_verdicts": "https://h/b",
    "pull_verdicts_key_id": "another",
    "pull_verdicts_token": "another",
    "pull_verdict_signers": [],
}


class Gone(jinja2.ChainableUndefined):
    """What only a running play knows."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, jinja2.Undefined)

    __hash__ = jinja2.ChainableUndefined.__hash__


@functools.cache
def environment() -> jinja2.Environment:
    found = jinja2.Environment(undefined=Gone)  # noqa: S701 - nothing of it is a page
    core = CoreFilters().filters()
    ours = {f"overc.system.{name}": function for name, function in fleet.FilterModule().filters().items()}
    found.filters.update({**core, **{f"ansible.builtin.{name}": filter_ for name, filter_ in core.items()}, **ours})
    found.tests.update(CoreTests().tests())
    return found


def strings(node: t.Any, condition: bool = False) -> t.Iterator[tuple[str, bool]]:
    """Every text of a file of tasks, and whether it is a condition."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from strings(value, condition or key in ("when", "that", "failed_when", "until", "changed_when"))
    elif isinstance(node, list):
        for value in node:
            yield from strings(value, condition)
    elif isinstance(node, str):
        yield node, condition


@functools.cache
def role_texts(role: str) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    for name in (role, *_WITH.get(role, ())):
        for path in sorted((ROOT / "roles" / name / "tasks").glob("*.yml")):
            found += strings(yaml.safe_load(path.read_text()))
        found += [(path.read_text(), False) for path in sorted((ROOT / "roles" / name / "templates").glob("*.j2"))]
    return found


@functools.cache
def compiled(text: str, expression: bool) -> t.Callable[..., t.Any]:
    if expression:
        return environment().compile_expression(text, undefined_to_none=False)
    return environment().from_string(text).render


def rendered(role: str, options: dict[str, t.Any], texts: list[tuple[str, bool]]) -> list[str]:
    known = {**options, "delegates": []}
    variables: dict[str, t.Any] = {
        f"__{role}_options": known, f"__{role}_asked": known, "__preflight_answer": {**STAGE, "asked": known},
        f"__{role}_stage": STAGE, "health_checks": options.get("health") or {}, "inventory_hostname": "h1",
        "hostvars": {"h1": {"__preflight_answer": {**STAGE, "asked": known}}, "localhost": {}}, "ansible_play_hosts": ["h1"],
        "__bootloader_answer": {"failed": True, "error_id": "no_trial_boot"}, "ansible_check_mode": False, "ansible_play_batch": ["h1"], "omit": "omitted",
        **{f"{role}_{name}": value for name, value in options.items()},
    }  # fmt: skip
    if role == "pull":  # what the tasks set from it on their way
        given = {key: value for key, value in options.items() if key not in ("verdicts_token", "report_token")}
        try:
            variables["__pull_ring_config"] = fleet.pull_ring_config(given, "h1", bool(options["verdicts_token"]))
        except AnsibleFilterError as error:
            return [str(error)]
    said = []
    for text, condition in texts:
        if "{{" not in text and not condition:
            continue
        try:
            if condition and "{{" not in text:
                said.append(repr(bool(compiled(text, True)(**variables))))
            else:
                said.append(compiled(text, False)(**variables))
        except Exception as error:
            # Of what only a play knows
            said.append(type(error).__name__)
    return said


def made(role: str, options: dict[str, t.Any]) -> list[t.Any]:
    """What plugins make of the options where no task does."""
    if role not in DEFAULTS:
        return []
    looked = [role_arguments.looking(role, options)]
    built = [role_arguments.building(role, options, check_mode=check) for check in (True, False)]
    outcomes = [run_wave.outcome(role.removeprefix("host_"), STAGE, options), run_wave.others_needed(STAGE, options)]
    return [*looked, *built, *outcomes]


def defaults_of(role: str) -> dict[str, t.Any]:
    defaults = yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())
    known = {name.removeprefix(f"{role}_"): value for name, value in defaults.items() if not name.startswith("__")}
    return {
        name: convert(role, name, DEFAULTS.get(role, {}).get(name, {} if "{{" in str(value) else value))
        for name, value in known.items()
    }


def other_than(name: str, value: t.Any) -> t.Any:
    if name in OTHER:
        return OTHER[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 7
    if isinstance(value, list):
        return ["another"]
    return {"retries": 7} if isinstance(value, dict) else "/another"


SINGLE: t.Final = [f"{role}_{option}" for role in ROLES if role != "fleet" for option in ROLES[role]]


@pytest.mark.parametrize("name", SINGLE)
def test_each_option_of_a_role_changes_what_is_done(name: str) -> None:
    role = next(role for role in ROLES if name.startswith(f"{role}_") and name.removeprefix(f"{role}_") in ROLES[role])
    option = name.removeprefix(f"{role}_")
    base = {**defaults_of(role), **TOGETHER.get(name, {})}
    if name in TOGETHER and name in OTHER_IN_RINGS:
        other = OTHER_IN_RINGS[name]
    else:
        other = {"kernel": "vmlinuz"} if option == "layout" else other_than(name, base[option])
    changed = {**base, option: convert(role, option, other)}
    assert changed[option] != base[option]
    texts = role_texts(role)
    before, after = (rendered(role, options, texts) for options in (base, changed))
    assert before != after or made(role, base) != made(role, changed), f"{name} has no effect"


def _run(results: dict[str, t.Any] | None = None, **options: t.Any) -> t.Any:
    """What a fleet of five hosts does, beside what it says of its options."""
    answers = {**{f"h{n}": PENDING for n in range(1, 6)}, "h6": REFUSED}
    of = planned(answers, **{"unready": "skip", **options})
    shown = {key: of[key] for key in ("waves", "run", "withheld") if key in of}
    gate = run_gate.gate(of, results or {}, of["waves"][-1] if of["waves"] else [], NOW)
    record = run_record.summary(of, results or {}, {}, NOW)
    states = {name: host["status"] for name, host in record["hosts"].items()}
    back = run_gate.done_hosts(of, results or {})
    return json.dumps([shown, gate, states, back], default=str, sort_keys=True)


ONE_BAD: t.Final = {"h1": BAD}
# With an upgrade that nobody else would get, and not at the canary
OTHERWISE_BAD: t.Final = {
    "h1": {"status": "upgraded"},
    "h2": {**BAD, "fingerprint": "f9"},
    "h3": {"status": "upgraded"},
}
# How each option of a fleet run shows: the results so far, and the option
FLEET: t.Final[dict[str, tuple[dict[str, t.Any], t.Any]]] = {
    "canary": ({}, 2),
    "serial": ({}, 3),
    "max_fail_percentage": (OTHERWISE_BAD, 100.0),
    "unready": ({}, "stop"),
    "rejected_plans": ({}, ["f1"]),
    "withhold_rejected": (ONE_BAD, False),
    "window": ({}, "01:00-02:00"),
    "not_after": ({}, "2026-11-01T00:00:00Z"),
}
# What tasks do: where it stands
TASKS: t.Final = {
    "soak": ("roles/fleet/tasks/after_wave.yml", "seconds: \"{{ hostvars['localhost'].__fleet_plan.options.soak }}\""),
    "rollback_done": ("roles/fleet/tasks/after_wave.yml", "- hostvars['localhost'].__fleet_plan.options.rollback_done"),
    "report_dir": ("roles/fleet/tasks/record.yml", "hostvars['localhost'].__fleet_plan.options.report_dir"),
    "exclude": ("playbooks/upgrade.yml", "fleet_target(groups, fleet_exclude | default(''), 'upgrade')"),
}


@pytest.mark.parametrize("option", sorted(ROLES["fleet"]))
def test_each_option_of_a_fleet_run_changes_what_is_done(option: str) -> None:
    if option in TASKS:
        place, text = TASKS[option]
        assert text in (ROOT / place).read_text()
        of = planned({"h1": PENDING}, **{option: 7})
        assert option == "exclude" or of["options"][option] == 7
        assert option in (ROOT / "roles/fleet/tasks/plan.yml").read_text()
        return
    results, other = FLEET[option]
    assert _run(results) != _run(results, **{option: other}), f"fleet_{option} has no effect"


def test_every_specified_option_is_looked_at() -> None:
    """What an argument specification names is one of those above."""
    known = {*SINGLE, *(f"fleet_{option}" for option in ROLES["fleet"])}
    for role in ROLES:
        for entry in yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())[
            "argument_specs"
        ].values():
            for name in entry.get("options") or {}:
                assert name in known or name == "fleet_command" or name.startswith("__"), name
