# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that the standard library of Python 3.9 does not offer, and durable writing on top of them.

Facts: unshare(2), mount(2), renameat2(2), syncfs(2); errno values are raised as OSError as everywhere else in Python.
"""

from __future__ import annotations

import ctypes
import os
import typing as t

from .unfinished import NEW_SUFFIX

CLONE_NEWNS: t.Final = 0x00020000
MS_RDONLY: t.Final = 0x1
MS_NOSUID: t.Final = 0x2
MS_NODEV: t.Final = 0x4
MS_NOEXEC: t.Final = 0x8
MS_REMOUNT: t.Final = 0x20
MS_BIND: t.Final = 0x1000
MS_REC: t.Final = 0x4000
MS_PRIVATE: t.Final = 0x40000
MNT_DETACH: t.Final = 0x2
RENAME_NOREPLACE: t.Final = 0x1
RENAME_EXCHANGE: t.Final = 0x2
AT_FDCWD: t.Final = -100

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, path: str | None = None) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)


def unshare_mounts() -> None:
    """Move this process into a mount namespace of its own that neither sends nor receives mounts."""
    _check(_libc.unshare(ctypes.c_int(CLONE_NEWNS)))
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def mount(source: str, target: str, fstype: str | None, flags: int = 0, data: str = "") -> None:
    """mount(2); raises OSError with the target as file name."""
    _check(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            os.fsencode(fstype) if fstype else None,
            ctypes.c_ulong(flags),
            os.fsencode(data),
        ),
        target,
    )


def umount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), target)


def rename(old: str, new: str, flags: int) -> None:
    """renameat2(2) on two paths; RENAME_EXCHANGE swaps them, RENAME_NOREPLACE refuses an existing target."""
    _check(
        _libc.renameat2(
            ctypes.c_int(AT_FDCWD),
            os.fsencode(old),
            ctypes.c_int(AT_FDCWD),
            os.fsencode(new),
            ctypes.c_uint(flags),
        ),
        new,
    )


def syncfs(path: str) -> None:
    """Write out the file system that holds ``path``.

    For a boot partition this is more than fsync: GRUB does not replay ext4's journal, so a renamed file is visible to it
    only after the file system itself was synced.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.syncfs(ctypes.c_int(fd)), path)
    finally:
        os.close(fd)


def fsync_directory(path: str) -> None:
    """Make renames, creations and deletions in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path: str, data: bytes, mode: int = 0o600) -> None:
    """Create or replace a file so that after a power cut it has the old or the new content, never a mixture."""
    temporary = path + NEW_SUFFIX
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    fsync_directory(os.path.dirname(path))


__all__ = (
    "CLONE_NEWNS",
    "MNT_DETACH",
    "MS_BIND",
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_PRIVATE",
    "MS_RDONLY",
    "MS_REC",
    "MS_REMOUNT",
    "RENAME_EXCHANGE",
    "RENAME_NOREPLACE",
    "fsync_directory",
    "mount",
    "rename",
    "syncfs",
    "umount",
    "unshare_mounts",
    "write_durably",
)
