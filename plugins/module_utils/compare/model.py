# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a comparison: what is compared with what, and what came of it, directory by directory.

For every entry of the container's directory, one of:

drop   a source has the very same thing at the same place, so the container's copy can go
keep   it stays the container's own
clone  it stays the container's own (owner, mode, time, attributes or links differ), but its bytes are a source's
and, where a whole source directory shines through as a layer:
white  the container does not have what the layer has: a whiteout hides it
opaque nothing of the layer's directory may shine through
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


class Counted(t.Protocol):
    """An entry as far as it is counted: sizes in bytes, ``allocated`` on disk."""

    @property
    def inode(self) -> int: ...

    @property
    def nlink(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def allocated(self) -> int: ...


class Kin:
    """What is known when one side is a btrfs snapshot of the other, or both have a common ancestor.

    ``generation``: from which on the two can differ. ``parted``: when that was, in seconds. Reading a file writes its inode
    item too (its access time), so an inode in ``written`` that has the same change time on both sides, from before ``before``,
    is still the same: everything but the access time moves the change time, and no program can set it. For the bytes of a file
    that alone is proof from before ``settled`` only: the time is that of the call, and what it wrote can miss a snapshot
    whose commit takes long.
    """

    # seconds: a change time has the granularity of the kernel's clock tick; commits that take longer are not heard of
    _TICK: t.Final = 1
    _UNDER_WAY: t.Final = 60

    def __init__(self, generation: int, parted: int, find: t.Callable[[], frozenset[int] | None]) -> None:
        self.generation = generation
        self.before, self.settled = parted - self._TICK, parted - self._UNDER_WAY
        self._find = find
        self._found: list[frozenset[int] | None] = []

    @property
    def written(self) -> frozenset[int] | None:
        """The inodes whose item either side has written since they parted; all others are the same file still.

        None where they are too many to list. Raises OSError.
        """
        if not self._found:
            self._found.append(self._find())
        return self._found[0]


@dataclass(frozen=True)
class Source:
    """One tree to share with.

    ``layer``: it becomes a layer as it is (at most one, and the first); otherwise only what is picked from it does.
    ``one_filesystem``: it lies on the container's file system, so extents can prove equality.
    ``kin``: set when it is a btrfs relative of the container. ``live``: it stands for a snapshot that was just taken of
    it, so a subvolume within, which the snapshot shows empty, is an error. ``beneath``: where the container's side is an
    overlay, a descriptor on the subvolume in which its layers lie and have the same inode numbers; else -1.
    """

    fd: int
    layer: bool = False
    one_filesystem: bool = False
    kin: Kin | None = None
    live: bool = False
    beneath: int = -1


# A hard-linked name of the container: (name, inode, link count, size, bytes on disk that cloning it would free).
Link = tuple[str, int, int, int, int]
# What one directory (or one part of a large one) came to, in a form that marshal carries between processes.
Raw = tuple[
    str,  # path below the compared directory, "" for itself
    bool,  # does the layer have this very directory, attributes and all
    bool,  # must it be opaque
    list[str],  # keep
    list[str],  # white
    dict[str, int],  # drop, but picked from this source (the layer's own are only counted)
    dict[str, int],  # clone
    list[Link],
    tuple[int, int, int, int, int],  # counts: see Totals
    list[tuple[str, str]],  # refused: path, reason
]


@dataclass
class Totals:
    """What a directory comes to. ``freed`` leaves out what was stored once already (snapshots, reflinks)."""

    shared_entries: int = 0
    shared_bytes: int = 0
    freed_bytes: int = 0
    kept_entries: int = 0
    kept_bytes: int = 0
    whiteouts: int = 0
    opaque: int = 0

    def add(self, counts: tuple[int, int, int, int, int]) -> None:
        self.shared_entries += counts[0]
        self.shared_bytes += counts[1]
        self.freed_bytes += counts[2]
        self.kept_entries += counts[3]
        self.kept_bytes += counts[4]

    def as_dict(self) -> dict[str, int]:
        return dict(vars(self))


@dataclass
class DirectoryPlan:
    """One directory of the new upper layer; ``needed`` is False where the layer below shows all of it by itself."""

    path: str
    needed: bool = True
    opaque: bool = False
    keep: list[str] = field(default_factory=list)
    white: list[str] = field(default_factory=list)
    pick: dict[str, int] = field(default_factory=dict)
    clone: dict[str, int] = field(default_factory=dict)


@dataclass
class Comparison:
    """The whole result. ``links``: an inode and the container's names of it; ``refused``: what cannot be shown."""

    directories: dict[str, DirectoryPlan]
    links: dict[int, list[str]]
    totals: Totals
    refused: list[tuple[str, str]]


def join(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


def refusal(path: str, reason: str) -> Raw:
    """A directory, or an entry, that cannot be part of an overlay."""
    return path, True, False, [], [], {}, {}, [], (0, 0, 0, 0, 0), [(path, reason)]


class Tally:
    """What is decided about the entries of one directory, so far."""

    def __init__(self, path: str, sources: t.Sequence[Source]) -> None:
        self._path = path
        self._sources = sources
        self._kept: list[str] = []
        self._pick: dict[str, int] = {}
        self._clone: dict[str, int] = {}
        self._links: list[Link] = []
        self._freed = self._shared_bytes = self._kept_bytes = 0
        self.refused: list[tuple[str, str]] = []
        self.shared = 0

    def drop(self, name: str, number: int, status: Counted, freed: int) -> None:
        """``freed``: bytes on disk."""
        self.shared += 1
        self._shared_bytes += status.size
        self._freed += freed
        if not self._sources[number].layer:
            self._pick[name] = number

    def drop_all(self, count: int, size: int) -> None:
        """So many entries that are the layer's very own, bytes."""
        self.shared += count
        self._shared_bytes += size

    def keep(self, name: str, status: Counted, clone: int, freed: int) -> None:
        """``clone``: the source whose file has the same bytes, or -1; ``freed``: bytes on disk, when they come from there."""
        self._kept.append(name)
        if clone >= 0:
            self._clone[name] = clone
        if status.nlink > 1:
            # the bytes are counted once, when all names are known
            self._links.append((name, status.inode, status.nlink, status.size, freed))
        else:
            self._kept_bytes += status.size
            self._freed += freed

    def refuse(self, name: str, reason: str) -> None:
        """``name``: "" for the directory itself."""
        self.refused.append((join(self._path, name) if name else self._path, reason))

    def raw(self, *, like: bool, opaque: bool = False, white: list[str] | None = None) -> Raw:
        counts = (self.shared, self._shared_bytes, self._freed, len(self._kept), self._kept_bytes)
        lists = (white or [], self._pick, self._clone, self._links)
        return (self._path, like, opaque, self._kept, *lists, counts, self.refused)


def merge(raws: t.Iterable[Raw]) -> Comparison:
    """Put the workers' parts together and decide what only the whole can tell: links, and which directories matter."""
    directories: dict[str, DirectoryPlan] = {}
    members: dict[int, list[tuple[str, int, int, int]]] = {}
    totals = Totals()
    refused: list[tuple[str, str]] = []
    for path, like_layer, opaque, keep, white, pick, clone, links, counts, bad in raws:
        plan = directories.setdefault(path, DirectoryPlan(path, needed=False))
        plan.needed |= not like_layer or opaque or bool(keep or white or pick)
        plan.opaque |= opaque
        plan.keep += keep
        plan.white += white
        plan.pick.update(pick)
        plan.clone.update(clone)
        totals.add(counts)
        totals.whiteouts += len(white)
        totals.opaque += opaque
        refused += bad
        for name, inode, count, size, freed in links:
            members.setdefault(inode, []).append((join(path, name), count, size, freed))
    for names in members.values():
        names.sort()
        first, count, size, freed = names[0]  # the one that is made; the others are linked to it
        totals.add((0, 0, freed, 0, size))
        if len(names) != count:
            refused.append((first, "has hard links outside the directory, which no overlay can keep together"))
    # Deepest first: a directory is needed when anything below it is.
    for path in sorted(directories, key=lambda p: p.count("/"), reverse=True):
        if directories[path].needed and path:
            directories[parent_of(path)].needed = True
    directories[""].needed = True
    linked = {inode: [name for name, *_rest in names] for inode, names in members.items()}
    return Comparison(directories, linked, totals, sorted(refused))


__all__ = (
    "Comparison",
    "Counted",
    "DirectoryPlan",
    "Kin",
    "Link",
    "Raw",
    "Source",
    "Tally",
    "Totals",
    "join",
    "merge",
    "parent_of",
    "refusal",
)
