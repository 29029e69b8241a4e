# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is at one path of three trees, and whether two of them have the same there. No link is followed; times do not count."""

from __future__ import annotations

import filecmp
import hashlib
import os
import stat
import typing as t

from ....system import xattrs
from ....system.presence import status

if t.TYPE_CHECKING:
    Rewrite = t.Callable[[bytes], bytes]


_BLOCK: t.Final = 1 << 20


def _at_once(path: str, how: int) -> int:
    return os.open(path, how | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


class Node:
    """One path of one tree, as it was when it was first asked for. ``rewrite``: its content counts as if it were that."""

    def __init__(self, path: str, rewrite: Rewrite | None = None) -> None:
        self.path = path
        self._rewrite = rewrite
        self.found = status(path)

    @property
    def is_there(self) -> bool:
        return self.found is not None

    @property
    def is_directory(self) -> bool:
        return self.found is not None and stat.S_ISDIR(self.found.st_mode)

    @property
    def is_file(self) -> bool:
        return self.found is not None and stat.S_ISREG(self.found.st_mode)

    def names(self) -> list[str]:
        """What is in a directory; nothing in anything else."""
        return os.listdir(self.path) if self.is_directory else []

    def read(self) -> bytes:
        with open(self.path, "rb", opener=_at_once) as stream:
            content = stream.read()
        return self._rewrite(content) if self._rewrite else content

    def same_meta(self, other: Node) -> bool:
        """Mode, owners and extended attributes, ACLs among them."""
        one, two = self.found, other.found
        if one is None or two is None:
            return one is two
        return (one.st_mode, one.st_uid, one.st_gid) == (two.st_mode, two.st_uid, two.st_gid) and xattrs.same(
            self.path, other.path, follow=False
        )

    def same_content(self, other: Node) -> bool:
        """Of two regular files: their bytes."""
        if self._rewrite or other._rewrite:
            return self.read() == other.read()
        one, two = self.found, other.found
        if one is None or two is None or one.st_size != two.st_size:
            return False
        filecmp.clear_cache()  # it remembers by time and size
        return filecmp.cmp(self.path, other.path, shallow=False)

    def same(self, other: Node) -> bool:
        """Everything, and all that is below a directory. Nothing is the same as nothing."""
        one, two = self.found, other.found
        if one is None or two is None:
            return one is two
        if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode) or not self.same_meta(other):
            return False
        if self.is_directory:
            names = sorted(self.names())
            return names == sorted(other.names()) and all(
                Node(os.path.join(self.path, name)).same(Node(os.path.join(other.path, name))) for name in names
            )
        if self.is_file:
            return self.same_content(other)
        if stat.S_ISLNK(one.st_mode):
            return os.readlink(self.path) == os.readlink(other.path)
        return one.st_rdev == two.st_rdev

    def digest(self) -> str:
        """Different wherever ``same`` would say so."""
        if self.found is None:
            return ""
        total = hashlib.sha256()
        names = sorted(os.listxattr(self.path, follow_symlinks=False))
        attributes = [(name, os.getxattr(self.path, name, follow_symlinks=False)) for name in names]
        total.update(repr((self.found.st_mode, self.found.st_uid, self.found.st_gid, attributes)).encode())
        if self.is_file and self._rewrite:
            total.update(self.read())
        elif self.is_file:
            with open(self.path, "rb", opener=_at_once) as stream:
                for block in iter(lambda: stream.read(_BLOCK), b""):
                    total.update(block)
        elif stat.S_ISLNK(self.found.st_mode):
            total.update(os.fsencode(os.readlink(self.path)))
        elif not self.is_directory:
            total.update(str(self.found.st_rdev).encode())
        for name in sorted(self.names()):
            total.update(os.fsencode(name) + b"\0" + Node(os.path.join(self.path, name)).digest().encode())
        return total.hexdigest()


def change_of(before: Node, now: Node) -> str:
    """What became of it on one side, which it did: added, changed or removed."""
    return "added" if not before.is_there else "changed" if now.is_there else "removed"


__all__ = ("Node", "change_of")
