# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the inodes of a subvolume are: the kernel's answer, and what to say of those that lie too deep for one."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import typing as t

from ..system.presence import NOT_THERE
from .ioctl import SUBVOLUME_INODE, changed_inodes, directory_of, names_of, subvolume_info, sync

_INO_LOOKUP: t.Final = 0xD0009412
LONGEST: t.Final = 4096  # no system call takes a path of so many bytes


class Paths:
    """Paths below the root of the subvolume ``fd``, or of the one with the id ``tree`` in its file system.

    To be asked in the order of inode numbers: mostly parents come first.
    """

    def __init__(self, fd: int, tree: int = 0) -> None:
        self._fd = fd
        self._tree = tree
        # Of what lies too deep: the beginning of its path, which they have in common
        self._deep: dict[int, bytes] = {}

    def of(self, inode: int) -> bytes | None:
        """A path of an inode (BTRFS_IOC_INO_LOOKUP), None when it is gone.

        Any user can nest directories so deeply that the kernel has no answer. Of such a path it is the beginning, with
        ``LONGEST`` bytes or more: enough to tell below what it lies, and too long to be mistaken for the path itself.
        """
        if self._deep:
            found = directory_of(self._fd, inode, self._tree)
            if found is not None and found[0] in self._deep:
                self._deep[inode] = self._deep[found[0]]
                return self._deep[inode]
        buffer = bytearray(4096)
        struct.pack_into("=QQ", buffer, 0, self._tree, inode)
        try:
            fcntl.ioctl(self._fd, _INO_LOOKUP, buffer, True)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return self._climb(inode)
            if error.errno == errno.ENOENT:
                return None
            raise
        return bytes(buffer[16 : buffer.index(0, 16)]).rstrip(b"/")

    def within(self, inode: int, directory: bytes) -> bytes | None:
        """A path of an inode that is ``directory`` or below it, None when it has none.

        Of the names of a hard-linked file the kernel tells one, which may be elsewhere.
        """
        path = self.of(inode)
        if path is None or _is_within(path, directory):
            return path
        return next((name for name in self.all_of(inode) if _is_within(name, directory)), None)

    def all_of(self, inode: int) -> t.Iterator[bytes]:
        """Every path of an inode: a hard-linked file has several; none when it is gone. That of the root itself is empty."""
        if inode == SUBVOLUME_INODE:  # what it is called in itself is ".."
            yield b""
            return
        for above, name in names_of(self._fd, inode, self._tree):
            parent = self.of(above)
            if parent is not None:
                yield parent + b"/" + name if parent else name

    def _climb(self, inode: int) -> bytes | None:
        chain: list[tuple[int, bytes]] = []
        while inode != SUBVOLUME_INODE and inode not in self._deep:
            found = directory_of(self._fd, inode, self._tree)
            if found is None:
                return None
            chain.append((inode, found[1]))
            inode = found[0]
        path = self._deep.get(inode, b"")
        for below, name in reversed(chain):
            if len(path) < LONGEST:
                path = path + b"/" + name if path else name
            if len(path) >= LONGEST:
                self._deep[below] = path
        return path


def _is_within(path: bytes, directory: bytes) -> bool:
    return not directory or path == directory or path.startswith(directory + b"/")


def shown_deep(path: str) -> str:
    """For people: where something lies whose path below a root is too long for any program, as far as anybody reads on."""
    return f"/{path[:200].rpartition('/')[0] or path[:200]}/..."


def unchanged_since(snapshot: int, live: int, below: str, *, in_motion: bool = False) -> bool:
    """Whether what lies at ``below`` in a subvolume is still what a snapshot that was taken of it has there.

    Of the inodes written since, those that were only read have the same change time on both sides. ``in_motion``: whether
    somebody may move directories there and back while this looks, as a container may that runs.
    """
    sync(live)
    info = subvolume_info(snapshot)
    if subvolume_info(live).uuid != info.parent_uuid:
        return False  # another subvolume has its place by now
    prefix = os.fsencode(below)
    paths = Paths(live)
    for inode in sorted(changed_inodes(live, info.origin_generation + 1)):
        path = paths.within(inode, prefix)
        if path is None:
            continue  # gone (then its directory is among them), or elsewhere
        try:
            a = os.stat(path, dir_fd=live, follow_symlinks=False)
            b = os.stat(path, dir_fd=snapshot, follow_symlinks=False)
        except OSError:
            return False
        if (a.st_ino, a.st_ctime_ns) != (b.st_ino, b.st_ctime_ns):
            return False
    # Last: what was "elsewhere" is so only if no directory on the way down was elsewhere itself just then
    return _is_same_way(snapshot, live, below, in_motion=in_motion)


def _is_same_way(snapshot: int, live: int, below: str, *, in_motion: bool) -> bool:
    """Whether every directory down to ``below`` is the one of the snapshot; ``in_motion``: and was so all the time since.

    A directory that is moved gets another change time, which stays.
    """
    parts = below.split("/") if below else []
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        try:
            a = os.stat(path, dir_fd=live, follow_symlinks=False)
            b = os.stat(path, dir_fd=snapshot, follow_symlinks=False)
        except OSError as error:
            if error.errno in NOT_THERE:
                return False
            raise
        if a.st_ino != b.st_ino or (in_motion and a.st_ctime_ns != b.st_ctime_ns):
            return False
    return True


__all__ = ("LONGEST", "Paths", "shown_deep", "unchanged_since")
