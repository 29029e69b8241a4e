# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that choose what boots: one act of the boot method each. Each can be repeated."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ....boot.entries.menu import DEFAULT, TRY
from ....boot.trial import drop_note
from ....btrfs import subvolumes
from ....errors import OvercError, certain
from ...observe.facts import with_choice
from ..places import keep_writable

if t.TYPE_CHECKING:
    from ..context import Apply


def arm_trial(at: Apply) -> bool:
    """The next boot tries it, once. Everything it needs is on the disk before."""
    keep_writable(at, at.context.root_name)
    subvolumes.sync(at.top)
    drop_note(at.top)
    return _write(at, {**_settled(at), TRY: str(at.context.number)})


def rearm(at: Apply) -> bool:
    """Repair: what was staged before is tried after all."""
    subvolumes.sync(at.top)
    boot = certain(at.facts.entry_boot, "the boot loader's menu")
    return _write(at, {**_settled(at), TRY: str(certain(boot.waiting, "the deployment that waits for its trial"))})


def _settled(at: Apply) -> dict[str, str | None]:
    """What boots for good is named where nobody did so yet: whatever makes the distribution's menu anew during the trial
    (grub-mkconfig, kernel-install) writes it for the system that it runs in, and that is the one on trial.

    Its entry was brought up to date before (``update_entry``), so that it boots the kernel that runs.
    """
    boot = certain(at.facts.entry_boot, "the boot loader's menu")
    return {DEFAULT: str(boot.default)} if boot.left_open else {}


def choose(at: Apply) -> bool:
    """It boots from now on."""
    keep_writable(at, at.context.root_name)
    subvolumes.sync(at.top)
    return _write(at, {DEFAULT: str(at.context.number), TRY: None})


def disarm(at: Apply) -> bool:
    """Nothing is tried; what boots by default stays."""
    return _write(at, {TRY: None})


def confirm(at: Apply) -> bool:
    """The commit of a confirmation."""
    booted = at.facts.booted
    boot = certain(at.facts.entry_boot, "the boot loader's menu")
    runs = booted is not None and booted.uuid == at.context.base
    if not runs and boot.default != at.context.number:
        raise OvercError("inconsistent", f"{at.context.base_name} is not what runs any more.")
    changed = choose(at)
    drop_note(at.top)
    return changed


def _write(at: Apply, changes: t.Mapping[str, str | None]) -> bool:
    boot = certain(at.facts.entry_boot, "the boot loader's menu")
    changed, values = certain(boot.place, "the place of the boot loader's menu").choose(changes)
    at.facts = with_choice(at.facts, replace(boot, values=values))
    return changed


__all__ = ("arm_trial", "choose", "confirm", "disarm", "rearm")
