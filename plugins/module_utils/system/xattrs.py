# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended attributes and inode flags: reading, comparing and copying."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import typing as t

from .overlay_format import seen_through

_GETFLAGS: t.Final = 0x80086601  # FS_IOC_GETFLAGS, _IOR('f', 1, long), 64 bit
_SETFLAGS: t.Final = 0x40086602
if struct.calcsize("l") == 4:
    _GETFLAGS, _SETFLAGS = 0x80046601, 0x40046602  # type: ignore[misc]  # the 32-bit encodings
IMMUTABLE: t.Final = 0x10
APPEND: t.Final = 0x20
NOCOW: t.Final = 0x800000
_LONG: t.Final = struct.Struct("l")
_one, _other = bytearray(_LONG.size), bytearray(_LONG.size)  # kept: they are asked for of every file
LOCKED: t.Final = IMMUTABLE | APPEND
# compr, immutable, append, nodump, noatime, nocomp, nocow; the rest is the file system's own business.
SETTABLE: t.Final = 0x4 | IMMUTABLE | APPEND | 0x40 | 0x80 | 0x400 | NOCOW


def same(a: int | str, b: int | str, *, follow: bool = True) -> bool:
    """Whether two open files (or two paths) carry the same attributes with the same values."""
    names, others = os.listxattr(a, follow_symlinks=follow), os.listxattr(b, follow_symlinks=follow)
    if not names and not others:
        return True
    if sorted(names) != sorted(others):
        return False
    return all(
        os.getxattr(a, name, follow_symlinks=follow) == os.getxattr(b, name, follow_symlinks=follow) for name in names
    )


def link_path(name: str, dir_fd: int) -> str:
    """A path by which the l*xattr calls reach a symbolic link below a descriptor; the link itself is not followed."""
    return f"/proc/self/fd/{dir_fd}/{name}"


def copy(
    source: int | str,
    target: int | str,
    *,
    follow: bool = True,
    from_upper: bool = False,
    names: t.Iterable[str] | None = None,
) -> None:
    """Copy all attributes. ``from_upper``: the source is a layer, so overlayfs's marks stay behind.

    ``names``: those that it has, if the caller asked just now.
    """
    for name in os.listxattr(source, follow_symlinks=follow) if names is None else names:
        kept = seen_through(name) if from_upper else name
        if kept is not None:
            value = os.getxattr(source, name, follow_symlinks=follow)
            os.setxattr(target, kept, value, follow_symlinks=follow)


def flags(fd: int) -> int:
    """The inode flags of lsattr(1), 0 where the file system has none."""
    try:
        fcntl.ioctl(fd, _GETFLAGS, _one, True)
        return int(_LONG.unpack(_one)[0])
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            return 0
        raise


def same_flags(a: int, b: int) -> bool:
    """Whether two open files on one file system have the same inode flags; asked of every pair, so without ``flags``."""
    try:
        fcntl.ioctl(a, _GETFLAGS, _one, True)
        fcntl.ioctl(b, _GETFLAGS, _other, True)
    except OSError:
        return flags(a) == flags(b)
    return _one == _other


def set_flags(fd: int, value: int) -> None:
    fcntl.ioctl(fd, _SETFLAGS, struct.pack("l", value))


__all__ = (
    "APPEND",
    "IMMUTABLE",
    "LOCKED",
    "NOCOW",
    "SETTABLE",
    "copy",
    "flags",
    "link_path",
    "same",
    "same_flags",
    "set_flags",
)
