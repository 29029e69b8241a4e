# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing a directory with a relative of it, and then with others: only where something was written the files are asked."""

from __future__ import annotations

import os
import typing as t

from ...btrfs import ioctl
from ...system import mount_table
from ...system.overlay_format import is_whiteout
from ...system.safe_path import open_dir, reopen_dir
from ...system.workers import spread
from ..entries import MARK
from ..model import Comparison, Kin, Raw, Source, Tally, join, merge, refusal
from ..walk import LOCKED as LOCKED_DIRECTORY
from ..walk import LONGEST
from .judge import SHOWN, Found, Judge, Pending, Verdict, is_marked, is_opaque
from .reading import Reader
from .survey import LOCKED, Survey, survey
from .tree import FACTS, MODIFIED, OWNER_TO_MODE, Tree, inode_of, is_directory

# So few entries are walked through faster than the tree of a whole subvolume is read
_FEW: t.Final = 2_000
_TOGETHER: t.Final = 64  # files that a process reads at a time


class NotThisWay(Exception):
    """Only the walk can say what is there: a subvolume within, or something that changed meanwhile."""


class _Place:
    """A directory of the container that is looked at; its result is complete when the bytes have been read."""

    __slots__ = ("common", "hidden", "like", "number", "only", "path", "tally")

    def __init__(self, number: int, path: str, tally: Tally, *, like: bool) -> None:
        self.number, self.path, self.tally, self.like = number, path, tally, like
        self.hidden = self.common = False
        self.only: dict[bytes, int] = {}


def compare(root: int, sources: t.Sequence[Source], *, jobs: int | None = None) -> Comparison | None:
    """``merge.compare`` where the first source is a layer and a relative; None where the walk is faster, or sees more."""
    kin = sources[0].kin if sources and sources[0].layer else None
    if kin is None:
        return None
    try:
        if not _is_for_trees(root, sources):
            return None
        return _Comparing(root, sources, kin).run(jobs)
    except (NotThisWay, KeyError, OSError):
        # An inode that is not there any more, a handle that is refused: the walk says properly what is wrong
        return None


def _is_for_trees(root: int, sources: t.Sequence[Source]) -> bool:
    filesystem = ioctl.filesystem_id(root)
    if filesystem is None or any(ioctl.filesystem_id(source.fd) != filesystem for source in sources):
        return False
    return inode_of(root) == inode_of(sources[0].fd) and not _is_crossed(root) and not _is_small(root)


def _is_crossed(root: int) -> bool:
    """Whether something is mounted within the directory, or that cannot be told: a tree does not show it. Raises OSError."""
    path = os.readlink(f"/proc/self/fd/{root}")
    there, here = os.stat(path), os.fstat(root)
    if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
        return True
    inside = path.rstrip("/") + "/"
    return any(mount.target.startswith(inside) for mount in mount_table.mounts())


def _is_small(root: int) -> bool:
    """Whether few entries lie below the directory, however large the subvolume around it is."""
    seen, queue = 0, [reopen_dir(root)]
    try:
        while queue:
            fd = queue.pop()
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        seen += 1
                        if seen > _FEW:
                            return False
                        if entry.is_dir(follow_symlinks=False):
                            queue.append(open_dir(entry.name, fd))
            finally:
                os.close(fd)
        return seen <= _FEW
    finally:
        for fd in queue:
            os.close(fd)


