# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true in every world, and after every command."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState

from .grub import Booted, DoesNotBoot, after_cut, start
from .world import BACKUP, BAKUP, NORMAL, UNFINISHED, Boot, Btrfs, World

_MODULES: t.Final = ("overc_host_upgrade", "overc_host_rollback", "overc_host_confirm")


class Violated(Exception):
    """What is not true, as a sentence."""


def check(true: object, otherwise: str) -> None:
    """Raises Violated."""
    if not true:
        raise Violated(otherwise)


def in_every_world(world: World, state: HostState) -> None:
    """Whatever runs, was killed, or is cut now."""
    check(
        state.name not in ("inconsistent", "unsupported"),
        f"a person is needed: {state.name}: {' '.join(state.contradictions)}"
        f"{[entry.detail for entry in state.requirements if not entry.ok]}",
    )
    if world.boot.automatic and state.name == "clean":
        check(world.running in world.good, "what nobody confirmed counts as permanent")
    if state.name == "staged":
        pending = world.disk.record.pending
        check(pending and pending.uuid == world.disk.default, f"the record knows nothing of what is staged: {pending}")
    if state.name == "clean":
        check(
            _kernel_of(world.disk, world.disk.default) == world.boot.file(NORMAL), "clean, with another root's kernel"
        )
    for disk, found in after_cut(world):
        _after_a_cut(world, disk, found)


def _kernel_of(disk: Btrfs, uuid: str) -> str | None:
    root = disk.by_uuid(uuid)
    return root.kernel if root else None


def _after_a_cut(world: World, disk: Btrfs, found: tuple[Boot, Boot]) -> None:
    for uuid in world.foreign:
        check(disk.by_uuid(uuid), f"{uuid}, which is nobody's business, is gone")
    linux = found[1]
    if disk.journal is None:
        left = [name for name, _root in disk.subvolumes if name.endswith(UNFINISHED)]
        left += [name for name, _content in linux.files if name.endswith(UNFINISHED)]
        check(not left and not disk.downloads, f"without a journal there is {', '.join(left) or 'a download'}")
    _check_backup(world, disk, found)
    try:
        booted = start(world, disk, found)
    except DoesNotBoot as why:
        check(disk.journal is not None and not linux.automatic, f"nothing boots: {why}")
        # On FAT a rename is not one write: with manual protection somebody may have to take the backup entry
        half_renamed = world.boot_fs == "vfat" and found[0].file(NORMAL) is None
        check(half_renamed or _was_warned_of(disk), f"nothing boots: {why}")
        check(_boots_backup(world, disk, found), f"nothing boots, and the backup entry does not either: {why}")
        return
    # The window of manual protection: the old kernel with the new root, which has the modules of both
    window = disk.journal is not None and not linux.automatic
    check(booted.whole or window, f"kernel {booted.kernel} boots with a root of kernel {booted.root.kernel}")
    check(not booted.trial or booted.root.guard, "a trial without a guard")


def _was_warned_of(disk: Btrfs) -> bool:
    """A way back between two roots of another tool, neither of which has modules for the other's kernel: it says so."""
    context = dict(disk.journal.context) if disk.journal else {}
    default, target = disk.by_uuid(disk.default), disk.by_uuid(context.get("target") or context.get("base") or "")
    returns = context.get("operation") in ("rollback", "restore")
    return returns and bool(default and target and default.kernel not in target.modules)


def _boots_backup(world: World, disk: Btrfs, found: tuple[Boot, Boot]) -> Booted | None:
    try:
        return start(world, disk, found, "1")
    except DoesNotBoot:
        return None


def _check_backup(world: World, disk: Btrfs, found: tuple[Boot, Boot]) -> None:
    """A backup that is there can be booted; while none of our commands is at work it is one whole system."""
    root, kernel = disk.at(BAKUP), found[0].file(BACKUP)
    if disk.journal is None:
        check((root is None) == (kernel is None), "half a backup")
        if root is not None:
            booted = _boots_backup(world, disk, found)
            check(
                booted and booted.entry == "1" and booted.whole,
                f"the backup is not whole: kernel {kernel}, root {root}",
            )
    elif kernel is not None:
        check(root, "the backup's root is gone")
        check(root and kernel in root.modules, f"the backup has no modules for its kernel {kernel}: {root}")


def after_a_refusal(world: World, error: OvercError, accepted: t.Callable[[str], bool]) -> None:
    """It names what to do next, and that is not refused as well. ``accepted`` tells it of a module."""
    said = error.message
    named = {name for name in _MODULES if name in said}
    others = "eboot the host" in said or "force: true" in said
    if "can be booted from the boot menu" in said and "if there is one" not in said:
        boots = all(_boots_backup(world, disk, found) for disk, found in after_cut(world))
        check(boots, f"{error.error_id} promises a backup that does not boot: {said}")
        return
    check(
        others or "if there is one" in said or any(accepted(name) for name in named),
        f"{error.error_id} names nothing that is accepted now: {said}",
    )


def after_a_command(world: World) -> None:
    """What is reported is on the disk."""
    check(world.disks == (world.disk,), "what was reported is only in memory: btrfs")
    check(world.left == {(world.boot, world.boot)}, "what was reported is only in memory: the boot partition")
    check(world.disk.journal is None, "the journal is still there")


def after_a_repair(before: World, after: World, context: t.Mapping[str, t.Any], *, committed: bool) -> None:
    """Forward as a whole or back as a whole; and a host that runs its backup is not sent into a trial."""
    disk = after.disk
    if not committed and context["operation"] == "upgrade":
        prior = context["root_prior"]
        at_name = disk.at(context["root_name"])
        check(
            (at_name.uuid if at_name else None) == prior,
            f"{context['root_name']} is not what it was before the upgrade that is undone",
        )
    came_up = disk.name_of(after.running) == BAKUP and context["base"] != after.running
    if came_up and not before.boot.armed:
        check(not after.boot.armed, "a repair sent a host into a trial that came up with its backup")


__all__ = ("Violated", "after_a_command", "after_a_refusal", "after_a_repair", "check", "in_every_world")
