# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How two trees are related on btrfs, and what has been written since they parted."""

from __future__ import annotations

import os
import typing as t

from ..btrfs import ioctl
from ..btrfs.roots import Origin, origins
from ..errors import OvercError
from ..system.safe_path import OPEN_DIR, printable
from .model import Kin

_MANY: t.Final = 4000
_NOBODY: t.Final = bytes(16)


def enclosing_subvolume(path: str) -> tuple[str, tuple[str, ...]]:
    """The path of the subvolume a host path lies in, and the way from there down."""
    path = os.path.realpath(path)
    below: list[str] = []
    here = path
    while True:
        status = os.stat(here)
        if status.st_ino == ioctl.SUBVOLUME_INODE:
            return here, tuple(reversed(below))
        parent, name = os.path.split(here)
        if parent == here or os.stat(parent).st_dev != status.st_dev:
            raise OvercError(
                "overlay_unsupported",
                f"{printable(path)} lies on no btrfs subvolume that can be seen from here, so no stable snapshot of it"
                " can be taken.",
            )
        below.append(name)
        here = parent


class _Left(t.NamedTuple):
    """An ancestor, or a subvolume itself, and when it was left: the generation and time from which on the two differ."""

    uuid: bytes
    generation: float
    time: float


def _line(uuid: bytes, origins: t.Mapping[bytes, Origin]) -> t.Iterator[_Left]:
    """A subvolume and what it is a snapshot of, over all generations; the last of them may be deleted."""
    seen: set[bytes] = set()
    left = _Left(uuid, float("inf"), float("inf"))
    while left.uuid != _NOBODY and left.uuid not in seen:
        yield left
        seen.add(left.uuid)
        origin = origins.get(left.uuid)
        if origin is None:
            return
        left = _Left(origin.parent_uuid, min(left.generation, origin.generation), min(left.time, origin.time))


def parted(a: bytes, b: bytes, origins: t.Mapping[bytes, Origin]) -> tuple[int, int] | None:
    """(generation, time) from which on two subvolumes, by their uuids, can differ; None where nothing is common.

    A snapshot is taken inside the commit of a transaction that nobody can join any more, so what either side writes
    afterwards carries a later generation; what was still in flight is written by then, or carries a later one too.
    """
    mine = {left.uuid: left for left in _line(a, origins)}
    for theirs in _line(b, origins):
        if theirs.uuid in mine:
            ours = mine[theirs.uuid]
            return int(min(ours.generation, theirs.generation)) + 1, int(min(ours.time, theirs.time))
    return None


class KinFinder:
    """How the container and a source are related on btrfs; a search per subvolume, not per directory."""

    def __init__(self, root: str) -> None:
        path, _below = enclosing_subvolume(root)
        self.fd = os.open(path, OPEN_DIR)
        self.info = ioctl.subvolume_info(self.fd)
        self._written: dict[int, set[int] | None] = {}
        ioctl.sync(self.fd)

    def close(self) -> None:
        os.close(self.fd)

    def of(self, fd: int) -> Kin | None:
        """``fd``: the root of the source's subvolume, or of a snapshot of it. It must stay open as long as the answer is used."""
        theirs = ioctl.subvolume_info(fd)
        when = None if theirs.uuid == self.info.uuid else parted(self.info.uuid, theirs.uuid, origins(fd))
        return None if when is None else Kin(*when, lambda: self._both(fd, when[0]))

    def _both(self, fd: int, generation: int) -> frozenset[int] | None:
        if generation not in self._written:
            self._written[generation] = ioctl.few_changed_inodes(self.fd, generation, _MANY)
        mine = self._written[generation]
        theirs = None if mine is None else ioctl.few_changed_inodes(fd, generation, _MANY)
        return None if mine is None or theirs is None else frozenset(mine | theirs)


__all__ = ("KinFinder", "enclosing_subvolume", "parted")
