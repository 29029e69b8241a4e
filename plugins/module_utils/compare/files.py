# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two things asked about files, as cheaply as Python can: what an entry is, and whether two hold the same bytes.

Status is by statx(2) into a buffer that is used again: one call shows what lstat(2) does and the immutable flag too,
and whole groups of fields are compared as bytes.

Equal bytes are proven without reading them where the file system can.

FIEMAP (Documentation/filesystems/fiemap.rst) tells where a file's bytes lie. Two files on one file system whose extents
are the same, bytes on disk and all, are equal. The traps, all of them reproduced: without FIEMAP_FLAG_SYNC a dirty
clone still shows its OLD extent; compressed extents share a physical address at different offsets; inline extents all
sit at 0; preallocated ones hold no data yet; a file of holes has no extents. So: always SYNC, only the flags LAST,
MERGED and SHARED, and a LAST extent must be there; anything else is read.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
import typing as t

from ..errors import OvercError
from ..system import overlay_format
from ..system.safe_path import libc

_FIEMAP: t.Final = 0xC020660B
_FLAG_SYNC: t.Final = 1
_EXTENTS: t.Final = 128
_ACCEPTED: t.Final = 0x1 | 0x1000 | 0x2000  # LAST | MERGED | SHARED
_HEAD: t.Final = struct.Struct("=QQIIII")
_EXTENT: t.Final = struct.Struct("=QQQ16xI12x")
_END: t.Final = 32 + 56 * _EXTENTS
_first, _second = bytearray(_END), bytearray(_END)

BLOCK: t.Final = 131072
_block, _other = bytearray(BLOCK), bytearray(BLOCK)
_PROBE: t.Final = 4096


_STATX: t.Final = struct.Struct("=8xQI8xHxxQQQ")  # attributes, nlink, mode, inode, size, blocks of struct statx
_FACTS: t.Final = struct.Struct("=8x22s82x12s")  # see Status.same_inode_facts
_RDEV: t.Final = struct.Struct("=II")
_SECONDS: t.Final = struct.Struct("=q")
_NOFOLLOW: t.Final = 0x100  # AT_SYMLINK_NOFOLLOW
_BASIC: t.Final = 0x7FF  # STATX_BASIC_STATS
_LOCKED: t.Final = 0x10 | 0x20  # STATX_ATTR_IMMUTABLE, STATX_ATTR_APPEND
_VERITY: t.Final = 0x100000  # STATX_ATTR_VERITY


def _statx() -> t.Callable[..., int]:
    call: t.Any = getattr(libc, "statx", None)
    if call is None:
        raise OvercError("overlay_unsupported", "The C library of this host has no statx(); glibc has it since 2.28.")
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    return t.cast("t.Callable[..., int]", call)


class Status:
    """What one entry is; ``look`` fills it."""

    def __init__(self) -> None:
        self._call = _statx()
        self._buffer = ctypes.create_string_buffer(256)
        self._address = ctypes.addressof(self._buffer)
        self.view = memoryview(self._buffer).cast("B")
        self.nlink = self.inode = self.size = self._blocks = self._mode = self._attributes = 0
        self.is_file = False

    def look(self, raw: bytes, dir_fd: int) -> bool:
        """False if there is no such entry. A link is not followed."""
        if self._call(dir_fd, raw, _NOFOLLOW, _BASIC, self._address):
            code = ctypes.get_errno()
            if code == errno.ENOENT:
                return False
            raise OSError(code, os.strerror(code), raw)
        fields = _STATX.unpack_from(self.view)
        self._attributes, self.nlink, mode, self.inode, self.size, self._blocks = fields
        self._mode = mode & 0o170000
        self.is_file = self._mode == stat.S_IFREG
        return True

    @property
    def is_symlink(self) -> bool:
        return self._mode == stat.S_IFLNK

    @property
    def is_whiteout(self) -> bool:
        return overlay_format.is_whiteout(self._mode, os.makedev(*_RDEV.unpack_from(self._buffer, 128)))

    @property
    def locked(self) -> bool:
        """Immutable or append-only."""
        return bool(self._attributes & _LOCKED)

    @property
    def sealed(self) -> bool:
        """With fs-verity, which belongs to the inode: no copy has it, and no reflink."""
        return bool(self._attributes & _VERITY)

    @property
    def allocated(self) -> int:
        return self._blocks * 512

    @property
    def sparse(self) -> bool:
        return self._blocks * 512 < self.size

    def untouched(self, other: Status, before: int) -> bool:
        """One inode in two snapshots, unchanged since ``before``, seconds (see ``Kin.settled``)."""
        return (
            self.inode == other.inode
            and self.view[96:108] == other.view[96:108]
            and _SECONDS.unpack_from(self._buffer, 96)[0] < before
            and self.size == other.size
            and self.same_inode_facts(other)
        )

    def same_inode_facts(self, other: Status) -> bool:
        """Attributes, link count, owner, group, type and mode (bytes 8 to 30), and modification time (112 to 124)."""
        return _FACTS.unpack_from(self.view) == _FACTS.unpack_from(other.view)


