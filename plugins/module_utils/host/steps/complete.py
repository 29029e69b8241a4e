# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding whether a new root still has what the root that it was made of comes up with."""

from __future__ import annotations

import typing as t

from ...boot.kernel import hollow_releases, indexed_releases
from ...errors import OvercError, certain
from ..observe.bootable import lacks
from ..observe.essentials import DEVICES, absent_devices, unlocked_at_boot
from .context import Apply
from .new_root import NewRoot

if t.TYPE_CHECKING:
    from ...boot.init import Program
    from ...runner import Runner
    from ..observe.facts import RootFacts


def refuse_incomplete(at: Apply, new: RootFacts, base: RootFacts) -> None:
    """Raises root_incomplete. Kernel and modules are looked at elsewhere."""
    missing = [word for word in lacks(new, base) if word != DEVICES]  # named below, one by one
    kept = unlocked_at_boot(new.path)
    missing += [f"line for {name} in /etc/crypttab" for name in unlocked_at_boot(base.path) if name not in kept]
    missing += [
        f"device {source}, which a new line of its /etc/fstab mounts on {target} (without nofail the host would not come up)"
        for source, target in absent_devices(new.path, base.path)
    ]
    if missing:
        raise OvercError("root_incomplete", f"After the packages ran, the new root has no {', no '.join(missing)}.")
    if new.init is None or base.init is None:
        return
    root_mount = certain(at.facts.root_mount, "the mount of the root")
    with NewRoot(at.runner, root_mount.source, at.made_root().id, at.lock_fds) as inside:
        said = _libraries_missing(inside, new.init)
    # Not every loader can be asked, and what one says of the running init is no defect
    if said and not _libraries_missing(at.runner, base.init):
        raise OvercError("root_incomplete", f"The init of the new root, {new.init.path}, cannot be loaded: {said}.")


def refuse_unindexed(new: RootFacts, base: RootFacts, release: str) -> None:
    """Raises kernel_modules_missing for the kernel that is to boot, where the root before shows that modules have an index, this
    kernel's too if it has them already.
    """
    indexed = indexed_releases(base.path, base.modules)
    if not indexed or release not in new.modules or release in base.modules - indexed:
        return
    if not indexed_releases(new.path, (release,)):
        raise OvercError(
            "kernel_modules_missing",
            f"The new root has no modules.dep for kernel {release}: depmod did not run, none would be found.",
        )
    if hollow_releases(new.path, (release,)) and indexed - hollow_releases(base.path, indexed):
        raise OvercError(
            "kernel_modules_missing",
            f"The new root has no module for kernel {release}, only the empty index that depmod made.",
        )


def _libraries_missing(runner: Runner, program: Program) -> str | None:
    """What the dynamic loader of a program misses for it, None where it misses nothing. Nothing of the program is run."""
    if program.loader is None:
        return None
    done = runner.run((program.loader, "--list", program.binary))
    absent = [line.split()[0] for line in done.stdout.splitlines() if line.rstrip().endswith("=> not found")]
    if absent:
        return f"{', '.join(absent)} is not found"
    words = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return (words[0] if words else f"{program.loader} exits with {done.rc}") if done.rc != 0 else None


__all__ = ("refuse_incomplete", "refuse_unindexed")
