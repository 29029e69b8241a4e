# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emptying a directory that is ours to empty, without following a link, crossing a mount or leaving a subvolume."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ...btrfs.ioctl import PLACEHOLDER_INODE
from ...compare.files import same_data, same_extents
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


def _is_made(name: str, dir_fd: int, layers: t.Sequence[int]) -> bool:
    """Whether a file may be removed as one that was just made of these layers: something like it is in one of them."""
    mine = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    for layer in layers:
        try:
            other = os.stat(name, dir_fd=layer, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_IFMT(mine.st_mode) != stat.S_IFMT(other.st_mode):
            continue
        # (Of no size yet: it was cut off before its bytes were cloned, which is one step.)
        if not stat.S_ISREG(mine.st_mode) or not mine.st_size or _same_content(name, dir_fd, layer, other.st_size):
            return True
    return False


def _same_content(name: str, dir_fd: int, layer: int, size: int) -> bool:
    f = os.open(name, OPEN_FILE, dir_fd=dir_fd)
    try:
        g = os.open(name, OPEN_FILE, dir_fd=layer)
        try:
            if os.fstat(f).st_size != size:
                return False
            # (Where cloning was not possible it may have been cut off while it was copied.)
            return bool(xattrs.flags(f) & xattrs.NOCOW) or same_extents(f, g) or same_data(f, g, size)
        finally:
            os.close(g)
    finally:
        os.close(f)


class _Level:
    """A directory that is being emptied. ``known``: the same in a snapshot (None: there is no snapshot to ask).
    ``made``: the same in the layers of which it was being made (None: it was not).

    Its path is put together when it is asked for: all paths of a deep chain would take memory by the square of its depth.
    """

    def __init__(
        self, name: str, fd: int, known: int | None, made: t.Sequence[int] | None, above: _Level | None = None
    ) -> None:
        self.name, self.fd, self.known, self.made, self.above = name, fd, known, made, above
        self.rest: list[str] = []

    @property
    def any(self) -> bool:
        """Whether whatever is in it goes."""
        return self.known is None and self.made is None

    def _goes(self, name: str) -> bool:
        if self.made is not None:
            return _is_made(name, self.fd, self.made)
        return self.known is None or _is_known(name, self.fd, self.known)

    @property
    def path(self) -> str:
        names: list[str] = []
        here: _Level | None = self
        while here is not None and here.name:
            names.append(here.name)
            here = here.above
        return "/".join(reversed(names))

    def close(self) -> None:
        for fd in (self.fd, *([] if self.known is None else [self.known]), *(self.made or ())):
            os.close(fd)

    def sweep(self, left: list[str]) -> None:
        """Remove everything but directories, whose names are then in ``rest``; ``left``: what stays, by path."""
        with os.scandir(self.fd) as entries:
            listing = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_dir in listing:
            if is_dir:
                self.rest.append(name)
            elif self._goes(name):
                _once_more(os.unlink, name, self.fd)
            else:
                left.append(join(self.path, name))

    def down(self, name: str) -> _Level | None:
        """The directory below; None if the snapshot has none, or another one, there, or if no layer has one."""
        fd = open_dir(name, self.fd)
        known: int | None = None
        made: list[int] | None = None
        try:
            if self.known is not None:
                known = open_dir(name, self.known)
                if os.fstat(known).st_ino != os.fstat(fd).st_ino:
                    raise FileNotFoundError(errno.ENOENT, "another directory", name)
            if self.made is not None:
                made = [below for below in (_try_open_dir(name, layer) for layer in self.made) if below is not None]
                if not made:
                    raise FileNotFoundError(errno.ENOENT, "in no layer", name)
        except OSError:
            os.close(fd)
            if known is not None:
                os.close(known)
            return None
        return _Level(name, fd, known, made, self)


def _try_open_dir(name: str, dir_fd: int) -> int | None:
    try:
        return open_dir(name, dir_fd)
    except (FileNotFoundError, NotADirectoryError):
        return None


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
        if above.any or error.errno != errno.ENOTEMPTY:
            raise
        path = here.path
        if not any(is_below(f"/{name}", f"/{path}") for name in left):
            left.append(path)


def _open_level(fd: int, known: int | None, made: t.Sequence[int] | None, parts: t.Sequence[str]) -> _Level | None:
    """A directory by its path; None if the snapshot or the layers do not have it, or if it is gone."""
    layers = None if made is None else [reopen_dir(layer) for layer in made]
    level: _Level | None = _Level("", reopen_dir(fd), None if known is None else reopen_dir(known), layers)
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


def empty(
    fd: int,
    *,
    keep: str | None = None,
    known: int | None = None,
    made: t.Sequence[int] | None = None,
    jobs: int | None = None,
) -> list[str]:
    """Remove all entries of a directory, but not itself nor its entry ``keep``.

    ``known``: the same directory in a snapshot. What is not there, or not the same there, stays; so does, with ``made``,
    what is in none of these layers. Returns the paths of such entries, which somebody else wrote. Raises OvercError. Whatever
    is a mount point or a subvolume makes it fail (EXDEV, EBUSY, ENOTEMPTY): such a thing is not ours.
    """
    doing = "removing the copies that are no longer needed"
    try:
        device = os.fstat(fd).st_dev
        queue = _share_out(fd, keep)
        size = 1 + len(queue) // 4096
        chunks = [queue[index : index + size] for index in range(0, len(queue), size)]

        def work(index: int) -> None:
            for parts in chunks[index]:
                level = _open_level(fd, known, made, parts)
                if level is not None:
                    _refuse_subvolume(level.fd, device, level.path)
                    _empty(level, [])

        spread(len(chunks), work, doing=doing, jobs=jobs)
        left: list[str] = []
        top = _open_level(fd, known, made, [])
        if top is not None:
            _empty(top, left, keep)
        return sorted(left)
    except OSError as error:
        raise translate(error, doing) from error


__all__ = ("empty",)
