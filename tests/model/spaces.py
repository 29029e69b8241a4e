# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts from which the search begins, and how far it goes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .entries.method import GRUB_ENTRY, MACHINERY
from .entries.world import adopted
from .explore import Exploration, Manages
from .method import DEFAULT_SUBVOLUME, Method
from .run import Machinery
from .snapper.method import MACHINERY as NUMBERS
from .snapper.method import SNAPPER
from .snapper.world import installed as numbers_as_installed
from .snapper.world import set_up
from .world import Entries, World, installed, original, protected


@dataclass(frozen=True)
class Space:
    """``manages``: automatic protection is put in and taken out again, and is killed at that. ``machinery`` and ``method``: of
    the boot method.
    """

    name: str
    begins: World
    manages: Manages = False
    machinery: Machinery = field(default_factory=Machinery)
    method: Method = DEFAULT_SUBVOLUME

    def explore(self, *, limit: int | None, kills: bool = True) -> Exploration:
        """Breadth first; with ``limit`` until so many states were reached, without ``kills`` only where nothing is killed."""
        found = Exploration(self.machinery, manages=self.manages, kills=kills, method=self.method)
        return found.explore(self.begins, limit=limit)


def _with_entries(name: str, begins: World) -> Space:
    return Space(f"grub-entry, {name}", begins, machinery=MACHINERY, method=GRUB_ENTRY)


DEFAULT_SUBVOLUME_SPACES: t.Final = (
    Space("manual protection, ext4", installed("ext4")),
    Space("manual protection, vfat", installed("vfat")),
    Space("automatic protection, ext4", protected(installed("ext4"))),
    Space("automatic protection, vfat", protected(installed("vfat"))),
    Space("from the original tool, ext4", original("ext4")),
    Space("protection comes and goes, ext4", installed("ext4"), manages=True),
)

# ``keep`` is 1, so that deployments go as soon as they may, but in the last one
GRUB_ENTRY_SPACES: t.Final = (
    _with_entries("ext4", adopted("ext4", Entries(1))),
    _with_entries("manual protection, ext4", adopted("ext4", Entries(1, manual=True))),
    _with_entries("GRUB fails to write, ext4", adopted("ext4", Entries(1, grub_writes=False))),
    _with_entries("kernels in the roots", adopted("ext4", Entries(1, copies=False))),
    _with_entries("two are kept, ext4", adopted("ext4", Entries(2))),
)
LOADER_ENTRY_SPACES: t.Final = tuple(
    Space(f"loader-entry, {name}", begins, machinery=MACHINERY, method=GRUB_ENTRY)
    for name, begins in (
        ("vfat", adopted("vfat", Entries(1), loader=True)),
        ("two are kept, vfat", adopted("vfat", Entries(2), loader=True)),
    )
)
SNAPPER_SPACES: t.Final = tuple(
    Space(f"snapper, {name}", begins, machinery=NUMBERS, method=SNAPPER)
    for name, begins in (("one is kept", set_up(1)), ("two are kept", set_up(2)))
)
SET_UP_SPACE: t.Final = Space(
    "snapper, set up and given back",
    numbers_as_installed(1),
    manages="and all kills",
    machinery=NUMBERS,
    method=SNAPPER,
)
SPACES: t.Final = (*DEFAULT_SUBVOLUME_SPACES, *GRUB_ENTRY_SPACES, *LOADER_ENTRY_SPACES, *SNAPPER_SPACES, SET_UP_SPACE)

__all__ = (
    "DEFAULT_SUBVOLUME_SPACES",
    "GRUB_ENTRY_SPACES",
    "LOADER_ENTRY_SPACES",
    "SET_UP_SPACE",
    "SNAPPER_SPACES",
    "SPACES",
    "Space",
)
