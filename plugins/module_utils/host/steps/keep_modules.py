# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that keeps the modules of the present kernel in a new root: for the moment in which both kernels may boot."""

from __future__ import annotations

import os
import shutil
import typing as t

from ...boot.kernel import modules_directory
from ...errors import OvercError
from ...failures import says_full
from ...system.presence import files_below, is_directory, is_there
from ...system.rooted_path import resolve_in_root
from ..observe.facts import RootFacts
from .context import Apply

KEPT_MARK: t.Final = ".overc-kept"


def keep_modules(at: Apply) -> bool:
    """Give the new root the modules of the present kernel, and take out those kept for the kernel before it.

    Where the present kernel does not tell its release, all modules that the packages took away are kept.
    """
    new, base = at.root(at.made_root()), at.base()
    release, new_release = at.context.base_release, at.notes.get("new_release")
    wanted = {release} if release else set(base.modules)
    # A release that the new kernel shares, or that came with an unchanged kernel, is the packages' business alone.
    replaced = wanted - {new_release} if at.notes.get("kernel_changed") else wanted - new.modules
    kept = [entry for entry in sorted(replaced) if not _has_all_modules(base, new, entry)]
    for entry in kept:
        copy_modules(at, base, new, entry)
    if release and not kept and at.notes.get("kernel_changed") and release == new_release:
        at.warnings.append(
            f"The new kernel has the same release ({release}) as the present one: between the two halves of the switch "
            "(milliseconds) the present kernel would find the new one's modules."
        )
    unused = new.modules - base.modules - {new_release}
    if unused and not at.notes.get("kernel_changed"):
        at.warnings.append(
            f"The packages brought modules for kernel {', '.join(sorted(unused))}, but no other /boot/{at.context.kernel}: "
            f"the host goes on with kernel {release or 'of unknown release'}."
        )
    dropped = _drop_stale_modules(at, new, {*wanted, new_release})
    at.notes["kept_modules"] = kept
    if kept or dropped:
        at.refresh(changed=at.made_root().uuid)
    return bool(kept or dropped)


def _has_all_modules(base: RootFacts, new: RootFacts, release: str) -> bool:
    """Whether every file that the base has for a release is in the new root; removing a package leaves some behind."""
    where, there = modules_directory(base.path, release), modules_directory(new.path, release)
    if where is None or there is None:
        return where is None
    top = os.path.join(base.path, where)
    return all(
        is_there(os.path.join(new.path, there, os.path.relpath(directory, top), name))
        for directory, files in files_below(top)
        for name in files
    )


def copy_modules(at: Apply, source: RootFacts, target: RootFacts, release: str) -> bool:
    where = modules_directory(source.path, release)
    if where is None:
        return False
    parent = resolve_in_root(target.path, os.path.dirname(where))  # packages may have made a link of it
    if parent is None or not is_directory(parent):
        raise OvercError(
            "kernel_modules_missing",
            f"The packages leave no directory /{os.path.dirname(where)} for the modules of kernel {release}.",
        )
    remains = os.path.join(parent, release)
    if is_there(remains):  # what a removed package left, in a root that nothing uses yet
        shutil.rmtree(remains)
    done = at.runner.run(("cp", "-a", "--reflink=auto", os.path.join(source.path, where), parent + "/"))
    if done.rc != 0:
        full = says_full(done.stderr)
        raise OvercError(
            "no_space" if full else "io_error",
            f"Cannot copy the modules of kernel {release}: {done.stderr.strip()}. Mend that and run the same command again.",
            **done.facts(),
        )
    mark = os.open(
        os.path.join(parent, release, KEPT_MARK), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
    )
    os.close(mark)
    return True


def _drop_stale_modules(at: Apply, new: RootFacts, wanted: t.Collection[str | None]) -> bool:
    """Only directories that carry our mark, that no package owns, in a root that nothing uses yet."""
    dropped = False
    for release in sorted(new.modules - {entry for entry in wanted if entry}):
        where = modules_directory(new.path, release)
        if where is None or not is_there(os.path.join(new.path, where, KEPT_MARK)):
            continue
        if at.runner.find("rpm") is None or at.runner.run(("rpm", "--root", new.path, "-qf", "/" + where)).rc == 0:
            continue
        shutil.rmtree(os.path.join(new.path, where))
        dropped = True
    return dropped


__all__ = ("copy_modules", "keep_modules")
