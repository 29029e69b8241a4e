# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emptying a directory that is ours to empty, without following a link, crossing a mount or leaving a subvolume."""

from __future__ import annotations

import errno
import os
import typing as t

from ...btrfs.ioctl import PLACEHOLDER_INODE
from ...system import xattrs
from ...system.safe_path import OPEN_FILE, open_beneath, open_dir, reopen_dir
from ...system.workers import spread, translate

_TASKS: t.Final = 128


def _unlock(name: str, dir_fd: int) -> None:
    """Take the immutable flag from an entry, and from its directory, which would refuse the removal."""
    for fd in (reopen_dir(dir_fd), _try_open(name, dir_fd)):
        if fd is None:
            continue
        try:
            flags = xattrs.flags(fd)
            if flags & xattrs.LOCKED:
                xattrs.set_flags(fd, flags & ~xattrs.LOCKED)
        finally:
            os.close(fd)


def _try_open(name: str, dir_fd: int) -> int | None:
    try:
        return os.open(name, OPEN_FILE, dir_fd=dir_fd)
    except OSError:
        return None  # a link or a device: it cannot carry the flag


def _once_more(call: t.Callable[..., None], name: str, dir_fd: int) -> None:
    try:
        call(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        _unlock(name, dir_fd)
        call(name, dir_fd=dir_fd)


def _names(fd: int) -> tuple[list[str], int]:
    """Remove everything but directories; the names of those, and how many entries went."""
    names, gone = [], 0
    with os.scandir(fd) as entries:
        listing = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_dir in listing:
        if is_dir:
            names.append(name)
        else:
            _once_more(os.unlink, name, fd)
            gone += 1
    return names, gone


def _refuse_subvolume(fd: int, device: int, name: str) -> None:
    """Nobody made one here, and the kernel would let it be removed like a directory.

    What stands in a snapshot for a subvolume of its source is empty and has a device of its own, too, but may go. A mount
    whose top has the same number is not mistaken for it: open_dir() does not enter mounts.
    """
    status = os.fstat(fd)
    if status.st_dev != device and status.st_ino != PLACEHOLDER_INODE:
        raise OSError(errno.EXDEV, "A subvolume or a mount lies within:", name)


def _empty(fd: int, keep: str | None = None) -> int:
    """Empty a directory in this process. Descriptors are held for one branch only, however deep it is."""
    top = reopen_dir(fd)
    device = os.fstat(top).st_dev
    stack: list[tuple[int, list[str]]] = [(top, [])]
    try:
        names, gone = _names(top)
        stack[0][1].extend(name for name in names if name != keep)
        while stack:
            here, rest = stack[-1]
            if not rest:
                stack.pop()
                os.close(here)
                if stack:
                    _once_more(os.rmdir, stack[-1][1].pop(), stack[-1][0])
                    gone += 1
                continue
            deeper = open_dir(rest[-1], here)
            stack.append((deeper, []))
            _refuse_subvolume(deeper, device, rest[-1])
            names, more = _names(deeper)
            gone += more
            stack[-1][1].extend(names)
    finally:
        for here, _rest in stack:
            os.close(here)
    return gone


def empty(fd: int, *, keep: str | None = None, jobs: int | None = None) -> int:
    """Remove all entries of a directory, but not itself nor its entry ``keep``; returns how many went.

    Raises OvercError. Whatever is a mount point or a subvolume makes it fail (EXDEV, EBUSY, ENOTEMPTY): such a thing is
    not ours.
    """
    doing = "removing the copies that are no longer needed"
    try:
        shallow, device = 0, os.fstat(fd).st_dev
        queue: list[list[str]] = [[]]
        while queue and len(queue) < _TASKS and shallow < 4 * _TASKS:
            parts = queue.pop(0)
            here = open_beneath(fd, parts)
            try:
                _refuse_subvolume(here, device, "/".join(parts))
                with os.scandir(here) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            finally:
                os.close(here)
            shallow += 1
            queue += [[*parts, name] for name in names if parts or name != keep]
        size = 1 + len(queue) // 4096
        chunks = [queue[index : index + size] for index in range(0, len(queue), size)]

        def work(index: int) -> int:
            total = 0
            for parts in chunks[index]:
                here = open_beneath(fd, parts)
                try:
                    _refuse_subvolume(here, device, "/".join(parts))
                    total += _empty(here)
                finally:
                    os.close(here)
            return total

        removed: list[int] = spread(len(chunks), work, doing=doing, jobs=jobs)
        return sum(removed) + _empty(fd, keep)
    except OSError as error:
        raise translate(error, doing) from error


__all__ = ("empty",)
