# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a deployment could boot, as far as that can be seen from outside. Pure."""

from __future__ import annotations

import typing as t

from .essentials import DIRECTORIES, FIRST_TARGET
from .state import files_of, source_of

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from .facts import HostFacts, RootFacts


def defects_of(facts: HostFacts, subvolume: Subvolume) -> tuple[str, ...]:
    """What keeps a deployment from booting, as sentences without their end; none where nothing shows that.

    ``facts`` must have been observed with digests. A host on which no root has modules has a kernel that needs none; what
    else a root needs is known by what the running one has.
    """
    root = facts.roots.get(subvolume.path)
    if root is None:
        return ()
    running = facts.roots.get(facts.booted.path) if facts.booted else None
    found = [f"{subvolume.path} has no {thing}" for thing in lacks(root, running)]
    if root.read_only:
        found.append(f"{subvolume.path} has the btrfs property ro=true")
    files = files_of(facts, subvolume)
    kernel = source_of(facts, "kernel", files["kernel"]) if "kernel" in files else None
    if kernel is not None and kernel.defect:
        found.append(f"the kernel of {subvolume.path}, {kernel.path}, {kernel.defect}")
    backup_kernel = facts.names.backup_kernel if facts.names and subvolume.path == facts.layout.backup else None
    if backup_kernel and backup_kernel not in facts.boot_files:
        found.append(f"{subvolume.path} has no kernel: {facts.layout.boot_dir}/{backup_kernel} is not there")
    release = kernel.release if kernel is not None else None
    if release and release not in root.modules and any(entry.modules for entry in facts.roots.values()):
        found.append(f"{subvolume.path} has no modules for its kernel {release}")
    unusable = unusable_modules(root, running, release)
    if unusable:
        found.append(f"{subvolume.path} {unusable}")
    return tuple(found)


def backup_defects_of(facts: HostFacts) -> tuple[str, ...]:
    """What keeps the backup entry from booting, where a backup made anew of what runs would boot; none where nothing shows that.

    ``facts`` must have been observed with digests.
    """
    backup, booted = facts.by_path(facts.layout.backup), facts.booted
    if booted is None:
        return ()
    if backup is None:
        return (f"there is no subvolume {facts.layout.backup}",)
    inherited = {text.replace(booted.path, backup.path, 1) for text in defects_of(facts, booted)}
    return tuple(text for text in defects_of(facts, backup) if text not in inherited)


def unusable_modules(root: RootFacts, known: RootFacts | None, release: str | None) -> str | None:
    """What a root that has modules of a kernel lacks, so that none of them would be found at boot; None where nothing shows that.

    ``known`` is a root that came up: it shows that modules have an index here, this kernel's too if it has them already.
    """
    if known is None or release not in root.modules or not known.indexed or release in known.modules - known.indexed:
        return None
    if release not in root.indexed:
        return f"has no modules.dep for its kernel {release}: depmod did not run, none would be found"
    if release in root.hollow and known.indexed - known.hollow:
        return f"has no module for its kernel {release}, only the empty index that depmod made"
    return None


def lacks(root: RootFacts, known: RootFacts | None = None) -> tuple[str, ...]:
    """What a root would need to come up and does not have, in words; ``known`` is a root that came up.

    Kernel and modules aside: those are questions of a pair.
    """
    init = () if root.init else ("init that could be started",)
    needed = {*DIRECTORIES, *(known.has if known else ())}
    if root.init is None:  # that what it would start is not there, follows from it
        needed.discard(FIRST_TARGET)
    return (*init, *sorted(needed - root.has))


__all__ = ("backup_defects_of", "defects_of", "lacks", "unusable_modules")
