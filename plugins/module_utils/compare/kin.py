# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How two trees are related on btrfs, and what has been written since they parted."""

from __future__ import annotations

import os
import typing as t

from ..btrfs import ioctl
from ..errors import OvercError
from ..system.safe_path import OPEN_DIR, printable
from .model import Kin

_MANY: t.Final = 4000


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
        """``fd``: the root of the source's subvolume, or of a snapshot of it."""
        parted = ioctl.parted(ioctl.subvolume_info(fd), self.info)
        if parted is None:
            return None
        generation, when = parted
        if generation not in self._written:
            self._written[generation] = ioctl.few_changed_inodes(self.fd, generation, _MANY)
        mine = self._written[generation]
        theirs = None if mine is None else ioctl.few_changed_inodes(fd, generation, _MANY)
        return Kin(None if mine is None or theirs is None else frozenset(mine | theirs), when)


__all__ = ("KinFinder", "enclosing_subvolume")
