# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which waves, and when: what a person may ask of a fleet run."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import run_options
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleet_answers import NOW, five


@pytest.mark.parametrize(
    ("count", "canary", "serial", "sizes"),
    [
        (5, 1, 2, [1, 2, 2]),
        (5, "1", "2", [1, 2, 2]),
        (10, "10%", "25%", [1, 2, 2, 2, 2, 1]),
        (10, 2, "1,50%", [2, 1, 5, 2]),
        (10, 0, [3, "100%"], [3, 7]),
        (1, 1, 5, [1]),
        (0, 1, 5, []),
        (3, 5, 1, [3]),
        (3, "1%", "1%", [1, 1, 1]),
    ],
)
def test_waves(count: int, canary: t.Any, serial: t.Any, sizes: list[int]) -> None:
    assert [len(wave) for wave in run_options.waves([str(n) for n in range(count)], canary, serial)] == sizes


@given(
    st.integers(0, 200),
    st.one_of(st.integers(0, 50), st.integers(0, 100).map("{}%".format)),
    st.lists(st.one_of(st.integers(1, 50), st.integers(1, 100).map("{}%".format)), min_size=1, max_size=4),
)
def test_every_host_is_in_exactly_one_wave(count: int, canary: t.Any, serial: t.Any) -> None:
    hosts = [f"h{n}" for n in range(count)]
    found = run_options.waves(hosts, canary, serial)
    assert [host for wave in found for host in wave] == hosts
    assert all(found)


@pytest.mark.parametrize("bad", ["0", "", "x", "-1", "101%", "1.5", [], [0], ["1", "no"]])
def test_wave_sizes_that_cannot_be_meant(bad: t.Any) -> None:
    with pytest.raises(FleetError):
        run_options.waves(["a"], 1, bad)


@pytest.mark.parametrize("bad", [-1, 101, "x", None, True, float("nan"), float("inf"), 10**400])
def test_limit_that_cannot_be_meant(bad: t.Any) -> None:
    with pytest.raises(FleetError, match="fleet_max_fail_percentage"):
        five(max_fail_percentage=bad)


@pytest.mark.parametrize("bad", [-1, "x", True, float("inf"), float("nan"), "1e999999999", 0.5, None, [1]])
def test_bad_soak(bad: t.Any) -> None:
    with pytest.raises(FleetError, match=r"^fleet_soak: .* is not a whole number"):
        five(soak=bad)


@pytest.mark.parametrize(
    ("clock", "window", "is_open"),
    [
        ("03:59", "22:00-04:00", True),
        ("04:00", "22:00-04:00", False),
        ("22:00", "22:00-04:00", True),
        ("21:59", "22:00-04:00", False),
        ("10:00", "9:30-10:30", True),
        ("10:30", "9:30-10:30", False),
    ],
)
def test_window(clock: str, window: str, is_open: bool) -> None:
    assert (run_options.closed(f"2026-11-23T{clock}:00Z", window) is None) is is_open


@pytest.mark.parametrize(("window", "not_after"), [("22-4", ""), ("25:00-04:00", ""), ("1:00-1:00", ""), ("", "soon")])
def test_window_that_cannot_be_meant(window: str, not_after: str) -> None:
    with pytest.raises(FleetError, match=r"UTC|empty"):
        run_options.closed(NOW, window, not_after)


def test_not_after() -> None:
    assert run_options.closed(NOW, not_after="2026-11-23T21:00:00Z") is None
    assert "after" in str(run_options.closed(NOW, not_after="2026-11-23T20:59:59Z"))
