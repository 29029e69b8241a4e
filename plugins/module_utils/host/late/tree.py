# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file or directory of one root made again in another: all that is kept of it, and what is refused.

Neither root may be in use. Everything is reached by descriptors, and no link is followed.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ...btrfs.clone import clone_attributes, clone_entry, make_neutral
from ...errors import OvercError
from ...system import xattrs
from ...system.safe_path import OPEN_DIR, OPEN_FILE, printable

_DEEPEST: t.Final = 200  # directories; each costs a descriptor on both sides
_SUBVOLUME: t.Final = 256  # inode of the directory of a subvolume: Linux, fs/btrfs, BTRFS_FIRST_FREE_OBJECTID


def refusal(path: str, why: str) -> OvercError:
    return OvercError("late_carry_failed", f"{printable(path)} {why}")


def clone_tree(source: str, target: str, shown: str) -> int:
    """Make ``source`` again as ``target``, which must not be there; returns the inode of the copy. Not yet on the disk.

    ``shown`` is what the path is called in its root. Types, bytes (by reflink), holes, owners, modes, times, attributes, ACLs,
    capabilities and hard links within it are kept. A subvolume inside of it that is empty becomes a directory. Raises
    late_carry_failed for one that is not, and for what is immutable; OSError.
    """
    parents = [os.open(os.path.dirname(path), OPEN_DIR) for path in (source, target)]
    try:
        name, made = os.path.basename(source), os.path.basename(target)
        found = os.stat(name, dir_fd=parents[0], follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            _Copy(parents[1], made).directory(name, parents[0], shown, 0)
        elif stat.S_ISREG(found.st_mode):
            _refuse_locked(name, parents[0], shown)
            # It gets its own name in a directory of our own first: that one may have given it anything
            _file(name, made, parents)
        else:
            raise refusal(shown, "is neither a directory nor a regular file")
        return os.stat(made, dir_fd=parents[1], follow_symlinks=False).st_ino
    finally:
        for fd in parents:
            os.close(fd)


def _file(name: str, made: str, parents: t.Sequence[int]) -> None:
    """``clone_entry`` keeps the name, so a directory beside gives it another."""
    os.mkdir(made, 0o700, dir_fd=parents[1])
    own = os.open(made, OPEN_DIR, dir_fd=parents[1])
    try:
        make_neutral(own)
        clone_entry(name, parents[0], own)
        os.rename(name, f"{made}-file", src_dir_fd=own, dst_dir_fd=parents[1])
    finally:
        os.close(own)
    os.rmdir(made, dir_fd=parents[1])
    os.rename(f"{made}-file", made, src_dir_fd=parents[1], dst_dir_fd=parents[1])


class _Copy:
    """``top``: descriptor of the directory that the copy called ``made`` lies in."""

    def __init__(self, top: int, made: str) -> None:
        self._top = top
        self._made = made
        self._linked: dict[int, str] = {}

    def directory(self, name: str, dir_fd: int, shown: str, depth: int, above: int = -1, inside: str = "") -> None:
        """Make the directory ``name`` again: below ``above``, or as the top of the copy. ``inside``: path below that."""
        if depth > _DEEPEST:
            raise refusal(shown, f"has directories nested more than {_DEEPEST} deep")
        source = os.open(name, OPEN_DIR, dir_fd=dir_fd)
        where, called = (above, name) if depth else (self._top, self._made)
        try:
            os.mkdir(called, 0o700, dir_fd=where)
            target = os.open(called, OPEN_DIR, dir_fd=where)
            try:
                self._fill(source, target, shown, depth, inside)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _fill(self, source: int, target: int, shown: str, depth: int, inside: str) -> None:
        names = os.listdir(source)
        own = os.fstat(source)
        if own.st_ino == _SUBVOLUME and names:
            raise refusal(shown, "is a subvolume of its own, with data in it: no root has it but its own")
        if xattrs.flags(source) & xattrs.LOCKED:
            raise refusal(shown, "is immutable or append-only (lsattr), so it could be replaced in no root")
        make_neutral(target)
        for name in names:
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            here, relative = f"{shown}/{name}", f"{inside}/{name}"
            if stat.S_ISDIR(status.st_mode):
                self.directory(name, source, here, depth + 1, target, relative)
            else:
                self._entry(name, source, target, status, here, relative)
        clone_attributes(source, target)

    def _entry(self, name: str, source: int, target: int, status: os.stat_result, here: str, inside: str) -> None:
        first = self._linked.get(status.st_ino) if status.st_nlink > 1 else None
        if first is not None:
            os.link(self._made + first, name, src_dir_fd=self._top, dst_dir_fd=target, follow_symlinks=False)
            return
        if stat.S_ISREG(status.st_mode):
            _refuse_locked(name, source, here)
        clone_entry(name, source, target, status=status)
        if status.st_nlink > 1:
            self._linked[status.st_ino] = inside


def _refuse_locked(name: str, dir_fd: int, shown: str) -> None:
    fd = os.open(name, OPEN_FILE, dir_fd=dir_fd)
    try:
        if xattrs.flags(fd) & xattrs.LOCKED:
            raise refusal(shown, "is immutable or append-only (lsattr), so it could be replaced in no root")
    finally:
        os.close(fd)


__all__ = ("clone_tree", "refusal")
