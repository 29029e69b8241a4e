# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making, deleting and choosing subvolumes, through the ``btrfs`` command, and small questions about one to the kernel.

Every function takes the path of a mount of the top-level tree (subvolid=5), so that paths are those of the file system
and never depend on what is mounted where. Output formats: btrfs-subvolume(8); there is no JSON for them in 6.2.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import time
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..failures import says_full
from ..system.presence import NOT_THERE
from . import ioctl

if t.TYPE_CHECKING:
    from ..runner import Completed, Runner

TOP_LEVEL_ID: t.Final = 5
_INO_LOOKUP: t.Final = 0xD0009412  # linux/btrfs.h; struct btrfs_ioctl_ino_lookup_args: treeid, objectid, name[4080]
_ROOT_INODE: t.Final = 256
_GETFLAGS: t.Final = 0x80089419
_SETFLAGS: t.Final = 0x4008941A
_READ_ONLY: t.Final = 0x2


@dataclass(frozen=True)
class Subvolume:
    """A subvolume; ``path`` is relative to the top-level tree, ``parent`` the id of the subvolume that contains it."""

    id: int
    path: str
    uuid: str
    parent_uuid: str | None
    parent: int
    generation: int


def _btrfs(runner: Runner, *args: str) -> Completed:
    done = runner.run(("btrfs", *args))
    if done.rc != 0:
        no_space = says_full(done.stderr)
        raise OvercError(
            "no_space" if no_space else "btrfs_failed",
            f"'btrfs {' '.join(args[:2])}' failed on {args[-1]!r}: {done.stderr.strip() or done.stdout.strip()}",
            **done.facts(),
        )
    return done


def tree_of(path: str) -> int | None:
    """The id of the subvolume that a file lies in; None where there is no such file, or not on btrfs. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    try:
        answer = bytearray(struct.pack("=QQ4080x", 0, _ROOT_INODE))
        fcntl.ioctl(fd, _INO_LOOKUP, answer, True)
        return int.from_bytes(answer[:8], sys.byteorder)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return None
        raise
    finally:
        os.close(fd)


def is_read_only(path: str) -> bool:
    """Whether a subvolume has the property ro=true (BTRFS_IOC_SUBVOL_GETFLAGS). Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return bool(_flags(fd) & _READ_ONLY)
    finally:
        os.close(fd)


def _flags(fd: int) -> int:
    answer = bytearray(8)
    fcntl.ioctl(fd, _GETFLAGS, answer, True)
    return int.from_bytes(answer, sys.byteorder)


def make_writable(path: str) -> bool:
    """Take the property ro=true off a subvolume; False if it had not got it. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = _flags(fd)
        if not flags & _READ_ONLY:
            return False
        fcntl.ioctl(fd, _SETFLAGS, (flags & ~_READ_ONLY).to_bytes(8, sys.byteorder))
        ioctl.sync(fd)
        return True
    finally:
        os.close(fd)


def set_default(runner: Runner, subvolume_id: int, top: str) -> None:
    """Set the default subvolume, durably: without the sync the setting was lost in 3 of 3 power cuts."""
    _btrfs(runner, "subvolume", "set-default", str(subvolume_id), top)
    sync(top)


def sync(top: str) -> None:
    """Commit the file system. Raises OSError."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ioctl.sync(fd)
    finally:
        os.close(fd)


def snapshot(runner: Runner, source: str, target: str) -> None:
    """Make a writable snapshot; ``target`` must not exist (btrfs would make the snapshot inside a directory)."""
    _btrfs(runner, "subvolume", "snapshot", source, target)


def delete(runner: Runner, path: str) -> None:
    """Delete one subvolume, durably."""
    _btrfs(runner, "subvolume", "delete", "--commit-after", path)


def created(path: str) -> str | None:
    """The creation time of a subvolume as btrfs prints it (``YYYY-MM-DD HH:MM:SS +ZZZZ``), None if it is gone meanwhile.

    Raises OSError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            at = ioctl.subvolume_info(fd).origin_time
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at)) if at else None


def quota_limit(subvolume_id: int, top: str) -> int | None:
    """The quota limit of a subvolume in bytes; None where quotas are off or no limit is set. Raises OSError."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return ioctl.limit_of(fd, subvolume_id)
    finally:
        os.close(fd)


__all__ = (
    "TOP_LEVEL_ID",
    "Subvolume",
    "created",
    "delete",
    "is_read_only",
    "make_writable",
    "quota_limit",
    "set_default",
    "snapshot",
    "sync",
    "tree_of",
)
