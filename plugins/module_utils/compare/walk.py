# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process's walk through a container's directory and the sources': what becomes of every entry, and why.

Cheap proofs first: one directory listing per side; one lstat() per entry; attributes only where there are any; then
the bytes. Between relatives of one btrfs (``Kin``) an inode that neither side has written since they parted
needs no proof at all, and a directory that neither has written needs no listing of the source.
"""

from __future__ import annotations

import errno
import os
import typing as t

from ..system import xattrs
from ..system.safe_path import OPEN_FILE, open_beneath, open_dir, reopen_dir
from .files import Bytes, Status
from .model import Kin, Raw, Source, Tally, join, parent_of, refusal

# Not in a dataclass but passed as pairs: descriptors of one directory in the sources that have it, by source number.
Pairs = list[tuple[int, int]]

_INLINE: t.Final = 2048  # btrfs keeps smaller files in its metadata: cloning those shares nothing
_DEPTH: t.Final = 1000  # a path of PATH_MAX bytes has at most twice as many components
_NODE: t.Final = "is a character device 0:0, which overlayfs takes for a whiteout"
_MARK: t.Final = "carries an attribute trusted.overlay.*, which overlayfs takes for its own"
_NESTED: t.Final = "is a mount point or a nested subvolume, which no overlay can reach across"


def _marked(raw: bytes) -> bool:
    """Of an entry of the current directory."""
    return any(map(xattrs.is_overlay_mark, os.listxattr(raw, follow_symlinks=False)))


class Walk:
    """One process's walk. Holds what every directory needs and the memory of which proofs pay."""

    def __init__(self, sources: t.Sequence[Source], device: int) -> None:
        self.sources = sources
        self.device = device
        self.bytes = Bytes()
        self.out: list[Raw] = []
        self.mine, self.other = Status(), Status()

    # -- one entry ----------------------------------------------------------------------------------------------

    def file(  # noqa: C901, PLR0912 - one decision, in the order in which it gets expensive
        self, name: str, raw: bytes, dir_fd: int, found: Pairs
    ) -> tuple[str, int, bool]:
        """("drop"|"clone"|"keep"|"marked", source number, stored once already) of the regular file in ``mine``."""
        mine, other = self.mine, self.other
        size, sparse = mine.size, mine.sparse
        single = mine.nlink == 1 and not mine.locked
        f = -1
        best: tuple[str, int, bool] = ("keep", -1, False)
        attributes: list[str] | None = None
        try:
            for number, fd in found:
                if not other.look(raw, fd) or other.size != size or not other.is_file or (sparse and not other.sparse):
                    continue
                # one comparison for immutable & co., links, owner, group and mode, one for the time
                exact = single and mine.same_inode_facts(other)
                if not exact and (best[0] == "clone" or size <= _INLINE):
                    continue
                if f < 0:
                    f = os.open(name, OPEN_FILE, dir_fd=dir_fd)
                    attributes = os.listxattr(f)
                g = os.open(name, OPEN_FILE, dir_fd=fd)
                try:
                    others = os.listxattr(g)
                    if exact and (attributes or others):
                        exact = sorted(attributes or ()) == sorted(others) and all(
                            os.getxattr(f, key) == os.getxattr(g, key) for key in others
                        )
                        if not exact and (best[0] == "clone" or size <= _INLINE):
                            continue
                    equal, once = self.bytes.equal(f, g, size, one_filesystem=self.sources[number].one_filesystem)
                finally:
                    os.close(g)
                if equal and exact:
                    return "drop", number, once
                if equal and not once and best[0] != "clone":
                    best = ("clone", number, False)
                if len(found) > 1:
                    os.lseek(f, 0, os.SEEK_SET)
            if attributes is None:
                attributes = os.listxattr(raw, follow_symlinks=False)
            if attributes and any(map(xattrs.is_overlay_mark, attributes)):
                return "marked", -1, False
            return best
        finally:
            if f >= 0:
                os.close(f)

    def untouched(self, raw: bytes, source: int, kin: Kin | None) -> bool:
        """Whether the inode in ``mine``, which a relative has too, was written by neither since they parted."""
        if kin is None:
            return False
        if kin.written is not None and self.mine.inode not in kin.written:
            return True
        return self.other.look(raw, source) and self.mine.untouched(self.other, kin.parted)

    def symlink(self, name: str, raw: bytes, dir_fd: int, found: Pairs) -> int:
        """The number of the source that has the very same symbolic link, or -1."""
        if self.mine.nlink != 1:
            return -1
        for number, fd in found:
            if (
                self.other.look(raw, fd)
                and self.mine.same_inode_facts(self.other)
                and os.readlink(raw, dir_fd=dir_fd) == os.readlink(raw, dir_fd=fd)
                and xattrs.same(xattrs.link_path(name, dir_fd), xattrs.link_path(name, fd), follow=False)
            ):
                return number
        return -1

    # -- one directory ------------------------------------------------------------------------------------------

    def like_layer(self, cfd: int, sfd: int) -> bool:
        a, b = os.fstat(cfd), os.fstat(sfd)
        return (
            (a.st_mode, a.st_uid, a.st_gid, a.st_mtime_ns) == (b.st_mode, b.st_uid, b.st_gid, b.st_mtime_ns)
            and xattrs.same(cfd, sfd)
            and xattrs.flags(cfd) == xattrs.flags(sfd)
        )

    def shows_nothing(self, cfd: int, pairs: Pairs) -> bool:
        """Whether no source may shine through here: a layer's directory that carries marks of overlayfs, or an upper
        layer of ours that is compared again (and whose marks are the kernel's).
        """
        if pairs and self.sources[pairs[0][0]].layer and xattrs.has_overlay_mark(pairs[0][1]):
            return True
        return bool(pairs) and xattrs.is_opaque(cfd)

    def unwritten(self, cfd: int, pairs: Pairs) -> int:
        """The number of the source whose directory is the container's own, unwritten on both sides; else -1."""
        for number, fd in pairs[:1]:
            kin = self.sources[number].kin
            if kin is None:
                continue
            a, b = os.fstat(cfd), os.fstat(fd)
            if a.st_ino == b.st_ino and (
                (kin.written is not None and a.st_ino not in kin.written)
                or (a.st_ctime_ns == b.st_ctime_ns and a.st_ctime < kin.parted - 1)
            ):
                return number
        return -1

    def directory(self, path: str, cfd: int, pairs: Pairs, part: int, parts: int) -> list[tuple[str, Pairs]]:
        """Compare one directory, append its result, and return the directories below it."""
        refused: list[tuple[str, str]] = []
        # There is no listxattrat(2) (before Linux 6.13): names are looked up from the current directory.
        os.fchdir(cfd)
        # A layer's directory with overlayfs's marks would be taken at its word: hide it, whatever it says.
        opaque = False
        if part == 0 and xattrs.has_overlay_mark(cfd):
            refused.append((path, _MARK))
        # (Not at the root: the kernel merges the roots of the layers without looking at their marks.)
        if path and self.shows_nothing(cfd, pairs):
            opaque, pairs = not refused, []
        relative = self.unwritten(cfd, pairs)
        if relative >= 0:
            return self._relatives(path, cfd, pairs, relative, part, parts, refused)
        return self._listed(path, cfd, pairs, part, parts, opaque, refused)

    def _relatives(
        self, path: str, cfd: int, pairs: Pairs, relative: int, part: int, parts: int, refused: list[tuple[str, str]]
    ) -> list[tuple[str, Pairs]]:
        """A directory that is one inode on both sides, unwritten: every entry is the same inode there and here."""
        tally = Tally(self.sources)
        below: list[tuple[str, Pairs]] = []
        with os.scandir(cfd) as entries:
            for index, entry in enumerate(entries):
                if entry.is_dir(follow_symlinks=False):
                    if part == 0:
                        below.append((entry.name, pairs))
                elif parts == 1 or index % parts == part:
                    self._entry(entry.name, cfd, pairs, tally, refused, path, same_inode=relative)
        # unwritten: its attributes are the layer's
        self.out.append(tally.raw(path, self.sources[relative].layer, False, [], refused))
        return below

    def _entry(
        self,
        name: str,
        cfd: int,
        found: Pairs,
        tally: Tally,
        refused: list[tuple[str, str]],
        path: str,
        *,
        same_inode: int,
    ) -> None:
        """Decide about one entry that is not a directory. ``same_inode``: a relative that has the same inode, or -1."""
        mine = self.mine
        raw = os.fsencode(name)
        if not mine.look(raw, cfd):
            return  # gone since it was listed; only a live container (check mode) does that
        if mine.nlink > 1:
            tally.links.append((name, mine.inode, mine.nlink))
        elif (
            same_inode >= 0
            and not mine.locked
            and (mine.is_file or mine.is_symlink)
            and self.untouched(raw, found[0][1], self.sources[same_inode].kin)
        ):
            tally.drop(name, same_inode, mine, once=True)
            return
        if mine.is_file:
            verdict, number, once = self.file(name, raw, cfd, found)
            if verdict == "drop":
                tally.drop(name, number, mine, once=once)
                return
            if verdict == "marked":
                refused.append((join(path, name), _MARK))
            tally.keep(name, number if verdict == "clone" else -1, mine)
            return
        if mine.is_symlink:
            number = self.symlink(name, raw, cfd, found)
            if number >= 0:
                tally.drop(name, number, mine, once=True)
                return
        elif mine.is_whiteout:
            refused.append((join(path, name), _NODE))
        if _marked(raw):
            refused.append((join(path, name), _MARK))
        tally.keep(name, -1, mine)

    def _listed(
        self, path: str, cfd: int, pairs: Pairs, part: int, parts: int, opaque: bool, refused: list[tuple[str, str]]
    ) -> list[tuple[str, Pairs]]:
        """The general case: list both sides."""
        tables: list[tuple[int, int, dict[str, os.DirEntry[str]]]] = []
        for number, fd in pairs:
            with os.scandir(fd) as entries:
                tables.append((number, fd, {entry.name: entry for entry in entries}))
        layer = pairs[0][1] if pairs and self.sources[pairs[0][0]].layer else -1
        only = dict(tables[0][2]) if layer >= 0 and part == 0 else {}
        first = pairs[0][0] if pairs and self.sources[pairs[0][0]].kin is not None else -1
        tally = Tally(self.sources)
        below: list[tuple[str, Pairs]] = []
        common = 0
        with os.scandir(cfd) as entries:
            for index, entry in enumerate(entries):
                name = entry.name
                only.pop(name, None)
                if entry.is_dir(follow_symlinks=False):
                    if part == 0:
                        same = [
                            (number, fd)
                            for number, fd, table in tables
                            if name in table and table[name].is_dir(follow_symlinks=False)
                        ]
                        common += bool(same)
                        below.append((name, same))
                elif parts == 1 or index % parts == part:
                    found = [(number, fd) for number, fd, table in tables if name in table]
                    # between relatives: the same inode, unwritten, needs no reading even in a written directory
                    twin = first >= 0 and name in tables[0][2] and tables[0][2][name].inode() == entry.inode()
                    self._entry(name, cfd, found, tally, refused, path, same_inode=first if twin else -1)
        white: list[str] = []
        if only:
            # Where nothing of the layer shines through, one mark does what many whiteouts would.
            if path and parts == 1 and not tally.shared and not common:
                opaque = True
            else:
                white = [n for n in only if self.other.look(os.fsencode(n), layer) and not self.other.is_whiteout]
        like = part > 0 or (layer >= 0 and self.like_layer(cfd, layer))
        self.out.append(tally.raw(path, like, opaque, white, refused))
        return below

    # -- a subtree ----------------------------------------------------------------------------------------------

    def open_below(self, path: str, cfd: int, name: str, pairs: Pairs) -> tuple[int, Pairs] | None:
        """Open a directory on all sides; None when the container's cannot be part of an overlay."""
        try:
            deeper = open_dir(name, cfd)
        except OSError as error:
            self._refuse(join(path, name), error)
            return None
        if os.fstat(deeper).st_dev != self.device:
            os.close(deeper)
            self._refuse(join(path, name), None)
            return None
        opened: Pairs = []
        for number, fd in pairs:
            try:
                below = open_dir(name, fd)
                opened.append((number, below))
                if self.sources[number].live and os.fstat(below).st_dev != os.fstat(fd).st_dev:
                    raise OSError(errno.EXDEV, "a subvolume lies within the source", name)
            except OSError:
                # A live source (check mode) may change while we look; a mount point there is no part of it.
                # A layer cannot change: what cannot be opened there could not be hidden either. And what stands for
                # a snapshot must be seen as the snapshot is.
                if self.sources[number].layer or self.sources[number].live:
                    raise
        return deeper, opened

    def _refuse(self, path: str, error: OSError | None) -> None:
        reason = f"cannot be opened: {error.strerror}" if error and error.errno != errno.EXDEV else _NESTED
        self.out.append(refusal(path, reason))

    def job(self, root: int, path: str, numbers: t.Sequence[int], part: int, parts: int, *, deep: bool) -> None:
        """Open a directory on all sides, component by component from the roots, and compare it."""
        if not path:
            opened = reopen_dir(root), [(n, reopen_dir(self.sources[n].fd)) for n in numbers]
        else:
            above, name = parent_of(path), path.rpartition("/")[2]
            cfd, pairs = open_job(self, root, above, numbers)
            try:
                below = self.open_below(above, cfd, name, pairs)
            finally:
                os.close(cfd)
                for _number, fd in pairs:
                    os.close(fd)
            if below is None:
                return
            opened = below
        self.subtree(path, *opened, part, parts, deep=deep)

    def subtree(self, path: str, cfd: int, pairs: Pairs, part: int, parts: int, *, deep: bool) -> None:
        """Compare a directory and, if ``deep``, all below it. Closes what it is given.

        Descriptors are held for one branch only: a directory may have more directories than a process may open files.
        """
        Frame = tuple[str, int, Pairs, t.Iterator[tuple[str, Pairs]]]  # noqa: N806 - a type
        stack: list[Frame] = []

        def enter(path: str, cfd: int, pairs: Pairs) -> None:
            below = self.directory(path, cfd, pairs, part if not stack else 0, parts if not stack else 1)
            stack.append((path, cfd, pairs, iter(below if deep else ())))

        enter(path, cfd, pairs)
        while stack:
            path, cfd, pairs, rest = stack[-1]
            for name, same in rest:
                if len(stack) > _DEPTH:
                    self.out.append(refusal(join(path, name), f"lies more than {_DEPTH} directories deep"))
                    continue
                opened = self.open_below(path, cfd, name, same)
                if opened is not None:
                    enter(join(path, name), *opened)
                    break
            else:
                stack.pop()
                os.close(cfd)
                for _number, fd in pairs:
                    os.close(fd)


def open_job(walk: Walk, root: int, path: str, numbers: t.Sequence[int]) -> tuple[int, Pairs]:
    parts = path.split("/") if path else []
    return open_beneath(root, parts), [(n, open_beneath(walk.sources[n].fd, parts)) for n in numbers]


__all__ = ("Walk", "open_job")
