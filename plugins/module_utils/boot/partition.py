# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the boot partition: written beside, made durable, verified, then renamed. Never overwritten in place."""

from __future__ import annotations

import errno
import os
import typing as t

from ..errors import OvercError
from ..system import syscalls
from ..system.presence import is_plain_directory, is_there
from ..system.unfinished import NEW_SUFFIX
from .kernel import sha256_of

# Marks our unfinished files. Only regular files with this suffix are ever removed from the boot partition.
_CHUNK: t.Final = 1 << 20


def _failed(action: str, path: str, error: OSError, *, unchanged: str | None = None) -> OvercError:
    """``unchanged``: the file that is in use and was not touched, where that is so."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return OvercError(
        "no_space" if full else "boot_write_failed",
        f"Cannot {action} {path!r}: {error.strerror}. "
        + (f"{unchanged!r} is as it was. " if unchanged else "")
        + ("Free some space there" if full else "Mend that")
        + " and run the same command again.",
    )


def write_beside(source: str, directory: str, name: str, sha256: str) -> None:
    """Copy ``source`` to ``<directory>/<name>.overc-new``, fsynced, and read it back: its digest must be ``sha256``."""
    target = os.path.join(directory, name) + NEW_SUFFIX
    try:
        remove_new(directory, name)
        if is_there(target):
            raise OSError(errno.EEXIST, "something that is no file of ours is in the way", target)
        reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            mode = os.fstat(reading).st_mode & 0o777
            writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                while True:
                    chunk = os.read(reading, _CHUNK)
                    if not chunk:
                        break
                    view = memoryview(chunk)
                    while view:
                        view = view[os.write(writing, view) :]
                os.fsync(writing)
                # Read back from the device, not from the cache just written.
                os.posix_fadvise(writing, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(writing)
        finally:
            os.close(reading)
        found = sha256_of(target)
    except OSError as error:
        remove_new(directory, name)
        raise _failed("write", target, error, unchanged=os.path.join(directory, name)) from error
    if found != sha256:
        remove_new(directory, name)
        raise OvercError(
            "boot_write_failed",
            f"{target!r} reads back as {found}, but {sha256} was written: the boot partition's device is failing. "
            f"{os.path.join(directory, name)!r} is as it was.",
        )


def swap_in(directory: str, names: t.Sequence[str], gone: t.Sequence[str] = ()) -> None:
    """Rename every ``<name>.overc-new`` that is there to ``<name>``, in this order, and sync the file system.

    One sync for all: a kernel and its detached signature must not be seen apart for longer than the renames take.
    ``gone`` are removed after the renames: the signature of a kernel whose successor has none.

    And one before: GRUB replays no journal, so it could see the new name of a file before the file's own inode, and would
    find it empty. Seen in a replay of ext4's writes: the directory reached its place first.
    """
    if any(is_there(os.path.join(directory, name) + NEW_SUFFIX) for name in names):
        sync(directory)
    for name in names:
        target = os.path.join(directory, name)
        try:
            if is_there(target + NEW_SUFFIX):
                os.rename(target + NEW_SUFFIX, target)
        except OSError as error:
            raise _failed("replace", target, error, unchanged=target) from error
    for name in gone:
        target = os.path.join(directory, name)
        try:
            if is_there(target):
                os.unlink(target)
        except OSError as error:
            raise _failed("remove", target, error, unchanged=target) from error
    sync(directory)


def write_entries_again(directory: str, names: t.Iterable[str]) -> None:
    """Make files durable that have their names already, also where a sync of these names failed before.

    After a failed sync a block may count as written that is not, and no later sync writes it. So each file gets its own
    time of change once more: with that, the block that names it (FAT), or its inode's, is to be written again.
    """
    for name in names:
        path = os.path.join(directory, name)
        try:
            found = os.lstat(path)
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)
        except OSError as error:
            raise _failed("sync", path, error) from error
    sync(directory)


def sync(directory: str) -> None:
    """Make everything on the boot partition durable and visible to GRUB.

    syncfs writes what GRUB reads to its place, but does not make the disk empty its cache; an fsync does.
    """
    try:
        syscalls.fsync_directory(directory)
        syscalls.syncfs(directory)
        syscalls.fsync_directory(directory)
    except OSError as error:
        raise _failed("sync", directory, error) from error


def remove_new(directory: str, name: str) -> bool:
    """Remove an unfinished file of ours; True if there was one. A directory is not ours."""
    path = os.path.join(directory, name) + NEW_SUFFIX
    try:
        if not is_there(path) or is_plain_directory(path):
            return False
        os.unlink(path)
    except OSError as error:
        raise _failed("remove", path, error) from error
    return True


__all__ = ("remove_new", "swap_in", "sync", "write_beside", "write_entries_again")
