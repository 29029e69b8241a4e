# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that can be meant are taken as they always were; the others are refused at once, with the option's name."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.values import LARGEST, whole_number


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0), (600, 600), ("600", 600), (" 7 ", 7), (3.0, 3), ("1e3", 1000), ("2.0", 2), (LARGEST, LARGEST), (-0.0, 0)],
)
def test_numbers(value: t.Any, number: int) -> None:
    assert whole_number("seconds", value) == number


@pytest.mark.parametrize(
    "value",
    [
        float("inf"), -float("inf"), float("nan"), "inf", "-Infinity", "nan", ".inf", "1e999999999", 1e300, 10**30, 10**5000,
        "9" * 5000, LARGEST + 1, -1, "-1", 0.5, "0.5", True, False, "true", "", "x", "0x10", "1 2", None, [], [1], {}, b"1",
    ],
    ids=lambda value: str(type(value).__name__),
)  # fmt: skip
def test_what_nobody_can_count_to(value: t.Any) -> None:
    with pytest.raises(OvercError, match=r"^seconds: .* is not a whole number from 0 to 2147483647") as error:
        whole_number("seconds", value)
    assert error.value.error_id == "bad_argument"
    assert len(error.value.message) < 150
