# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass through a subvolume's tree: what neither it nor its relative has written, counted; where to look more closely.

Memory follows the directories and the changes, not the files. The source is read only where it was written since.
"""

from __future__ import annotations

import stat
import struct
import typing as t
from dataclasses import dataclass, field

from ...btrfs.search import ITEMS_AT, LAST
from ...system.overlay_format import PREFIX
from ..model import Kin
from .tree import (
    ATTRIBUTE,
    CHANGED,
    EXTENT,
    EXTREF,
    FACTS,
    FIRST,
    INODE,
    MADE,
    NAME,
    REF,
    Tree,
    blocks,
    was_only_read,
)

_BUFFER: t.Final = 1 << 18  # bytes; larger ones cost more page faults than they save calls
_END: t.Final = LAST - 255
MARKED_BY: t.Final = PREFIX.encode()
LOCKED: t.Final = 1 << 6 | 1 << 7  # immutable, append-only
VERITY: t.Final = 1 << 32  # fs-verity, of the read-only half
_WRITTEN: t.Final = struct.Struct("<8xQ")
_NAME_LENGTH: t.Final = struct.Struct("<8xH")  # struct btrfs_inode_ref
_EXTERNAL: t.Final = struct.Struct("<QQH")  # struct btrfs_inode_extref: directory, index, length of the name
# So many are asked for one by one; for more the source is read once
_ONE_BY_ONE: t.Final = 2_000


@dataclass
class Survey:
    """Of the container's subvolume, by inode numbers.

    ``count``, ``size``: of a directory's files and links that are the relative's very own and have no other name, bytes.
    ``odd``: of a directory, by name, all others that are no directories. ``changed``: inodes that are not the relative's any
    more. ``closed``: directories that overlayfs would not merge, or obey, and those of such files. ``below``, ``parent``,
    ``name``: the tree of directories. ``nested``: directories with another subvolume in them.
    """

    count: dict[int, int] = field(default_factory=dict)
    size: dict[int, int] = field(default_factory=dict)
    odd: dict[int, dict[bytes, int]] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    below: dict[int, list[int]] = field(default_factory=dict)
    parent: dict[int, int] = field(default_factory=dict)
    name: dict[int, bytes] = field(default_factory=dict)
    nested: set[int] = field(default_factory=set)

    def on_the_way(self) -> set[int]:
        """The directories in which there is something to look at, and all above them."""
        found: set[int] = set()
        for inode in (*self.odd, *self.closed, *(inode for inode in self.changed if inode in self.parent)):
            above = inode
            while above not in found:
                found.add(above)
                above = self.parent.get(above, above)  # the root of the subvolume has none
        return found

    def subtree(self, top: int) -> t.Iterator[int]:
        """A directory and all directories below it."""
        stack = [top]
        while stack:
            inode = stack.pop()
            yield inode
            stack += self.below.get(inode, ())


class _Doubt(t.NamedTuple):
    """What was only read, as far as the container tells by itself; under one of its names. ``counted``: it is so far."""

    item: bytes
    parent: int
    name: bytes
    counted: bool


class _Written:
    """What was written since they parted: the source's inode items, and inodes with bytes that either side wrote."""

    __slots__ = ("bytes", "items")

    def __init__(self) -> None:
        self.items: dict[int, bytes] = {}
        self.bytes: set[int] = set()


def survey(mine: Tree, theirs: Tree, kin: Kin) -> Survey:
    """Read the container's tree beside that of its relative. Raises OSError."""
    buffer = bytearray(ITEMS_AT + _BUFFER)
    written = _Written()
    for data, at, inode, _offset, kind, _length in blocks(theirs.fd, buffer, FIRST, _END, kin.generation):
        if kind == INODE and _WRITTEN.unpack_from(data, at)[0] >= kin.generation:
            written.items[inode] = bytes(data[at : at + 160])
        elif kind == EXTENT and MADE.unpack_from(data, at)[0] >= kin.generation:
            written.bytes.add(inode)
    found = Survey()
    doubts = _read(mine, written, kin, buffer, found)
    _settle(theirs, doubts, written, kin, buffer, found)
    return found


