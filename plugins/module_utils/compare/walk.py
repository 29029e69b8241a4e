# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process's walk through a container's directory and the sources': which of them take part, and where it goes on.

One directory listing per side. Between relatives of one btrfs (``Kin``) a directory that neither has written needs no
listing of the source, and an inode that neither has written since they parted needs no proof at all.
"""

from __future__ import annotations

import errno
import os
import typing as t

from ..system import xattrs
from ..system.overlay_format import has_mark, is_opaque
from ..system.safe_path import open_dir
from .entries import MARK, Judge
from .model import Raw, Source, Tally, join, parent_of, refusal
from .sides import WHOLE, Job, Part, Sides, Theirs, open_sides

# Four times what a program can name (PATH_MAX); the plan of each directory has its path, so they cost memory
LONGEST: t.Final = 16_384
LOCKED: t.Final = "is immutable or append-only (chattr), so the kernel could not merge anything into it"
_NESTED: t.Final = "is a mount point or a nested subvolume, which no overlay can reach across"

# Directories below one: name, and the sources' open directories whose entry of that name is a directory, too.
Below = list[tuple[str, Theirs]]


class _Listing(t.NamedTuple):
    """What a source has in one directory."""

    number: int
    fd: int
    entries: dict[str, os.DirEntry[str]]


def _list(number: int, fd: int) -> _Listing:
    with os.scandir(fd) as entries:
        return _Listing(number, fd, {entry.name: entry for entry in entries})


def _directories(name: str, listings: t.Iterable[_Listing]) -> Theirs:
    """The sources whose entry of that name is a directory."""
    return [
        (number, fd)
        for number, fd, entries in listings
        if name in entries and entries[name].is_dir(follow_symlinks=False)
    ]


def is_locked(fd: int) -> bool:
    return bool(xattrs.flags(fd) & xattrs.LOCKED)


def _is_twin(entry: os.DirEntry[str], listing: _Listing) -> bool:
    return entry.name in listing.entries and listing.entries[entry.name].inode() == entry.inode()


def _like_layer(mine: int, layer: int) -> bool:
    """Whether a layer has this very directory, attributes and all."""
    a, b = os.fstat(mine), os.fstat(layer)
    return (
        (a.st_mode, a.st_uid, a.st_gid, a.st_mtime_ns) == (b.st_mode, b.st_uid, b.st_gid, b.st_mtime_ns)
        and xattrs.same(mine, layer)
        and xattrs.flags(mine) == xattrs.flags(layer)
    )


class Walk:
    """One process's walk; ``out`` grows by a result per directory. ``device``: the container's file system."""

    def __init__(self, sources: t.Sequence[Source], device: int) -> None:
        self.sources = sources
        self.out: list[Raw] = []
        self._device = device
        self._judge = Judge(sources)

    # -- one directory ------------------------------------------------------------------------------------------

    def shows_nothing(self, sides: Sides) -> bool:
        """Whether no source may shine through here: a layer's directory that carries marks of overlayfs, an upper
        layer of ours that is compared again (and whose marks are the kernel's), or an immutable or append-only directory
        (the kernel has to write its marks on what is merged in one, cannot, and then shows nothing of it).
        """
        if not sides.theirs:
            return False
        number, fd = sides.theirs[0]
        return (self.sources[number].layer and has_mark(fd)) or is_opaque(sides.mine) or is_locked(sides.mine)

    def _unwritten(self, sides: Sides) -> int:
        """The number of the source whose directory is the container's own, unwritten on both sides; else -1."""
        for number, fd in sides.theirs[:1]:
            kin = self.sources[number].kin
            if kin is None:
                continue
            a, b = os.fstat(sides.mine), os.fstat(fd)
            if a.st_ino == b.st_ino and (
                (kin.written is not None and a.st_ino not in kin.written)
                or (a.st_ctime_ns == b.st_ctime_ns and a.st_ctime < kin.before)
            ):
                return number
        return -1

    def _directory(self, sides: Sides, part: Part) -> Below:
        """Compare one directory, append its result, and return the directories below it."""
        tally = Tally(sides.path, self.sources)
        os.fchdir(sides.mine)  # see Judge
        if part.first and has_mark(sides.mine):
            tally.refuse("", MARK)
        if part.first and not sides.path and is_locked(sides.mine):
            tally.refuse("", LOCKED)
        # A layer's directory with overlayfs's marks would be taken at its word: hide it, whatever it says.
        # (Not at the root: the kernel merges the roots of the layers without looking at their marks.)
        hidden = bool(sides.path) and self.shows_nothing(sides)
        if hidden:
            sides = sides._replace(theirs=[])
        relative = self._unwritten(sides)
        if relative >= 0:
            return self._relatives(sides, relative, part, tally)
        return self._listed(sides, part, tally, opaque=hidden and not tally.refused)

    def _relatives(self, sides: Sides, relative: int, part: Part, tally: Tally) -> Below:
        """A directory that is one inode on both sides, unwritten: every entry is the same inode there and here."""
        below: Below = []
        with os.scandir(sides.mine) as entries:
            for index, entry in enumerate(entries):
                if entry.is_dir(follow_symlinks=False):
                    if part.first:
                        below.append((entry.name, sides.theirs))
                elif part.has(index):
                    self._judge.decide(entry.name, sides.mine, sides.theirs, relative, tally)
        # unwritten: its attributes are the layer's
        self.out.append(tally.raw(like=self.sources[relative].layer))
        return below

    def _listed(self, sides: Sides, part: Part, tally: Tally, *, opaque: bool) -> Below:
        """The general case: list both sides."""
        listings = [_list(number, fd) for number, fd in sides.theirs]
        first = listings[0] if listings else _Listing(-1, -1, {})
        layer = first.fd if listings and self.sources[first.number].layer else -1
        whole = part == WHOLE
        related = bool(listings) and self.sources[first.number].kin is not None
        only = dict.fromkeys(first.entries if layer >= 0 and part.first else ())  # what just the layer has
        below: Below = []
        mine, decide = sides.mine, self._judge.decide
        with os.scandir(mine) as entries:
            for index, entry in enumerate(entries):
                name = entry.name
                only.pop(name, None)
                if entry.is_dir(follow_symlinks=False):
                    if part.first:
                        below.append((name, _directories(name, listings)))
                elif whole or part.has(index):
                    found = [(number, fd) for number, fd, table in listings if name in table]
                    # between relatives: the same inode, unwritten, needs no reading even in a written directory
                    twin = first.number if related and _is_twin(entry, first) else -1
                    decide(name, mine, found, twin, tally)
        white: list[str] = []
        common = tally.shared or any(theirs for _name, theirs in below)
        if only and sides.path and whole and not common:
            # Where nothing of the layer shines through, one mark does what many whiteouts would.
            opaque = True
        elif only:
            white = [name for name in only if self._judge.hides(name, layer)]
        like = not part.first or (layer >= 0 and _like_layer(sides.mine, layer))
        self.out.append(tally.raw(like=like, opaque=opaque, white=white))
        return below

    # -- a subtree ----------------------------------------------------------------------------------------------

    def _open_below(self, sides: Sides, name: str, theirs: Theirs) -> Sides | None:
        """Open a directory on all sides; None when the container's cannot be part of an overlay."""
        path = join(sides.path, name)
        if len(path) > LONGEST:
            self.out.append(refusal(path, f"lies so deep that its path has more than {LONGEST} characters"))
            return None
        try:
            mine = open_dir(name, sides.mine)
        except OSError as error:
            reason = _NESTED if error.errno == errno.EXDEV else f"cannot be opened: {error.strerror}"
            self.out.append(refusal(path, reason))
            return None
        if os.fstat(mine).st_dev != self._device:
            os.close(mine)
            self.out.append(refusal(path, _NESTED))
            return None
        return Sides(path, mine, self._open_theirs(name, theirs))

    def _open_theirs(self, name: str, theirs: Theirs) -> Theirs:
        opened: Theirs = []
        for number, fd in theirs:
            source = self.sources[number]
            try:
                below = open_dir(name, fd)
                opened.append((number, below))
                if source.live and os.fstat(below).st_dev != os.fstat(fd).st_dev:
                    raise OSError(errno.EXDEV, "a subvolume lies within the source", name)
            except OSError:
                # A live source (check mode) may change while we look; a mount point there is no part of it.
                # A layer cannot change: what cannot be opened there could not be hidden either. And what stands for
                # a snapshot must be seen as the snapshot is.
                if source.layer or source.live:
                    raise
        return opened

    def job(self, root: int, job: Job) -> None:
        """Compare a directory of the container's directory ``root`` and, if ``job.deep``, all below it."""
        if not job.path:
            sides: Sides | None = open_sides(root, self.sources, "", job.numbers)
        else:
            above = open_sides(root, self.sources, parent_of(job.path), job.numbers)
            try:
                sides = self._open_below(above, job.path.rpartition("/")[2], above.theirs)
            finally:
                above.close()
        if sides is not None:
            self._subtree(sides, job.part, deep=job.deep)

    def _subtree(self, sides: Sides, part: Part, *, deep: bool) -> None:
        """Descriptors are held for one branch only: a directory may have more directories than a process may open files.

        Closes what it is given.
        """
        stack: list[tuple[Sides, t.Iterator[tuple[str, Theirs]]]] = []
        below = self._directory(sides, part)
        stack.append((sides, iter(below if deep else ())))
        while stack:
            sides, rest = stack[-1]
            entered = self._next(sides, rest)
            if entered is None:
                stack.pop()
                sides.close()
            else:
                stack.append((entered, iter(self._directory(entered, WHOLE))))

    def _next(self, sides: Sides, rest: t.Iterator[tuple[str, Theirs]]) -> Sides | None:
        """The next directory below that can be entered; None when there is no other."""
        for name, theirs in rest:
            opened = self._open_below(sides, name, theirs)
            if opened is not None:
                return opened
        return None


__all__ = ("LOCKED", "LONGEST", "Walk")
