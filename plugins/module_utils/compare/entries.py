# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of one entry that is not a directory, and why: cheap proofs first, the bytes last."""

from __future__ import annotations

import os
import sys
import typing as t

from ..btrfs.extents import only_of
from ..system import xattrs
from ..system.overlay_format import has_mark, is_mark
from ..system.safe_path import OPEN_FILE
from .files import Bytes, Status
from .model import Source, Tally
from .sides import Theirs

MARK: t.Final = "carries an attribute trusted.overlay.*, which overlayfs takes for its own"
SEALED: t.Final = "has fs-verity, which it would lose: a copy has none"
NODE: t.Final = "is a character device 0:0, which overlayfs takes for a whiteout"
INLINE: t.Final = 2048  # btrfs keeps smaller files in its metadata: cloning those shares nothing
# What os.fsencode() does, without its checks, which are paid for every entry.
_BYTES: t.Final = (sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


# What one source's file of the same name makes possible.
_KEEP: t.Final = 0  # nothing
_CLONE: t.Final = 1  # the bytes can come from there
_DROP: t.Final = 2  # it is the very same


class _Own:
    """The container's file under judgment. Opened at most once, and only if its bytes or attributes are asked for."""

    __slots__ = ("_attributes", "_dir_fd", "_fd", "name", "raw")

    def __init__(self, name: str, raw: bytes, dir_fd: int) -> None:
        self.name, self.raw = name, raw
        self._dir_fd = dir_fd
        self._fd = -1
        self._attributes: list[str] = []

    def open(self) -> int:
        if self._fd < 0:
            self._fd = os.open(self.raw, OPEN_FILE, dir_fd=self._dir_fd)
            self._attributes = os.listxattr(self._fd)
        else:
            os.lseek(self._fd, 0, os.SEEK_SET)
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def same_attributes(self, fd: int) -> bool:
        """Whether another file has the same ones. To be asked after ``open``."""
        theirs = os.listxattr(fd)
        if not theirs and not self._attributes:
            return True
        return sorted(self._attributes) == sorted(theirs) and all(
            os.getxattr(self._fd, key) == os.getxattr(fd, key) for key in theirs
        )

    def is_marked(self) -> bool:
        if self._fd < 0:
            return _is_marked(self.raw)
        return any(map(is_mark, self._attributes))


def _is_marked(raw: bytes) -> bool:
    """Whether an entry of the current directory has a mark, which a layer would hide, or obey."""
    return has_mark(raw, follow=False)


def _capacity(sources: t.Sequence[Source]) -> int:
    """The size of the file system, in bytes."""
    if not sources:
        return 0
    status = os.fstatvfs(sources[0].fd)
    return status.f_blocks * status.f_frsize


class Judge:
    """Decides about the entries of directories, one after the other; remembers which proofs pay.

    There is no listxattrat(2) (before Linux 6.13), so the container's directory must be the current one.
    """

    def __init__(self, sources: t.Sequence[Source]) -> None:
        self._sources = sources
        self._bytes = Bytes(_capacity(sources))
        self._mine, self._other = Status(), Status()

    def decide(self, name: str, dir_fd: int, found: Theirs, twin: int, tally: Tally) -> None:
        """Put into ``tally`` what becomes of ``name``. ``found``: the directories of sources that have such an entry.

        ``twin``: the number of the first of them, if it is a relative that has the same inode there; else -1.
        """
        mine, raw = self._mine, name.encode(*_BYTES)
        if not mine.look(raw, dir_fd):
            return  # gone since it was listed; only a live container (check mode) does that
        if mine.sealed:
            tally.refuse(name, SEALED)
        if twin >= 0 and mine.nlink == 1 and self._is_untouched(raw, found[0][1], twin) and not _is_marked(raw):
            tally.drop(name, twin, mine, 0)
            return
        if mine.is_file:
            self._file(_Own(name, raw, dir_fd), found, tally)
        elif mine.is_symlink:
            self._symlink(name, raw, dir_fd, found, tally)
        else:
            if mine.is_whiteout:
                tally.refuse(name, NODE)
            self._own(name, raw, tally)

    def hides(self, name: str, dir_fd: int) -> bool:
        """Whether a layer shows an entry that the container does not have, so that a whiteout must hide it."""
        return self._other.look(os.fsencode(name), dir_fd) and not self._other.is_whiteout

    def _own(self, name: str, raw: bytes, tally: Tally) -> None:
        if _is_marked(raw):
            tally.refuse(name, MARK)
        tally.keep(name, self._mine, -1, 0)

    def _is_untouched(self, raw: bytes, source: int, number: int) -> bool:
        """Whether the inode, which a relative has too, was written by neither since they parted."""
        mine, kin = self._mine, self._sources[number].kin
        if kin is None or mine.locked or not (mine.is_file or mine.is_symlink):
            return False
        if kin.written is not None and mine.inode not in kin.written:
            return True
        return self._other.look(raw, source) and mine.untouched(self._other, kin.settled)

    # -- files --------------------------------------------------------------------------------------------------

    def _file(self, own: _Own, found: Theirs, tally: Tally) -> None:
        clone, cloned = -1, 0
        try:
            for number, fd in found:
                what, freed = self._against(own, number, fd, clone < 0)
                if what == _DROP and not own.is_marked():
                    tally.drop(own.name, number, self._mine, freed)
                    return
                if what == _CLONE:
                    clone, cloned = number, freed
            if own.is_marked():
                tally.refuse(own.name, MARK)
        finally:
            own.close()
        tally.keep(own.name, self._mine, clone, cloned)

    def _against(self, own: _Own, number: int, dir_fd: int, may_clone: bool) -> tuple[int, int]:
        """What a source's file of that name makes possible, and what that frees (bytes on disk).

        Its bytes are compared only if they decide something.
        """
        mine, other = self._mine, self._other
        if not other.look(own.raw, dir_fd) or other.size != mine.size or not other.is_file:
            return _KEEP, 0
        if mine.sparse != other.sparse:
            return _KEEP, 0  # holes are neither lost nor made: a swap file must have none
        may_clone = may_clone and mine.size > INLINE
        # one comparison for immutable & co., links, owner, group and mode, one for the time
        exact = mine.nlink == 1 and not mine.locked and mine.same_inode_facts(other)
        if not exact and not may_clone:
            return _KEEP, 0
        f = own.open()
        g = os.open(own.raw, OPEN_FILE, dir_fd=dir_fd)
        try:
            exact = exact and own.same_attributes(g)
            if not exact and not may_clone:
                return _KEEP, 0
            equal, once = self._bytes.equal(f, g, mine, one_filesystem=self._sources[number].one_filesystem)
            if equal and not xattrs.same_flags(f, g):  # statx does not tell all of them
                if (xattrs.flags(f) ^ xattrs.flags(g)) & xattrs.NOCOW:
                    return _KEEP, 0  # the kernel clones nothing between the two
                exact = False
            freed = 0
            if equal and not once:
                beneath = self._sources[number].beneath
                freed = only_of(f if beneath < 0 else beneath, mine.inode, g, other.inode, mine.allocated)
        finally:
            os.close(g)
        if not equal:
            return _KEEP, 0
        if exact:
            return _DROP, freed
        return (_CLONE, freed) if may_clone and freed else (_KEEP, 0)

    # -- symbolic links -----------------------------------------------------------------------------------------

    def _symlink(self, name: str, raw: bytes, dir_fd: int, found: Theirs, tally: Tally) -> None:
        for number, fd in found:
            if self._same_symlink(name, raw, dir_fd, fd) and not _is_marked(raw):
                tally.drop(name, number, self._mine, 0)
                return
        self._own(name, raw, tally)

    def _same_symlink(self, name: str, raw: bytes, dir_fd: int, fd: int) -> bool:
        return (
            self._mine.nlink == 1
            and self._other.look(raw, fd)
            and self._mine.same_inode_facts(self._other)
            and os.readlink(raw, dir_fd=dir_fd) == os.readlink(raw, dir_fd=fd)
            and xattrs.same(xattrs.link_path(name, dir_fd), xattrs.link_path(name, fd), follow=False)
        )


__all__ = ("INLINE", "MARK", "NODE", "SEALED", "Judge")
