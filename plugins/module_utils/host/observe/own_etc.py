# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of /etc is not the administrator's: files that a root needs for its trial, and the subvolume that it names as itself."""

from __future__ import annotations

import os
import typing as t

from ...boot import guard
from ...boot.entries import kernel_words
from ...system import fstab

if t.TYPE_CHECKING:
    from .changed_since import Rewrite
    from .facts import HostFacts


def pieces_of(facts: HostFacts) -> tuple[guard.Piece, ...]:
    """Those of the guard, as each root of this host has them; none with manual protection."""
    boot = facts.entry_boot
    if boot is not None:
        if not boot.automatic or boot.place is None:
            return ()
        return guard.pieces(boot.menu.settings, boot.place.mount_point, boot.place.block, numbered=True)
    trial = facts.trial_boot
    if not trial.automatic or trial.protected is None or trial.environment is None or trial.mount_point is None:
        return ()
    return guard.pieces(trial.protected.settings, trial.mount_point, trial.environment)


def rewrites_of(facts: HostFacts, subvolume: str) -> dict[str, Rewrite]:
    """Where each deployment has a boot entry of its own, these files in the root ``subvolume`` name that one for /."""
    boot = facts.entry_boot
    if boot is None or (boot.place is not None and boot.place.by_default):
        return {}
    return {
        "fstab": lambda text: os.fsencode(fstab.set_subvolume(os.fsdecode(text), subvolume)),
        "kernel/cmdline": lambda text: os.fsencode(kernel_words.set_subvolume(os.fsdecode(text), subvolume)),
    }


__all__ = ("pieces_of", "rewrites_of")
