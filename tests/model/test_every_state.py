# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every state that commands, kills, power cuts, reboots and choices in the menu lead to, explored by the real planner.

``make test`` goes breadth first until ``STATES`` states of each space were reached; ``make test-model``
(``OVERC_SAMPLE=all``) goes on. Without kills every run goes to the end where there are two fixed entries; with an entry for
each deployment there are more deployments and choices, and ``CALM`` states are looked at.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.model.spaces import (
    DEFAULT_SUBVOLUME_SPACES,
    GRUB_ENTRY_SPACES,
    LOADER_ENTRY_SPACES,
    SET_UP_SPACE,
    SNAPPER_SPACES,
    SPACES,
    Space,
)
from tests.sampling import ALL

STATES: t.Final = 1_500
CALM: t.Final = 300


def _told(space: Space, found: t.Any) -> str:
    names = ", ".join(f"{name} {count}" for name, count in sorted(found.by_name().items()))
    return f"{space.name}: {found.states} states, {found.transitions} transitions ({names})"


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_every_state_is_safe(space: Space) -> None:
    found = space.explore(limit=None if ALL else STATES)
    print(_told(space, found))
    assert found.states >= STATES or not found.waits
    assert found.unsettled() == []


@pytest.mark.parametrize("space", DEFAULT_SUBVOLUME_SPACES, ids=lambda space: space.name)
def test_from_every_state_the_commands_lead_back_to_a_clean_host(space: Space) -> None:
    found = space.explore(limit=None, kills=False)
    print(_told(space, found))
    assert found.unsettled() == []
    assert {"clean", "staged", "backup"} <= set(found.by_name())
    assert {"not_booted", "backup_boot"} <= set(found.refusals)


@pytest.mark.parametrize(
    "space",
    [*GRUB_ENTRY_SPACES, *LOADER_ENTRY_SPACES, *SNAPPER_SPACES, SET_UP_SPACE],
    ids=lambda space: space.name,
)
def test_with_an_entry_for_each_deployment_the_commands_lead_back_to_a_clean_host(space: Space) -> None:
    found = space.explore(limit=None if ALL else CALM, kills=False)
    print(_told(space, found))
    assert found.unsettled() == []
    assert {"clean", "staged", "elsewhere"} <= set(found.by_name())
    assert {"not_booted", "not_default"} <= set(found.refusals)
