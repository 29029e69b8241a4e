# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening what lies below a directory that somebody else controls, without ever leaving it.

A container's root can plant a symbolic link at any depth, swap a directory for a link while we walk, or use any byte
but ``/`` and NUL in a name. So nothing below a container is ever reached by a path: every step opens ONE component
relative to the descriptor of its parent, refusing links (O_NOFOLLOW, openat2(2) RESOLVE_*) and mount points
(RESOLVE_NO_XDEV). Names are ``str`` with surrogate escapes, as os.scandir() gives them; ``printable`` makes them fit
for JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import stat
import struct
import typing as t

from ..errors import OvercError
from .presence import NOT_THERE
from .unfinished import NEW_SUFFIX

# O_NOATIME: reading leaves no trace (and does not look like a change of the source); it needs root.
OPEN_DIR: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
# O_NONBLOCK: a fifo put in the place of a file must not block us.
OPEN_FILE: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOATIME

# openat2(2) and open_tree(2): the numbers are the same on every architecture that has them (except alpha).
_NR_OPEN_TREE: t.Final = 428
_NR_OPENAT2: t.Final = 437
_RESOLVE: t.Final = 0x01 | 0x02 | 0x04 | 0x08  # NO_XDEV | NO_MAGICLINKS | NO_SYMLINKS | BENEATH
_OPEN_TREE_CLONE: t.Final = 1
_AT_EMPTY_PATH: t.Final = 0x1000

libc: t.Final = ctypes.CDLL(None, use_errno=True)
_syscall = libc.syscall
_syscall.restype = ctypes.c_long


def printable(name: str) -> str:
    r"""A name as JSON can carry it: bytes that are not UTF-8 are shown as ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _raise_errno(what: str) -> t.NoReturn:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), what)


@functools.cache
def _openat2_works() -> bool:
    how = struct.pack("=QQQ", OPEN_DIR, 0, 0)
    fd = int(_syscall(_NR_OPENAT2, -100, b"/", how, len(how)))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def _mount_id(fd: int) -> str:
    """The mount that a descriptor was opened on (proc(5), /proc/<pid>/fdinfo): for a kernel without openat2(2)."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return next((line for line in file if line.startswith("mnt_id:")), "")


_HOW_DIR: t.Final = struct.pack("=QQQ", OPEN_DIR, 0, _RESOLVE)


def open_dir(name: str, dir_fd: int) -> int:
    """Open the directory ``name``, one component below ``dir_fd``: OSError for a link and a mount point (EXDEV)."""
    if "/" in name or name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "not one component", name)
    if not _openat2_works():
        fd = os.open(name, OPEN_DIR, dir_fd=dir_fd)
        if _mount_id(fd) != _mount_id(dir_fd):
            os.close(fd)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
        return fd
    fd = int(_syscall(_NR_OPENAT2, dir_fd, os.fsencode(name), _HOW_DIR, len(_HOW_DIR)))
    if fd < 0:
        _raise_errno(name)
    return fd


def reopen_dir(fd: int) -> int:
    """Another description of the same directory.

    A dup() would share the offset that scandir() moves; and btrfs lists for a descriptor only what was there when it
    was opened (measured on 6.18), so whoever lists a directory that has grown since must open it again.
    """
    return os.open(".", OPEN_DIR, dir_fd=fd)


