# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping the package database of the running root quiet while it is copied.

A snapshot in the middle of somebody's transaction holds half an upgrade, and nothing shows it later: what package managers
lock is therefore held here, with their own locks, so that none of them begins, and none that has begun is copied.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system.presence import status

# fcntl: a record lock on the whole file, as rpm, dpkg, apt and dnf5 take it. flock: as Smart does with a directory.
# pid: a file with the number of the process that is at work, as dnf 4 and libzypp write it; it is looked at, never written.
Kind = t.Literal["fcntl", "flock", "pid"]

# Seconds to wait for another one before a snapshot is refused; long enough for a query, too short for a transaction
PATIENCE: t.Final = 3.0
_POLL: t.Final = 0.05
_FLOCK: t.Final = struct.Struct("@hhqqi4x")  # struct flock: type, whence, start, length, pid
_PID_PROGRAMS: t.Final = (b"dnf", b"yum", b"packagekit", b"zypp", b"yast", b"y2base")


@dataclass(frozen=True)
class Lock:
    """One lock of a package manager. ``make``: the tool makes the file where it is missing, so it is made here too."""

    path: str
    kind: Kind
    make: bool = False


@dataclass(frozen=True)
class Database:
    """Where a root keeps what it knows of its packages, and which locks whoever changes that holds.

    ``directories`` must be in a snapshot of the root together with the files of the packages; ``locks`` in the order in
    which the tools take them.
    """

    directories: tuple[str, ...] = ()
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock; ``pid`` is 0 where the kernel does not tell (another process namespace)."""

    pid: int
    command: str


@contextlib.contextmanager
def quiet(locks: t.Sequence[Lock], *, patience: float = PATIENCE, only_look: bool = False) -> t.Iterator[None]:
    """While the block runs, no package manager changes what these locks guard.

    ``patience``: seconds to wait for others. ``only_look``: no missing lock file is made (check mode). What can only be
    looked at is looked at again at the end. Raises locked, with the ``holder``; package_manager_failed where a lock cannot be
    opened, because then nobody can tell.
    """
    deadline = time.monotonic() + patience
    watched = [lock for lock in locks if lock.kind == "pid"]
    with contextlib.ExitStack() as held:
        for lock in locks:
            if lock.kind != "pid":
                _take(lock, held, deadline, make=lock.make and not only_look)
        for lock in watched:
            _wait_for(lambda lock=lock: _pid_holder(lock.path), lock, deadline)  # type: ignore[misc]
        yield
        for lock in watched:
            _wait_for(lambda lock=lock: _pid_holder(lock.path), lock, 0)  # type: ignore[misc]


def _take(lock: Lock, held: contextlib.ExitStack, deadline: float, *, make: bool) -> None:
    while True:
        fd = _open(lock, make)
        if fd is None:
            break
        try:
            _wait_for(lambda fd=fd: _try(lock, fd), lock, deadline)  # type: ignore[misc]
            current = _is_at(lock.path, fd)
        except BaseException:
            os.close(fd)
            raise
        if current:
            # A record lock is gone as soon as this process closes any descriptor of the file: this is its only one.
            held.callback(os.close, fd)
            break
        os.close(fd)  # DNF 5 removes its file when it has ended: the lock on what had this name counts for nobody
    # Also where the tool never ran here: somebody may have removed the file that it holds
    _wait_for(lambda: _holder_of_removed(lock.path), lock, deadline)


def _is_at(path: str, fd: int) -> bool:
    there, here = status(path), os.fstat(fd)
    return there is not None and (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _open(lock: Lock, make: bool) -> int | None:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    flags |= os.O_RDONLY if lock.kind == "flock" else os.O_RDWR | (os.O_CREAT if make else 0)
    try:
        return os.open(lock.path, flags, 0o644)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OvercError(
            "package_manager_failed",
            f"The lock {lock.path} of the package manager cannot be opened ({error.strerror}), so nobody can tell whether "
            "packages are being changed. Nothing was changed.",
        ) from error


def _try(lock: Lock, fd: int) -> Holder | None:
    """None once it is ours."""
    try:
        if lock.kind == "flock":
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return _flock_holder(fd) if lock.kind == "flock" else _record_holder(fd)
    return None


def _wait_for(ask: t.Callable[[], Holder | None], lock: Lock, deadline: float) -> None:
    while True:
        holder = ask()
        if holder is None:
            return
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL)
    who = f"{holder.command} (process {holder.pid})" if holder.pid else "a process that this one cannot see"
    raise OvercError(
        "locked",
        f"The packages of this host are being changed: {who} holds {lock.path}. A snapshot now would hold half of its "
        "work. Nothing was changed; wait for it to end, then run the same command again.",
        holder={"pid": holder.pid, "command": holder.command, "path": lock.path},
    )


def _holder(pid: int) -> Holder:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="backslashreplace") as stream:
            return Holder(pid, stream.read().strip() or "?")
    except OSError:
        return Holder(max(pid, 0), "?")


def _record_holder(fd: int) -> Holder:
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _whence, _start, _length, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    # Free again since: it is asked for once more, or told as the one that cannot be seen
    return _holder(pid) if kind != fcntl.F_UNLCK and pid > 0 else Holder(0, "?")


def _holder_of_removed(path: str) -> Holder | None:
    """Who has a file open that had this name until somebody removed it: its lock counts on, and cannot be asked for."""
    directory = status(os.path.dirname(path))
    if directory is None:
        return None
    wanted = f"{os.path.realpath(os.path.dirname(path))}/{os.path.basename(path)} (deleted)"
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            opened = [f"/proc/{pid}/fd/{number}" for number in os.listdir(f"/proc/{pid}/fd")]
            found = any(os.readlink(fd) == wanted and os.stat(fd).st_dev == directory.st_dev for fd in opened)
        except (FileNotFoundError, ProcessLookupError):  # it ended, or closed it, meanwhile
            continue
        except PermissionError:  # hidden from root itself by a security policy: no package manager of root's
            continue
        if found:
            return _holder(int(pid))
    return None


def _flock_holder(fd: int) -> Holder:
    """flock(2) does not tell; /proc/locks does, by inode (its device is not the one of a btrfs subvolume)."""
    inode = str(os.fstat(fd).st_ino)
    try:
        with open("/proc/locks", encoding="ascii") as stream:
            lines = [line.split() for line in stream]
    except OSError:
        return Holder(0, "?")
    found = [
        words[4]
        for words in lines
        if len(words) >= 8 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode and words[4].isdigit()
    ]
    return _holder(int(found[0])) if found and int(found[0]) else Holder(0, "?")


def _pid_holder(path: str) -> Holder | None:
    """Their own rule: the file names a process that is alive. And one that can be it, for numbers are used again."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(20).strip()
        if not content.isdigit():
            return None
        with open(f"/proc/{int(content)}/cmdline", "rb") as stream:
            words = stream.read(4096)
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None
    except OSError as error:
        raise OvercError(
            "package_manager_failed",
            f"The lock {path} of the package manager cannot be read ({error.strerror}), so nobody can tell whether packages "
            "are being changed. Nothing was changed.",
        ) from error
    # Only names count: a directory above a program may be called anything
    names = [word.rpartition(b"/")[2] for word in words.split(b"\0")]
    return _holder(int(content)) if any(program in name for program in _PID_PROGRAMS for name in names) else None


__all__ = ("PATIENCE", "Database", "Holder", "Lock", "quiet")
