# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a day leaves out, another one takes; and no day leaves out a whole row or column."""

from __future__ import annotations

import itertools

import pytest

from tests import sampling

ROWS, COLUMNS = range(7), ("a", "b", "c")


@pytest.fixture(autouse=True)
def _a_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ALL", False)


@pytest.mark.parametrize("today", range(20_000, 20_006))
def test_each_day_has_every_row_and_every_column(today: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERC_SAMPLE", str(today))
    cells = sampling.one_of_each(ROWS, COLUMNS)
    assert [row for row, _column in cells] == list(ROWS)
    assert {column for _row, column in cells} == set(COLUMNS)


def test_the_days_together_have_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, cases = [], []
    for today in range(len(COLUMNS)):
        monkeypatch.setenv("OVERC_SAMPLE", str(today))
        cells += sampling.one_of_each(ROWS, COLUMNS)
        cases += sampling.rotating(range(10), len(COLUMNS))
    assert sorted(cells) == [(row, column) for row in ROWS for column in COLUMNS]
    assert sorted(cases) == list(range(10))


def test_everything_can_be_had_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ALL", True)
    assert sampling.one_of_each(ROWS, COLUMNS) == [(row, column) for row in ROWS for column in COLUMNS]
    assert sampling.rotating(range(10), 3) == list(range(10))


def test_a_short_list_comes_as_often_as_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stories, cuts = ["s1", "s2"], list(range(8))
    taken: list[list[object]] = [sampling.in_turn(stories, cuts, turn=turn) for turn in range(28)]
    assert all(len(cases) == 1 for cases in taken)
    flat = [cases[0] for cases in taken]
    assert (flat[:4], len([case for case in flat if case in stories])) == (["s1", 0, "s2", 1], 14)
    assert set(flat) == {*stories, *cuts}
    monkeypatch.setattr(sampling, "ALL", True)
    assert sampling.in_turn(stories, cuts, turn=0) == [*stories, *cuts]


def test_each_variant_has_its_day_and_each_test_every_other_day(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = [
        *(("many", n) for n in range(7)),
        ("one", 100),
        *(("two", n) for n in (200, 201)),
        ("more", 300),
        ("more", 301),
    ]
    tests += [("last", n) for n in range(400, 409)]
    taken = []
    for today in range(8):
        monkeypatch.setenv("OVERC_SAMPLE", str(today))
        taken.append(sampling.some_tests(tests))
    assert sorted(n for some in taken for n in some if n < 100) == list(range(7)), "each variant once in eight days"
    assert sorted(n for some in taken for n in some if n >= 400) == list(range(400, 409))
    assert all(
        (100 in some) != (100 in other) and (200 in some) == (201 in some) for some, other in itertools.pairwise(taken)
    )
    assert all({*taken[at], *taken[at + 1]} >= {100, 200, 201, 300, 301} for at in range(7))
    monkeypatch.setattr(sampling, "ALL", True)
    assert len(sampling.some_tests(tests)) == len(tests)
