# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real boots: the documented layout in QEMU, with real GRUB, real kernels and real power cuts.

Machines are emulated and slow, so `make test` has a small part of them each day: two days a machine with Debian, then two days
one in the OverC layout, with a story of it and one of the other kinds of tests. Not every other day: each day has one file
system, the next day the other one, and half of the stories would never be told.
"""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from tests.sampling import ALL, day

_DEBIAN: t.Final = "test_debian"
_OVERC: t.Final = "test_boots"
# For `make test-vm-full` alone: there is nothing that this could take turns with
NOT_DAILY: t.Final = "test_opensuse"
_KINDS: t.Final = ("test_sweep", "test_faults", "test_power_cuts")
_DAYS: t.Final = 2
_Case = t.TypeVar("_Case")


def _day_of_overc() -> int | None:
    """How many days the machines of the OverC layout have had before; None if today is one of Debian's."""
    period, within = divmod(day(), 2 * _DAYS)
    return None if within < _DAYS else period * _DAYS + within - _DAYS


def left_out() -> frozenset[str]:
    """The files whose tests have another day."""
    if ALL:
        return frozenset()
    number = _day_of_overc()
    if number is None:
        return frozenset((_OVERC, NOT_DAILY, *_KINDS))
    return frozenset((_DEBIAN, NOT_DAILY, *_KINDS)) - {_KINDS[number % len(_KINDS)]}


def files() -> frozenset[str]:
    """All whose tests take turns, and those that have no day."""
    return frozenset((_DEBIAN, _OVERC, NOT_DAILY, *_KINDS))


def turn() -> int:
    """How many days Debian, or the OverC layout, has had before: no two days of one of them have the same number."""
    number = _day_of_overc()
    return day() // (2 * _DAYS) * _DAYS + day() % _DAYS if number is None else number


def one_a_day(these: Sequence[_Case]) -> list[_Case]:
    """Another one each day; all of them where that was asked for."""
    return list(these) if ALL else [these[day() % len(these)]]


def todays(cases: Sequence[_Case], count: int = 1) -> list[_Case]:
    """``count`` cases of a file that has every third day of the OverC layout; all of them where that was asked for.

    ``cases``: those of the day's file system, which every other day of the file has.
    """
    first = turn() // len(_KINDS) // 2 * count
    return list(cases) if ALL else [cases[number % len(cases)] for number in range(first, first + count)]
