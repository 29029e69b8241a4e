# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a subvolume's tree holds of an inode: its item, names, attributes and where its bytes lie; fetched when asked for.

The tree on disk is what is read, so the file system must have been told to write what programs wrote (``ioctl.sync``)
before. Structures: include/uapi/linux/btrfs_tree.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
import typing as t

from ...btrfs.extents import BEHIND_GENERATION, add
from ...btrfs.search import ITEMS_AT, KEY, LAST, TREE_SEARCH_V2, U32, U64
from ..model import Kin

FIRST: t.Final = 256
INODE: t.Final = 1
REF: t.Final = 12
EXTREF: t.Final = 13
ATTRIBUTE: t.Final = 24
NAME: t.Final = 96  # DIR_INDEX: every name once, in the order of a listing
EXTENT: t.Final = 108
_ENTRY: t.Final = struct.Struct("<QB8x8xHHB")  # struct btrfs_dir_item: where it leads, data and name lengths, type
_ENTRY_SIZE: t.Final = 30
_ITEM: t.Final = 160
# Of an item, behind the generation of its block: object, offset, kind, length
_HEAD: t.Final = struct.Struct("=8xQQII")

# struct btrfs_inode_item: size, bytes on disk, links, mode, device, flags
FACTS: t.Final = struct.Struct("<16xQQ8xI8xIQQ")
MADE: t.Final = struct.Struct("<Q")  # the generation in which the inode was made; or the extent, of its item
CHANGED: t.Final = struct.Struct("<124xQ")  # seconds
LINKS_TO_MODE: t.Final = slice(40, 56)
OWNER_TO_MODE: t.Final = slice(44, 56)
MODIFIED: t.Final = slice(136, 148)
_MADE: t.Final = slice(0, 8)
_SIZE_TO_FLAGS: t.Final = slice(16, 72)
_CHANGED_AND_MODIFIED: t.Final = slice(124, 148)

_Found = t.TypeVar("_Found")


class _Fetched(dict[int, _Found]):
    """What is known of inodes by now; asking for another one fetches all there is of it."""

    def __init__(self, fetch: t.Callable[[int], None]) -> None:
        super().__init__()
        self._fetch = fetch

    def __missing__(self, inode: int) -> _Found:
        self._fetch(inode)
        return self[inode] if inode in self else self._nothing(inode)

    def _nothing(self, inode: int) -> t.NoReturn:
        raise KeyError(inode)


