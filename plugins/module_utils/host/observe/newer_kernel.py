# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that came to the running deployment in place, and that its boot entry does not boot. Pure."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .facts import HostFacts


def newer_kernel(facts: HostFacts) -> str | None:
    """What is told of it: a sentence; None where there is none, or where the next upgrade brings the entry up to date by itself,
    because the distribution's menu has started it already.
    """
    boot, booted = facts.entry_boot, facts.booted
    found = boot.in_place if boot is not None else None
    if boot is None or booted is None or found is None or found.newer is None:
        return None
    if boot.left_open and boot.runs_another and found.runs == found.newer:
        return None
    return (
        f"The kernel {found.newer} was installed in {booted.path} itself, and its boot entry boots {found.entry}. To let it boot "
        "the newer one, run the module overc_bootloader (or the role overc.system.bootloader), then reboot."
    )


def shown(facts: HostFacts) -> dict[str, t.Any] | None:
    """For a result: the newest kernel that the running deployment has beside its entry, the one of its entry, and the one that
    runs where that is not the entry's.
    """
    found = facts.entry_boot.in_place if facts.entry_boot is not None else None
    if found is None or found.newer is None:
        return None
    return {"release": found.newer, "entry": found.entry, "runs": found.runs}


__all__ = ("newer_kernel", "shown")
