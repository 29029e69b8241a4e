# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of snapper: directories, each with a root and what snapper knows of it. One is claimed by making it.

Of a new root its directory is there first, with a mark of ours in it and nothing that snapper takes for a snapshot; then the root
under its unfinished name; then snapper's own file, the root's name, and the mark goes. So snapper sees a whole one or none, and
whoever comes after a cut knows whose a directory is.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import time
import typing as t

from ...btrfs.ioctl import SUBVOLUME_INODE
from ...errors import OvercError
from ...system import syscalls
from ...system.presence import is_plain_directory, is_plain_file, is_there, status, text_of
from ...system.unfinished import NEW_SUFFIX
from ..entries.write import names_in, write_text

_ROOT: t.Final = re.compile(r"(?P<store>(?:[^/]+/)*\.snapshots)/(?P<number>[1-9][0-9]{0,8})/snapshot")
_NUMBER: t.Final = re.compile(r"[1-9][0-9]{0,8}")
_LONGER: t.Final = re.compile(r"[1-9][0-9]{9,}")
HIGHEST: t.Final = 999_999_999
_INFO: t.Final = "info.xml"
_MARK: t.Final = "overc"
_BESIDE: t.Final = "overc-"
_KNOWN: t.Final = (_INFO, f"{_INFO}{NEW_SUFFIX}", _MARK, f"{_MARK}{NEW_SUFFIX}")
# No <cleanup>: snapper's cleanup passes over it
_TEXT: t.Final = """\
<?xml version="1.0"?>
<snapshot>
  <type>single</type>
  <num>{number}</num>
  <date>{date}</date>
  <description>{description}</description>
  <userdata>
    <key>overc.system</key>
    <value>deployment</value>
  </userdata>
</snapshot>
"""
_OURS: t.Final = re.compile(r"<key>overc\.system</key>\s*<value>deployment</value>")


def number_in(path: str) -> int | None:
    """The number of a root subvolume, by its path in the top-level tree; None for any other subvolume."""
    match = _ROOT.fullmatch(path)
    return int(match["number"]) if match else None


def store_of(path: str) -> str:
    """The directory of the numbers that a root subvolume is in, in the top-level tree."""
    match = _ROOT.fullmatch(path)
    return match["store"] if match else ""


def root_named(store: str, number: int) -> str:
    """The path of the root subvolume with this number."""
    return f"{store}/{number}/snapshot"


def highest(store: str) -> int:
    """The highest number that is taken, by whatever; ``store``: where it can be read."""
    return max((int(name) for name in names_in(store) if _NUMBER.fullmatch(name)), default=0)


def beyond(store: str) -> str | None:
    """A name after which there is no number any more."""
    longer = [name for name in names_in(store) if _LONGER.fullmatch(name)]
    return longer[0] if longer else f"{HIGHEST}" if highest(store) >= HIGHEST else None


def in_the_way(store: str) -> list[str]:
    """Names that a claim needs, and that have what nobody of us left there: paths."""
    names = [name for name in names_in(store) if name.startswith(_BESIDE) and name.endswith(NEW_SUFFIX)]
    return [path for path in (os.path.join(store, name) for name in names) if not _has_only_ours(path)]


def claim(store: str, number: int) -> None:
    """Make this number ours. Raises in_use where snapper, or anybody, has it since."""
    beside, path = os.path.join(store, f"{_BESIDE}{number}{NEW_SUFFIX}"), os.path.join(store, f"{number}")
    _remove(beside, ours=True)
    os.mkdir(beside, 0o700)
    write_text(os.path.join(beside, _MARK), "An unfinished root of overc.system.\n")
    os.chmod(beside, 0o755)  # noqa: S103 - as snapper makes it
    try:
        syscalls.rename(beside, path, syscalls.RENAME_NOREPLACE)
    except FileExistsError:
        _remove(beside, ours=True)
        raise OvercError(
            "in_use",
            f"Snapper has taken the number {number} since it was looked for. Nothing was changed; run the same command again.",
        ) from None
    syscalls.fsync_directory(store)


def describe(store: str, number: int, description: str) -> None:
    """Snapper's own file about a root of ours, before the root gets its name."""
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    text = _TEXT.format(number=number, date=date, description=description)
    write_text(os.path.join(store, f"{number}", _INFO), text, 0o644)


def settle(store: str, number: int) -> bool:
    """The root has its name: the mark goes. True if there was one."""
    path = os.path.join(store, f"{number}", _MARK)
    if not is_plain_file(path):
        return False
    os.unlink(path)
    syscalls.syncfs(os.path.dirname(path))
    return True


def remove_left(store: str) -> bool:
    """The directories of ours in which there is no root (any more). True if there was one."""
    left = []
    for name in names_in(store):
        path = os.path.join(store, name)
        unfinished = name.startswith(_BESIDE) and name.endswith(NEW_SUFFIX)
        if unfinished or (_NUMBER.fullmatch(name) and _is_ours(path)):
            left.append(path)
    removed = [_remove(path, ours=True) for path in left]
    if any(removed):
        syscalls.syncfs(store)
    return any(removed)


def is_ours(store: str, number: int) -> bool:
    """Whether a number is one that we claimed, by what is in its directory."""
    return _is_ours(os.path.join(store, f"{number}"))


def _is_ours(path: str) -> bool:
    if not is_plain_directory(path):
        return False
    marked = is_plain_file(os.path.join(path, _MARK))
    return marked or bool(_OURS.search(text_of(os.path.join(path, _INFO)) or ""))


def _free_beside(store: str, name: str) -> str:
    """Where a number that goes is put; what somebody else has there stays."""
    first = os.path.join(store, f"{_BESIDE}{name}{NEW_SUFFIX}")
    _remove(first, ours=True)
    others = (os.path.join(store, f"{_BESIDE}{name}-{more}{NEW_SUFFIX}") for more in itertools.count(2))
    return next(path for path in itertools.chain((first,), others) if not is_there(path))


def _has_only_ours(path: str) -> bool:
    """Whether it is a directory in which there is nothing but what we write; a subvolume is none."""
    found = status(path)
    return (
        found is not None
        and stat.S_ISDIR(found.st_mode)
        and found.st_ino != SUBVOLUME_INODE
        and set(os.listdir(path)) <= set(_KNOWN)
    )


def _remove(path: str, *, ours: bool) -> bool:
    """A directory with nothing in it but what we write. It loses its number first: an empty one would be nobody's after a cut."""
    if not ours or not _has_only_ours(path):
        return False
    store, name = os.path.split(path)
    if _NUMBER.fullmatch(name):
        beside = _free_beside(store, name)
        syscalls.rename(path, beside, syscalls.RENAME_NOREPLACE)
        path = beside
    for name in _KNOWN:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, name))
    os.rmdir(path)
    return True


__all__ = (
    "HIGHEST",
    "beyond",
    "claim",
    "describe",
    "highest",
    "in_the_way",
    "is_ours",
    "number_in",
    "remove_left",
    "root_named",
    "settle",
    "store_of",
)
