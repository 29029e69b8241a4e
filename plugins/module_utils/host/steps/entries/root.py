# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that make a new root one that boots by an entry of its own, and decide whether it can."""

from __future__ import annotations

import os
import typing as t

from ....boot import guard, kernel
from ....boot.entries.kernels import Kernel, choose, files_of, kernels_in, unusable_in
from ....boot.entries.write import missing_bytes
from ....boot.initrd import pins_of
from ....boot.unpack import Unpacker
from ....errors import OvercError, certain
from ....failures import says_full
from ....system.flags import is_locked
from ....system.own_dirs import create_state_dir
from ....system.presence import is_plain_file
from ....system.rooted_path import plain_parent, regular_file_in_root
from ....system.unfinished import NEW_SUFFIX
from ...observe.entries.requirements import MARGIN
from .. import build_root, cleanup, late, switch
from ..complete import refuse_incomplete, refuse_unindexed
from ..hidden import refuse_hidden
from ..places import place
from .own_menu import booted_by_menu
from .own_subvolume import rewrite_fstab, rewrite_kernel_words
from .remember import seal

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ....boot.entries.method import Place
    from ...observe.facts import RootFacts
    from ..context import Apply


def menu_of(at: Apply) -> tuple[EntryBoot, Place]:
    boot = certain(at.facts.entry_boot, "the boot loader's menu")
    return boot, certain(boot.place, "the place of the boot loader's menu")


def prepare_root(at: Apply) -> bool:
    """fstab names the root's own subvolume, for people and programs that believe it; and where /boot is a partition, the new
    root's own /boot gets the kernels that are on it, or packages would not make initrds for them.
    """
    new = at.root(at.made_root()).path
    _boot, where = menu_of(at)
    if where.by_default:
        return False
    changed = rewrite_fstab(new, at.context.root_name)
    changed = rewrite_kernel_words(new, at.context.root_name, make=where.by_kernel_install) or changed
    if where.apart:
        releases = at.base().modules
        for found in kernels_in("/", at.boot.lstrip("/")):
            if found.release in releases:
                changed = _copy_kernel(at, new, found.release) or changed
    return changed


def _copy_kernel(at: Apply, root: str, release: str) -> bool:
    changed = False
    for name in files_of(release):
        parent = plain_parent(root, f"boot/{name}")
        if parent is None:
            raise OvercError("layout_unsupported", "/boot of the new root is no directory.")
        source, target = os.path.join(at.boot, name), os.path.join(parent, name)
        if not is_plain_file(source) or (is_plain_file(target) and _alike(source, target)):
            continue
        done = at.runner.run(("cp", "-a", "--remove-destination", "--no-target-directory", source, target + NEW_SUFFIX))
        if done.rc != 0:
            error_id = "no_space" if says_full(done.stderr) else "io_error"
            raise OvercError(error_id, f"Cannot copy {source} into the new root.", **done.facts())
        os.rename(target + NEW_SUFFIX, target)
        changed = True
    return changed


