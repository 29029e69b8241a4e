# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that remove what a transaction replaced, or what a cut-off one left."""

from __future__ import annotations

import os
import shutil
import typing as t

from ...boot import partition
from ...boot.names import FILE_ROLES
from ...errors import OvercError
from ...system import syscalls
from ...system.own_dirs import state_dir
from ...system.unfinished import NEW_SUFFIX
from .carry_over import drop_unfinished_copy
from .context import Apply
from .etc.copies import drop_copies
from .etc.merge import ETC, drop_unfinished_merge
from .places import drop

# In our own directory in the top-level tree, outside of every root.
DOWNLOADS: t.Final = "packages"


def drop_downloads(at: Apply) -> bool:
    """What was downloaded for a new root."""
    path = os.path.join(state_dir(at.top), DOWNLOADS)
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OvercError(
            "btrfs_failed", f"The downloaded packages in {path} cannot be removed: {error.strerror}."
        ) from error
    return True


def drop_replaced(at: Apply) -> bool:
    """What this transaction took the place of. Only what the record knows is deleted, the rest is kept aside."""
    context = at.context
    if context.operation == "cancel":
        gone = at.facts.by_uuid(context.root_prior or "")
        booted = at.facts.booted
        if gone is None or (booted is not None and booted.uuid == gone.uuid):
            return False
        drop(at, gone, ours=gone.uuid in at.facts.record.deployments, name=gone.path)
        return True
    dropped = False
    for name, prior in ((context.root_name, context.root_prior), (context.backup_name, context.backup_prior)):
        found = at.facts.by_path(name + NEW_SUFFIX)
        if found is not None and found.uuid == prior:
            drop(at, found, ours=found.uuid in at.facts.record.deployments, name=name)
            dropped = True
    return dropped


def drop_unfinished(at: Apply) -> bool:
    """The root that never became one."""
    found = at.facts.by_path(at.context.root_name + NEW_SUFFIX)
    if found is None:
        return False
    ours = found.uuid != at.context.root_prior and found.parent_uuid == at.context.base
    if ours:
        drop_copies(at.top, only=found.uuid)
    drop(at, found, ours=ours, name=found.path, never_ran=True)
    return True


def clean_boot(at: Apply) -> bool:
    """Remove our unfinished files from the boot partition."""
    removed = False
    for role in FILE_ROLES:
        for backup in (False, True):
            name = at.boot_path_name(role, backup=backup)
            removed = (bool(name) and partition.remove_new(at.boot, name or "")) or removed
    if removed:
        partition.sync(at.boot)
    return removed


def close(at: Apply) -> bool:
    """The journal itself is closed by whoever applies the plan, after the last step. What knows only it, goes before.

    What was being carried over when the run was cut off is beside its place, in a root that may run by now: then nobody repeats
    that, and each later root would be a copy with it.
    """
    made = at.new_root() if at.context.carry_over else None
    if made is not None and made.parent_uuid == at.context.base:
        root = at.path(made.path)
        gone = [
            drop_unfinished_merge(root) if path == ETC else drop_unfinished_copy(root, path)
            for path in at.context.carry_over
        ]
        if any(gone):
            syscalls.syncfs(at.top)
    return True


__all__ = ("DOWNLOADS", "clean_boot", "close", "drop_downloads", "drop_replaced", "drop_unfinished")
