# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real boots: the documented layout in QEMU, with real GRUB, real kernels and real power cuts."""

from __future__ import annotations

from tests.sampling import ALL, day

# On the one day the story of a machine with Debian, on the next day one of a machine in the OverC layout
_STORIES = ("test_debian", "test_boots")


def left_out() -> str | None:
    """The file whose stories are told another day."""
    return None if ALL else _STORIES[(day() + 1) % len(_STORIES)]


def alternatives() -> frozenset[str]:
    return frozenset(_STORIES)
