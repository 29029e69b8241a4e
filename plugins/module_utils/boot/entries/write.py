# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing the selector: texts, and the kernels beside them, never in place, and durably before anything relies on them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import typing as t

from ...errors import OvercError
from ...system import syscalls
from ...system.presence import is_plain_directory, is_plain_file, is_there, status
from ...system.unfinished import NEW_SUFFIX
from .. import partition
from ..kernel import is_too_large, sha256_of

if t.TYPE_CHECKING:
    from .menu import Menu
    from .method import Place

_DIGEST: t.Final = re.compile(r"[0-9a-f]{64}")


def make_directories(place: Place) -> None:
    """The selector and the directory of its files. Raises boot_write_failed, no_space."""
    for path in (place.directory, place.files) if place.copies else (place.directory,):
        try:
            if not is_plain_directory(path):
                os.mkdir(path, 0o700)
                partition.sync(os.path.dirname(path))
        except OSError as error:
            raise _failed(path, error) from error


def write_text(path: str, text: str, mode: int = 0o600) -> None:
    """Replace a file: beside, read back, renamed. GRUB replays no journal, so everything is synced before and after.

    Raises boot_write_failed, no_space.
    """
    content, new = os.fsencode(text), path + NEW_SUFFIX
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "r+b") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(fd)
            syscalls.syncfs(os.path.dirname(path))
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            stream.seek(0)
            if stream.read() != content:
                raise OSError(errno.EIO, "it is not what was written to it", new)
        os.rename(new, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise _failed(path, error) from error
    partition.sync(os.path.dirname(path))


def _failed(path: str, error: OSError) -> OvercError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return OvercError(
        "no_space" if full else "boot_write_failed",
        f"Cannot write {path}: {error.strerror}. What boots is unchanged; mend that and run the same command again.",
    )


def write_files(place: Place, sources: t.Mapping[str, str]) -> bool:
    """Put files there under their digests. ``sources``: sha256 -> path. False if all were there, whole."""
    wanted = [digest for digest in sources if not _is_whole(place, digest)]
    for digest in wanted:
        partition.write_beside(sources[digest], place.files, digest, digest)
    partition.swap_in(place.files, wanted)
    partition.write_entries_again(place.files, list(sources))
    return bool(wanted)


def _is_whole(place: Place, digest: str) -> bool:
    path = os.path.join(place.files, digest)
    return is_plain_file(path) and not is_too_large(path) and sha256_of(path) == digest


def missing_bytes(place: Place, sources: t.Mapping[str, str]) -> int:
    """How many bytes ``write_files`` would need."""
    return sum(os.lstat(path).st_size for digest, path in sources.items() if not _is_whole(place, digest))


def unused(place: Place, menu: Menu) -> list[str]:
    """The kernels and initrds that no entry names any more, and what was left unfinished in the selector: paths."""
    paths = [os.path.join(place.directory, name) for name in names_in(place.directory) if name.endswith(NEW_SUFFIX)]
    used = {os.path.basename(file) for entry in menu.entries for file in (entry.kernel, entry.initrd) if file}
    for name in names_in(place.files):
        if (_DIGEST.fullmatch(name) and name not in used) or name.endswith(NEW_SUFFIX):
            paths.append(os.path.join(place.files, name))
    return paths


def remove_files(place: Place, paths: t.Iterable[str]) -> bool:
    """Remove those of our files that are there, durably; True if one was. Raises boot_write_failed."""
    there = [path for path in paths if is_plain_file(path)]
    for path in there:
        try:
            os.unlink(path)
        except OSError as error:
            raise _failed(path, error) from error
    if there:
        partition.sync(place.directory)
    return bool(there)


def remove_empty(path: str) -> None:
    """A directory of ours; what somebody put into it stays, and with it the directory."""
    if is_plain_directory(path) and not os.listdir(path):
        os.rmdir(path)


def mode_of(path: str) -> int:
    """The permissions of somebody's file stay: a password may be in it."""
    found = status(path, follow=True)
    return stat.S_IMODE(found.st_mode) if found is not None else 0o644


def names_in(directory: str) -> list[str]:
    """What is in a directory; nothing where there is none."""
    return sorted(os.listdir(directory)) if is_there(directory) else []


__all__ = (
    "make_directories",
    "missing_bytes",
    "mode_of",
    "names_in",
    "remove_empty",
    "remove_files",
    "unused",
    "write_files",
    "write_text",
)
