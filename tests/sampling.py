# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of the cases each day, all of them in as many days: for what is too much for every run.

``OVERC_SAMPLE=all`` takes every case, a number takes that day's part, so that yesterday's failure can be had again.
``OVERC_VARIANTS=some``, which `make test` sets, leaves to the next day every other test with real hosts, file systems or package
managers, and to other days three quarters of the variants of each that has more than two. The mark ``one_day_in`` is for a
test that takes long: it has one day in so many. One file alone, as in ``pytest FILE``, has all of its tests on every day.
"""

from __future__ import annotations

import os
import time
import typing as t
from collections.abc import Iterable, Sequence

_SECONDS_OF_A_DAY: t.Final = 86_400
_Case = t.TypeVar("_Case")
_Row = t.TypeVar("_Row")
_Column = t.TypeVar("_Column")

_FEW: t.Final = 2
_ONE_IN: t.Final = 4
_EVERY_OTHER: t.Final = 2
SOME_VARIANTS: t.Final = os.environ.get("OVERC_VARIANTS") == "some"
ALL: t.Final = os.environ.get("OVERC_SAMPLE") == "all"


def day() -> int:
    """The number of the day, or the one asked for. All processes of a run that begins before midnight must agree."""
    asked = os.environ.setdefault("OVERC_SAMPLE", str(int(time.time()) // _SECONDS_OF_A_DAY))
    return int(asked) if asked != "all" else 0


def rotating(cases: Sequence[_Case], one_in: int, *, days: int = 1) -> list[_Case]:
    """Every ``one_in``-th case, another part of them each day, or every so many ``days``; all where that was asked for."""
    return list(cases) if ALL else list(cases)[day() // days % one_in :: one_in]


def is_day_of(one_in: int) -> bool:
    """Whether today is the day of a test that has one in so many, by its mark ``one_day_in``; always where all was asked for."""
    # Not all of them on the first day of many
    return ALL or day() % one_in == one_in // 2


def one_of_each(rows: Iterable[_Row], columns: Sequence[_Column]) -> list[tuple[_Row, _Column]]:
    """Of a table's cells one in each row, another one each day, and of each column in turn; all where that was asked for."""
    if ALL:
        return [(row, column) for row in rows for column in columns]
    return [(row, columns[(day() + number) % len(columns)]) for number, row in enumerate(rows)]


def in_turn(*lists: Sequence[_Case], turn: int) -> list[_Case]:
    """One case, of another list each time, so that a short list comes often; all of all where that was asked for.

    ``turn``: the number of the day among those on which a case is taken.
    """
    if ALL:
        return [case for cases in lists for case in cases]
    turn, number = divmod(turn, len(lists))
    return [lists[number][turn % len(lists[number])]]


def some_tests(tests: t.Iterable[tuple[str, _Case]]) -> list[_Case]:
    """Every other test, by name, the others the next day; of each the variants of the day, or all of them where they are few.

    All of all where that was asked for.
    """
    grouped: dict[str, list[_Case]] = {}
    for name, variant in tests:
        grouped.setdefault(name, []).append(variant)
    return [
        variant
        for variants in rotating(list(grouped.values()), _EVERY_OTHER)
        for variant in (variants if len(variants) <= _FEW else rotating(variants, _ONE_IN, days=_EVERY_OTHER))
    ]
