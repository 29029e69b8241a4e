# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every power cut of a whole upgrade, replayed from the writes of a real run; and the same for the original tool's order."""

from __future__ import annotations

import typing as t

import pytest

from tests.sampling import ALL, day
from tests.vm import recording, results
from tests.vm.image import BOOT_FILESYSTEMS
from tests.vm.recording import Recording
from tests.vm.states import States, has_role
from tests.vm.sweep import Outcome

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("sweep")]

# A run without this many points was not a whole one
_LEAST: t.Final = 300


def _filesystems() -> list[str]:
    return list(BOOT_FILESYSTEMS) if ALL else [BOOT_FILESYSTEMS[day() % len(BOOT_FILESYSTEMS)]]


@pytest.fixture(scope="session")
def states(manual: States, automatic: States) -> States:
    return automatic if has_role() else manual


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


@pytest.mark.parametrize("filesystem", _filesystems())
def test_every_cut_of_an_upgrade_boots_old_or_new(filesystem: str, states: States) -> None:
    saved = states.get("host", filesystem)
    recorded = recording.upgrade(states.directory / f"sweep-{filesystem}", saved, states.collections)
    outcome = _swept(recorded, "upgrade", filesystem, states)
    assert outcome.bad == []
    assert outcome.points >= _LEAST
    names = [name for _, name in outcome.story]
    assert names[0] == "old"
    assert names[-1] == "new"


@pytest.mark.parametrize("filesystem", _filesystems())
def test_the_order_of_the_original_tool_fails_the_same_check(filesystem: str, states: States) -> None:
    saved = states.get("packaged", filesystem)
    recorded = recording.original(states.directory / f"original-{filesystem}", saved, states.collections)
    outcome = _swept(recorded, "original", filesystem, states)
    assert outcome.bad != []
    assert {name for _, name in outcome.story if not name.startswith("BAD")} == {"old", "new"}
