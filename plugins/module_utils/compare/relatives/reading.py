# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the bytes of two files that the trees do not tell apart, each opened as exactly the inode that the tree showed.

By handle (open_by_handle_at(2), the file handle of btrfs without its parent: fs/btrfs/export.h) there is no path that a
container could aim elsewhere, and a number that another file has meanwhile is refused by its generation.
"""

from __future__ import annotations

import ctypes
import os
import struct
import typing as t

from ...system.safe_path import libc
from ..files import same_bytes, same_data
from .tree import MADE, Tree

_BTRFS: t.Final = 0x4D  # FILEID_BTRFS_WITHOUT_PARENT
_HANDLE: t.Final = struct.Struct("=IiQQI")  # struct file_handle, and object, subvolume, generation
_SIZE: t.Final = 20
# Without an access time: what is only looked at must not be written, or the next snapshot shares less
_FLAGS: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOATIME
_handle = ctypes.create_string_buffer(_HANDLE.size)


def _opener() -> t.Callable[..., int]:
    call = libc.open_by_handle_at
    call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
    return t.cast("t.Callable[..., int]", call)


_call: t.Final = _opener()


def open_inode(tree: Tree, inode: int) -> int:
    """A regular file of a tree, open for reading. Raises OSError, ESTALE when it is not there any more."""
    _HANDLE.pack_into(_handle, 0, _SIZE, _BTRFS, inode, tree.id, MADE.unpack_from(tree.inodes[inode])[0])
    fd = _call(tree.fd, ctypes.addressof(_handle), _FLAGS)
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd


class Reader:
    """``most``: how many bytes are read at most, see ``files.Bytes``."""

    def __init__(self, most: int) -> None:
        self._left = most

    def equal(self, a: Tree, mine: int, b: Tree, other: int, *, size: int, allocated: int) -> bool:
        """Whether two files of one size hold the same bytes, in the same places. Raises OSError."""
        self._left -= min(size, allocated)
        if self._left < 0:
            return False
        f = open_inode(a, mine)
        try:
            g = open_inode(b, other)
            try:
                return same_data(f, g, size) if allocated < size else same_bytes(f, g, size)
            finally:
                os.close(g)
        finally:
            os.close(f)


__all__ = ("Reader", "open_inode")
