# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command in every state of a host in openSUSE's layout. Looking and check mode announce what the command then does and
change nothing; a refusal and a no-op change nothing either; and what a refusal says to do first is done, and helps.

A run takes every state with one command, the next day's run with another one; ``OVERC_SAMPLE=all`` takes every cell.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, call, kill_at, steps, succeed
from tests.integration.crash_points_snapper import COMMANDS, Numbered
from tests.integration.test_crash_snapper import NumberedBench, kept
from tests.integration.test_deployments import adopt, root
from tests.integration.test_opensuse_layout import FIRST, default, place
from tests.lab import Host, Lab
from tests.lab.layouts import OPENSUSE
from tests.sampling import one_of_each

_UPGRADE: t.Final = next(each for each in COMMANDS if each.name == "replace")
THIRD: t.Final = place(3)
ASKED: t.Final = ("upgrade", "rollback", "confirm", "present", "absent")


class Cell(t.NamedTuple):
    """Refused with ``error``, or these steps; ``after``: the state it leaves; ``boots``: the default subvolume then.
    ``remedy``: what a refusal says to do first; the command succeeds after it, or is refused by ``then`` in the state that is.
    """

    after: str
    error: str | None = None
    does: tuple[str, ...] = ()
    boots: str | None = None
    remedy: Callable[[Host], object] | None = None
    then: str | None = None


class State(t.NamedTuple):
    """``start``: a disk; ``live``: what is done to the running host. ``boots``: the default subvolume."""

    name: str
    start: str
    boots: str
    cells: tuple[Cell, Cell, Cell, Cell, Cell]
    live: Callable[[Host], object] = lambda _host: None


def _reboot(host: Host) -> None:
    host.reboot()


def _take_back(host: Host) -> None:
    """What waits is given up: a staged upgrade, or a way back."""
    info = succeed(host, "info")
    succeed(host, "rollback", {"to": str(info["booted"]["subvolume"].split("/")[-2])})


def _make_default(host: Host) -> None:
    succeed(host, "rollback")


def _set_default(path: str) -> Callable[[Host], object]:
    return lambda host: host.sh(f"btrfs subvolume set-default {path} /; btrfs filesystem sync /")


def _first_is_default(host: Host) -> None:
    host.sh("btrfs subvolume set-default /.snapshots/1/snapshot; btrfs filesystem sync /")


def _read_only(host: Host) -> None:
    host.sh("btrfs property set -ts / ro true")


def _writable(host: Host) -> None:
    host.sh("btrfs property set -ts / ro false")


def _killed(host: Host) -> None:
    kill_at(host, "upgrade", "after", "record")


_MADE: t.Final = _UPGRADE.steps
_NOT_BOOTED: t.Final = Cell("staged", "not_booted", remedy=_reboot)
_GONE: t.Final = Cell("unsupported", "layout_unsupported", remedy=adopt)
_NOWHERE_BACK: t.Final = _GONE._replace(then="no_target")  # there was nothing before it
_SET_UP_ANEW: t.Final = Cell("clean", boots=FIRST, does=("menu",))
STATES: t.Final = {
    "not set up": State(
        "unsupported", "new", FIRST, (_GONE, _NOWHERE_BACK, _GONE, Cell("clean", does=("menu",)), Cell("unsupported")),
    ),
    "clean": State(
        "clean", "adopted", FIRST,
        (
            Cell("staged", does=_MADE, boots=THIRD), Cell("clean", "no_target"), Cell("clean"),
            Cell("clean"), Cell("unsupported", does=("menu",)),
        ),
    ),
    "upgraded": State(
        "clean", "upgraded", THIRD,
        (
            Cell("clean"), Cell("staged", does=("record", "choose"), boots=FIRST), Cell("clean"),
            Cell("clean"), Cell("unsupported", does=("menu",)),
        ),
    ),
    "staged": State(
        "staged", "adopted", THIRD,
        (
            Cell("staged"), Cell("clean", does=("choose", "record", "prune"), boots=FIRST), _NOT_BOOTED,
            Cell("staged", "not_booted", remedy=_take_back), Cell("staged", "not_booted", remedy=_reboot),
        ),
        lambda host: succeed(host, "upgrade"),
    ),
    "rollback staged": State(
        "staged", "upgraded", FIRST,
        (
            Cell("staged", "rollback_staged", remedy=_take_back), Cell("staged"), _NOT_BOOTED,
            Cell("staged", "not_booted", remedy=_take_back), Cell("staged", "not_booted", remedy=_take_back),
        ),
        lambda host: succeed(host, "rollback"),
    ),
    "elsewhere": State(
        "elsewhere", "upgraded", FIRST,
        (
            Cell("elsewhere", "not_default", remedy=_make_default), Cell("clean", does=("record", "choose"), boots=THIRD),
            Cell("elsewhere", "not_default", remedy=_make_default), Cell("elsewhere", "not_default", remedy=_make_default),
            Cell("elsewhere", "not_default", remedy=_make_default),
        ),
        _first_is_default,
    ),
    "no number is the default": State(
        "unsupported", "adopted", "", (_GONE, _NOWHERE_BACK, _GONE, _SET_UP_ANEW, Cell("unsupported", does=("menu",))),
        _set_default("5"),
    ),
    "read-only": State(
        "unsupported", "adopted", FIRST,
        (
            Cell("unsupported", "layout_unsupported", remedy=_writable),
            Cell("unsupported", "layout_unsupported", remedy=_writable, then="no_target"),
            Cell("unsupported", "layout_unsupported", remedy=_writable), Cell("unsupported"),
            Cell("unsupported", does=("menu",)),
        ),
        _read_only,
    ),
}  # fmt: skip
# Each command repairs first: a killed upgrade that was on record already is staged then
INTERRUPTED: t.Final = {"upgrade": None, "rollback": None, "confirm": "not_booted", "present": "not_booted"}


