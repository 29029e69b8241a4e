# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role says what it takes: defaults, specification and README name the same variables."""

from __future__ import annotations

import ast
import re
import typing as t
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.plugin_utils import role_arguments
from ansible_collections.overc.system.plugins.plugin_utils.options import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PUBLIC = [role for role in ROLES if not (role / "meta/main.yml").read_text().count("Private")]


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text()) or {}


def entry_points(role: Path) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", load(role / "meta/argument_specs.yml")["argument_specs"])


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_what_the_specification_says(role: Path) -> None:
    specified: dict[str, t.Any] = {}
    for entry in entry_points(role).values():
        specified.update(entry.get("options") or {})
    defaults = load(role / "defaults/main.yml")
    assert set(specified) == set(defaults)
    for name, default in defaults.items():
        if isinstance(default, str) and default.startswith("{{"):  # no value of the option's type: in words
            assert "default" not in specified[name], name
            assert "By default, " in specified[name]["description"], name
        else:
            assert specified[name]["default"] == default, name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_name_of_the_role(role: Path) -> None:
    """Two underscores before it are for what the role's own tasks and playbook set."""
    names = load(role / "defaults/main.yml")
    assert [name for name in names if not name.startswith((f"{role.name}_", f"__{role.name}_"))] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_entry_point_is_a_task_file(role: Path) -> None:
    for name in entry_points(role):
        assert (role / "tasks" / f"{name}.yml").exists(), name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_readme_names_every_variable(role: Path) -> None:
    text = (role / "README.md").read_text()
    if role not in PUBLIC:
        assert "Private" in text
        return
    for name in load(role / "defaults/main.yml"):
        assert f"`{name}`" in text, name
    assert f"`{role.name}_result`" in text


def _given(tasks: t.Any) -> list[set[str]]:
    """The options that each call of the module in a file of tasks is given."""
    found = [task["overc.system.overc_host_upgrade"] for task in tasks if "overc.system.overc_host_upgrade" in task]
    nested = [_given(task[key]) for task in tasks for key in ("block", "rescue", "always") if key in task]
    return [*(set(call) for call in found), *(call for calls in nested for call in calls)]


def test_whoever_asks_for_an_upgrade_asks_for_the_same() -> None:
    """The run that builds, the one that reboots, and the look before both: else the one refuses or replaces what another does."""
    every = {**DEFAULTS["host_upgrade"], "run_creates": "/x", "advisories": "security", "release": "13"}
    builds = {*role_arguments.building("host_upgrade", every), "full"}
    looks = {*role_arguments.looking("host_upgrade", every), "full"}
    (reboots,) = _given(load(ROOT / "roles/host_upgrade/tasks/others.yml"))
    for file in ("roles/host_upgrade/tasks/run.yml", "roles/preflight/tasks/upgrade.yml"):
        assert _given(load(ROOT / file)) == [{"full"}], "what else is asked is made of the options"
    assert builds - reboots == {"force", "rejected_plans", "arm"}, "what makes anew, and what was decided by then"
    at_the_end = {"arm", "reboot", "reboot_timeout", "confirm", "health", "hidden_policy"}
    assert builds - looks == {*at_the_end, "rejected_plans"}, (
        "what check mode cannot foresee, and what is known only later"
    )
    assert (reboots | looks) - builds == set()


@pytest.mark.parametrize("role", sorted(DEFAULTS))
def test_fleets_know_the_defaults_of_the_roles(role: str) -> None:
    """A fleet's hosts get them without the role being run for each."""
    defaults = load(ROOT / "roles" / role / "defaults/main.yml")
    assert {f"{role}_{option}" for option in DEFAULTS[role]} == set(defaults)
    for option, ours in DEFAULTS[role].items():
        theirs = defaults[f"{role}_{option}"]
        words = re.fullmatch(r"{{ \w+ \| default\((.*)\) }}", str(theirs))
        assert ours == (ast.literal_eval(words[1]) if words else theirs), option


def test_the_role_says_the_timeouts_of_their_owner() -> None:
    """What the module documents is compared with its options elsewhere, and the specification of the role above."""
    role = ROOT / "roles/bootloader"
    defaults, text = load(role / "defaults/main.yml"), (role / "README.md").read_text()
    for name, seconds in asdict(Timeouts()).items():
        assert defaults[f"bootloader_{name}"] == seconds
        assert f"| `bootloader_{name}` | `{seconds}` |" in text