def components(path: str) -> list[str]:
    """The components of an absolute path; refuses ``..`` and everything else that is not plain."""
    if not path.startswith("/") or "\0" in path:
        raise OvercError("bad_argument", f"{printable(path)!r} is not an absolute path.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OvercError("bad_argument", f"{printable(path)!r} contains '..'; name the directory itself.")
    return parts


def open_beneath(root_fd: int, parts: t.Sequence[str]) -> int:
    """Open a directory below ``root_fd`` component by component."""
    fd = reopen_dir(root_fd)
    for part in parts:
        try:
            deeper = open_dir(part, fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


def open_if_there(root_fd: int, parts: t.Sequence[str]) -> int | None:
    """``open_beneath``; None where the kernel says that there is no such directory. Raises OSError for anything else."""
    try:
        return open_beneath(root_fd, parts)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise


class Descent:
    """One place below a directory after the other: from each to the next, only what differs is opened.

    As safe as ``open_beneath``, which opens every component again for every path. Owns the descriptors it gives: each is
    good until the next ``to``. Of a deep path it holds the first and the last few directories open.
    """

    _ENDS: t.Final = 4  # there is one of these for every source, and a process may open 1,024 files

    def __init__(self, root_fd: int) -> None:
        self._open = {0: reopen_dir(root_fd)}  # by depth
        self._names: list[str] = []

    def to(self, parts: t.Sequence[str]) -> int:
        """The open directory ``parts`` below the root."""
        same = _common(self._names, parts)
        for depth in [depth for depth in self._open if depth > same]:
            os.close(self._open.pop(depth))
        self._names = list(parts)
        depth = max(self._open)
        for name in parts[depth:]:
            fd = open_dir(name, self._open[depth])
            depth += 1
            self._open[depth] = fd
            if len(self._open) > 2 * self._ENDS:
                os.close(self._open.pop(min(depth for depth in self._open if depth >= self._ENDS)))
        return self._open[depth]

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


def _common(names: t.Sequence[str], others: t.Sequence[str]) -> int:
    """How many names both begin with."""
    if others[: len(names)] == names:  # mostly it only goes deeper
        return len(names)
    return next((index for index, pair in enumerate(zip(names, others)) if pair[0] != pair[1]), len(others))


def detached_view(fd: int) -> int:
    """The same directory in a private, detached, non-recursive copy of its mount: what is mounted below is not there.

    Lets check mode look at a live source without crossing its mount points. Where open_tree(2) is not to be had
    (kernel before 5.2), the directory itself is opened again; ``open_dir`` refuses mount points then.
    """
    view = int(_syscall(_NR_OPEN_TREE, fd, b"", _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH))
    if view < 0:
        return reopen_dir(fd)
    try:
        return reopen_dir(view)
    finally:
        os.close(view)


def is_below(path: str, parent: str) -> bool:
    """By components, so that /root2 is not below /root; a path is not below itself."""
    return path != parent and path.startswith(parent.rstrip("/") + "/")


def write_atomically(name: str, data: bytes, dir_fd: int, *, like: os.stat_result | None = None) -> None:
    """Write beside, fsync, rename over, fsync the directory: readers see the old file or the new one, whole.

    ``like``: the file that is replaced, whose mode and owner are kept.
    """
    beside = f".{name}{NEW_SUFFIX}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside, dir_fd=dir_fd)
    mode = stat.S_IMODE(like.st_mode) if like else 0o644
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if like:
                os.fchown(fd, like.st_uid, like.st_gid)
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(beside, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except OSError:
        # A full disk, or an immutable file in the place: nothing of ours stays there
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=dir_fd)
        raise
    os.fsync(dir_fd)


def read_file(name: str, dir_fd: int) -> tuple[bytes, os.stat_result] | None:
    """A regular file's bytes and status; None when there is no such file; OSError for anything else."""
    try:
        fd = os.open(name, OPEN_FILE & ~os.O_NOATIME, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        chunks: list[bytes] = []
        while True:
            chunk = os.read(fd, 1 << 20)
            if not chunk:
                return b"".join(chunks), status
            chunks.append(chunk)
    finally:
        os.close(fd)


__all__ = (
    "OPEN_DIR",
    "OPEN_FILE",
    "Descent",
    "components",
    "detached_view",
    "is_below",
    "libc",
    "open_beneath",
    "open_dir",
    "printable",
    "read_file",
    "reopen_dir",
    "write_atomically",
)
