# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one tree of the layers of an overlay that is not mounted: what the kernel would show, owned in full.

The rules are the kernel's (Documentation/filesystems/overlayfs.rst): the first layer that has a name decides; a
whiteout hides it; directories merge downwards until one is opaque or a layer has something else there. ``redirect`` and
``metacopy`` marks are never followed: the overlays made here are mounted with both off, so such a mark is planted.
Bytes are cloned, so nothing is copied.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ...btrfs.clone import clone_attributes, clone_entry, make_neutral, unlocked
from ...compare.model import join, parent_of
from ...system import overlay_format, xattrs
from ...system.safe_path import open_beneath, open_dir, reopen_dir
from ...system.workers import processors, spread, translate

# A directory as merged: the layers that take part, topmost first, with their open directories.
Stack = list[tuple[int, int]]
# A hard-linked file of a layer: (layer, inode, path).
Linked = tuple[int, int, str]
# What a worker reports: linked files, entries, bytes.
Report = tuple[list[Linked], int, int]

_TASKS: t.Final = 256


def _close(stack: Stack) -> None:
    for _number, fd in stack:
        os.close(fd)


def _merged(stack: Stack) -> tuple[list[tuple[str, int]], list[tuple[str, list[int]]]]:
    """(entries with the layer that shows them, directories with the layers that may take part)."""
    decided: dict[str, list[int] | None] = {}
    entries: list[tuple[str, int]] = []
    for number, fd in stack:
        with os.scandir(fd) as listing:
            for entry in listing:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    if name not in decided:
                        decided[name] = [number]
                    else:
                        above = decided[name]
                        # a layer between without the name does not end the merge, one with a file does
                        if above is not None and above[-1] >= 0:
                            above.append(number)
                    continue
                known = decided.get(name)
                if name in decided:
                    if known is not None and known[-1] >= 0:
                        known.append(-1)
                    continue
                decided[name] = None
                plain = entry.is_file(follow_symlinks=False) or entry.is_symlink()
                if not plain:
                    status = entry.stat(follow_symlinks=False)
                    if overlay_format.is_whiteout(status.st_mode, status.st_rdev):
                        continue
                entries.append((name, number))
    directories = [(name, [n for n in found if n >= 0]) for name, found in decided.items() if found is not None]
    return entries, directories


def _descend(stack: Stack, name: str, numbers: t.Sequence[int]) -> Stack:
    """Open a directory in its layers, down to the first that is opaque."""
    opened: Stack = []
    for number, fd in stack:
        if number in numbers:
            opened.append((number, open_dir(name, fd)))
            if overlay_format.is_opaque(opened[-1][1]):
                break
    return opened


def _enter(stack: Stack, parts: t.Sequence[str]) -> Stack:
    """The merged directory at a path, by the same rules, from open roots (which stay open)."""
    here = [(number, reopen_dir(fd)) for number, fd in stack]
    for part in parts:
        numbers = _taking_part(here, part)
        deeper = _descend(here, part, numbers)
        _close(here)
        here = deeper
    return here


def _taking_part(stack: Stack, name: str) -> list[int]:
    numbers = []
    for number, fd in stack:
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            break
        numbers.append(number)
    return numbers


class _Maker:
    def __init__(self) -> None:
        self.linked: list[Linked] = []
        self.entries = self.bytes = 0

    def report(self) -> Report:
        out = (self.linked, self.entries, self.bytes)
        self.linked, self.entries, self.bytes = [], 0, 0
        return out

    def directory(self, way: t.Sequence[str], stack: Stack, target: int) -> list[tuple[str, list[int]]]:
        """Everything in one directory but what lies deeper; the directories below are made, empty."""
        entries, directories = _merged(stack)
        fds = dict(stack)
        for name, number in entries:
            status = os.stat(name, dir_fd=fds[number], follow_symlinks=False)
            if status.st_nlink > 1:
                self.linked.append((number, status.st_ino, "/".join([*way, name])))
                continue
            clone_entry(name, fds[number], target, from_upper=True, status=status, neutral=True)
            self.entries += 1
            self.bytes += status.st_size
        for name, _numbers in directories:
            os.mkdir(name, 0o700, dir_fd=target)
        return directories

    def subtree(self, path: str, stack: Stack, target: int) -> None:
        """A directory and all below it, attributes last. Closes what it is given."""
        Frame = tuple[Stack, int, list[tuple[str, list[int]]]]  # noqa: N806 - a type
        way = _parts(path)  # of the last frame: a path for each of them would take memory by the square of their number
        frames: list[Frame] = [(stack, target, self.directory(way, stack, target))]
        while frames:
            stack, target, rest = frames[-1]
            if rest:
                name, numbers = rest.pop()
                deeper, made = _descend(stack, name, numbers), open_dir(name, target)
                way.append(name)
                frames.append((deeper, made, self.directory(way, deeper, made)))
                continue
            frames.pop()
            if frames:
                way.pop()
            clone_attributes(stack[0][1], target, from_upper=True)
            _close(stack)
            os.close(target)


