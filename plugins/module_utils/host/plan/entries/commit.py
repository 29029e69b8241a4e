# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that decide what boots where each deployment has a boot entry of its own, and what has to be so before. Pure."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot


def commit_steps(boot: EntryBoot, *, arm: bool) -> tuple[str, ...]:
    """What lets the next boot come up with another deployment: a trial, or the default where GRUB cannot write."""
    if not boot.automatic:
        return ("choose",)
    return ("arm_trial",) if arm else ("disarm",)


def before_naming(boot: EntryBoot) -> tuple[str, ...]:
    """What runs is about to become what our entry says by default, and the distribution's menu has decided that so far: its
    entry has to boot what that menu boots.
    """
    return ("update_entry",) if boot.left_open and boot.runs_another else ()


__all__ = ("before_naming", "commit_steps")
