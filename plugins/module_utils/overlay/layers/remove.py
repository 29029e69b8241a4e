# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emptying a directory that is ours to empty, without following a link, crossing a mount or leaving a subvolume."""

from __future__ import annotations

import errno
import os
import typing as t

from ...btrfs.ioctl import PLACEHOLDER_INODE
from ...compare.model import join
from ...system import xattrs
from ...system.safe_path import OPEN_FILE, is_below, open_beneath, open_dir, reopen_dir
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
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            return None  # a link, a socket or a device: it cannot carry the flag
        raise


def _once_more(call: t.Callable[..., None], name: str, dir_fd: int) -> None:
    try:
        call(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        _unlock(name, dir_fd)
        call(name, dir_fd=dir_fd)


def _is_known(name: str, dir_fd: int, known: int) -> bool:
    """Whether a file is still what a snapshot shows."""
    try:
        was = os.stat(name, dir_fd=known, follow_symlinks=False)
        now = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if (was.st_ino, was.st_ctime_ns) == (now.st_ino, now.st_ctime_ns):
        return True
    # Its change time moves when another name of it goes, or when its flag was taken for a removal that was cut off.
    if was.st_nlink == 1 and not _was_locked(name, known):
        return False
    facts = [(s.st_ino, s.st_mode, s.st_uid, s.st_gid, s.st_size, s.st_mtime_ns) for s in (was, now)]
    return facts[0] == facts[1]


def _was_locked(name: str, dir_fd: int) -> bool:
    fd = _try_open(name, dir_fd)
    if fd is None:
        return False
    try:
        return bool(xattrs.flags(fd) & xattrs.LOCKED)
    finally:
        os.close(fd)


class _Level:
    """A directory that is being emptied. ``known``: the same in a snapshot (None: there is no snapshot to ask).

    Its path is put together when it is asked for: all paths of a deep chain would take memory by the square of its depth.
    """

    def __init__(self, name: str, fd: int, known: int | None, above: _Level | None = None) -> None:
        self.name, self.fd, self.known, self.above = name, fd, known, above
        self.rest: list[str] = []

    @property
    def path(self) -> str:
        names: list[str] = []
        here: _Level | None = self
        while here is not None and here.name:
            names.append(here.name)
            here = here.above
        return "/".join(reversed(names))

    def close(self) -> None:
        os.close(self.fd)
        if self.known is not None:
            os.close(self.known)

    def sweep(self, left: list[str]) -> None:
        """Remove everything but directories, whose names are then in ``rest``; ``left``: what stays, by path."""
        with os.scandir(self.fd) as entries:
            listing = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_dir in listing:
            if is_dir:
                self.rest.append(name)
            elif self.known is None or _is_known(name, self.fd, self.known):
                _once_more(os.unlink, name, self.fd)
            else:
                left.append(join(self.path, name))

    def down(self, name: str) -> _Level | None:
        """The directory below; None if the snapshot has none, or another one, there."""
        fd = open_dir(name, self.fd)
        known = None
        try:
            if self.known is not None:
                known = open_dir(name, self.known)
                if os.fstat(known).st_ino != os.fstat(fd).st_ino:
                    raise FileNotFoundError(errno.ENOENT, "another directory", name)
        except OSError:
            os.close(fd)
            if known is not None:
                os.close(known)
            return None
        return _Level(name, fd, known, self)


def _refuse_subvolume(fd: int, device: int, name: str) -> None:
    """Nobody made one here, and the kernel would let it be removed like a directory.

    What stands in a snapshot for a subvolume of its source is empty and has a device of its own, too, but may go. A mount
    whose top has the same number is not mistaken for it: open_dir() does not enter mounts.
    """
    status = os.fstat(fd)
    if status.st_dev != device and status.st_ino != PLACEHOLDER_INODE:
        raise OSError(errno.EXDEV, "A subvolume or a mount lies within:", name)


def _empty(top: _Level, left: list[str], keep: str | None = None) -> None:
    """Empty a directory in this process and close it.

    Descriptors are held for one branch only, however deep it is.
    """
    device = os.fstat(top.fd).st_dev
    stack = [top]
    try:
        top.sweep(left)
        top.rest = [name for name in top.rest if name != keep]
        while stack:
            here = stack[-1]
            if here.rest:
                name = here.rest.pop()
                deeper = here.down(name)
                if deeper is None:
                    left.append(join(here.path, name))
                    continue
                stack.append(deeper)
                _refuse_subvolume(deeper.fd, device, name)
                deeper.sweep(left)
                continue
            stack.pop()
            here.close()
            if stack:
                _remove_directory(here, stack[-1], left)
    finally:
        for here in stack:
            here.close()


def _remove_directory(here: _Level, above: _Level, left: list[str]) -> None:
    """It stays if something in it did, or came meanwhile."""
    try:
        _once_more(os.rmdir, here.name, above.fd)
    except OSError as error:
        if above.known is None or error.errno != errno.ENOTEMPTY:
            raise
        path = here.path
        if not any(is_below(f"/{name}", f"/{path}") for name in left):
            left.append(path)


def _open_level(fd: int, known: int | None, parts: t.Sequence[str]) -> _Level | None:
    """A directory by its path; None if the snapshot does not have it, or if it is gone."""
    level: _Level | None = _Level("", reopen_dir(fd), None if known is None else reopen_dir(known))
    for part in parts:
        if level is None:
            return None
        try:
            deeper = level.down(part)
        finally:
            level.close()
        level = deeper
    return level


def _share_out(fd: int, keep: str | None) -> list[list[str]]:
    """Paths of directories that can be emptied at the same time."""
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
    return queue


def empty(fd: int, *, keep: str | None = None, known: int | None = None, jobs: int | None = None) -> list[str]:
    """Remove all entries of a directory, but not itself nor its entry ``keep``.

    ``known``: the same directory in a snapshot. What is not there, or not the same there, stays; returns the paths of
    such entries, which somebody else wrote. Raises OvercError. Whatever is a mount point or a subvolume makes it fail
    (EXDEV, EBUSY, ENOTEMPTY): such a thing is not ours.
    """
    doing = "removing the copies that are no longer needed"
    try:
        device = os.fstat(fd).st_dev
        queue = _share_out(fd, keep)
        size = 1 + len(queue) // 4096
        chunks = [queue[index : index + size] for index in range(0, len(queue), size)]

        def work(index: int) -> None:
            for parts in chunks[index]:
                level = _open_level(fd, known, parts)
                if level is not None:
                    _refuse_subvolume(level.fd, device, level.path)
                    _empty(level, [])

        spread(len(chunks), work, doing=doing, jobs=jobs)
        left: list[str] = []
        top = _open_level(fd, known, [])
        if top is not None:
            _empty(top, left, keep)
        return sorted(left)
    except OSError as error:
        raise translate(error, doing) from error


__all__ = ("empty",)
