# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written in a new root where it will not be seen once that root runs: below what is mounted over it.

A new root is a snapshot of one subvolume. What is mounted below ``/`` is not in it, so packages and their scripts write there
into the directory under the mount point, and run against an empty one.
"""

from __future__ import annotations

import errno
import filecmp
import os
import stat
import typing as t
from dataclasses import dataclass

from ...btrfs import ioctl
from ...btrfs.paths import Paths, shown_deep
from .covered import is_below

# Written by package managers themselves and by every program that logs: nobody misses it.
BOOKKEEPING: t.Final = (
    "/var/adm/update-messages",
    "/var/adm/update-scripts",
    "/var/cache",
    "/var/lib/dnf",
    "/var/lib/rpm-state",
    "/var/lib/smart",
    "/var/lib/systemd/catalog",
    "/var/lib/zypp",
    "/var/lock",
    "/var/log",
    "/var/run",
    "/var/tmp",  # noqa: S108 - the directory itself
)
_BYTES: t.Final = 64 << 20  # larger files are not compared, and count as different


@dataclass(frozen=True, order=True)
class Hidden:
    """One path of a new root below ``mount``: ``added``, ``changed`` or ``removed`` there since it was made."""

    path: str
    mount: str
    change: t.Literal["added", "changed", "removed"]


def hidden_changes(base: str, new: str, covered: t.Sequence[str]) -> tuple[Hidden, ...]:
    """What differs below ``covered`` paths between a root and what it was made from, and will not be seen, sorted.

    ``base`` and ``new`` are the directories of the two subvolumes in the top-level tree, where mounts do not show. What the
    running system has there already, as it sees it, is not lost and left out. Raises OSError.
    """
    if not covered:
        return ()
    fd = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ioctl.sync(fd)
        since = ioctl.subvolume_info(fd).origin_generation + 1
        named = Paths(fd)
        inodes = sorted(ioctl.changed_inodes(fd, since))
        paths = {os.fsdecode(path) for inode in inodes for path in named.all_of(inode)}
    finally:
        os.close(fd)
    found: dict[str, t.Literal["added", "changed", "removed"]] = {}
    for path in sorted(paths):
        # The directory above a mount point is looked at as well: the mount point itself may have been removed or replaced
        if is_below("/" + path, covered):
            try:
                found.update(_differences(base, new, path, is_mount="/" + path in covered))
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                found[shown_deep(path)[1:]] = "changed"  # too deep to be compared
    gone = {path for path, change in found.items() if change != "removed" and _is_seen(os.path.join(new, path), path)}
    left = {path: change for path, change in found.items() if path not in gone}
    left = {path: change for path, change in left.items() if change != "removed" or _lstat("/" + path) is not None}
    # A new directory is told by what is in it
    above = {parent for path in left for parent in _parents(path)}
    return tuple(
        sorted(
            Hidden("/" + path, next(mount for mount in covered if is_below("/" + path, (mount,))), change)
            for path, change in left.items()
            if not (change == "added" and path in above)
        )
    )


def _differences(
    base: str, new: str, path: str, *, is_mount: bool
) -> t.Iterator[tuple[str, t.Literal["added", "changed", "removed"]]]:
    now, before = _lstat(os.path.join(new, path)), _lstat(os.path.join(base, path))
    if now is None:
        return
    if before is None:
        if not is_mount or not stat.S_ISDIR(now.st_mode):
            yield path, "added"
    elif not stat.S_ISDIR(now.st_mode):
        if (now.st_ino, now.st_ctime_ns) != (before.st_ino, before.st_ctime_ns):
            yield path, "changed"
    elif not is_mount and (now.st_mode, now.st_uid, now.st_gid) != (before.st_mode, before.st_uid, before.st_gid):
        yield path, "changed"
    if stat.S_ISDIR(now.st_mode):
        # By name as well: what was moved here is not changed itself, and of what is gone only its directory is
        names = set(os.listdir(os.path.join(new, path)))
        is_dir = before is not None and stat.S_ISDIR(before.st_mode)
        old = set(os.listdir(os.path.join(base, path))) if is_dir else set()
        for name in names - old:
            yield os.path.join(path, name), "added"
        for name in old - names:
            yield os.path.join(path, name), "removed"


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parents(path: str) -> t.Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _is_seen(inside: str, path: str) -> bool:
    """Whether the running system shows at this path what the new root has there, under the mount point."""
    mine, theirs = _lstat(inside), _lstat("/" + path)
    if mine is None:
        return True
    if theirs is None or (mine.st_mode, mine.st_uid, mine.st_gid) != (theirs.st_mode, theirs.st_uid, theirs.st_gid):
        return False
    if stat.S_ISDIR(mine.st_mode):
        return True
    if stat.S_ISLNK(mine.st_mode):
        return os.readlink(inside) == os.readlink("/" + path)
    if not stat.S_ISREG(mine.st_mode) or mine.st_size != theirs.st_size or mine.st_size > _BYTES:
        return False
    return filecmp.cmp(inside, "/" + path, shallow=False)


__all__ = ("BOOKKEEPING", "Hidden", "hidden_changes")
