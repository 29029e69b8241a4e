# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether something is there, and of what kind: no answer is no "no".

``os.path.exists()`` and its kin take every error for "not there", and ``os.walk()`` leaves out what it cannot read. Where a
disk fails, or the process is out of memory or descriptors, that would be decided upon. These say "no" only where the
kernel says so, and raise OSError for everything else.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

LONGEST_TEXT: t.Final = 64 << 20  # bytes
# The kernel's own words for "there is no such thing"
NOT_THERE: t.Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def status(path: str, *, follow: bool = False) -> os.stat_result | None:
    """What is at a path, a link itself unless ``follow``; None if nothing is."""
    try:
        return os.stat(path, follow_symlinks=follow)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise


def is_there(path: str) -> bool:
    """Whether the name exists; a link to nothing does."""
    return status(path) is not None


def is_directory(path: str) -> bool:
    """Whether it is a directory, or a link to one."""
    found = status(path, follow=True)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_plain_directory(path: str) -> bool:
    """Whether it is a directory, and no link."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_file(path: str) -> bool:
    """Whether it is a regular file, or a link to one."""
    found = status(path, follow=True)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_plain_file(path: str) -> bool:
    """Whether it is a regular file, and no link."""
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_link(path: str) -> bool:
    """Whether it is a symbolic link."""
    found = status(path)
    return found is not None and stat.S_ISLNK(found.st_mode)


def holds_something(path: str) -> bool:
    """Whether there is anything in a directory, False where it is gone. One that lies too deep for any path may: True.

    Raises OSError.
    """
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is not None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return True
        if error.errno in NOT_THERE:
            return False
        raise


def open_at_once(path: str, flags: int) -> int:
    """For ``open``: whoever put a fifo in the place of a file is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def text_of(path: str) -> str | None:
    """The text of a file, None if there is none; bytes that are no UTF-8 are kept as surrogates. A fifo is empty.

    What is longer than any text that somebody wrote is none: reading all of it would end this process for lack of memory.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", opener=open_at_once) as stream:
            return stream.read() if os.fstat(stream.fileno()).st_size <= LONGEST_TEXT else None
    except OSError as error:
        if error.errno in (*NOT_THERE, errno.EISDIR):
            return None
        raise


def bytes_in(stream: t.BinaryIO, most: int = LONGEST_TEXT) -> bytes:
    """What an open file of ours has. Raises OSError (EFBIG) for one that is longer than any that we wrote."""
    if os.fstat(stream.fileno()).st_size > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return stream.read()


def files_below(top: str) -> t.Iterator[tuple[str, list[str]]]:
    """Each directory below ``top`` with the names of what is no directory in it; nothing where ``top`` is not there."""
    for directory, _subdirectories, names in os.walk(top, onerror=_raise_unless_gone):
        yield directory, names


def _raise_unless_gone(error: OSError) -> None:
    if error.errno not in NOT_THERE:
        raise error


__all__ = (
    "NOT_THERE",
    "bytes_in",
    "files_below",
    "holds_something",
    "is_directory",
    "is_file",
    "is_link",
    "is_plain_directory",
    "is_plain_file",
    "is_there",
    "open_at_once",
    "status",
    "text_of",
)