class _Comparing:
    def __init__(self, root: int, sources: t.Sequence[Source], kin: Kin) -> None:
        ioctl.sync(root)
        self._root, self._sources = root, sources
        self._mine = Tree(root)
        trees: dict[int, Tree] = {}
        self._theirs = [trees.setdefault(tree.id, tree) for tree in (Tree(source.fd) for source in sources)]
        self._survey: Survey = survey(self._mine, self._theirs[0], kin)
        self._on_the_way = self._survey.on_the_way()
        status = os.fstatvfs(root)
        self._judge = Judge(self._mine, self._theirs, self._survey.changed, status.f_bsize)
        self._most = status.f_blocks * status.f_frsize
        self._places: list[_Place] = []
        self._unfit: list[Raw] = []
        self._unseen = [0, 0]

    def run(self, jobs: int | None) -> Comparison:
        self._walk([(number, inode_of(source.fd)) for number, source in enumerate(self._sources)])
        for pending, verdict in _settled(self._judge, self._most, jobs):
            self._judge.tell(pending, verdict, self._places[pending.place].tally)
        comparison = merge([*(self._finished(place) for place in self._places), *self._unfit])
        comparison.totals.shared_entries += self._unseen[0]
        comparison.totals.shared_bytes += self._unseen[1]
        return comparison

    # -- the directories ----------------------------------------------------------------------------------------

    def _walk(self, theirs: Found) -> None:
        stack = [("", inode_of(self._root), theirs)]
        found = self._survey
        while stack:
            path, inode, theirs = stack.pop()
            if inode in found.nested:
                raise NotThisWay  # another subvolume, or the empty place of one
            if len(path) > LONGEST:
                self._unfit.append(refusal(path, f"lies so deep that its path has more than {LONGEST} characters"))
            elif inode in found.closed or theirs[:1] != [(0, inode)]:
                stack += self._directory(path, inode, theirs)
            elif inode in found.changed:
                stack += self._changed(path, inode, theirs)
            elif not path or inode in self._on_the_way:
                stack += self._unchanged(path, inode, theirs)
            else:
                self._all_of(inode)

    def _all_of(self, top: int) -> None:
        """Count a whole tree of directories in which nothing was written."""
        found = self._survey
        for inode in found.subtree(top):
            if inode in found.nested:
                raise NotThisWay
            if inode in found.count:
                self._unseen[0] += found.count[inode]
                self._unseen[1] += found.size[inode]

    def _unchanged(self, path: str, inode: int, theirs: Found) -> list[tuple[str, int, Found]]:
        """A directory that is the relative's very own: the same names lead to the same inodes."""
        found = self._survey
        place = self._place(path, like=True)
        place.tally.drop_all(found.count.get(inode, 0), found.size.get(inode, 0))
        for raw, child in found.odd.get(inode, {}).items():
            self._judge.decide(place.number, raw, child, [(0, child), *self._others(raw, theirs)], place.tally)
        out: list[tuple[str, int, Found]] = []
        for child in found.below.get(inode, ()):
            raw = found.name[child]
            directories = [(n, other) for n, other in self._others(raw, theirs) if self._is_directory(n, other)]
            out.append((join(path, os.fsdecode(raw)), child, [(0, child), *directories]))
        return out

    def _others(self, raw: bytes, theirs: Found) -> Found:
        """What the sources behind the relative have of that name."""
        listings = ((number, self._theirs[number].names[inode]) for number, inode in theirs[1:])
        return [(number, names[raw]) for number, names in listings if raw in names]

    def _changed(self, path: str, inode: int, theirs: Found) -> list[tuple[str, int, Found]]:
        """A directory that is one on both sides, with names that came or went: most lead to the same inodes still."""
        item, attributes = self._mine.inodes[inode], self._mine.attributes[inode]
        if is_marked(self._theirs[0].attributes[inode]):
            return self._directory(path, inode, theirs)
        found, layer = self._survey, self._theirs[0].names[inode]
        place = self._place(path, like=self._like_layer(item, attributes, 0, inode))
        place.only = dict(layer)
        count, size = found.count.get(inode, 0), found.size.get(inode, 0)
        odd = found.odd.get(inode, {})
        below: list[tuple[str, int, Found]] = []
        for raw, child in self._mine.names[inode].items():
            twin = place.only.pop(raw, None)
            if twin == child and raw not in odd and child not in found.parent:
                continue  # counted already
            others = self._others(raw, theirs)
            if twin is not None:
                others.insert(0, (0, twin))
            if child in found.parent:
                directories = [(number, other) for number, other in others if self._is_directory(number, other)]
                place.common = place.common or bool(directories)
                below.append((join(path, os.fsdecode(raw)), child, directories))
                continue
            if raw not in odd:  # it has another name than there
                count -= 1
                size -= FACTS.unpack_from(self._mine.inodes[child])[0]
            self._judge.decide(place.number, raw, child, others, place.tally)
        place.tally.drop_all(count, size)
        return below

    def _place(self, path: str, *, like: bool) -> _Place:
        self._places.append(_Place(len(self._places), path, Tally(path, self._sources), like=like))
        return self._places[-1]

    def _shows_nothing(self, item: bytes, attributes: t.Mapping[bytes, bytes], theirs: Found) -> bool:
        """See ``Walk.shows_nothing``."""
        if not theirs:
            return False
        number, first = theirs[0]
        return (
            (self._sources[number].layer and is_marked(self._theirs[number].attributes[first]))
            or is_opaque(attributes)
            or bool(FACTS.unpack_from(item)[5] & LOCKED)
        )

    def _directory(self, path: str, inode: int, theirs: Found) -> list[tuple[str, int, Found]]:
        """Compare one directory entry by entry; what is below it."""
        item, attributes = self._mine.inodes[inode], self._mine.attributes[inode]
        place = self._place(path, like=False)
        tally = place.tally
        if is_marked(attributes):
            tally.refuse("", MARK)
        if not path and FACTS.unpack_from(item)[5] & LOCKED:
            tally.refuse("", LOCKED_DIRECTORY)
        if path and self._shows_nothing(item, attributes, theirs):
            place.hidden = not tally.refused
            theirs = []
        layer = bool(theirs) and self._sources[theirs[0][0]].layer
        place.like = layer and self._like_layer(item, attributes, *theirs[0])
        listings = [(number, self._theirs[number].names[other]) for number, other in theirs]
        place.only = dict(listings[0][1]) if layer else {}
        below: list[tuple[str, int, Found]] = []
        for raw, child in self._mine.names[inode].items():
            place.only.pop(raw, None)
            if child < 0:
                raise NotThisWay
            found = [(number, names[raw]) for number, names in listings if raw in names]
            if is_directory(self._mine.inodes[child]):
                directories = [(number, other) for number, other in found if self._is_directory(number, other)]
                place.common = place.common or bool(directories)
                below.append((join(path, os.fsdecode(raw)), child, directories))
            else:
                self._judge.decide(place.number, raw, child, found, tally)
        return below

    def _is_directory(self, number: int, inode: int) -> bool:
        if inode < 0:
            raise NotThisWay  # the walk enters it, or finds the empty place of one
        return is_directory(self._theirs[number].inodes[inode])

    def _like_layer(self, item: bytes, attributes: t.Mapping[bytes, bytes], number: int, inode: int) -> bool:
        """Whether a layer has this very directory, attributes and all."""
        other = self._theirs[number].inodes[inode]
        return (
            item[OWNER_TO_MODE] == other[OWNER_TO_MODE]
            and item[MODIFIED] == other[MODIFIED]
            and attributes == self._theirs[number].attributes[inode]
            and not (FACTS.unpack_from(item)[5] ^ FACTS.unpack_from(other)[5]) & SHOWN
        )

    def _finished(self, place: _Place) -> Raw:
        opaque, white = place.hidden, list[str]()
        if place.only and place.path and not place.common and not place.tally.shared:
            # Where nothing of the layer shines through, one mark does what many whiteouts would.
            opaque = True
        elif place.only:
            white = [os.fsdecode(raw) for raw, inode in place.only.items() if self._shows(inode)]
        return place.tally.raw(like=place.like, opaque=opaque, white=white)

    def _shows(self, inode: int) -> bool:
        """Whether the layer, which is the first source, has something there that is no whiteout."""
        if inode < 0:
            return True
        _size, _held, _links, mode, device, _flags = FACTS.unpack_from(self._theirs[0].inodes[inode])
        return not is_whiteout(mode, device)


def _settled(judge: Judge, most: int, jobs: int | None) -> t.Iterator[tuple[Pending, Verdict]]:
    """What the bytes say, read by as many processes as there is work for. Raises NotThisWay."""
    pending = judge.pending
    tasks = (len(pending) + _TOGETHER - 1) // _TOGETHER
    reader = Reader(most)

    def work(number: int) -> tuple[int, list[Verdict] | None]:
        return number, _verdicts(judge, pending[number * _TOGETHER : (number + 1) * _TOGETHER], reader)

    for number, verdicts in spread(tasks, work, doing="comparing the trees", jobs=1 if tasks == 1 else jobs):
        if verdicts is None:
            raise NotThisWay
        yield from zip(pending[number * _TOGETHER :], verdicts)


def _verdicts(judge: Judge, these: t.Sequence[Pending], reader: Reader) -> list[Verdict] | None:
    """None where a file cannot be read, or is another one by now."""
    try:
        return [judge.settle(one, reader) for one in these]
    except OSError:
        return None


__all__ = ("compare",)
