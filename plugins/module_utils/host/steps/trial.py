# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of automatic protection. Each can be repeated: the environment block is written only if it differs."""

from __future__ import annotations

import typing as t

from ...boot import guard
from ...boot.grub.environment import NEXT_ENTRY, SAVED_ENTRY, parse_environment, read_block, write_environment
from ...boot.trial import drop_note
from ...btrfs import subvolumes
from ...errors import OvercError
from ..plan.trial import backup_is_complete

if t.TYPE_CHECKING:
    from .context import Apply


def install_guard(at: Apply) -> bool:
    """The guard's pieces as they belong, also where the root is from before it had any, or its packages broke them."""
    boot = at.facts.trial_boot
    if boot.protected is None or boot.environment is None or boot.mount_point is None:
        return False
    wanted = guard.pieces(boot.protected.settings, boot.mount_point, boot.environment)
    return guard.install(at.root(at.target()).path, wanted)


def arm_fallback(at: Apply) -> bool:
    """From here on the backup entry boots. What is left of an earlier trial stays if that one was not confirmed."""
    if at.context.backup_entry is None or at.facts.trial_boot.environment is None:
        return False
    if not backup_is_complete(at.facts):
        raise OvercError(
            "inconsistent",
            f"The backup pair ({at.context.backup_name} with /{at.context.names.backup_kernel}) is not complete, so the host "
            "could not fall back to it.",
        )
    values = parse_environment(read_block(at.facts.trial_boot.environment))
    used_up = values.get(SAVED_ENTRY, "") not in ("", "0") and values.get(NEXT_ENTRY) == ""
    return _write(at, {SAVED_ENTRY: str(at.context.backup_entry), **({} if used_up else {NEXT_ENTRY: None})})


def arm_trial(at: Apply) -> bool:
    """The commit: the next boot tries the normal entry, once. Everything it needs is on the disk before."""
    if at.context.backup_entry is None:
        return False
    subvolumes.sync(at.top)
    drop_note(at.top)
    return _write(at, {SAVED_ENTRY: str(at.context.backup_entry), NEXT_ENTRY: "0"})


def await_trial(at: Apply) -> bool:
    """Staged, and not armed: what is left of an earlier trial must not be taken for one of this deployment."""
    if at.context.backup_entry is None:
        return False
    return _write(at, {SAVED_ENTRY: str(at.context.backup_entry), NEXT_ENTRY: None})


def disarm(at: Apply) -> bool:
    """The normal entry boots, as on any other day."""
    return _write(at, {SAVED_ENTRY: None, NEXT_ENTRY: None})


def confirm(at: Apply) -> bool:
    """The commit of a confirmation: one write."""
    booted = at.facts.booted
    if booted is None or booted.uuid != at.context.base or booted.id != at.facts.default_id:
        raise OvercError("inconsistent", f"{at.context.base_name} is not what runs and boots by default any more.")
    if at.facts.trial_boot.armed:
        at.warnings.append(
            f"GRUB did not obey {at.facts.trial_boot.environment}: the trial it was told of is still waiting there. The host "
            "has no automatic protection until that is mended; find out which grub.cfg it reads."
        )
    changed = disarm(at)
    drop_note(at.top)
    return changed


def _write(at: Apply, changes: t.Mapping[str, str | None]) -> bool:
    boot = at.facts.trial_boot
    if boot.environment is None or not boot.exists:
        at.warnings.append("GRUB's environment block is gone, so nothing in it decides over the next boot.")
        return False
    return write_environment(boot.environment, changes)


__all__ = ("arm_fallback", "arm_trial", "await_trial", "confirm", "disarm", "install_guard")
