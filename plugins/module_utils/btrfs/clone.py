# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one entry again somewhere else: same type, bytes (by reflink), owner, mode, attributes, time and flags."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import typing as t

from ..system import overlay_format, xattrs
from ..system.safe_path import OPEN_FILE
from .ioctl import FICLONE

_NEW_FILE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_CLONE: t.Final = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY)
_CHUNK: t.Final = 1 << 20
_COMPRESSION: t.Final = "btrfs.compression"


def _copy_bytes(source: int, target: int, size: int) -> None:
    """For what cannot be cloned (another NOCOW setting, another file system): only the data, holes stay holes."""
    os.ftruncate(target, size)
    offset = 0
    while offset < size:
        try:
            start = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        offset = os.lseek(source, start, os.SEEK_HOLE)
        while start < offset:
            data = os.pread(source, min(_CHUNK, offset - start), start)
            if not data:
                raise OSError(errno.EIO, "the file became shorter while it was copied")
            start += os.pwrite(target, data, start)


def _fill(target: int, size: int, candidates: t.Sequence[int]) -> None:
    """Give the new file its bytes: cloned from the first candidate that allows it. The last one's size was just seen."""
    for fd in candidates:
        if fd != candidates[-1] and os.fstat(fd).st_size != size:
            raise OSError(errno.ESTALE, "the file changed while it was cloned")
        try:
            fcntl.ioctl(target, FICLONE, fd)
        except OSError as error:
            if error.errno not in _NO_CLONE:
                raise
        else:
            return
    _copy_bytes(candidates[-1], target, size)


def _flags(fd: int, marked: bool) -> int:
    """The inode flags that a program sees of it. ``marked``: it has attributes, and lies in a layer."""
    flags = xattrs.flags(fd) & xattrs.SETTABLE
    return flags | overlay_format.protection(fd) if marked else flags


def _set_flags(fd: int, flags: int) -> None:
    """Setting the flags makes zlib of any compression: the property, which names the kind, is written again.

    (Not of a locked one, which takes no property any more: it keeps a compression, but of that kind.)
    """
    kind = os.getxattr(fd, _COMPRESSION) if _COMPRESSION in os.listxattr(fd) else None
    xattrs.set_flags(fd, flags)
    if kind is not None and not flags & xattrs.LOCKED:
        os.setxattr(fd, _COMPRESSION, kind)


def _file(
    name: str, dir_fd: int, target_fd: int, data_fd: int | None, from_upper: bool, neutral: bool
) -> os.stat_result:
    # (An ExitStack would take a tenth of the whole time.)
    opened: list[int] = []
    try:
        source = os.open(name, OPEN_FILE, dir_fd=dir_fd)
        opened.append(source)
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ESTALE, "the file changed while it was cloned", name)
        attributes = os.listxattr(source)
        flags = _flags(source, from_upper and bool(attributes))
        # Nothing that runs as its owner is there before it is whole, nor does a change of the owner take that away
        plain = neutral and not (status.st_uid or status.st_gid or status.st_mode & 0o7000)
        target = os.open(name, _NEW_FILE, status.st_mode & 0o777 if plain else 0o600, dir_fd=target_fd)
        opened.append(target)
        if flags & xattrs.NOCOW:  # only an empty file takes it
            xattrs.set_flags(target, xattrs.NOCOW)
        if status.st_size:
            candidates = [source]
            if data_fd is not None:
                candidates.insert(0, os.open(name, OPEN_FILE, dir_fd=data_fd))
                opened.append(candidates[0])
            _fill(target, status.st_size, candidates)
        if status.st_uid or status.st_gid:
            os.fchown(target, status.st_uid, status.st_gid)
        if not plain:
            os.fchmod(target, stat.S_IMODE(status.st_mode))
        # after the owner: chown(2) drops security.capability
        xattrs.copy(source, target, from_upper=from_upper, names=attributes)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        if flags:
            _set_flags(target, flags)
    finally:
        for fd in opened:
            os.close(fd)
    return status


def clone_entry(
    name: str,
    dir_fd: int,
    target_fd: int,
    *,
    data_fd: int | None = None,
    from_upper: bool = False,
    status: os.stat_result | None = None,
    neutral: bool = False,
) -> os.stat_result:
    """Make ``name`` of ``dir_fd`` again below ``target_fd``; not for directories. Returns the original's status.


    ``data_fd``: the directory of a source whose file of that name has the same bytes; they are cloned from there, so
    that they are stored once. ``from_upper``: what is cloned lies in a layer (see ``xattrs.copy``).
    ``status``: what lstat(2) has just said of the entry, if the caller asked. ``neutral``: the caller's umask is 0, and the new
    entry's directory hands down nothing (``make_neutral``), so that a file has the mode that it is made with.
    """
    status = status or os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        return _file(name, dir_fd, target_fd, data_fd, from_upper, neutral)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=dir_fd), name, dir_fd=target_fd)
    elif stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "a directory appeared in the place of a file", name)
    elif stat.S_ISSOCK(status.st_mode):
        os.mknod(name, stat.S_IFSOCK | 0o600, dir_fd=target_fd)
    else:
        os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target_fd)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target_fd, follow_symlinks=False)
    target = xattrs.link_path(name, target_fd)
    if not stat.S_ISLNK(status.st_mode):
        # There is no fchmodat() that does not follow; the target directory is ours alone and the name is new.
        os.chmod(target, stat.S_IMODE(status.st_mode))
    xattrs.copy(xattrs.link_path(name, dir_fd), target, follow=False, from_upper=from_upper)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target_fd, follow_symlinks=False)
    return status


def clone_attributes(source: int, target: int, *, from_upper: bool = False) -> None:
    """Give the directory ``target`` what ``source`` has; last of all, because adding entries moves its time."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    xattrs.copy(source, target, from_upper=from_upper)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    flags = _flags(source, from_upper)
    if flags != xattrs.flags(target) & xattrs.SETTABLE:
        _set_flags(target, flags)


@contextlib.contextmanager
def unlocked(name: str, dir_fd: int) -> t.Iterator[None]:
    """Without the flags that a just cloned file may have, and that would let it get no further name."""
    try:
        fd = os.open(name, OPEN_FILE, dir_fd=dir_fd)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise
        yield  # a link, a socket or a device: it cannot carry the flags
        return
    try:
        flags = xattrs.flags(fd)
        if flags & xattrs.LOCKED:
            _set_flags(fd, flags & ~xattrs.LOCKED)
        yield
        if flags & xattrs.LOCKED:
            _set_flags(fd, flags)
    finally:
        os.close(fd)


def make_neutral(fd: int) -> None:
    """Take from an empty directory what its new entries would inherit: group, default ACL, compression, flags."""
    status = os.fstat(fd)
    flags = xattrs.flags(fd)
    if flags & xattrs.SETTABLE:
        xattrs.set_flags(fd, flags & ~xattrs.SETTABLE)
    if status.st_mode & 0o7777 != 0o700:
        os.fchmod(fd, 0o700)
    for name in os.listxattr(fd):
        if not name.startswith("security."):
            os.removexattr(fd, name)


__all__ = ("clone_attributes", "clone_entry", "make_neutral", "unlocked")
