# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of an overlay under way: their trees, snapshotted and opened, and compared with the container's directory."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from dataclasses import dataclass

from ..btrfs import ioctl
from ..btrfs.clone import make_neutral
from ..btrfs.paths import unchanged_since
from ..compare import merge
from ..compare.kin import KinFinder
from ..compare.model import Comparison, Kin, Source
from ..errors import OvercError
from ..system import safe_path
from ..system.safe_path import OPEN_DIR, open_beneath, open_dir, open_if_there
from .kept import unlock
from .record import Origin
from .site import Site, Tree, layers_name


@dataclass
class Shared:
    """A tree of a source, snapshotted and opened."""

    tree: Tree
    fd: int  # the directory in the snapshot
    snapshot: int
    live: int  # the directory in the live tree, without what is mounted on it; -1 if it cannot be opened
    root: int  # the live tree's subvolume, likewise
    whole: bool
    kin: Kin | None
    origin: Origin


class Sources:
    """What is shared by the overlay ``id_``; every descriptor that is opened here is closed with the ``stack``.

    ``own`` is the overlay's subvolume and ``layers`` our directory in it, both in ``home``. A first source that is a
    subvolume as a whole is the overlay's subvolume itself, as a snapshot; others get a snapshot beside it, to pick from.
    ``without`` are the names of sources that have nothing there.
    """

    def __init__(self, site: Site, id_: str, home: int, found: t.Sequence[Tree], stack: contextlib.ExitStack) -> None:
        self._home = home
        self._stack = stack
        self._began = time.time_ns()
        self.trees: list[Shared] = []
        self.without: list[str] = []
        first = found[0] if found and found[0].whole and _in_live(found[0]) else None
        snapshots: dict[str, int] = {}
        if first is not None:
            snapshots[first.subvolume] = self._snapshot(first.subvolume, id_, readonly=False)
            self.own = snapshots[first.subvolume]
            unlock(self.own)
        else:
            ioctl.create_subvolume(id_, home)
            self.own = self._open(open_dir(id_, home))
        os.mkdir(layers_name(id_), 0o700, dir_fd=self.own)
        self.layers = self._open(open_dir(layers_name(id_), self.own))
        make_neutral(self.layers)
        kin = KinFinder(site.root)
        stack.callback(kin.close)
        for tree in found:
            if tree.subvolume not in snapshots:
                snapshots[tree.subvolume] = self._snapshot(tree.subvolume, f"{id_}.{len(snapshots)}", readonly=True)
            self._share(tree, snapshots[tree.subvolume], kin, whole=tree is first)

    @property
    def lower(self) -> Tree | None:
        """The tree that becomes a layer as it is."""
        return self.trees[0].tree if self.trees and self.trees[0].whole else None

    def _open(self, fd: int) -> int:
        self._stack.callback(os.close, fd)
        return fd

    def _snapshot(self, subvolume: str, name: str, *, readonly: bool) -> int:
        fd = os.open(subvolume, OPEN_DIR)
        try:
            ioctl.snapshot(fd, name, self._home, readonly=readonly)
        finally:
            os.close(fd)
        return self._open(open_dir(name, self._home))

    def _share(self, tree: Tree, snapshot: int, kin: KinFinder, *, whole: bool) -> None:
        try:
            fd = self._open(open_beneath(snapshot, tree.below))
        except OSError:
            self.without.append(tree.source)
            return
        info = ioctl.subvolume_info(snapshot)
        layer = "lower" if whole else f"pick{len(self.trees)}"
        origin = Origin(
            tree.source,
            info.parent_uuid.hex(),
            info.origin_generation,
            tree.subvolume,
            "/".join(tree.below),
            self._began,
            layer,
            os.fstat(fd).st_ino,
        )
        root = self._open(safe_path.detached_view(self._open(os.open(tree.subvolume, OPEN_DIR))))
        found = open_if_there(root, tree.below)
        live = -1 if found is None else self._open(found)
        self.trees.append(Shared(tree, fd, snapshot, live, root, whole, kin.of(snapshot), origin))

    def compare(self, target: int, *, jobs: int | None) -> Comparison:
        """The container's directory ``target`` with the trees. Raises OvercError."""
        comparison = self._compare_live(target, jobs)
        if comparison is None:
            sources = [Source(s.fd, layer=s.whole, one_filesystem=True, kin=s.kin) for s in self.trees]
            comparison = merge.compare(target, sources, jobs=jobs)
        return comparison

    def _compare_live(self, target: int, jobs: int | None) -> Comparison | None:
        """Compare with the live trees, whose pages are in memory (a snapshot's are not), and then prove that they are
        still what was snapshotted; None when they are not, or cannot be walked.
        """
        if any(shared.live < 0 for shared in self.trees):
            return None
        sources = [Source(s.live, layer=s.whole, one_filesystem=True, kin=s.kin, live=True) for s in self.trees]
        try:
            comparison = merge.compare(target, sources, jobs=jobs)
            for shared in self.trees:
                # (Whoever runs there may exchange directories, subvolumes too: what was opened is asked, not its path again.)
                if not unchanged_since(shared.snapshot, shared.root, shared.origin.below, in_motion=True):
                    return None
        except OvercError:
            return None
        return comparison


def _in_live(tree: Tree) -> bool:
    fd = os.open(tree.subvolume, OPEN_DIR)
    try:
        device = os.fstat(fd).st_dev
        found = open_if_there(fd, tree.below)
    finally:
        os.close(fd)
    if found is None:
        return False
    try:
        # a subvolume in the place of the directory is not in the snapshot
        return os.fstat(found).st_dev == device
    finally:
        os.close(found)


__all__ = ("Shared", "Sources")
