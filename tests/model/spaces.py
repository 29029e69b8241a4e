# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts from which the search begins, and how far it goes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .explore import Exploration
from .run import Machinery
from .world import World, installed, original, protected


@dataclass(frozen=True)
class Space:
    """``manages``: automatic protection is put in and taken out again, and is killed at that."""

    name: str
    begins: World
    manages: bool = False

    def explore(self, *, limit: int | None, kills: bool = True) -> Exploration:
        """Breadth first; with ``limit`` until so many states were reached, without ``kills`` only where nothing is killed."""
        return Exploration(Machinery(), manages=self.manages, kills=kills).explore(self.begins, limit=limit)


SPACES: t.Final = (
    Space("manual protection, ext4", installed("ext4")),
    Space("manual protection, vfat", installed("vfat")),
    Space("automatic protection, ext4", protected(installed("ext4"))),
    Space("automatic protection, vfat", protected(installed("vfat"))),
    Space("from the original tool, ext4", original("ext4")),
    Space("protection comes and goes, ext4", installed("ext4"), manages=True),
)

__all__ = ("SPACES", "Space")
