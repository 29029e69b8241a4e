# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every power cut of a whole upgrade, replayed from the writes of a real run; and the same for the original tool's order."""

from __future__ import annotations

import typing as t

import pytest

from tests.sampling import ALL, day
from tests.vm import killed, recording, results, todays
from tests.vm.cuts import CONFIRM, ROLLBACK, UPGRADE, Cut
from tests.vm.image import todays_filesystems
from tests.vm.recording import Recording
from tests.vm.states import PROTECTIONS, States
from tests.vm.sweep import Outcome

pytestmark = pytest.mark.vm

# A run without this many points was not a whole one
_LEAST: t.Final = 300


def _note(name: str, filesystem: str, protection: str, outcome: Outcome) -> None:
    results.note(
        "sweep", run=name, filesystem=filesystem, protection=protection, prefixes=dict(outcome.prefixes),
        variants=dict(outcome.variants), looked=outcome.looked,
    )  # fmt: skip


def _swept(recorded: Recording, name: str, filesystem: str, states: States) -> Outcome:
    manual = states.protection == "manual"
    outcome = recording.sweep(recorded, window=manual, seed=day())
    _note(name, filesystem, states.protection, outcome)
    print(f"{name}: {outcome.points} points, looked {outcome.looked} times: {outcome.story}")
    return outcome


def _upgrades() -> list[tuple[str, str]]:
    # The promise of automatic protection is the stricter one
    protections = PROTECTIONS if ALL else ["automatic"]
    return [(protection, filesystem) for protection in protections for filesystem in todays_filesystems()]


@pytest.mark.parametrize(("protection", "filesystem"), _upgrades())
def test_every_cut_of_an_upgrade(protection: str, filesystem: str, request: pytest.FixtureRequest) -> None:
    """Old or new. With ``manual``, the old kernel may also meet the new root, and somebody may have to choose the backup."""
    states: States = request.getfixturevalue(protection)
    saved = states.get("host", filesystem)
    recorded = recording.upgrade(states.directory / f"sweep-{filesystem}", saved, states.collections)
    outcome = _swept(recorded, "upgrade", filesystem, states)
    assert outcome.bad == []
    assert outcome.points >= _LEAST
    names = [name for _moment, name in outcome.story]
    assert names[0] == "old"
    assert names[-1] == "new"


@pytest.mark.parametrize("filesystem", todays_filesystems())
def test_the_order_of_the_original_tool_fails_the_same_check(filesystem: str, automatic: States) -> None:
    saved = automatic.get("packaged", filesystem)
    recorded = recording.original(automatic.directory / f"original-{filesystem}", saved, automatic.collections)
    outcome = _swept(recorded, "original", filesystem, automatic)
    assert outcome.bad != []
    assert outcome.story[0][1] == "old"
    assert outcome.story[-1][1] == "new"


# What somebody does who was cut off: the same again, or whatever they think of
_NEXT: t.Final = (CONFIRM, ROLLBACK, UPGRADE)


def _killed() -> list[t.Any]:
    """All of them, or one that begins with a state that another test of today makes anyway."""
    points = list(enumerate(killed.points()))
    near = [(number, cut) for number, cut in points if cut.start == "packaged"]
    return [
        pytest.param(cut, _NEXT[number % len(_NEXT)], filesystem, id=f"{cut.name}-{filesystem}")
        for filesystem in todays_filesystems()
        for number, cut in (points if ALL else todays(near))
    ]


@pytest.mark.parametrize(("cut", "following", "filesystem"), _killed())
def test_cut_when_the_command_after_a_kill_has_answered(
    cut: Cut, following: str, filesystem: str, automatic: States
) -> None:
    """What the repair found done, and what it did, is on the disk when it says so."""
    directory = automatic.directory / f"killed-{filesystem}-{cut.name.replace(':', '-')}"
    recorded = killed.record(directory, automatic.get(cut.start, filesystem), automatic.collections, cut, following)
    assert "Traceback" not in str(recorded.answer)
    outcome = killed.sweep(recorded, seed=day())
    print(f"{cut.name}, then {following}: {outcome.points} points, {outcome.story}, then {outcome.ends}")
    results.note(
        "killed",
        point=cut.name,
        filesystem=filesystem,
        next=following,
        points=outcome.points,
        ends=sorted(outcome.ends),
    )
    assert outcome.bad == []
    assert outcome.ends == {recorded.boots}
