# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, sizes, times and lists as people read them."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils import people

from tests.unit.fleet_answers import NOW


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB"), (5 << 50, "5120 TiB")]
)
def test_bytes_for_people(number: int, text: str) -> None:
    assert people.human_bytes(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (750, "12 minutes"),
        (7200, "2 hours"),
        (200000, "2 days"),
    ],
)
def test_time_for_people(seconds: int, text: str) -> None:
    assert people.human_seconds(seconds) == text


def test_when_it_was() -> None:
    assert people.ago("2026-11-23T20:48:00Z", NOW) == "12 minutes ago"
    assert people.ago("2026-11-23T22:00:00Z", NOW) == "0 seconds ago"
    assert people.ago("yesterday", NOW) == ""


def test_long_lists_and_equal_sentences() -> None:
    assert people.names(["a", "b"]) == "a, b"
    assert people.names([str(n) for n in range(10)], 3) == "0, 1, 2 and 7 more"
    assert people.alike({"a": "x", "b": "y", "c": "x"}) == [("x", ["a", "c"]), ("y", ["b"])]
