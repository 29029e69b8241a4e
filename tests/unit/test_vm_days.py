# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which real boots which day has: all of them have their day, no day of a file is empty, and each has one file system.

Several rules choose at the same time (which file, which file system, which case), and those with a common divisor can leave
out some for ever.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests import sampling, vm
from tests.vm import test_boots, test_debian, test_faults, test_power_cuts
from tests.vm.image import BOOT_FILESYSTEMS

FIRST, DAYS = 20_784, 640


def _stories() -> list[t.Any]:
    stories = sampling.rotating(test_boots.STORIES, len(test_boots.STORIES))
    return [pytest.param(story, filesystem) for _what, story, filesystem, _firmware in stories]


def _identity(case: t.Any) -> str:
    return str(case.id or case.values)


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("test_boots", _stories),
        ("test_debian", test_debian._cases),
        ("test_faults", test_faults._cases),
        ("test_power_cuts", test_power_cuts._cases),
    ],
)
def test_each_has_its_day(name: str, cases: Callable[[], list[t.Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sampling, vm):
        monkeypatch.setattr(module, "ALL", False)
    taken: set[str] = set()
    for today in range(FIRST, FIRST + DAYS):
        monkeypatch.setenv("OVERC_SAMPLE", str(today))
        if name in vm.left_out():
            continue
        some = cases()
        assert some, today
        other = BOOT_FILESYSTEMS[(today + 1) % len(BOOT_FILESYSTEMS)]
        assert [case for case in some if other in case.values] == [], today
        taken |= {_identity(case) for case in some}
    for module in (sampling, vm):
        monkeypatch.setattr(module, "ALL", True)
    assert taken == {_identity(case) for case in cases()}


def test_neither_of_the_alternatives_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "ALL", False)
    told = []
    for today in range(FIRST, FIRST + 16):
        monkeypatch.setenv("OVERC_SAMPLE", str(today))
        told.append(vm.files() - vm.left_out())
    assert all("test_debian" in set().union(*told[day : day + 3]) for day in range(14))
    assert all("test_boots" in set().union(*told[day : day + 3]) for day in range(14))
    daily = vm.files() - {vm.NOT_DAILY}
    assert all(daily == set().union(*told[day : day + 8]) for day in range(9))
    assert max(map(len, told)) == 2
    monkeypatch.setattr(vm, "ALL", True)
    assert vm.left_out() == frozenset()