def _parts(path: str) -> list[str]:
    return path.split("/") if path else []


def materialise(layers: t.Sequence[int], target: int, *, jobs: int | None = None) -> tuple[int, int]:
    """Fill the empty directory ``target`` with what the layers (topmost first) show; returns (entries, bytes).

    Raises OvercError; the target is then half-filled and the caller's to empty.
    """
    doing = "giving the container its own copies back"
    # The kernel merges the roots of the layers whatever their marks say.
    roots: Stack = list(enumerate(layers))
    maker = _Maker()
    umask = os.umask(0)
    try:
        make_neutral(target)
        shallow, deep = _spread_top(maker, roots, target, jobs or processors())
        reports: list[Report] = [maker.report()]
        size = 1 + len(deep) // 4096
        chunks = [deep[index : index + size] for index in range(0, len(deep), size)]

        def work(index: int) -> Report:
            for path in chunks[index]:
                maker.subtree(path, _enter(roots, _parts(path)), open_beneath(target, _parts(path)))
            return maker.report()

        reports += spread(len(chunks), work, doing=doing, jobs=jobs)
        again, entries, size_of_links = _link([item for report in reports for item in report[0]], dict(roots), target)
        late = {*shallow, *again}
        for path in sorted(late, key=lambda path: (path.count("/"), path != ""), reverse=True):
            stack, made = _enter(roots, _parts(path)), open_beneath(target, _parts(path))
            try:
                clone_attributes(stack[0][1], made, from_upper=True)
            finally:
                _close(stack)
                os.close(made)
        return sum(r[1] for r in reports) + entries, sum(r[2] for r in reports) + size_of_links
    except OSError as error:
        raise translate(error, doing) from error
    finally:
        os.umask(umask)


def _spread_top(maker: _Maker, roots: Stack, target: int, jobs: int) -> tuple[list[str], list[str]]:
    """Make the top of the tree until there is enough to share out: (made but for attributes, still to make)."""
    shallow: list[str] = []
    queue = [""]
    while queue and len(queue) < _TASKS and len(shallow) < _TASKS and (jobs > 1 or not shallow):
        path = queue.pop(0)
        stack, made = _enter(roots, _parts(path)), open_beneath(target, _parts(path))
        try:
            queue += [join(path, name) for name, _numbers in maker.directory(_parts(path), stack, made)]
        finally:
            _close(stack)
            os.close(made)
        shallow.append(path)
    return shallow, queue


def _open_unlocked(target: int, path: str) -> int:
    """The directory of a path, without the immutable flag that its worker has given it already."""
    fd = open_beneath(target, _parts(path)[:-1])
    flags = xattrs.flags(fd)
    if flags & xattrs.LOCKED:
        xattrs.set_flags(fd, flags & ~xattrs.LOCKED)
    return fd


def _link(linked: t.Iterable[Linked], layers: t.Mapping[int, int], target: int) -> tuple[set[str], int, int]:
    """Make hard-linked files, one inode per group; (directories whose time moved, entries, bytes)."""
    groups: dict[tuple[int, int], list[str]] = {}
    for number, inode, path in linked:
        groups.setdefault((number, inode), []).append(path)
    touched: set[str] = set()
    entries = size = 0
    for (number, _inode), paths in groups.items():
        first, *others = sorted(paths)
        source, home = open_beneath(layers[number], _parts(first)[:-1]), _open_unlocked(target, first)
        try:
            status = clone_entry(_parts(first)[-1], source, home, from_upper=True)
            with unlocked(_parts(first)[-1], home):
                for path in others:
                    other = _open_unlocked(target, path)
                    try:
                        os.link(
                            _parts(first)[-1],
                            _parts(path)[-1],
                            src_dir_fd=home,
                            dst_dir_fd=other,
                            follow_symlinks=False,
                        )
                    finally:
                        os.close(other)
        finally:
            os.close(source)
            os.close(home)
        touched |= {parent_of(path) for path in paths}
        entries += len(paths)
        size += status.st_size
    return touched, entries, size


__all__ = ("materialise",)
