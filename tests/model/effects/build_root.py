# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of the steps that build a new root, and of those that only remember: the same for every boot method."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.host.steps import record as record_step

from tests.model.effects.at_work import AtWork, fresh
from tests.model.facts import release
from tests.model.world import UNFINISHED, Root


def snapshot(at: AtWork, name: str) -> Root:
    """Of the base, under the unfinished name. btrfs commits when it makes one."""
    made = at.root(at.context.base)._replace(uuid=fresh("u"), parent=at.context.base)
    at.change_subvolumes(lambda named: named.update({name + UNFINISHED: made}))
    at.storage.commit()
    return made


def download_packages(at: AtWork) -> bool:
    at.storage.change(lambda disk: replace(disk, downloads=True))
    return True


def drop_downloads(at: AtWork) -> bool:
    there = at.disk.downloads
    at.storage.change(lambda disk: replace(disk, downloads=False))
    return there


def create_root(at: AtWork) -> bool:
    at.notes["new_uuid"] = snapshot(at, at.context.root_name).uuid
    return True


def run_packages(at: AtWork) -> bool:
    """A new kernel takes the modules of the one before with it; those that we kept are nobody's."""
    new = at.apply.made_root().uuid
    root = at.root(new)
    kernel = at.packages.kernel if at.packages else None
    if kernel is not None:
        at.change_root(new, kernel=kernel, modules=root.kept - {kernel} | {kernel})
    drop_downloads(at)
    return True


def run_commands(_at: AtWork) -> bool:
    """What commands change in a new root is nothing that decides what boots."""
    return True


def label(_at: AtWork) -> bool:
    """Nor are labels of its files."""
    return True


def check_root(at: AtWork) -> bool:
    """Which boot files belong to the new root: those of the base, and what its packages brought."""
    root, base = at.root(at.apply.made_root().uuid), at.root(at.context.base)
    changed = root.kernel != base.kernel
    files = {**at.context.base_files, **({"kernel": root.kernel} if changed else {})}
    new_release = release(root.kernel) if changed else at.context.base_release
    at.notes.update({"new_files": files, "new_release": new_release, "kernel_changed": changed})
    return True


def keep_modules(at: AtWork) -> bool:
    """Those of the present kernel go in, those kept for the one before it go out."""
    new = at.root(at.apply.made_root().uuid)
    present = at.context.base_files["kernel"]
    kept = {present} - new.modules
    stale = new.kept - {present, new.kernel}
    modules = (new.modules | kept) - stale
    at.change_root(new.uuid, modules=modules, kept=(new.kept | kept) - stale)
    at.notes["kept_modules"] = [release(kernel) for kernel in sorted(kept)]
    return modules != new.modules


def install_guard(at: AtWork) -> bool:
    """Files in a root, each written beside and renamed; not committed."""
    target = at.root(at.apply.target().uuid)
    at.change_root(target.uuid, guard=True)
    return not target.guard


def carry_over(_at: AtWork) -> bool:
    """The model has no files of the administrator's in its roots."""
    return True


def declare_late(_at: AtWork) -> bool:
    """Nor data. What it writes acts in the root that it is written for, and changes nothing of what boots."""
    return True


def install_efi(at: AtWork) -> bool:
    """Nor EFI binaries. It counts as done: a step that finds nothing to do would make everything durable, and this one
    syncs the boot partition only.
    """
    at.storage.sync_boot()
    return True


def record(at: AtWork) -> bool:
    """What it says is the product's business; that it is durable is the model's."""
    at.record_by_product(record_step.record)
    return True


def close(_at: AtWork) -> bool:
    """The journal goes after the last step."""
    return True


EFFECTS: t.Final = {
    "download_packages": download_packages,
    "drop_downloads": drop_downloads,
    "create_root": create_root,
    "run_packages": run_packages,
    "run_commands": run_commands,
    "label": label,
    "check_root": check_root,
    "keep_modules": keep_modules,
    "install_guard": install_guard,
    "carry_over": carry_over,
    "declare_late": declare_late,
    "install_efi": install_efi,
    "record": record,
    "close": close,
}

__all__ = ("EFFECTS", "snapshot")
