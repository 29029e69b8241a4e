# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins that name a release are found, renamed or commented out; others stay."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.apt.preferences import pins, rewritten

OTHERS = """\
Explanation: bookworm is mentioned only
Package: *
Pin: origin bookworm.example.com
Pin-Priority: 900

# a note
Package: foo
Pin: version 1.2*
Pin-Priority: 1001
"""


def record(pin: str) -> str:
    return f"Package: *\nPin: {pin}\nPin-Priority: 990\n"


TIED = [
    ("release n=bookworm", "release n=trixie"),
    ("release a=bookworm-backports", "release a=trixie-backports"),
    ("release o=Debian,n=bookworm , l=Debian", "release o=Debian,n=trixie , l=Debian"),
    ("release bookworm", "release trixie"),
    ('release n="bookworm"', 'release n="trixie"'),
]


@pytest.mark.parametrize(("pin", "after"), TIED)
def test_a_tied_pin(pin: str, after: str) -> None:
    text = f"{OTHERS}\n{record(pin)}\n\n{OTHERS}"
    assert [found.tied for found in pins(text, "bookworm")] == [False, False, True, False, False]
    assert rewritten(text, "bookworm", "trixie", disable=False) == text.replace(record(pin), record(after))
    disabled = rewritten(text, "bookworm", "trixie", disable=True)
    commented = "".join(f"# {line}\n" for line in record(pin).splitlines())
    assert disabled == text.replace(record(pin), commented)
    assert not any(found.tied for found in pins(disabled, "bookworm"))


@pytest.mark.parametrize(
    "pin", ["release a=stable", "release oldstable", "release a=testing", "release n=sid,a=unstable"]
)
def test_a_pin_to_a_moving_name(pin: str) -> None:
    (found,) = pins(record(pin), "bookworm")
    assert (found.tied, found.moving) == (False, True)


@pytest.mark.parametrize(
    "pin",
    ["release o=LP-PPA-bookworm", "release l=bookworm", "release c=main", "version bookworm", "origin stable", ""],
)
def test_other_pins(pin: str) -> None:
    text = record(pin)
    assert [(found.tied, found.moving) for found in pins(text, "bookworm")] == [(False, False)]
    assert rewritten(text, "bookworm", "trixie", disable=True) == text


def test_what_a_pin_says() -> None:
    (found,) = pins("package: a b\npin: release n=bookworm\nPIN-Priority: -1\n", "bookworm")
    assert (found.package, found.pin, found.priority, found.tied) == ("a b", "release n=bookworm", "-1", True)


@pytest.mark.parametrize("text", ["", "\n\n", "# Pin: release n=bookworm\n", "Package: x\n"])
def test_no_pins(text: str) -> None:
    assert pins(text, "bookworm") == ()
    assert rewritten(text, "bookworm", "trixie", disable=True) == text