class Tree:
    """One subvolume, by inode number. A number that is not in it (any more) raises KeyError, a refusal of the kernel OSError.

    ``inodes``: struct btrfs_inode_item, 160 bytes. ``names``: of a directory; what is another subvolume is negative.
    ``extents``: offset and content, without the generation, of each extent item in order: the same on both sides of one
    file system means the same bytes. ``fd``: the subvolume, open; ``id``: its number.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.id = _subvolume_of(fd)
        self._buffer = bytearray(ITEMS_AT + (1 << 16))
        self.inodes: _Fetched[bytes] = _Fetched(self._fetch)
        self.names: _Fetched[dict[bytes, int]] = _Fetched(self._fetch)
        self.attributes: _Fetched[dict[bytes, bytes]] = _Fetched(self._fetch)
        self.extents: _Fetched[bytes] = _Fetched(self._fetch)

    def _fetch(self, inode: int) -> None:
        item, names, attributes, extents = b"", dict[bytes, int](), dict[bytes, bytes](), list[bytes]()
        for data, at, _inode, offset, kind, length in blocks(self.fd, self._buffer, inode, inode):
            if kind == NAME:
                child, what, _data, name_length, _type = _ENTRY.unpack_from(data, at)
                name = at + _ENTRY_SIZE
                names[bytes(data[name : name + name_length])] = child if what == INODE else -child
            elif kind == INODE:
                item = bytes(data[at : at + _ITEM])
            elif kind == EXTENT:
                extents.append(struct.pack("=Q", offset) + data[at + 8 : at + length])
            elif kind == ATTRIBUTE:
                attributes.update(_attributes(data, at, at + length))
        if item:
            self.inodes[inode], self.names[inode] = item, names
            self.attributes[inode], self.extents[inode] = attributes, b"".join(extents)


# The block that an item is in and where in it its content begins; its key; its length
Item = tuple[bytearray, int, int, int, int, int]


def blocks(fd: int, buffer: bytearray, first: int, last: int, since: int = 0) -> t.Iterator[Item]:
    """The items of inodes ``first`` to ``last`` in blocks that were written in or after generation ``since``.

    Every item is good until the next one is asked for. Raises OSError.
    """
    head = _HEAD.unpack_from
    inode, kind, offset = first, 0, 0
    while True:
        key = (0, inode, last, offset, LAST, since, LAST, kind, 255, 0xFFFFFFFF, 0, 0, 0, 0, 0)
        KEY.pack_into(buffer, 0, *key)
        U64.pack_into(buffer, 104, len(buffer) - ITEMS_AT)
        fcntl.ioctl(fd, TREE_SEARCH_V2, buffer, True)
        found = U32.unpack_from(buffer, 64)[0]
        if not found:
            return
        at = ITEMS_AT
        for _index in range(found):
            inode, offset, kind, length = head(buffer, at)
            at += 32
            yield buffer, at, inode, offset, kind, length
            at += length
        if offset < LAST:
            offset += 1
        elif kind < 255:
            kind, offset = kind + 1, 0
        elif inode < last:
            inode, kind, offset = inode + 1, 0, 0
        else:
            return


def _attributes(data: bytearray, at: int, end: int) -> t.Iterator[tuple[bytes, bytes]]:
    """Those of one item: names whose hashes are the same share one."""
    while at < end:
        _child, _what, data_length, name_length, _type = _ENTRY.unpack_from(data, at)
        value = at + _ENTRY_SIZE + name_length
        yield bytes(data[at + _ENTRY_SIZE : value]), bytes(data[value : value + data_length])
        at = value + data_length


def is_inline(extents: bytes) -> bool:
    """Whether a file's bytes lie in the tree itself."""
    return len(extents) > 20 and extents[20] == 0


def is_plain(extents: bytes) -> bool:
    """Whether they are not compressed, as far as the first extent tells."""
    return extents[16] == 0


def on_disk(extents: bytes) -> dict[int, int]:
    """Where each extent of a file begins on disk -> bytes that it takes there."""
    out: dict[int, int] = {}
    if not is_inline(extents):
        for at in range(8, len(extents), 8 + BEHIND_GENERATION.size):
            add(out, BEHIND_GENERATION, extents, at)
    return out


def is_directory(inode: bytes) -> bool:
    return inode[53] & 0xF0 == 0x40


def was_only_read(a: bytes, b: bytes, kin: Kin) -> bool:
    """Whether two items of one inode, which both sides have, differ in no more than an access time (of bytes: see ``Kin``)."""
    return bool(
        a[_MADE] == b[_MADE]
        and MADE.unpack_from(a)[0] < kin.generation
        and CHANGED.unpack_from(a)[0] < kin.before
        and a[_SIZE_TO_FLAGS] == b[_SIZE_TO_FLAGS]
        and a[_CHANGED_AND_MODIFIED] == b[_CHANGED_AND_MODIFIED]
    )


def _subvolume_of(fd: int) -> int:
    """The number of the subvolume in which a descriptor lies (BTRFS_IOC_INO_LOOKUP)."""
    buffer = bytearray(4096)
    struct.pack_into("=QQ", buffer, 0, 0, FIRST)
    fcntl.ioctl(fd, 0xD0009412, buffer, True)
    return int(struct.unpack_from("=Q", buffer, 0)[0])


def inode_of(fd: int) -> int:
    return os.fstat(fd).st_ino


__all__ = (
    "ATTRIBUTE",
    "CHANGED",
    "EXTENT",
    "EXTREF",
    "FACTS",
    "FIRST",
    "INODE",
    "LINKS_TO_MODE",
    "MADE",
    "MODIFIED",
    "NAME",
    "OWNER_TO_MODE",
    "REF",
    "Tree",
    "blocks",
    "inode_of",
    "is_directory",
    "is_inline",
    "is_plain",
    "on_disk",
    "was_only_read",
)