def _read(  # noqa: C901, PLR0912 - a call for each item would cost more than all that is done with it
    mine: Tree, written: _Written, kin: Kin, buffer: bytearray, found: Survey
) -> dict[int, _Doubt]:
    """All of it in one loop."""
    count, sizes, odd, below, theirs = found.count, found.size, found.odd, found.below, written.items
    since, before = kin.generation, kin.before
    facts, changed_at, written_in = FACTS.unpack_from, CHANGED.unpack_from, _WRITTEN.unpack_from
    doubts: dict[int, _Doubt] = {}
    size, parent, item = 0, -1, b""
    plain = directory = doubt = False
    for data, at, inode, offset, kind, length in blocks(mine.fd, buffer, FIRST, _END):
        if kind == INODE:
            size, _held, links, mode, _device, flags = facts(data, at)
            what = mode & 0o170000
            directory = what == stat.S_IFDIR
            doubt, same = False, True
            if written_in(data, at)[0] >= since or inode in theirs:
                same = doubt = changed_at(data, at)[0] < before
                if doubt:
                    item = bytes(data[at : at + 160])
                else:
                    found.changed.add(inode)
            plain = same and links == 1 and what in (stat.S_IFREG, stat.S_IFLNK) and not flags & (LOCKED | VERITY)
            if directory and flags & LOCKED:
                found.closed.add(inode)
        elif kind == REF:
            parent = offset
            if directory:
                if inode != offset:
                    found.parent[inode] = offset
                    found.name[inode] = next(_names(data, at, at + length))
                    below.setdefault(offset, []).append(inode)
            elif not plain:
                odd.setdefault(offset, {}).update(dict.fromkeys(_names(data, at, at + length), inode))
            elif offset in count:
                count[offset] += 1
                sizes[offset] += size
            else:
                count[offset], sizes[offset] = 1, size
            if doubt:
                doubts[inode] = _Doubt(item, offset, next(_names(data, at, at + length)), plain)
        elif kind == NAME:
            if data[at + 8] != INODE:
                found.nested.add(inode)
        elif kind == EXTENT:
            if doubt and MADE.unpack_from(data, at)[0] >= since:
                written.bytes.add(inode)
        elif kind == ATTRIBUTE:
            if data.find(MARKED_BY, at, at + length) >= 0:
                found.closed.add(inode if directory else parent)
        elif kind == EXTREF:
            for other, name in _further_names(data, at, at + length):
                odd.setdefault(other, {})[name] = inode
                if doubt and inode not in doubts:  # all other names are gone
                    doubts[inode] = _Doubt(item, other, name, counted=False)
    return doubts


def _names(data: bytearray, at: int, end: int) -> t.Iterator[bytes]:
    """Those of an inode in one directory."""
    while at < end:
        first = at + 10
        at = first + _NAME_LENGTH.unpack_from(data, at)[0]
        yield bytes(data[first:at])


def _further_names(data: bytearray, at: int, end: int) -> t.Iterator[tuple[int, bytes]]:
    """Those that did not fit: in which directory, and the name."""
    while at < end:
        directory, _index, length = _EXTERNAL.unpack_from(data, at)
        first = at + _EXTERNAL.size
        at = first + length
        yield directory, bytes(data[first:at])


def _settle(
    theirs: Tree, doubts: t.Mapping[int, _Doubt], written: _Written, kin: Kin, buffer: bytearray, found: Survey
) -> None:
    """Ask the source for what the container has only read, as far as that tells by itself."""
    asked = {inode for inode in doubts if inode not in written.items and inode not in written.bytes}
    items = {**written.items, **_items(theirs, asked, buffer)}
    for inode, doubt in doubts.items():
        # (The bytes may have come later than the change time, see ``Kin``.)
        if inode not in written.bytes and inode in items and was_only_read(doubt.item, items[inode], kin):
            continue
        found.changed.add(inode)
        if doubt.counted:
            found.count[doubt.parent] -= 1
            found.size[doubt.parent] -= FACTS.unpack_from(doubt.item)[0]
            found.odd.setdefault(doubt.parent, {})[doubt.name] = inode


def _items(theirs: Tree, wanted: t.Collection[int], buffer: bytearray) -> dict[int, bytes]:
    if len(wanted) > _ONE_BY_ONE:
        return {
            inode: bytes(data[at : at + 160])
            for data, at, inode, _offset, kind, _length in blocks(theirs.fd, buffer, FIRST, _END)
            if kind == INODE and inode in wanted
        }
    found: dict[int, bytes] = {}
    for inode in wanted:
        try:
            found[inode] = theirs.inodes[inode]
        except KeyError:
            continue  # it is gone there
    return found


__all__ = ("LOCKED", "MARKED_BY", "VERITY", "Survey", "survey")
