# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of the steps that give subvolumes their names and take what was replaced away."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.steps.record import base_entries, keep_record

from tests.model.effects.at_work import AtWork
from tests.model.effects.boot_files import swap_files, write_files
from tests.model.effects.build_root import snapshot
from tests.model.world import BACKUP, UNFINISHED, Root

_KEPT: t.Final = ".overc-kept"


def exchange(at: AtWork, name: str, *, back: bool = False) -> None:
    """The unfinished subvolume and what has its name: one rename, then a commit."""
    unfinished = name + UNFINISHED

    def exchanged(named: dict[str, Root]) -> None:
        old, new = named.pop(name, None), named.pop(unfinished, None)
        if new is not None:
            named[name] = new
        if old is not None:
            named[unfinished] = old

    if not back and at.disk.at(unfinished) is None:
        raise AssertionError(f"there is no {unfinished} to be put in place")
    at.change_subvolumes(exchanged)
    at.storage.commit()


def place(at: AtWork, name: str, prior: str | None) -> bool:
    current = at.disk.at(name)
    if current is not None and current.uuid != prior:
        return False
    at.storage.commit()
    exchange(at, name)
    return True


def drop(at: AtWork, root: Root, *, ours: bool) -> None:
    """Deleted with its entry in the record if it is ours, else kept under another name. btrfs commits a deletion."""
    name = at.disk.name_of(root.uuid)
    if name is None or root.uuid in (at.disk.default, at.storage.world.running):
        raise AssertionError(f"{name} is in use and would have been deleted")
    if not ours:
        kept = name.replace(UNFINISHED, "") + _KEPT
        while at.disk.at(kept):
            kept += "-2"
        at.change_subvolumes(lambda named: named.update({kept: named.pop(name)}))
        at.storage.commit()
        return
    at.change_subvolumes(lambda named: named.pop(name, None))
    at.storage.commit()
    if root.uuid in at.disk.record.deployments:
        at.write_record(at.disk.record.with_deployments(dropped=(root.uuid,)))


def _is_recorded(at: AtWork, root: Root) -> bool:
    return root.uuid in at.disk.record.deployments


def place_root(at: AtWork) -> bool:
    return place(at, at.context.root_name, at.context.root_prior)


def unplace_root(at: AtWork) -> bool:
    current = at.disk.at(at.context.root_name)
    if current is None or current.uuid == at.context.root_prior:
        return False
    exchange(at, at.context.root_name, back=True)
    return True


def create_backup(at: AtWork) -> bool:
    """With the modules of the backup kernel that is still there: until it is replaced, it boots this root."""
    name = at.context.backup_name
    made = snapshot(at, name)
    at.mark_good(made.uuid, like=at.context.base)
    old, present = at.disk.at(name), at.storage.world.boot.file(BACKUP)
    if old and present in old.modules - made.modules:
        at.change_root(made.uuid, modules=made.modules | {present}, kept=made.kept | {present})
    return True


def write_backup_files(at: AtWork) -> bool:
    return write_files(at, at.context.base_files, backup=True)


def place_backup(at: AtWork) -> bool:
    return place(at, at.context.backup_name, at.context.backup_prior)


def swap_backup_files(at: AtWork) -> bool:
    return swap_files(at, at.context.base_files, backup=True)


def finish_backup(at: AtWork) -> bool:
    name = at.context.backup_name
    current, unfinished = at.disk.at(name), at.disk.at(name + UNFINISHED)
    placed = current is not None and current.uuid != at.context.backup_prior and current.parent == at.context.base
    if placed and current is not None:
        write_backup_files(at)
        swap_backup_files(at)
        backup = at.facts.by_uuid(current.uuid)
        at.record_by_product(
            lambda apply: keep_record(apply, apply.facts.record.with_deployments(*base_entries(apply, backup)))
        )
    if unfinished is not None:
        ours = _is_recorded(at, unfinished) if placed else unfinished.parent == at.context.base
        drop(at, unfinished, ours=ours)
    return placed or unfinished is not None


def drop_replaced(at: AtWork) -> bool:
    context = at.context
    if context.operation == "cancel":
        gone = at.disk.by_uuid(context.root_prior or "")
        if gone is None or gone.uuid == at.storage.world.running:
            return False
        drop(at, gone, ours=_is_recorded(at, gone))
        return True
    dropped = False
    for name, prior in ((context.root_name, context.root_prior), (context.backup_name, context.backup_prior)):
        found = at.disk.at(name + UNFINISHED)
        if found is not None and found.uuid == prior:
            drop(at, found, ours=_is_recorded(at, found))
            dropped = True
    return dropped


def drop_unfinished(at: AtWork) -> bool:
    found = at.disk.at(at.context.root_name + UNFINISHED)
    if found is None:
        return False
    drop(at, found, ours=found.uuid != at.context.root_prior and found.parent == at.context.base)
    return True


EFFECTS: t.Final = {
    "place_root": place_root,
    "unplace_root": unplace_root,
    "create_backup": create_backup,
    "write_backup_files": write_backup_files,
    "place_backup": place_backup,
    "swap_backup_files": swap_backup_files,
    "finish_backup": finish_backup,
    "drop_replaced": drop_replaced,
    "drop_unfinished": drop_unfinished,
}

__all__ = ("EFFECTS", "drop", "exchange")
