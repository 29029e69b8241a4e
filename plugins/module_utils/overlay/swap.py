# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Active swap files: btrfs takes no snapshot of a subvolume with one, so nothing in it can be shared, nor be shared with."""

from __future__ import annotations

import os
import typing as t

from ..compare.kin import enclosing_subvolume
from ..errors import OvercError
from ..system.mount_table import unescape
from ..system.presence import status
from ..system.safe_path import printable
from .site import Site, Tree

_TABLE: t.Final = "/proc/swaps"


def _active() -> list[str]:
    """The paths of active swap files; proc(5): name, type, size, used, priority."""
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            rows = [line.split() for line in file.read().split("\n")[1:]]
    except FileNotFoundError:  # a kernel without swap
        return []
    return [unescape(row[0]) for row in rows if len(row) > 1 and row[1] == "file"]


def refuse(site: Site, found: t.Iterable[Tree]) -> None:
    """Refuse where the container's subvolume, or one of its sources', has an active swap file."""
    places = {os.stat(tree.subvolume).st_dev for tree in found}
    places.add(os.stat(enclosing_subvolume(site.root)[0]).st_dev)
    for path in _active():
        there = status(path, follow=True)
        if there is not None and there.st_dev in places:
            raise OvercError(
                "in_use",
                f"{printable(path)} is an active swap file in the subvolume of container {printable(site.name)!r} or of one of"
                " its sources: btrfs takes no snapshot of that; nothing was changed. Put it into a subvolume of its own (swapoff,"
                " move it, swapon), then run the same command again.",
                paths=[path],
            )


__all__ = ("refuse",)
