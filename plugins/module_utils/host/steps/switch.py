# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the switch from one pair of root and kernel to another, and of its way back."""

from __future__ import annotations

import typing as t

from ...boot.efi import efi_binaries, install_efi
from ...btrfs import roots
from ...errors import OvercError
from ...system import syscalls
from ...system.unfinished import NEW_SUFFIX
from ..observe.carried_over import sentence_of
from ..observe.own_etc import pieces_of, rewrites_of
from .boot_files import swap_files, write_files
from .carry_over import carry_over
from .context import Apply
from .etc.merge import ETC, Etc
from .places import exchange, keep_writable, make_default, place
from .record import record

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume


def place_root(at: Apply) -> bool:
    """Exchange the new root with what holds its name, durably."""
    return place(at, at.context.root_name, at.context.root_prior)


def unplace_root(at: Apply) -> bool:
    """Repair: give the name back; the new root is unfinished again."""
    current = at.facts.by_path(at.context.root_name)
    if current is None or current.uuid == at.context.root_prior:
        return False
    if current.parent_uuid != at.context.base:
        raise OvercError("inconsistent", f"{at.context.root_name} is neither what was there nor what was made.")
    exchange(at, at.context.root_name, at.facts.by_path(at.context.root_name + NEW_SUFFIX) is not None, back=True)
    return True


def write_kernel(at: Apply) -> bool:
    """Write the boot files of the root that becomes the default, beside those that are there."""
    return write_files(at, at.target_files(), backup=False)


def swap_kernel(at: Apply) -> bool:
    """Rename them into place."""
    return swap_files(at, at.target_files(), backup=False)


def cancel_kernel(at: Apply) -> bool:
    """Before a staged root is replaced: the running pair's kernel first (the staged root has its modules) ..."""
    written = write_files(at, at.context.base_files, backup=False)
    return swap_files(at, at.context.base_files, backup=False) or written


def cancel_default(at: Apply) -> bool:
    """... then its root."""
    return make_default(at, at.base().subvolume)


def keep_booted(at: Apply) -> bool:
    """Repair: the staged root that was to be replaced came up by itself, so it keeps its place and gets its kernel back."""
    prior = at.facts.by_uuid(at.context.root_prior or "")
    known = at.facts.record.deployments.get(at.context.root_prior or "")
    if prior is None or known is None:
        raise OvercError("inconsistent", f"{at.context.root_name} runs, but is not recorded with its kernel.")
    written = write_files(at, known.files, backup=False)
    swapped = swap_files(at, known.files, backup=False)
    return make_default(at, prior) or swapped or written


def set_default(at: Apply) -> bool:
    """Make the new root, or the target of a rollback, the default subvolume."""
    return make_default(at, at.target())


def record_switch(at: Apply) -> bool:
    """What was switched to is remembered, and is still what boots: other tools set a default subvolume too."""
    if "set_default" in at.plan.steps:
        keep_writable(at, at.target().path)
        _keep_default(at, at.target())
    return record(at)


def _keep_default(at: Apply, target: Subvolume) -> None:
    """Its kernel is in place by now: with another default subvolume, as other tools set it, nothing would boot."""
    now = roots.get_default(at.top)
    if now == target.id:
        return
    at.refresh()
    if make_default(at, target):
        at.warnings.append(
            f"Somebody set the default subvolume to id {now} meanwhile, which does not go with the kernel of {target.path}; it "
            f"is {target.path} again."
        )


def install_efi_binaries(at: Apply) -> bool:
    """EFI binaries travel with the root, as in the original tool: those that differ between the roots."""
    target = at.root(at.target())
    other = at.facts.by_uuid(at.context.default_before or "")
    before = efi_binaries(at.path(other.path)) if other else {}
    return install_efi(at.boot, target.path, before)


def carry_over_paths(at: Apply) -> bool:
    """Bring declared paths of the running root up to date in the new root; /etc is merged, and before what is in it."""
    made = at.made_root()
    running, staged = at.base().path, at.root(made).path
    etc = Etc(at.top, running, staged, made.uuid, pieces_of(at.facts), rewrites_of(at.facts, at.context.root_name))
    done = {}
    for path in sorted(at.context.carry_over):
        if path == ETC:
            done[path], conflicts = etc.merge(at.runner)
            at.result["carry_conflicts"] = conflicts
            said = sentence_of(conflicts)
            at.warnings.extend([said] if said else [])
        else:
            done[path] = carry_over(at.runner, running, staged, path)
    if any(done.values()):
        syscalls.syncfs(at.top)
    at.result["carried_over"] = [path for path in at.context.carry_over if done[path]]
    return any(done.values())


__all__ = (
    "cancel_default",
    "cancel_kernel",
    "carry_over_paths",
    "install_efi_binaries",
    "keep_booted",
    "place_root",
    "record_switch",
    "set_default",
    "swap_kernel",
    "unplace_root",
    "write_kernel",
)