def _alike(source: str, target: str) -> bool:
    """By their bytes, too: a kernel that was damaged, or signed again, may have kept its size and time."""
    one, other = os.lstat(source), os.lstat(target)
    alike = (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    return alike and kernel.sha256_of(source) == kernel.sha256_of(target)


def check_root(at: Apply) -> bool:
    """Decide which kernel belongs to the new root, and that the pair can boot."""
    at.refresh(changed=at.made_root().uuid)
    new, base = at.root(at.made_root()), at.base()
    if is_locked(new.path):
        raise OvercError(
            "access_denied",
            "The packages made / of the new root immutable or append-only (lsattr -d /): it could get no other name.",
        )
    refuse_incomplete(at, new, base)
    refuse_hidden(at, new.path, base.path)
    _boot, where = menu_of(at)
    if new.fstab_pins != (() if where.by_default else (f"subvol={at.context.root_name}",)):
        raise OvercError(
            "layout_unsupported",
            f"The packages changed what /etc/fstab says of /: {' '.join(new.fstab_pins) or 'no subvolume'}.",
        )
    found = _kernel_of(new, base)
    if where.by_default:
        found = booted_by_menu(at, new.path, found)
    files = boot_files_of(new.path, {"kernel": found.name, "initrd": certain(found.initrd, "the initrd")})
    _refuse_broken(new, found, files)
    refuse_unindexed(new, base, found.release)
    digests = {role: kernel.sha256_of(path) for role, path in files.items()}
    pins, problem = pins_of(files["initrd"], Unpacker(at.runner, create_state_dir(at.top)))
    if pins:
        raise OvercError(
            "layout_unsupported",
            f"The packages made an initrd that names a subvolume for /: {' '.join(pins)}. For dracut, set hostonly_cmdline=no in "
            "/etc/dracut.conf.d, then run the same command again.",
        )
    if problem:
        at.warnings.append(f"The initrd {found.initrd} was not looked into for the name of a subvolume ({problem}).")
    if where.copies:
        boot = menu_of(at)[0]
        need = missing_bytes(where, {digests[role]: path for role, path in files.items()}) + MARGIN
        if need > boot.free:
            raise OvercError(
                "no_space",
                f"{where.mount_point} has {boot.free} bytes free, and kernel and initrd of the new root need {need}: "
                f"{need - boot.free} bytes are missing. Free them, or let fewer deployments stay with keep.",
            )
    at.notes.update(
        {
            "new_files": digests,
            "new_release": found.release,
            "new_names": {"kernel": found.name, "initrd": found.initrd},
        }
    )
    return True


def boot_files_of(root: str, names: t.Mapping[str, str]) -> dict[str, str]:
    """Where the files of a root's /boot with these names (by role) are; links do not lead out of that root."""
    return {
        role: certain(regular_file_in_root(root, f"boot/{name}"), f"/boot/{name} of the new root")
        for role, name in names.items()
    }


def _kernel_of(new: RootFacts, base: RootFacts) -> Kernel:
    there, before = kernels_in(new.path), {entry.release for entry in kernels_in(base.path)}
    for entry in there:
        if entry.release not in new.modules and entry.release not in before and entry.release not in base.modules:
            raise OvercError(
                "kernel_modules_missing",
                f"The packages bring kernel {entry.release} without its modules "
                f"(found: {', '.join(sorted(new.modules)) or 'none'}).",
            )
    known = {entry.name for entry in unusable_in(base.path)}
    for entry in unusable_in(new.path):
        if entry.name not in known:
            # Not passed over for an older one: it is what the packages, and everybody else, take for the kernel
            raise OvercError("kernel_broken", f"The kernel of the new root, /boot/{entry.name}, is empty, or no file.")
    newest = next((entry for entry in there if entry.release in new.modules), None)
    chosen = choose(there, new.modules)
    if newest is not None and newest != chosen:
        raise OvercError("kernel_broken", f"The newest kernel of the new root, {newest.name}, has no initrd.")
    if chosen is None:
        raise OvercError(
            "kernel_modules_missing", "The new root has no kernel in /boot that has an initrd and modules."
        )
    return chosen


def _refuse_broken(new: RootFacts, found: Kernel, files: t.Mapping[str, str]) -> None:
    defect = kernel.read_defect(files["kernel"])
    if defect:
        raise OvercError("kernel_broken", f"The kernel of the new root, /boot/{found.name}, {defect}.")
    release = kernel.read_release(files["kernel"])
    if release is not None and release != found.release:
        raise OvercError("kernel_broken", f"The kernel of the new root, /boot/{found.name}, is kernel {release}.")
    foreign = kernel.foreign_modules(new.path, found.release)
    if foreign:
        raise OvercError(
            "kernel_modules_missing",
            f"The new root has kernel {found.release}, and under its name the modules of kernel {foreign}.",
        )


def install_guard(at: Apply) -> bool:
    """The guard's pieces as they belong, also where the root is from before it had any."""
    boot, where = menu_of(at)
    wanted = guard.pieces(boot.menu.settings, where.mount_point, where.block, numbered=True)
    return guard.install(at.root(at.target()).path, wanted)


def name_root(at: Apply) -> bool:
    """The new root gets its name, durably; nothing ever had it. What names that root to itself was written before packages
    ran, and one of their scripts may have taken the name that the root had then.
    """
    made, where = at.facts.by_uuid(at.made_root().uuid), menu_of(at)[1]
    if made is not None and made.path != at.context.root_name:
        if not where.by_default:
            rewrite_kernel_words(at.root(made).path, at.context.root_name, make=where.by_kernel_install)
        where.describe(number_of_new(at), at.context.base_name)
    placed = place(at, at.context.root_name, None)
    return where.settle(number_of_new(at)) or placed


def number_of_new(at: Apply) -> int:
    return certain(at.context.number, "the id of the new deployment")


def create_root(at: Apply) -> bool:
    """Snapshot the base, where the new root's number is nobody else's."""
    menu_of(at)[1].claim(number_of_new(at))
    return build_root.create_root(at)


def carry_over(at: Apply) -> bool:
    """Bring declared paths of the running root up to date in the new root, whose fstab names that one whatever is brought."""
    changed = switch.carry_over_paths(at)
    new, where = at.root(at.made_root()).path, menu_of(at)[1]
    if not where.by_default:
        changed = rewrite_fstab(new, at.context.root_name) or changed
        changed = rewrite_kernel_words(new, at.context.root_name, make=where.by_kernel_install) or changed
    seal(at)
    return changed


def unplace_root(at: Apply) -> bool:
    """Repair: the name is given back, unless it is somebody else's who took the number first."""
    return menu_of(at)[1].is_ours(number_of_new(at)) and switch.unplace_root(at)


def drop_unfinished(at: Apply) -> bool:
    """Repair: the root that never became one."""
    return menu_of(at)[1].is_ours(number_of_new(at)) and cleanup.drop_unfinished(at)


def declare_late(at: Apply) -> bool:
    """What the root brings over when it first starts. One that waits for that already was written to by us, not by itself."""
    changed = late.declare_late(at)
    if at.context.target is None:
        seal(at)
    return changed


__all__ = (
    "boot_files_of",
    "carry_over",
    "check_root",
    "create_root",
    "declare_late",
    "drop_unfinished",
    "install_guard",
    "menu_of",
    "name_root",
    "prepare_root",
    "unplace_root",
)
