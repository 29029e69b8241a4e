# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulation of rings, on a small fleet: the numbers in the documentation come from what it does."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull.rings import Ring

from bench import rings

SIZES = {"canary": 10, "early": 40, "broad": 200, "rest": 1000}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {"canary": 8, "early": 20, "broad": 50, "rest": 1}
    found = tuple(Ring(ring.name, needed[ring.name], ring.failures, ring.soak) for ring in rings.RINGS)
    monkeypatch.setattr(rings, "RINGS", found)
    monkeypatch.setattr(rings, "SIZES", SIZES)


@pytest.mark.parametrize("seed", range(5))
def test_what_fails_everywhere_stays_with_the_canaries(seed: int) -> None:
    found = rings.play(1.0, rings.DAY, rings.DAY, seed)
    assert found.booted["early"] == found.booted["broad"] == found.booted["rest"] == 0
    assert 1 <= found.booted["canary"] <= 10
    assert found.failed == found.booted["canary"]


def test_what_is_good_reaches_everybody() -> None:
    found = rings.play(0.0, rings.DAY, 3 * 3600, 1)
    assert found.booted == SIZES
    assert found.failed == 0
    assert found.done[1] < found.done[50] < found.done[99] < rings.DAYS * rings.DAY


def test_what_fails_in_the_last_ring_stops_there() -> None:
    found = rings.play(0.3, rings.DAY, rings.DAY, 2, only="rest")
    assert found.booted["broad"] >= 50
    assert 11 <= found.failed < 60
    assert found.booted["rest"] < SIZES["rest"]


def test_without_rings_everybody_has_it() -> None:
    assert sum(rings.play(1.0, rings.DAY, rings.DAY, 3, rings=False).booted.values()) == sum(SIZES.values())
