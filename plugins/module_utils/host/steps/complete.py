# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding whether a new root still has what the root that it was made of comes up with."""

from __future__ import annotations

import os
import stat
import sys
import typing as t

from ...boot.init import find_program
from ...errors import OvercError, certain
from ...system.rooted_path import resolve_in_root
from ..late.pieces import PYTHONS
from ..observe.bootable import lacks, unusable_modules
from ..observe.essentials import DEVICES, FSTAB, absent_devices, covered_by_fstab, unlocked_at_boot
from ..observe.needed import needed_programs, ways_to_root
from .context import Apply
from .login import SSHD, no_login, starts_sshd
from .new_root import NewRoot

# What a module of this collection, and Ansible before it, would miss first; of several packages of a distribution
_IMPORTED: t.Final = ("ctypes", "json", "hashlib", "shutil", "subprocess", "tempfile", "zlib")

# What everybody's programs, libraries and configuration are reached through
_CROSSED: t.Final = (
    "/",
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/bin",
    "/lib",
    "/lib64",
    "/etc",
    "/var",
)

if t.TYPE_CHECKING:
    from ...boot.init import Program
    from ...runner import Runner
    from ..observe.facts import RootFacts


def refuse_incomplete(at: Apply, new: RootFacts, base: RootFacts) -> None:
    """Raises root_incomplete. Kernel and modules are looked at elsewhere."""
    missing = [word for word in lacks(new, base) if word != DEVICES]  # named below, one by one
    kept = unlocked_at_boot(new.path)
    needed = [path for path in needed_programs() if path != SSHD or starts_sshd(base.path)]
    missing += [path for path in needed if path not in missing and _is_lost(base.path, new.path, path)]
    missing += [
        f"right for others than root to enter {path} (services that run as users would not start)"
        for path in _CROSSED
        if _may_be_entered(base.path, path) and not _may_be_entered(new.path, path)
    ]
    missing += [f"line for {name} in /etc/crypttab" for name in unlocked_at_boot(base.path) if name not in kept]
    missing += [
        f"device {source}, which a new line of its /etc/fstab mounts on {target} (without nofail the host would not come up)"
        for source, target in absent_devices(new.path, base.path)
    ]
    missing += [
        f"{target} as it was built: a new line of its /etc/fstab mounts {source} over it"
        for source, target in covered_by_fstab(new.path, base.path, (FSTAB, "/etc/passwd", *needed))
    ]
    if missing:
        raise OvercError("root_incomplete", f"After the packages ran, the new root has no {', no '.join(missing)}.")
    if new.init is None or base.init is None:
        return
    root_mount = certain(at.facts.root_mount, "the mount of the root")
    with NewRoot(at.runner, root_mount.source, at.made_root().id, at.lock_fds) as inside:
        said = _libraries_missing(inside, new.init)
        python = _python_fails(inside, base.path, new.path)
    # Not every loader can be asked, and what one says of the running init is no defect
    if said and not _libraries_missing(at.runner, base.init):
        raise OvercError("root_incomplete", f"The init of the new root, {new.init.path}, cannot be loaded: {said}.")
    if python:
        raise OvercError("root_incomplete", f"After the packages ran, the new root has no Python that works: {python}.")
    login = no_login(at, new, base)
    if login:
        raise OvercError(
            "root_incomplete", f"After the packages ran, nobody could log in to the new root by ssh: {login}."
        )


def _is_lost(base: str, new: str, path: str) -> bool:
    """Whether a file of the one root is not in the other, or empty there, or can no longer be executed, or no longer as root.

    Init is told apart.
    """
    before = resolve_in_root(base, path)
    if before is None or path == "/sbin/init":
        return False
    after = resolve_in_root(new, path)
    if after is None:
        return True
    one, two = os.lstat(before), os.lstat(after)
    if not stat.S_ISREG(one.st_mode) or not one.st_size:
        return False
    if not stat.S_ISREG(two.st_mode) or not two.st_size or bool(one.st_mode & 0o111 and not two.st_mode & 0o111):
        return True
    # Who came by it makes nobody root without this; others, as mount(8), may have come to do without
    return path in ways_to_root() and (one.st_uid == 0 and bool(one.st_mode & stat.S_ISUID)) > (
        two.st_uid == 0 and bool(two.st_mode & stat.S_ISUID)
    )


def _may_be_entered(root: str, path: str) -> bool:
    place = resolve_in_root(root, path)
    return place is not None and bool(os.stat(place).st_mode & stat.S_IXOTH)


def _python_fails(inside: Runner, base: str, new: str) -> str | None:
    """Why none of those that the other root has can run this collection; None where one can, or there never was one."""
    known = [path for path in (sys.executable, *PYTHONS) if path and find_program(base, path) is not None]
    said = None
    for path in dict.fromkeys(known):
        if find_program(new, path) is None:
            said = said or f"{path} is not there"
            continue
        done = inside.run((path, "-I", "-c", f"import {', '.join(_IMPORTED)}"))
        if done.rc == 0:
            return None
        said = (done.stderr.strip() or f"{path} exits with {done.rc}").splitlines()[-1]
    return said


def refuse_unindexed(new: RootFacts, base: RootFacts, release: str) -> None:
    """Raises kernel_modules_missing for the kernel that is to boot, where none of its modules would be found."""
    said = unusable_modules(new, base, release)
    if said:
        raise OvercError("kernel_modules_missing", f"The new root {said}.")


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
