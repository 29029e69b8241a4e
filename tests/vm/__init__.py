# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real boots: the documented layout in QEMU, with real GRUB, real kernels and real power cuts."""

from __future__ import annotations

from tests.sampling import ALL, day

# Two days with stories of a machine with Debian, then two with stories of one in the OverC layout. Not every other day: each
# day has one file system, the next day the other one, and half of the stories would never be told
_STORIES = ("test_debian", "test_boots")
_DAYS = 2


def left_out() -> str | None:
    """The file whose stories are told another day."""
    return None if ALL else _STORIES[(day() // _DAYS + 1) % len(_STORIES)]


def turn() -> int:
    """How many days the file whose stories are told today has had before: no two of its days have the same."""
    period, within = divmod(day(), _DAYS * len(_STORIES))
    return period * _DAYS + within % _DAYS


def alternatives() -> frozenset[str]:
    return frozenset(_STORIES)
