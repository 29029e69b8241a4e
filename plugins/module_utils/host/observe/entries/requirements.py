# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have whose deployments have boot entries of their own. Pure."""

from __future__ import annotations

import typing as t

from ....people import human_bytes
from ..requirements import Requirement, common_requirements

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ....boot.entries.menu import Entry
    from ..facts import HostFacts

MARGIN: t.Final = 1 << 20  # directory blocks, and the menu beside the menu
_AGAIN: t.Final = "run the module overc_bootloader (or the role overc.system.bootloader)"


def entry_requirements(facts: HostFacts, boot: EntryBoot) -> tuple[Requirement, ...]:
    """In the order in which they make sense to mend."""
    booted, is_grub = facts.booted, boot.place is None or boot.place.method == "grub-entry"
    by_default = boot.place is not None and boot.place.by_default
    known = booted is not None and any(entry.uuid == booted.uuid for entry in boot.menu.entries)
    chosen = [entry for entry in boot.menu.entries if entry.id in (boot.default, boot.newest)]
    lost = [f"{what} of deployment {entry.id}" for entry in chosen for what in _lacks(facts, boot, entry)]
    return (
        Requirement(
            "menu_hooked",
            boot.menu_problem is None,
            boot.menu_problem or f"{boot.config} leads to the menu of deployments",
            f"{_AGAIN}: it writes what is missing, and names what was changed by somebody else",
        ),
        Requirement(
            "menu_block",
            boot.block_problem is None,
            boot.block_problem or f"{boot.environment} is an environment block",
            f"grub-editenv {boot.environment} create, then {_AGAIN}" if is_grub else f"remove it, then {_AGAIN}",
        ),
        Requirement(
            "root_deployment",
            known,
            f"/ is {booted.path if booted else 'no subvolume'}, "
            + ("a deployment of the menu" if known else "which is no deployment of the menu"),
            "boot one of the menu's deployments",
        ),
        Requirement(
            "entry_files",
            not lost,
            f"gone, or broken: {', '.join(lost)}" if lost else "the kernels that boot are there, and modules for them",
            _remedy_for_lost(facts, boot, chosen),
            "kernel_broken",
        ),
        Requirement(
            "initrd_for_any_host",
            boot.initrd_problem is None,
            boot.initrd_problem or "an initrd that is made in a new root would find its disks",
            "set MODULES=most there",
        ),
        boot_space(facts, boot),
        Requirement(
            "new_root",
            not boot.blocked,
            "; ".join(each.detail for each in boot.blocked) or "nothing keeps a new deployment from being made",
            "; ".join(each.remedy for each in boot.blocked),
            boot.blocked[0].error_id if boot.blocked else "inconsistent",
        ),
        *(_own_default(facts, boot) if by_default else ()),
        *common_requirements(facts),
    )


def _own_default(facts: HostFacts, boot: EntryBoot) -> tuple[Requirement, ...]:
    """Where the default subvolume decides, no root may name another one; and one that is read-only is no accident.

    What the running kernel was told is no matter: whoever stands at the console may have told it, to get back.
    """
    chosen = {entry.subvolume for entry in boot.menu.entries if entry.id == boot.default}
    names = sorted({*chosen, *([facts.booted.path] if facts.booted else [])})
    pins = [
        f"/etc/fstab of {name}: {' '.join(facts.roots[name].fstab_pins)}"
        for name in names
        if name in facts.roots and facts.roots[name].fstab_pins
    ]
    pinned = Requirement(
        "root_not_pinned",
        not pins,
        "; ".join(pins) or "fstab names no subvolume for /",
        "remove subvol= and subvolid= there: what boots is decided by the default subvolume",
    )
    default = facts.roots.get(facts.booted.path) if facts.booted else None
    if default is None or not default.read_only:
        return (pinned,)
    return (
        pinned,
        Requirement(
            "root_not_managed",
            False,
            f"{default.subvolume.path} is read-only, as snapshots are, and the roots of MicroOS",
            "boot the default subvolume; a system that is read-only on purpose is upgraded by transactional-update",
        ),
    )


def _remedy_for_lost(facts: HostFacts, boot: EntryBoot, chosen: list[Entry]) -> str:
    running = facts.booted.uuid if facts.booted else None
    if any(_lacks(facts, boot, entry) for entry in chosen if entry.uuid != running):
        return "overc_host_rollback: it drops a deployment that waits for its reboot, and keeps the running one"
    if boot.place is not None and boot.place.by_default:
        return "write it anew: grub2-mkconfig -o /boot/grub2/grub.cfg, and dracut before that where an initrd is gone"
    return f"{_AGAIN}: it takes the kernel that the running root has now"


def _lacks(facts: HostFacts, boot: EntryBoot, entry: Entry) -> list[str]:
    files = [f"{file}" for file in (entry.kernel, entry.initrd) if file in boot.missing]
    files += [f"the boot menu ({boot.defects[entry.id]})"] if entry.id in boot.defects else []
    root = facts.roots.get(entry.subvolume)
    if entry.release and root is not None and entry.release not in root.modules:
        files.append(f"the modules for kernel {entry.release}")
    return files


def boot_space(facts: HostFacts, boot: EntryBoot) -> Requirement:
    """Room for another kernel and initrd like those that run, before anything is built."""
    sizes = boot.sizes
    own = boot.in_place.size if boot.left_open and boot.runs_another else 0
    need = (max(sizes.values(), default=0) + own + MARGIN) if boot.place is not None and boot.place.copies else MARGIN
    short = max(0, need - boot.free)
    droppable = [
        f"deployment {entry.id} ({human_bytes(sizes[entry.id])})"
        for entry in boot.menu.entries
        if entry.id in sizes
        and entry.id not in {boot.default, boot.newest}
        and facts.of_entry(entry.id) != facts.booted
    ]
    return Requirement(
        "boot_space",
        not short,
        f"{boot.mount_point} has {boot.free} bytes free, and another kernel with its initrd needs {need}"
        + (f": {short} bytes are missing" if short else ""),
        f"free {short} bytes on {boot.mount_point}"
        + (f", for instance with a smaller keep, which drops {', '.join(droppable)}" if droppable else ""),
        "no_space",
    )


__all__ = ("MARGIN", "boot_space", "entry_requirements")
