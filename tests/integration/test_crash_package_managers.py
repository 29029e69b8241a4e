# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same kills as in ``test_crash``, of upgrades on hosts with DNF 5 and with zypper: around each step, and while packages are
installed. A day takes a point or two of each, ``OVERC_SAMPLE=all`` every point, ``OVERC_CRASH_ALL=1`` every one in all four ways.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests.integration.crash_bench import EVERYTHING, WAYS, Bench, killed
from tests.integration.crash_points import (
    IN_PACKAGES,
    TRANSACTIONS,
    Point,
    Transaction,
    kill_at,
    kill_in_packages,
    with_packages,
)
from tests.integration.crash_report import PROPERTY
from tests.integration.crash_table import FLAVOURS
from tests.integration.test_crash import begin, check_after_kill
from tests.lab import Lab
from tests.sampling import rotating

pytestmark = pytest.mark.crash

POINTS: t.Final = with_packages()
Benches = Callable[[str], Bench]
_DAYS: t.Final = 60  # until each case came round


def _sample(cases: t.Sequence[t.Any]) -> list[tuple[int, t.Any]]:
    """Numbered before they are chosen: a point goes on in the same way whichever day it is taken."""
    numbered = list(enumerate(cases))
    return numbered if EVERYTHING else rotating(numbered, min(len(cases), _DAYS))


def _ways(number: int) -> tuple[str, ...]:
    return WAYS if EVERYTHING else (WAYS[number % len(WAYS)],)


def _cases() -> list[t.Any]:
    # Of each a point or two a day, and not the same; each point goes on in another way with the other one
    return [
        pytest.param(flavour, transaction, point, way, number, id=f"{flavour}-{transaction.name}-{point}-{way}")
        for turn, flavour in enumerate(FLAVOURS)
        for number, (transaction, point) in _sample(
            POINTS[turn * len(POINTS) // 2 :] + POINTS[: turn * len(POINTS) // 2]
        )
        for way in _ways(number + turn)
    ]


def _in_packages() -> list[t.Any]:
    moments = [(moment, way) for moment in IN_PACKAGES for way in WAYS]
    return [
        pytest.param(flavour, moment, way, id=f"{flavour}-{moment}-{way}")
        for turn, flavour in enumerate(FLAVOURS)
        for _number, (moment, way) in _sample(moments[5 * turn :] + moments[: 5 * turn])
    ]


@pytest.fixture(scope="session")
def benches(lab: Lab) -> t.Iterator[Benches]:
    made: dict[str, Bench] = {}

    def bench(flavour: str) -> Bench:
        if flavour not in made:
            made[flavour] = Bench(lab, f"crash_{flavour}", flavour=flavour)
        return made[flavour]

    yield bench
    for each in made.values():
        each.host.destroy()


@pytest.mark.parametrize(("flavour", "transaction", "point", "way", "number"), _cases())
def test_killed(
    benches: Benches,
    record_property: Callable[[str, object], None],
    flavour: str,
    transaction: Transaction,
    point: Point,
    way: str,
    number: int,
) -> None:
    record_property(PROPERTY, f"{flavour}-{transaction.name} {point} {way}")
    bench = benches(flavour)
    host = begin(bench, transaction)
    killed(host, transaction.module, transaction.args, kill_at(point))
    check_after_kill(host, transaction, way, number)


@pytest.mark.parametrize(("flavour", "moment", "way"), _in_packages())
def test_killed_in_the_package_manager(
    benches: Benches, record_property: Callable[[str, object], None], flavour: str, moment: str, way: str
) -> None:
    transaction = TRANSACTIONS[0]
    record_property(PROPERTY, f"{flavour}-packages {moment} {way}")
    host = begin(benches(flavour), transaction)
    killed(host, transaction.module, transaction.args, kill_in_packages(*IN_PACKAGES[moment]))
    check_after_kill(host, transaction, way, 1)