def same_extents(f: int, g: int) -> bool:
    """True only if both files map to the same, fully written, unencoded extents. Both lie on ONE file system."""
    for fd, buffer in ((f, _first), (g, _second)):
        _HEAD.pack_into(buffer, 0, 0, 0xFFFFFFFFFFFFFFFF, _FLAG_SYNC, 0, _EXTENTS, 0)
        try:
            fcntl.ioctl(fd, _FIEMAP, buffer, True)
        except OSError:
            return False
    count = _HEAD.unpack_from(_first, 0)[3]
    if not count or _HEAD.unpack_from(_second, 0)[3] != count:
        return False
    last = 0
    for offset in range(32, 32 + 56 * count, 56):
        a, b = _EXTENT.unpack_from(_first, offset), _EXTENT.unpack_from(_second, offset)
        if a[:3] != b[:3] or (a[3] | b[3]) & ~_ACCEPTED:
            return False
        last = a[3] & b[3]
    return bool(last & 1)


def same_bytes(f: int, g: int, size: int) -> bool:
    """Read both, up to the first difference. Large files that differ mostly show it at the end or in the middle."""
    if size <= BLOCK:
        # the exact size: a larger buffer costs three times the processor time on tiny files
        return os.read(f, size) == os.read(g, size)
    if size > 8 * BLOCK:
        for offset in (size - _PROBE, size // 2):
            if os.pread(f, _PROBE, offset) != os.pread(g, _PROBE, offset):
                return False
    a, b = _block, _other
    while size > 0:
        got = os.readv(f, (a,))
        if got != os.readv(g, (b,)) or not got or a != b:
            return False
        size -= got
    return True


def _data(fd: int, offset: int, size: int) -> tuple[int, int]:
    """Where the next data starts and ends; both are ``size`` if only a hole is left."""
    try:
        start = os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size, size
        raise
    return min(start, size), min(os.lseek(fd, start, os.SEEK_HOLE), size)


def same_data(f: int, g: int, size: int) -> bool:
    """For files with holes: whether they are at the same places, and the bytes between them equal. No hole is read."""
    offset = 0
    while offset < size:
        start, end = _data(f, offset, size)
        if (start, end) != _data(g, offset, size):
            return False
        while start < end:
            a, b = os.pread(f, min(BLOCK, end - start), start), os.pread(g, min(BLOCK, end - start), start)
            if a != b or not a:
                return False
            start += len(a)
        offset = end
    return True


class Bytes:
    """Decides per pair which way is cheaper: extents are only asked for while that keeps succeeding.

    ``most``: how many bytes are read at most. No honest tree has more than its file system holds; files of many
    references to the same bytes can claim any number, and would take days.
    """

    def __init__(self, most: int) -> None:
        self.hits = self.misses = 0
        self._left = most

    def equal(self, f: int, g: int, mine: Status, *, one_filesystem: bool) -> tuple[bool, bool]:
        """(equal, already stored once). ``mine``: of the first file; the other has its size."""
        size = mine.size
        if size == 0:
            return True, not mine.allocated  # it may have space that was allocated for what is to come
        # 2048 bytes and less are inline in the metadata; above 1 MiB one ioctl is always worth it
        if one_filesystem and size > 2048 and (self.misses < 64 or self.hits * 8 > self.misses or size > 1 << 20):
            if same_extents(f, g):
                self.hits += 1
                return True, True
            self.misses += 1
        self._left -= min(size, mine.allocated)
        if self._left < 0:
            return False, False
        return (same_data(f, g, size) if mine.sparse else same_bytes(f, g, size)), False


__all__ = ("BLOCK", "Bytes", "Status", "same_bytes", "same_data", "same_extents")
