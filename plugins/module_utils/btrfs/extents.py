# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bytes of a file are on disk, and how many they are there: compressed ones are fewer than the file has."""

from __future__ import annotations

import errno
import fcntl
import struct
import typing as t

from .search import HEADER, ITEMS_AT, KEY, LAST, TREE_SEARCH_V2, U32, U64

_EXTENT_DATA: t.Final = 108
# struct btrfs_file_extent_item: compression and type; then where, how long on disk, at which offset in it, how much of it
_ITEM: t.Final = struct.Struct("=16xB3xBQQQQ")
BEHIND_GENERATION: t.Final = struct.Struct("=8xB3xBQQQQ")  # which is the first field
_INLINE: t.Final = 0
_BUFFER: t.Final = 1 << 14  # bytes
_ROOM: t.Final = 1 << 13  # bytes: an item that is not inline has 53, and what is inline is less than a page
_NOT_BTRFS: t.Final = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL)
_buffer = bytearray(ITEMS_AT + _BUFFER)


def stored(fd: int, inode: int) -> dict[int, int] | None:
    """The extents of a file that is open as ``fd``: where each begins on disk -> bytes that it takes there.

    Without what is inline in the metadata. None for a file on another file system. What is not written yet is not seen.
    """
    # Not by items(), which takes five times as long: this is asked for every file of which a copy goes
    out: dict[int, int] = {}
    at = 0
    while True:
        KEY.pack_into(
            _buffer, 0, 0, inode, inode, at, LAST, 0, LAST, _EXTENT_DATA, _EXTENT_DATA, 0xFFFFFFFF, 0, 0, 0, 0, 0
        )
        U64.pack_into(_buffer, 104, _BUFFER)
        try:
            fcntl.ioctl(fd, TREE_SEARCH_V2, _buffer, True)
        except OSError as error:
            if error.errno in _NOT_BTRFS:
                return None
            raise
        position = ITEMS_AT
        for _index in range(U32.unpack_from(_buffer, 64)[0]):
            _transid, _number, at, _kind, length = HEADER.unpack_from(_buffer, position)
            if length >= _ITEM.size:
                add(out, _ITEM, _buffer, position + HEADER.size)
            position += HEADER.size + length
        if position < ITEMS_AT + _BUFFER - _ROOM:
            return out
        at += 1


def add(out: dict[int, int], item: struct.Struct, data: bytes | bytearray, at: int) -> None:
    """Count one extent that is described at ``at``: where it begins on disk -> bytes that it takes there."""
    compression, kind, address, whole, _offset, used = item.unpack_from(data, at)
    if kind != _INLINE and address:
        # Of one that is not compressed a part may belong to others by now
        out[address] = whole if compression else min(whole, out.get(address, 0) + used)


def only(mine: t.Mapping[int, int], theirs: t.Container[int]) -> int:
    """How many bytes on disk are in these extents alone."""
    return sum(size for address, size in mine.items() if address not in theirs)


def only_of(fd: int, inode: int, other: int, other_inode: int, otherwise: int) -> int:
    """How many bytes on disk a file has that another one of its file system has not; ``otherwise`` where nobody can tell."""
    mine = stored(fd, inode)
    theirs = None if mine is None else stored(other, other_inode)
    return otherwise if mine is None or theirs is None else only(mine, theirs)


__all__ = ("BEHIND_GENERATION", "add", "only", "only_of", "stored")
