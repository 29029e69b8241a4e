# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory, open on all sides: the container's and those of the sources that have it."""

from __future__ import annotations

import os
import typing as t

from ..system.safe_path import open_beneath
from .model import Source

# Open directories of sources, by source number.
Theirs = list[tuple[int, int]]


class Sides(t.NamedTuple):
    """``path``: below the compared directory, "" for itself; ``mine``: open in the container."""

    path: str
    mine: int
    theirs: Theirs

    def close(self) -> None:
        os.close(self.mine)
        for _number, fd in self.theirs:
            os.close(fd)


class Part(t.NamedTuple):
    """A share of a large directory's entries: every ``of``-th from ``number`` on. The first has the directories."""

    number: int = 0
    of: int = 1

    @property
    def first(self) -> bool:
        return self.number == 0

    def has(self, index: int) -> bool:
        return self.of == 1 or index % self.of == self.number


WHOLE: t.Final = Part()


class Job(t.NamedTuple):
    """A directory to compare: where, the sources that have it, which part, and whether all below belongs to it."""

    path: str
    numbers: t.Sequence[int]
    part: Part = WHOLE
    deep: bool = True


def open_sides(root: int, sources: t.Sequence[Source], path: str, numbers: t.Sequence[int]) -> Sides:
    """Open a directory on all sides, component by component from the roots. Raises OSError."""
    parts = path.split("/") if path else []
    return Sides(path, open_beneath(root, parts), [(n, open_beneath(sources[n].fd, parts)) for n in numbers])


__all__ = ("WHOLE", "Job", "Part", "Sides", "Theirs", "open_sides")
