# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root got after another one was made of it: that is not in the other, and lost by a switch to it.

btrfs tells which inodes of a subvolume were written since a generation, so the cost follows the changes and not the files, and
nothing has to be remembered: the new root's own item has the generation at which it was made.
"""

from __future__ import annotations

import errno
import filecmp
import os
import stat
import time
import typing as t
from dataclasses import dataclass, replace

from ...btrfs import ioctl
from ...btrfs.paths import LONGEST, Paths, shown_deep
from ...system import xattrs
from .covered import is_below
from .path_kinds import KINDS, Kind, kind_of

Rewrite = t.Callable[[bytes], bytes]
_LIMIT: t.Final = 300_000  # inodes; beyond that nobody reads a list
_BYTES: t.Final = 16 << 20  # larger files are not compared, and count as different
_SHOWN: t.Final = 100
_NAMED: t.Final = 8


@dataclass(frozen=True)
class Change:
    """One path (as it is called in its root) that was added, changed or removed."""

    path: str
    kind: Kind
    change: t.Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class LeftBehind:
    """What ``root`` has, or has no more, and ``missing_in``, which was made of it at ``since``, does not know of.

    ``changes`` are in the order of what matters first, without ``bookkeeping``: the number of logs, caches and the like.
    ``packages`` are those installed in place since, ``removed_packages`` those removed. ``problem`` says why it is not known, or
    not all of it.
    """

    root: str
    missing_in: str
    since: int = 0
    changes: tuple[Change, ...] = ()
    bookkeeping: int = 0
    packages: tuple[str, ...] = ()
    removed_packages: tuple[str, ...] = ()
    problem: str | None = None

    def without(self, paths: t.Sequence[str], *, but: t.Sequence[str] = ()) -> LeftBehind:
        """Less what lies below these paths: they are carried over, ``but`` for what lies below those."""
        left = (e for e in self.changes if is_below(e.path, but) or not is_below(e.path, paths))
        return replace(self, changes=tuple(left))

    def as_dict(self) -> dict[str, t.Any]:
        counts = {kind: sum(entry.kind == kind for entry in self.changes) for kind in KINDS}
        counts["bookkeeping"] = self.bookkeeping
        return {
            "root": self.root,
            "missing_in": self.missing_in,
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.since)),
            "counts": {kind: count for kind, count in counts.items() if count},
            "paths": [{"path": e.path, "kind": e.kind, "change": e.change} for e in self.changes[:_SHOWN]],
            "packages": list(self.packages[:_SHOWN]),
            "removed_packages": list(self.removed_packages[:_SHOWN]),
            "complete": self.problem is None
            and all(len(some) <= _SHOWN for some in (self.changes, self.packages, self.removed_packages)),
            "problem": self.problem,
        }

    def sentence(self) -> str | None:
        """What would be lost, for people; None where nothing would."""
        if not self.changes:
            return None
        named = [f"{entry.path}{' (removed)' if entry.change == 'removed' else ''}" for entry in self.changes[:_NAMED]]
        more = f" and {len(self.changes) - _NAMED} more" if len(self.changes) > _NAMED else ""
        packages = f", packages {', '.join(self.packages[:_NAMED])}" if self.packages else ""
        if self.removed_packages:
            packages += f", removed packages {', '.join(self.removed_packages[:_NAMED])}"
        return f"Changed in {self.root} after {self.missing_in} was made of it, and not in it: {', '.join(named)}{more}{packages}"


def changed_since(
    root: str, root_path: str, made: str, made_path: str, rewrites: t.Mapping[str, Rewrite] | None = None
) -> LeftBehind:
    """What changed in the subvolume ``root`` since ``made`` was made of it; the paths are theirs in the top-level tree.
    ``rewrites``: files (without the first slash) that each root has with words of its own, and what makes theirs of ours.

    What both have alike does not count, nor what was only read. Raises OSError.
    """
    with _Directory(root_path) as fd, _Directory(made_path) as made_fd:
        _sync(fd)
        info = ioctl.subvolume_info(made_fd)
        since = info.origin_generation + 1
        inodes = ioctl.few_changes(fd, since, _LIMIT)
        if inodes is None:
            return LeftBehind(
                root, made, info.origin_time, problem=f"more than {_LIMIT} files changed: too many to look at"
            )
        named = Paths(fd)
        names = (name for inode in sorted(inodes) for name in named.all_of(inode))
        paths, deep = _named(names, max(len(root_path), len(made_path)))
        young = frozenset(inode for inode, generation in inodes.items() if generation >= since)
        kept = Paths(made_fd)
        look = _Look(
            root_path,
            made_path,
            0 if _clock_was_set_back(root_path, paths, young, info.origin_time) else info.origin_time,
            frozenset(ioctl.changed_inodes(made_fd, since)),
            young,
            lambda inode: kept.of(inode) is not None,
            rewrites or {},
        )
        # too deep to be compared, so it counts as changed
        changes = {name: Change(name, kind_of(name), "changed") for name in map(shown_deep, deep)}
        for path in sorted(paths):
            changes.update((found.path, found) for found in look.at(path))
    serious = [found for found in changes.values() if found.kind != "bookkeeping"]
    serious.sort(key=lambda found: (KINDS.index(found.kind), found.path))
    return LeftBehind(root, made, info.origin_time, tuple(serious), len(changes) - len(serious))


def _named(found: t.Iterable[bytes], before: int) -> tuple[set[str], set[str]]:
    """The paths that a program can name, with ``before`` bytes before it and a name behind it, and those that are longer."""
    paths = set(found)
    deep = {path for path in paths if before + len(path) + 258 > LONGEST}
    return set(map(os.fsdecode, paths - deep)), set(map(os.fsdecode, deep))


def _clock_was_set_back(root: str, paths: t.Iterable[str], young: t.Collection[int], since: int) -> bool:
    """Whether what was made after this time is older than it."""
    found = (_lstat(f"{root}/{path}") for path in paths)
    return any(entry is not None and entry.st_ino in young and entry.st_ctime < since for entry in found)


@dataclass(frozen=True)
class _Look:
    """``built``: the inodes that were written in the new root itself, by packages. ``young``: those of this root that were made
    after the new root was; ``is_kept``: whether the new root has an inode, under whatever name.

    Times only decide where packages had a hand in it as well, and not at all (``since`` is 0) where the clock was set back.
    """

    root: str
    made: str
    since: int
    built: frozenset[int]
    young: frozenset[int]
    is_kept: t.Callable[[int], bool]
    rewrites: t.Mapping[str, Rewrite]

    def at(self, path: str) -> t.Iterator[Change]:
        mine, other = _lstat(f"{self.root}/{path}"), _lstat(f"{self.made}/{path}")
        if mine is None:
            return
        name, kind = "/" + path, kind_of("/" + path)
        if other is None:
            if self._is_new(mine) and not (stat.S_ISDIR(mine.st_mode) and kind == "bookkeeping"):
                yield Change(name, kind, "added")
        elif not self._same(path, mine, other):
            yield Change(name, kind, "changed")
        if other is not None and stat.S_ISDIR(mine.st_mode) and stat.S_ISDIR(other.st_mode):
            yield from self._entries(path)

    def _is_new(self, mine: os.stat_result) -> bool:
        """Of what the new root has not: it was made or renamed here, and not taken away there by a package."""
        return mine.st_ino in self.young or mine.st_ctime >= self.since or self.is_kept(mine.st_ino)

    def _same(self, path: str, mine: os.stat_result, other: os.stat_result) -> bool:
        if (mine.st_ino, mine.st_ctime_ns) == (other.st_ino, other.st_ctime_ns):
            return True
        only_read = mine.st_ino not in self.young and mine.st_ctime < self.since
        if only_read and other.st_ino in self.built:
            return True
        if (mine.st_mode, mine.st_uid, mine.st_gid) != (other.st_mode, other.st_uid, other.st_gid):
            return False
        one, two = f"{self.root}/{path}", f"{self.made}/{path}"
        if not xattrs.same(one, two, follow=False):
            return False
        if stat.S_ISLNK(mine.st_mode):
            return os.readlink(one) == os.readlink(two)
        if not stat.S_ISREG(mine.st_mode):
            return mine.st_rdev == other.st_rdev
        if path in self.rewrites and max(mine.st_size, other.st_size) <= _BYTES:
            return self.rewrites[path](_content(one)) == _content(two)
        if mine.st_size != other.st_size or mine.st_size > _BYTES:
            return False
        return filecmp.cmp(one, two, shallow=False)

    def _entries(self, path: str) -> t.Iterator[Change]:
        """What the new root has of the time when it was made, and this root no more."""
        here, there = set(os.listdir(f"{self.root}/{path}")), set(os.listdir(f"{self.made}/{path}"))
        for name in sorted(there - here):
            gone = f"{path}/{name}".lstrip("/")
            found = _lstat(f"{self.made}/{gone}")
            if found is not None and found.st_ino not in self.built:
                yield Change("/" + gone, kind_of("/" + gone), "removed")


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


class _Directory:
    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> int:
        self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._fd

    def __exit__(self, *_exc: object) -> None:
        os.close(self._fd)


def _sync(fd: int) -> None:
    try:
        ioctl.sync(fd)
    except OSError as error:
        if error.errno != errno.EROFS:  # where nothing can be written, nothing waits to be written
            raise


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


__all__ = ("Change", "LeftBehind", "changed_since")
