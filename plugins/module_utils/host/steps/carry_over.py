# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing declared paths of the running root into the staged one, right before the reboot."""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
import typing as t

from ...errors import OvercError
from ...failures import says_full
from ...system import syscalls, xattrs
from ...system.flags import first_locked
from ...system.presence import is_there
from ...system.rooted_path import plain_parent

if t.TYPE_CHECKING:
    from ...runner import Runner

_NEW: t.Final = ".overc-new"


def _refuse(path: str, why: str) -> OvercError:
    return OvercError("bad_argument", f"carry_over: {path!r} {why}. Nothing was carried over; take it out of the list.")


def check_carry_over(root: str, path: str) -> None:
    """A path that exists in the running root, is not a link, and lies in this subvolume with all its parents.

    ``root`` is the subvolume under the top-level tree, where other mounts do not show. Raises bad_argument.
    """
    parent = plain_parent(root, path)
    if parent is None:
        raise _refuse(path, "has a parent that does not exist or is a symbolic link")
    full = os.path.join(parent, os.path.basename(path))
    try:
        found = os.lstat(full)
    except FileNotFoundError:
        raise _refuse(path, "does not exist on the root subvolume") from None
    if not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
        raise _refuse(path, "is neither a directory nor a regular file")
    if found.st_dev != os.lstat(root).st_dev:
        raise _refuse(path, "is a subvolume of its own, which a switch does not touch")
    locked = first_locked(full)
    if locked is not None:
        # The new root has the same flag on its own copy
        inside = "/" + os.path.relpath(locked, root)
        raise _refuse(path, f"cannot be replaced in the new root: {inside} is immutable or append-only (lsattr)")


def _same(left: str, right: str) -> bool:
    """Whether two trees are equal in all that a copy keeps: names, types, owners, modes, times, attributes, and bytes.

    Bytes are compared as well: a file can be written and get its old time and size back.
    """
    try:
        one, two = os.lstat(left), os.lstat(right)
    except FileNotFoundError:
        return False
    keys = ("st_mode", "st_uid", "st_gid", "st_mtime_ns")
    if any(getattr(one, key) != getattr(two, key) for key in keys):
        return False
    # In a snapshot an inode that nobody touched has its old number and its old time of change
    untouched = (one.st_ino, one.st_ctime_ns) == (two.st_ino, two.st_ctime_ns)
    if not untouched and not xattrs.same(left, right, follow=False):
        return False
    if stat.S_ISLNK(one.st_mode):
        return os.readlink(left) == os.readlink(right)
    if stat.S_ISREG(one.st_mode):
        filecmp.clear_cache()  # it remembers by time and size
        return one.st_size == two.st_size and (untouched or filecmp.cmp(left, right, shallow=False))
    if not stat.S_ISDIR(one.st_mode):
        return one.st_rdev == two.st_rdev
    names = sorted(os.listdir(left))
    return names == sorted(os.listdir(right)) and all(
        _same(os.path.join(left, name), os.path.join(right, name)) for name in names
    )


def _same_trees(path: str, source: str, target: str) -> bool:
    try:
        return _same(source, target)
    except RecursionError:
        raise _refuse(path, "has directories that are too deep") from None


def is_current(source_root: str, target_root: str, path: str) -> bool:
    """Whether the target root has ``path`` as the source root has it now."""
    parent = plain_parent(target_root, path)
    source = os.path.join(source_root, path.lstrip("/"))
    target = os.path.join(parent or target_root, os.path.basename(path))
    return parent is not None and not is_there(target + _NEW) and _same_trees(path, source, target)


def carry_over(runner: Runner, source_root: str, target_root: str, path: str) -> bool:
    """Make ``path`` in the target root what it is in the source root; True if it was different.

    The copy is made beside and exchanged, so a killed run leaves the staged root's own version or the carried one.
    """
    check_carry_over(source_root, path)
    source = os.path.join(source_root, path.lstrip("/"))
    parent = plain_parent(target_root, path)
    if parent is None:
        raise _refuse(path, "has no parent directory in the staged root, or a symbolic link there")
    target = os.path.join(parent, os.path.basename(path))
    beside = target + _NEW
    if is_there(beside):  # of a run that failed here
        _remove(beside)
    if _same_trees(path, source, target):
        return False
    locked = first_locked(target)
    if locked is not None:
        raise _refuse(
            path, f"cannot be replaced in the new root, where {os.path.basename(locked)} is immutable (lsattr)"
        )
    done = runner.run(("cp", "-a", "--reflink=auto", "--one-file-system", "--no-target-directory", source, beside))
    if done.rc != 0:
        if is_there(beside):
            _remove(beside)
        error_id = "no_space" if says_full(done.stderr) else "io_error"
        said = done.stderr.strip()
        raise OvercError(
            error_id, f"Cannot carry over {path!r}: {said}. Mend that and run the same command again.", **done.facts()
        )
    if is_there(target):
        syscalls.rename(beside, target, syscalls.RENAME_EXCHANGE)
        _remove(beside)
    else:
        syscalls.rename(beside, target, syscalls.RENAME_NOREPLACE)
    return True


def drop_unfinished_copy(root: str, path: str) -> bool:
    """What was being copied beside ``path`` in a root when it was cut off. Raises OSError."""
    parent = plain_parent(root, path)
    beside = os.path.join(parent, os.path.basename(path) + _NEW) if parent else ""
    if not parent or not is_there(beside):
        return False
    _remove(beside)
    return True


def _remove(path: str) -> None:
    if stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)


__all__ = ("carry_over", "check_carry_over", "drop_unfinished_copy", "is_current")
