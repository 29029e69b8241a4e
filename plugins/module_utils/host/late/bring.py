# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One root brings its declared paths over from another, neither of which anybody uses: killed at any point, and repeated.

Each path is copied beside, made durable, noted, and put in place by one rename. So whatever a cut leaves at a path is what was
there before or what was brought, and the note tells which of the two: the inode of the copy.
"""

from __future__ import annotations

import os
import shutil
import stat
import typing as t
from dataclasses import replace

from ...system import syscalls
from ...system.presence import is_there, status
from ...system.rooted_path import plain_parent
from ...system.unfinished import NEW_SUFFIX
from .tree import clone_tree, refusal
from .wish import DONE, FAILED, Late

# What a root had at a path before, where that is kept
REPLACED_SUFFIX: t.Final = ".overc-replaced"


def place_of(root: str, path: str, whose: str) -> str:
    """Where ``path`` is in a root, reached without any link. Raises late_carry_failed."""
    parent = plain_parent(root, path)
    if parent is None:
        raise refusal(path, f"has a parent that is no plain directory in {whose}")
    return os.path.join(parent, os.path.basename(path))


def check_kinds(source: str, target: str, path: str) -> None:
    """A file is brought to a file or to nothing, a directory to a directory or to nothing. Raises late_carry_failed."""
    mine, other = status(source), status(target)
    if mine is None:
        raise refusal(path, "is not there any more in the system that ran before")
    if not (stat.S_ISDIR(mine.st_mode) or stat.S_ISREG(mine.st_mode)):
        raise refusal(path, "is neither a directory nor a regular file in the system that ran before")
    if other is not None and stat.S_IFMT(other.st_mode) != stat.S_IFMT(mine.st_mode):
        raise refusal(path, "is of another type in the new system")


def bring_all(late: Late, source_root: str, target_root: str, note: t.Callable[[Late], None], now: str) -> Late:
    """All paths that are not there yet. ``note`` makes durable how far it is; returns what it was given last.

    Raises late_carry_failed, OSError.
    """
    for path in late.paths:
        if path not in late.brought:
            late = _bring(late, source_root, target_root, path, note)
    late = replace(late, status=DONE, reason=None, copies={}, finished=now)
    note(late)
    return late


def tidy(late: Late, target_root: str) -> None:
    """Remove what was replaced and is not kept, and what a copy that failed has left."""
    for path in late.paths:
        parent = plain_parent(target_root, path)
        if parent is not None and not (late.keep and path in late.copies):
            _remove_beside(os.path.join(parent, os.path.basename(path)) + NEW_SUFFIX)


def failed(late: Late, reason: str, now: str) -> Late:
    return replace(late, status=FAILED, reason=reason, finished=now)


def _bring(late: Late, source_root: str, target_root: str, path: str, note: t.Callable[[Late], None]) -> Late:
    source = place_of(source_root, path, "the system that ran before")
    target = place_of(target_root, path, "the new system")
    beside, kept = target + NEW_SUFFIX, target + REPLACED_SUFFIX
    copy = late.copies.get(path)
    if copy is None or copy != _inode(target):
        check_kinds(source, target, path)
        if late.keep and is_there(kept):
            raise refusal(path, f"has something beside it already, {os.path.basename(kept)}, from an earlier return")
        if copy is None or copy != _inode(beside):
            _remove_beside(beside)
            made = clone_tree(source, beside, path)
            syscalls.syncfs(target_root)
            late = replace(late, copies={**late.copies, path: str(made)})
            note(late)
        if is_there(target):
            syscalls.rename(beside, target, syscalls.RENAME_EXCHANGE)
        else:
            syscalls.rename(beside, target, syscalls.RENAME_NOREPLACE)
        syscalls.syncfs(target_root)
    replaced = dict(late.replaced)
    if late.keep:
        if is_there(beside):
            syscalls.rename(beside, kept, syscalls.RENAME_NOREPLACE)
            syscalls.syncfs(target_root)
        if is_there(kept):
            replaced[path] = os.path.join(os.path.dirname(path), os.path.basename(kept))
    late = replace(late, brought=(*late.brought, path), replaced=replaced)
    note(late)
    return late


def _inode(path: str) -> str | None:
    found = status(path)
    return str(found.st_ino) if found is not None else None


def _remove_beside(beside: str) -> None:
    for path in (beside, f"{beside}-file"):
        found = status(path)
        if found is None:
            continue
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)


__all__ = ("REPLACED_SUFFIX", "bring_all", "check_kinds", "failed", "place_of", "tidy")
