# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of one entry that is not a directory, by the items of the trees: ``entries.Judge`` without its system calls.

The verdicts are the same (tests/integration/overlay/test_relatives.py holds one to the other).
"""

from __future__ import annotations

import os
import stat
import typing as t

from ...btrfs.extents import only
from ...system.overlay_format import OPAQUE, is_whiteout
from ..entries import INLINE, MARK, NODE, SEALED
from ..model import Tally
from .reading import Reader
from .survey import LOCKED, MARKED_BY, VERITY
from .tree import FACTS, LINKS_TO_MODE, MODIFIED, Tree, is_inline, is_plain, on_disk

_OPAQUE: t.Final = OPAQUE.encode()
# Inode flags of btrfs (uapi/linux/btrfs_tree.h). Those that lsattr(1) shows: no data COW, no compression, sync, immutable,
# append-only, nodump, noatime, dirsync, compressed, and fs-verity
_NODATACOW: t.Final = 1 << 1
SHOWN: t.Final = _NODATACOW | 1 << 3 | 1 << 5 | LOCKED | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | VERITY

_KEEP: t.Final = 0
_CLONE: t.Final = 1
_DROP: t.Final = 2
_READ: t.Final = 3  # only the bytes tell

# Those of a name in the sources: number of the source, inode there.
Found = list[tuple[int, int]]


class File:
    """One entry of the container: what a tally counts, and what is compared."""

    __slots__ = ("allocated", "flags", "inode", "item", "mode", "nlink", "rdev", "size")

    def __init__(self, inode: int, item: bytes, block: int) -> None:
        self.inode, self.item = inode, item
        self.size, held, self.nlink, self.mode, self.rdev, self.flags = FACTS.unpack_from(item)
        self.allocated = (held + block - 1) // block * block


class Pending(t.NamedTuple):
    """A file whose bytes decide. ``place``: its directory's number; ``found``: the sources still to ask, in order.

    ``clone``: the one that it could be cloned from so far (or -1), ``freed``: what that would free, bytes.
    """

    place: int
    name: str
    inode: int
    found: Found
    clone: int
    freed: int


# What was found out about one: the source to take it from, or the one to clone (or -1), and how many bytes either frees
Verdict = tuple[int, int, int]


def is_marked(attributes: t.Iterable[bytes]) -> bool:
    return any(name.startswith(MARKED_BY) for name in attributes)


def is_opaque(attributes: t.Mapping[bytes, bytes]) -> bool:
    return attributes.get(_OPAQUE) == b"y"


class Judge:
    """``mine`` is the container's tree, ``theirs`` the sources', by number, the first of which is a relative.

    ``changed``: inodes that are not the relative's any more. ``block``: of the file system, bytes.
    """

    def __init__(self, mine: Tree, theirs: t.Sequence[Tree], changed: t.Container[int], block: int) -> None:
        self._mine, self._theirs, self._changed = mine, theirs, changed
        self._block = block
        self.pending: list[Pending] = []

    def decide(self, place: int, raw: bytes, inode: int, found: Found, tally: Tally) -> None:
        """Put into ``tally`` what becomes of the entry, or into ``pending``. ``found``: the sources that have the name."""
        file = File(inode, self._mine.inodes[inode], self._block)
        name = os.fsdecode(raw)
        attributes = self._mine.attributes[inode]
        marked = bool(attributes) and is_marked(attributes)
        if file.flags & VERITY:
            tally.refuse(name, SEALED)
        if found and not marked and self._is_untouched(file, found[0]):
            tally.drop(name, found[0][0], file, 0)
            return
        kind = stat.S_IFMT(file.mode)
        if kind == stat.S_IFREG:
            self._file(place, name, file, found, tally, marked=marked)
            return
        if kind == stat.S_IFLNK and not marked:
            for number, other in found:
                if self._same_symlink(file, attributes, number, other):
                    tally.drop(name, number, file, 0)
                    return
        elif is_whiteout(file.mode, file.rdev):
            tally.refuse(name, NODE)
        if marked:
            tally.refuse(name, MARK)
        tally.keep(name, file, -1, 0)

    def _is_untouched(self, file: File, first: tuple[int, int]) -> bool:
        """Whether the relative has the very same inode there, and neither has written it since they parted."""
        return (
            first == (0, file.inode)
            and file.inode not in self._changed
            and file.nlink == 1
            and not file.flags & LOCKED
            and (stat.S_ISREG(file.mode) or stat.S_ISLNK(file.mode))
        )

    # -- files --------------------------------------------------------------------------------------------------

    def _file(self, place: int, name: str, file: File, found: Found, tally: Tally, *, marked: bool) -> None:
        clone, freed = -1, 0
        if not marked:  # what has a mark is refused, whoever has the same
            for index, (number, other) in enumerate(found):
                what, less = self._against(file, number, other, None, may_clone=clone < 0)
                if what == _READ:
                    self.pending.append(Pending(place, name, file.inode, found[index:], clone, freed))
                    return
                if what == _DROP:
                    tally.drop(name, number, file, less)
                    return
                if what == _CLONE:
                    clone, freed = number, less
        else:
            tally.refuse(name, MARK)
        tally.keep(name, file, clone, freed)

    def settle(self, pending: Pending, reader: Reader) -> Verdict:
        """Ask the bytes. Raises OSError where a file cannot be opened (any more)."""
        file = File(pending.inode, self._mine.inodes[pending.inode], self._block)
        clone, freed = pending.clone, pending.freed
        for number, other in pending.found:
            what, less = self._against(file, number, other, reader, may_clone=clone < 0)
            if what == _DROP:
                return number, -1, less
            if what == _CLONE:
                clone, freed = number, less
        return -1, clone, freed

    def tell(self, pending: Pending, verdict: Verdict, tally: Tally) -> None:
        number, clone, freed = verdict
        file = File(pending.inode, self._mine.inodes[pending.inode], self._block)
        if number >= 0:
            tally.drop(pending.name, number, file, freed)
        else:
            tally.keep(pending.name, file, clone, freed)

    def _only_of(self, file: File, number: int, other: int) -> int:
        """How many bytes on disk the file has that the source's has not."""
        mine, theirs = self._mine.extents[file.inode], self._theirs[number].extents[other]
        return 0 if mine == theirs else only(on_disk(mine), on_disk(theirs))

    def _against(
        self, file: File, number: int, other: int, reader: Reader | None, *, may_clone: bool
    ) -> tuple[int, int]:
        """What a source's file of that name makes possible, and what that frees (bytes on disk).

        ``_READ`` if only its bytes tell and there is no reader.
        """
        if other < 0:
            return _KEEP, 0
        theirs = self._theirs[number]
        a, b = file.item, theirs.inodes[other]
        size, held, _links, mode, _device, flags = FACTS.unpack_from(b)
        if size != file.size or not stat.S_ISREG(mode):
            return _KEEP, 0
        if (file.allocated < size) != ((held + self._block - 1) // self._block * self._block < size):
            return _KEEP, 0  # holes are neither lost nor made: a swap file must have none
        differ = (file.flags ^ flags) & SHOWN
        if differ & _NODATACOW:
            return _KEEP, 0  # the kernel clones nothing between the two
        may_clone = may_clone and size > INLINE
        exact = (
            not differ
            and file.nlink == 1
            and not flags & LOCKED
            and a[LINKS_TO_MODE] == b[LINKS_TO_MODE]
            and a[MODIFIED] == b[MODIFIED]
            and self._mine.attributes[file.inode] == theirs.attributes[other]
        )
        if not exact and not may_clone:
            return _KEEP, 0
        equal = self._same_in_trees(file, theirs, other)
        if equal is None:
            if reader is None:
                return _READ, 0
            equal = reader.equal(self._mine, file.inode, theirs, other, size=size, allocated=file.allocated)
        if not equal:
            return _KEEP, 0
        freed = self._only_of(file, number, other)
        if exact:
            return _DROP, freed
        return (_CLONE, freed) if may_clone and freed else (_KEEP, 0)

    def _same_in_trees(self, file: File, theirs: Tree, other: int) -> bool | None:
        """Whether the bytes are equal, as far as the trees tell; None: they do not."""
        if not file.size:
            return True
        a, b = self._mine.extents[file.inode], theirs.extents[other]
        if a == b:
            return True
        return False if is_inline(a) and is_inline(b) and is_plain(a) and is_plain(b) else None

    # -- symbolic links -----------------------------------------------------------------------------------------

    def _same_symlink(self, file: File, attributes: dict[bytes, bytes], number: int, other: int) -> bool:
        if other < 0 or file.nlink != 1:
            return False
        theirs = self._theirs[number]
        a, b = file.item, theirs.inodes[other]
        return (
            a[LINKS_TO_MODE] == b[LINKS_TO_MODE]
            and a[MODIFIED] == b[MODIFIED]
            and not (file.flags ^ FACTS.unpack_from(b)[5]) & SHOWN
            and self._mine.extents[file.inode] == theirs.extents[other]
            and attributes == theirs.attributes[other]
        )


__all__ = ("SHOWN", "Found", "Judge", "Pending", "Verdict", "is_marked", "is_opaque")
