# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power goes at a named point: SIGKILL of the emulator. What boots then is the old or the new system, whole, and the
next command brings the machine back to order.

A run takes a part of the points, the next day's run takes others; ``OVERC_SAMPLE=all`` takes all of them.
"""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.vm import cuts, results, todays
from tests.vm.conftest import MakeGuest
from tests.vm.controller import Result
from tests.vm.cuts import CONFIRM, ROLLBACK, UPGRADE, Cut
from tests.vm.cutting import run_to
from tests.vm.guest import Guest
from tests.vm.image import todays_filesystems
from tests.vm.states import States

pytestmark = pytest.mark.vm

A_DAY: t.Final = 3

# One in that many goes on until it is clean again, which takes another boot
_ALL_THE_WAY: t.Final = 3
_SETTLED: t.Final = frozenset({"clean", "staged", "trial", "fallback", "backup"})
_NEXT: t.Final = (ROLLBACK, CONFIRM, ROLLBACK, UPGRADE)
# What a command may answer to a machine that is not in the state for it
_FINE: t.Final = frozenset({None, "no_target", "not_booted", "backup_boot", "unconfirmed", "known_bad"})


def _cases() -> list[t.Any]:
    # One file system after the other, because the states of each take minutes to make
    possible = [(cut, number, fs) for fs in todays_filesystems() for number, cut in enumerate(cuts.every())]
    return [pytest.param(cut, number, fs, id=f"{cut.name}-{fs}") for cut, number, fs in todays(possible, A_DAY)]


@pytest.mark.parametrize(("cut", "number", "filesystem"), _cases())
def test_cut(cut: Cut, number: int, filesystem: str, automatic: States, make_guest: MakeGuest) -> None:
    guest = make_guest(automatic, cut.start, filesystem)
    releases = guest.releases
    run_to(guest, cut, guest.release)
    guest.cut()
    assert guest.disk_defect() is None
    guest.on()
    seen = guest.look()
    assert seen.defects == []
    version = seen.version(releases)
    assert version in cut.boots, seen
    module = _NEXT[number % len(_NEXT)]
    ends = _settle(guest, module) if number % _ALL_THE_WAY == 0 else _next(guest, module)
    assert guest.disk_defect_of_a_running_machine() is None
    results.note(
        "cut", point=cut.name, filesystem=filesystem, protection=automatic.protection, boots=version, entry=seen.kernel,
        next=module, ends=ends,
    )  # fmt: skip


def _next(guest: Guest, module: str) -> str:
    """One command: whatever was interrupted is repaired by it, and it says in which state the machine is."""
    said = _answer(guest, module)
    assert said["state"] in _SETTLED, said
    return str(said["state"])


def _settle(guest: Guest, first: str) -> str:
    """Run the next command, and what follows from its answer, until an upgrade can begin."""
    story = [_answer(guest, first)]
    for _turn in range(4):
        said = story[-1]
        if said["state"] == "clean":
            break
        # What the backup entry restored is staged while the state is still "backup"
        staged = said["state"] == "staged" or bool(said.get("reboot_required"))
        if staged:
            guest.machine.reboot()
        story.append(_answer(guest, CONFIRM if staged or said["state"] == "trial" else ROLLBACK))
    assert story[-1]["state"] == "clean", json.dumps(story, indent=1)
    seen = guest.look()
    assert seen.defects == []
    assert seen.version(guest.releases) in {"old", "new"}, seen
    return f"clean, {seen.version(guest.releases)}"


def _answer(guest: Guest, module: str) -> Result:
    result = guest.controller.call(module)
    assert result.get("error_id") in _FINE, result
    assert "Traceback" not in str(result)
    return result if "state" in result else {**result, "state": guest.info()["state"]}
