# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run is killed on hosts in openSUSE's layout: around each step of each plan, inside those that snapper could see, and at
each change of a name while such a host is set up or given back.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.overc.system.plugins.module_utils.host.plan.entries import commands

from tests.integration.crash_points import ROLLBACK, UPGRADE, Point, points

BOOTLOADER: t.Final = "overc_bootloader"
FIRST, THEIRS = 1, 2


class Runs(t.NamedTuple):
    """What a number holds: the version of the application, and whether the newer kernel."""

    version: str
    newer: bool


@dataclass(frozen=True)
class Numbered:
    """One command from one state: ``start`` is the disk, ``live`` what is done to the running host before. ``seen``: what may
    boot after the kill, by its number; ``wanted``: what runs at last; ``follows``: the release that is offered.
    """

    name: str
    start: str
    module: str
    steps: tuple[str, ...]
    seen: t.Mapping[int, Runs]
    wanted: int
    live: str | None = None
    args: dict[str, t.Any] = field(default_factory=dict)
    follows: str = "v2"


def _upgrade(*, whole: bool = False) -> tuple[str, ...]:
    steps = [step for step in commands.UPGRADE_STEPS if step != "install_guard"]
    steps = [step for step in steps if whole or step not in ("carry_over", "run_commands")]
    steps.insert(steps.index("check_root"), "make_menu")
    return (*steps, "choose")


_PRUNES: t.Final = (*_upgrade(), "prune")
OLD, NEW, NEWEST = Runs("1.0", newer=False), Runs("2.0", newer=True), Runs("3.0", newer=True)
_TWO: t.Final = {1: OLD, 3: NEW}
COMMANDS: t.Final = (
    Numbered(
        "upgrade", "adopted", UPGRADE, _upgrade(whole=True), _TWO, 3,
        args={"carry_over": ["/etc/lab-carried", "/etc"], "run": [["touch", "/usr/share/ran"]]},
    ),
    Numbered(
        "replace", "adopted", UPGRADE, _upgrade(), {**_TWO, 4: NEWEST}, 4, "upgrade", {}, "v3",
    ),
    Numbered(
        "prune", "twice", UPGRADE, _PRUNES, {4: NEWEST, 5: NEWEST}, 5, None, {"keep": 1, "force": True}, "v3",
    ),
    Numbered("rollback", "upgraded", ROLLBACK, ("record", "choose"), _TWO, 1),
    Numbered("cancel", "adopted", ROLLBACK, ("choose", "record", "prune"), _TWO, 1, "upgrade"),
    Numbered("stay", "upgraded", ROLLBACK, ("choose", "record"), _TWO, 3, "rollback", {"to": "3"}),
    Numbered("elsewhere", "upgraded", ROLLBACK, ("record", "choose"), _TWO, 3, "set-default"),
)  # fmt: skip
SET_UP: t.Final = Numbered("set-up", "new", BOOTLOADER, (), {1: OLD}, 1)
GIVE_BACK: t.Final = Numbered("give-back", "upgraded", BOOTLOADER, (), _TWO, 3, args={"state": "absent"})
# Between the system calls of one step, and how often each was called
_INSIDE: t.Final = (
    ("upgrade", "create_root", "os.mkdir", 1),
    ("upgrade", "create_root", "syscalls.rename", 1),
    ("upgrade", "name_root", "os.rename", 1),
    ("upgrade", "name_root", "syscalls.rename", 1),
    ("upgrade", "name_root", "os.unlink", 1),
    ("upgrade", "write_menu", "os.rename", 1),
    ("upgrade", "choose", "subvolumes._btrfs", 1),  # set, and not yet synced
    ("rollback", "choose", "subvolumes._btrfs", 1),
    ("cancel", "prune", "os.rename", 1),
    ("cancel", "prune", "subvolumes.delete", 1),
    ("cancel", "prune", "os.unlink", 1),
    ("cancel", "prune", "os.rmdir", 1),
    ("prune", "prune", "subvolumes.delete", 1),
    ("prune", "prune", "os.rmdir", 1),
)
# How many changes of a name there are; a test counts them
CHANGES: t.Final = {SET_UP.name: 11, GIVE_BACK.name: 11}
_BY_NAME: t.Final = {command.name: command for command in COMMANDS}
# Of these every point goes on in two ways, of the others in one
_SHORT: t.Final = ("rollback", "cancel", "prune")
# As in an upgrade until then
_FROM: t.Final = {"replace": "name_root", "prune": "record"}


class Case(t.NamedTuple):
    command: Numbered
    point: Point
    ways: tuple[str, ...]


def _points_of(command: Numbered) -> list[Point]:
    if command.name in CHANGES:
        return [Point("change", f"{number}") for number in range(1, CHANGES[command.name] + 1)]
    inside = [Point(step, f"{call}#{count}") for name, step, call, count in _INSIDE if name == command.name]
    first = _FROM.get(command.name, command.steps[0])
    return points(command.steps[command.steps.index(first) :]) + inside


def cases() -> list[Case]:
    """In one of four ways each, or in two: then in the one that only the power ends, or both, and in one that goes on."""
    ways, pairs = ("reboot", "powerloss", "at_once", "at_once_powerloss"), (
        ("powerloss", "at_once_powerloss"), ("reboot", "at_once_powerloss"), ("powerloss", "at_once"),
    )  # fmt: skip
    found = []
    for command in (SET_UP, *COMMANDS, GIVE_BACK):
        for number, point in enumerate(_points_of(command)):
            goes_on = pairs[number % len(pairs)] if command.name in _SHORT else (ways[number % len(ways)],)
            found.append(Case(command, point, goes_on))
    return found


__all__ = ("CHANGES", "COMMANDS", "FIRST", "GIVE_BACK", "SET_UP", "THEIRS", "Case", "Numbered", "cases")
