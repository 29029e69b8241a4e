# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of the steps of the boot method ``default-subvolume``: one kernel file, one default subvolume."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from tests.model.effects.at_work import AtWork
from tests.model.effects.boot_files import swap_files, write_files
from tests.model.world import BACKUP, NORMAL, UNFINISHED


def make_default(at: AtWork, uuid: str) -> bool:
    """A commit before and one after: without the second the setting was lost in every power cut."""
    if at.disk.default == uuid:
        return False
    at.storage.commit()
    at.storage.change(lambda disk: replace(disk, default=uuid))
    at.storage.commit()
    return True


def write_kernel(at: AtWork) -> bool:
    return write_files(at, at.apply.target_files(), backup=False)


def swap_kernel(at: AtWork) -> bool:
    return swap_files(at, at.apply.target_files(), backup=False)


def set_default(at: AtWork) -> bool:
    return make_default(at, at.apply.target().uuid)


def restore_default(at: AtWork) -> bool:
    """What a package's script may have changed; those of the model do not."""
    before = at.disk.by_uuid(at.context.default_before or "")
    return before is not None and make_default(at, before.uuid)


def cancel_kernel(at: AtWork) -> bool:
    written = write_files(at, at.context.base_files, backup=False)
    return swap_files(at, at.context.base_files, backup=False) or written


def cancel_default(at: AtWork) -> bool:
    return make_default(at, at.context.base)


def keep_booted(at: AtWork) -> bool:
    """A staged root that was being replaced came up: it gets its kernel back."""
    prior = at.context.root_prior or ""
    files = at.disk.record.deployments[prior].files
    written = write_files(at, files, backup=False)
    swapped = swap_files(at, files, backup=False)
    return make_default(at, prior) or swapped or written


def clean_boot(at: AtWork) -> bool:
    left = [name + UNFINISHED for name in (NORMAL, BACKUP) if at.storage.world.boot.file(name + UNFINISHED)]
    for name in left:
        at.storage.change_boot(lambda boot, name=name: boot.without(name))  # type: ignore[misc]
    if left:
        at.storage.sync_boot()
    return bool(left)


EFFECTS: t.Final = {
    "write_kernel": write_kernel,
    "swap_kernel": swap_kernel,
    "set_default": set_default,
    "restore_default": restore_default,
    "cancel_kernel": cancel_kernel,
    "cancel_default": cancel_default,
    "keep_booted": keep_booted,
    "clean_boot": clean_boot,
}

__all__ = ("EFFECTS", "make_default")
