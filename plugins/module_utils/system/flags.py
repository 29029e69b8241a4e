# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags of files that even root has to take away first (chattr(1)): a file with one can be neither replaced nor removed.

ioctl_iflags(2): FS_IOC_GETFLAGS, FS_IMMUTABLE_FL and FS_APPEND_FL. File systems without such flags have no such files.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import typing as t

from .presence import NOT_THERE, files_below, status

_GETFLAGS: t.Final = 0x80000000 | struct.calcsize("l") << 16 | ord("f") << 8 | 1
_SETFLAGS: t.Final = 0x40000000 | struct.calcsize("l") << 16 | ord("f") << 8 | 2
_LOCKED: t.Final = 0x10 | 0x20


def is_locked(path: str) -> bool:
    """Whether the regular file or directory at a path is immutable or only to be appended to. Raises OSError."""
    found = status(path)
    if found is None or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return False
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise
    try:
        answer = fcntl.ioctl(fd, _GETFLAGS, b"\0" * struct.calcsize("l"))
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            return False
        raise
    finally:
        os.close(fd)
    return bool(struct.unpack_from("=I", answer)[0] & _LOCKED)


def unlock(path: str) -> None:
    """Take both flags off a regular file or directory that has one. Raises OSError."""
    if not is_locked(path):
        return
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(fd, _GETFLAGS, b"\0" * struct.calcsize("l"))
        flags = struct.unpack_from("=I", answer)[0] & ~_LOCKED
        fcntl.ioctl(fd, _SETFLAGS, struct.pack("=I", flags).ljust(struct.calcsize("l"), b"\0"))
    finally:
        os.close(fd)


def lock_alike(source: str, target: str) -> None:
    """Put on a regular file the two flags that another one has. Raises OSError."""
    found = 0
    for path in (source, target):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            answer = struct.unpack_from("=I", fcntl.ioctl(fd, _GETFLAGS, b"\0" * struct.calcsize("l")))[0]
            if path == source:
                found = answer & _LOCKED
            else:
                fcntl.ioctl(
                    fd, _SETFLAGS, struct.pack("=I", answer & ~_LOCKED | found).ljust(struct.calcsize("l"), b"\0")
                )
        finally:
            os.close(fd)


def first_locked(top: str) -> str | None:
    """The first such file at ``top`` or below it."""
    if is_locked(top):
        return top
    for directory, names in files_below(top):
        found = next(
            (path for path in (directory, *(os.path.join(directory, name) for name in names)) if is_locked(path)), None
        )
        if found is not None:
            return found
    return None


__all__ = ("first_locked", "is_locked", "lock_alike", "unlock")
