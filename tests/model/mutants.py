# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planted defects: what the product would be if one of its precautions were missing. Each of them has to be found."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .effects import EFFECTS, AtWork, Effect, boot_files, subvolumes, trial
from .method import DEFAULT_SUBVOLUME, Method
from .run import Machinery
from .world import BACKUP, BAKUP, NORMAL, TORN, UNFINISHED, World, installed, protected

Steps = tuple[str, ...]


def moved(step: str, *, before: str) -> t.Callable[[Steps], Steps]:
    """Plans in which a step comes before another one."""

    def order(steps: Steps) -> Steps:
        if step not in steps or before not in steps:
            return steps
        rest = [entry for entry in steps if entry != step]
        rest.insert(rest.index(before), step)
        return tuple(rest)

    return order


def _with(**effects: Effect) -> Machinery:
    return Machinery(effects={**EFFECTS, **effects})


def _kernel_in_place(at: AtWork) -> bool:
    wanted = at.apply.target_files()["kernel"]
    at.storage.change_boot(lambda boot: boot.with_file(NORMAL, TORN))
    at.storage.change_boot(lambda boot: boot.with_file(NORMAL, wanted))
    at.storage.sync_boot()
    return True


def _backup_deleted_first(at: AtWork) -> bool:
    at.change_subvolumes(lambda named: named.pop(BAKUP, None))
    at.storage.commit()
    return subvolumes.create_backup(at)


def _default_without_sync(at: AtWork) -> bool:
    target = at.apply.target().uuid
    at.storage.change(lambda disk: replace(disk, default=target))
    return True


def _swap_without_sync_before(at: AtWork) -> bool:
    if at.storage.world.boot.file(NORMAL + UNFINISHED) is None:
        return False
    at.storage.rename_boot(NORMAL + UNFINISHED, NORMAL)
    at.storage.sync_boot()
    return True


def _swap_without_sync_after(at: AtWork) -> bool:
    if at.storage.world.boot.file(NORMAL + UNFINISHED) is None:
        return False
    at.storage.sync_boot()
    at.storage.rename_boot(NORMAL + UNFINISHED, NORMAL)
    return True


def _kernel_without_fsync(at: AtWork) -> bool:
    wanted = at.apply.target_files()["kernel"]
    if at.storage.world.boot.file(NORMAL) == wanted:
        return False
    at.storage.write_boot_file(NORMAL + UNFINISHED, wanted, fsync=False)
    at.storage.rename_boot(NORMAL + UNFINISHED, NORMAL)
    at.storage.sync_boot()
    return True


def _fallback_without_sync(at: AtWork) -> bool:
    at.storage.change_block(lambda boot: boot._replace(environment=(str(at.context.backup_entry), None)))
    return True


def _everything_else_deleted(at: AtWork) -> bool:
    """As the original tool did."""
    done = subvolumes.drop_replaced(at)
    at.change_subvolumes(lambda named: named.pop("data", None))
    at.storage.commit()
    return done


def _backup_kernel_only_if_changed(at: AtWork) -> bool:
    """As the original tool did: the kernel of the backup is written once."""
    if at.storage.world.boot.file(BACKUP) is not None:
        return False
    return boot_files.write_files(at, at.context.base_files, backup=True)


def _swap_backup_if_written(at: AtWork) -> bool:
    if at.storage.world.boot.file(BACKUP + UNFINISHED) is None:
        return False
    return subvolumes.swap_backup_files(at)


def _armed_without_commit(at: AtWork) -> bool:
    """The fallback is declared over, whatever is still only in memory."""
    return trial.write_environment(at.storage, (None, None))


def _nothing(_at: AtWork) -> bool:
    return True


@dataclass(frozen=True)
class Mutant:
    """``begins`` is the host on which it is looked for, ``method`` how that boots; ``manages``: as of an exploration."""

    machinery: Machinery
    begins: World
    method: Method = DEFAULT_SUBVOLUME
    manages: t.Literal[False, True, "and all kills"] = False


_MANUAL, _FAT = installed("ext4"), installed("vfat")
_AUTOMATIC = protected(_MANUAL)
# A root from before there was a guard: what is made of it gets one by the step alone
_UNGUARDED = _AUTOMATIC._replace(disks=_MANUAL.disks)

MUTANTS: t.Final[dict[str, Mutant]] = {
    "an upgrade switches the kernel first": Mutant(
        Machinery(order=moved("swap_kernel", before="set_default")), _MANUAL
    ),
    "a rollback switches the root first": Mutant(Machinery(order=moved("set_default", before="swap_kernel")), _MANUAL),
    "the kernel is copied over in place": Mutant(_with(write_kernel=_kernel_in_place, swap_kernel=_nothing), _MANUAL),
    "the backup is deleted before there is another": Mutant(_with(create_backup=_backup_deleted_first), _MANUAL),
    "the backup kernel is written once": Mutant(
        _with(write_backup_files=_backup_kernel_only_if_changed, swap_backup_files=_swap_backup_if_written), _MANUAL
    ),
    "what was replaced is deleted before the switch": Mutant(
        Machinery(order=moved("drop_replaced", before="place_root")), _MANUAL
    ),
    "every other subvolume is deleted": Mutant(_with(drop_replaced=_everything_else_deleted), _MANUAL),
    "the default subvolume is not synced": Mutant(_with(set_default=_default_without_sync), _MANUAL),
    "no sync before the kernel is renamed": Mutant(_with(swap_kernel=_swap_without_sync_before), _MANUAL),
    "no sync after the kernel is renamed": Mutant(_with(swap_kernel=_swap_without_sync_after), _FAT),
    "the kernel is renamed before it is written": Mutant(
        _with(write_kernel=_kernel_without_fsync, swap_kernel=_nothing), _FAT
    ),
    "no modules are kept for the kernel before": Mutant(_with(keep_modules=_nothing), _MANUAL),
    "the record is written before the work is done": Mutant(
        Machinery(order=moved("record", before="write_kernel")), _MANUAL
    ),
    "the journal goes before the last step": Mutant(Machinery(closes_after=frozenset(("set_default",))), _MANUAL),
    "a step that looks done is taken for durable": Mutant(Machinery(skips_are_durable=False), _MANUAL),
    "the trial is armed before the kernel is complete": Mutant(
        Machinery(order=moved("arm_trial", before="swap_kernel")), _AUTOMATIC
    ),
    "the fallback is not synced before the switch": Mutant(_with(arm_fallback=_fallback_without_sync), _AUTOMATIC),
    "the switch comes before the fallback": Mutant(
        Machinery(order=moved("swap_kernel", before="arm_fallback")), _AUTOMATIC
    ),
    "a trial has no guard": Mutant(_with(install_guard=_nothing), _UNGUARDED),
    "the new system is permanent without a trial": Mutant(_with(arm_trial=_armed_without_commit), _AUTOMATIC),
}

__all__ = ("MUTANTS", "Mutant")
