# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as distributions install it: its kernel is told which subvolume is its root, and has its version in its name. Pure."""

from __future__ import annotations

import typing as t

from ...boot.entries.command_line import subvolume_of
from ...boot.snapper.find import is_numbered

if t.TYPE_CHECKING:
    from .facts import HostFacts


def is_ordinary(facts: HostFacts) -> bool:
    """Whether each deployment of this host could get a boot entry of its own. False once it has been set up so."""
    if facts.booted is None or facts.entry_boot is not None or facts.layout.boot_method == "default-subvolume":
        return False
    if is_numbered(facts.booted.path):
        return True  # whether its kernels are there as well, is for the set-up to say
    named = subvolume_of(" ".join(facts.cmdline)) == facts.booted.path
    return named and facts.booted.path not in facts.layout.names and bool(facts.kernels_versioned)


__all__ = ("is_ordinary",)
