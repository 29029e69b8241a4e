# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that make the backup pair."""

from __future__ import annotations

import typing as t

from ...packages.choose import locks
from ...packages.locks import quiet
from ...system.unfinished import NEW_SUFFIX
from .boot_files import swap_files, write_files
from .context import Apply
from .keep_modules import copy_modules
from .places import drop, place, snapshot_base
from .record import base_entries, keep_record

# The new root is built: what took minutes is worth a minute of waiting for others
_PATIENCE: t.Final = 60.0


def create_backup(at: Apply) -> bool:
    """Snapshot the base, while nobody changes its packages, as the next backup.

    It also gets the modules of the backup kernel that is still there.
    """
    name = at.context.backup_name
    with quiet(locks(at.runner, at.facts.manager.name), patience=_PATIENCE):
        snapshot_base(at, name + NEW_SUFFIX)
    at.refresh()
    old, new = at.facts.roots.get(name), at.facts.roots[name + NEW_SUFFIX]
    present = at.facts.boot_files.get(at.boot_path_name("kernel", backup=True) or "")
    if old and present and present.release and present.release in old.modules - new.modules:
        copy_modules(at, old, new, present.release)
    return True


def write_backup_files(at: Apply) -> bool:
    """Write those of the base's boot files that the backup does not have yet."""
    return write_files(at, at.context.base_files, backup=True)


def place_backup(at: Apply) -> bool:
    """Exchange the backup roots, durably."""
    return place(at, at.context.backup_name, at.context.backup_prior)


def swap_backup_files(at: Apply) -> bool:
    """Rename the backup's boot files into place."""
    return swap_files(at, at.context.base_files, backup=True)


def finish_backup(at: Apply) -> bool:
    """Repair: a backup root in place gets its kernel; one that is not goes, and so does the one it replaced."""
    name = at.context.backup_name
    current, unfinished = at.facts.by_path(name), at.facts.by_path(name + NEW_SUFFIX)
    placed = current is not None and current.uuid != at.context.backup_prior and current.parent_uuid == at.context.base
    if placed and current is not None:
        write_backup_files(at)
        swap_backup_files(at)
        keep_record(at, at.facts.record.with_deployments(*base_entries(at, current)))
    if unfinished is not None:
        known = unfinished.uuid in at.facts.record.deployments
        drop(at, unfinished, ours=known if placed else unfinished.parent_uuid == at.context.base, name=name)
    return placed or unfinished is not None


__all__ = ("create_backup", "finish_backup", "place_backup", "swap_backup_files", "write_backup_files")
