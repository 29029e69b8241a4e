# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The items of a btrfs tree, in the order of their keys (BTRFS_IOC_TREE_SEARCH_V2, linux/btrfs.h)."""

from __future__ import annotations

import fcntl
import struct
import typing as t

TREE_SEARCH_V2: t.Final = 0xC0709411
KEY: t.Final = struct.Struct("=7Q4I4Q")
HEADER: t.Final = struct.Struct("=QQQII")
U32: t.Final = struct.Struct("=I")
U64: t.Final = struct.Struct("=Q")
ITEMS_AT: t.Final = 112  # behind the key and the size of the buffer
LAST: t.Final = 2**64 - 1
_LARGEST: t.Final = 1 << 18  # bytes; an item has at most a tree block, 64 KiB


class Key(t.NamedTuple):
    object: int
    kind: int
    offset: int


def items(
    fd: int,
    tree: int,
    *,
    objects: tuple[int, int] = (0, LAST),
    kinds: tuple[int, int] = (0, 255),
    size: int = _LARGEST,
) -> t.Iterator[tuple[Key, bytes]]:
    """Key and content of every item of ``tree`` (0: the descriptor's own) between the two objects and of a kind between these.

    ``size``: of the buffer, bytes. Raises OSError, ENOENT for no such tree.
    """
    buffer = bytearray(ITEMS_AT + size)
    at, last_object = Key(objects[0], kinds[0], 0), objects[1]
    while True:
        # The kernel compares whole keys: between the two objects come items of every kind
        key = (tree, at.object, last_object, at.offset, LAST, 0, LAST, at.kind, kinds[1], 0xFFFFFFFF, 0, 0, 0, 0, 0)
        KEY.pack_into(buffer, 0, *key)
        U64.pack_into(buffer, 104, size)
        fcntl.ioctl(fd, TREE_SEARCH_V2, buffer, True)
        found = U32.unpack_from(buffer, 64)[0]
        if not found:
            return
        position = ITEMS_AT
        for _index in range(found):
            _transid, number, offset, kind, length = HEADER.unpack_from(buffer, position)
            at = Key(number, kind, offset)
            if kinds[0] <= kind <= kinds[1]:
                yield at, bytes(buffer[position + 32 : position + 32 + length])
            position += 32 + length
        if at.offset < LAST:
            at = Key(at.object, at.kind, at.offset + 1)
        elif at.kind < 255:
            at = Key(at.object, at.kind + 1, 0)
        else:
            at = Key(at.object + 1, 0, 0)


__all__ = ("HEADER", "ITEMS_AT", "KEY", "LAST", "TREE_SEARCH_V2", "U32", "U64", "Key", "items")