@pytest.fixture(scope="session")
def bench(lab: Lab) -> t.Iterator[NumberedBench]:
    made = NumberedBench(lab, "states_snapper", flavour=OPENSUSE)
    yield made
    made.host.destroy()


def ask(host: Host, command: str, *, check: bool = False) -> Result:
    if command not in ("present", "absent"):
        return call(host, command, check=check)
    result = host.module("overc_bootloader", {"state": command}, check=check)
    assert "Traceback" not in str(result), result
    return result


def in_state(bench: NumberedBench, state: State) -> Host:
    host = bench.begin(Numbered("", state.start, "", (), {}, 1))
    state.live(host)
    return host


def announced(result: Result) -> tuple[str, ...]:
    """The set-up has no steps: whether there is anything to do."""
    return tuple(steps(result)) if "actions" in result else ("menu",) if result.get("changed") else ()


def look(host: Host, state: State) -> None:
    """Looking and check mode change nothing, and say what there is and what would be done."""
    before = kept(host)
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["changed"], info["protection"]) == (state.name, False, "manual")
    assert info["booted"]["subvolume"] == root(host)
    for command, cell in zip(ASKED, state.cells, strict=True):
        planned = ask(host, command, check=True)
        assert planned.get("error_id") == cell.error, (command, planned["msg"])
        assert cell.error or announced(planned) == cell.does, (command, planned)
    assert kept(host) == before


CELLS = one_of_each(STATES, ASKED)


@pytest.mark.parametrize(("name", "command"), CELLS, ids=[f"{command} when {name}" for name, command in CELLS])
def test_every_command_in_every_state(bench: NumberedBench, name: str, command: str) -> None:
    state = STATES[name]
    host = in_state(bench, state)
    look(host, state)
    cell = state.cells[ASKED.index(command)]
    before = kept(host)
    result = ask(host, command)
    if cell.error:
        assert_refused(result, cell.error)
    else:
        assert not result.get("failed"), (result.get("error_id"), result.get("msg"))
        assert announced(result) == cell.does
    if not cell.does:
        assert kept(host) == before
    assert succeed(host, "info")["state"] == cell.after
    assert (default(host) if state.boots or cell.boots else "") == (cell.boots or state.boots)
    if cell.remedy is not None:
        cell.remedy(host)
        again = ask(host, command)
        assert again.get("error_id") == cell.then, again.get("msg")
    if default(host) == place(3) != root(host):
        host.reboot()
        assert (root(host), host.rpm_version("lab-app")) == (place(3), "2.0")


@pytest.mark.parametrize("command", [command for _name, command in one_of_each(["cut"], list(INTERRUPTED))])
def test_each_command_repairs_first(bench: NumberedBench, command: str) -> None:
    host = in_state(bench, State("interrupted", "adopted", FIRST, STATES["clean"].cells, _killed))
    before = kept(host)
    info = succeed(host, "info")
    assert (info["state"], info["interrupted"]["operation"]) == ("interrupted", "upgrade")
    assert ask(host, command, check=True)["changed"] is True
    assert kept(host) == before
    result = ask(host, command)
    assert result.get("error_id") == INTERRUPTED[command], result
    assert default(host) == (FIRST if command == "rollback" else THIRD)
    assert succeed(host, "info")["state"] == ("clean" if command == "rollback" else "staged")
