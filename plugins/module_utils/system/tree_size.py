# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a tree holds, within one subvolume and within a budget."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from .presence import NOT_THERE

_ENTRIES: t.Final = 500_000


@dataclass(frozen=True)
class TreeSize:
    """Bytes on disk (hard links counted once a name) and entries; ``complete`` is False where the budget ran out."""

    bytes: int
    entries: int
    complete: bool


def tree_size(path: str, budget: int = _ENTRIES) -> TreeSize:
    """Walk ``path`` without following links and without leaving its subvolume (other st_dev: mounts, subvolumes)."""
    device = os.lstat(path).st_dev
    total = seen = 0
    todo = [path]
    while todo:
        try:
            entries = os.scandir(todo.pop())
        except OSError as error:
            if error.errno in NOT_THERE:  # deleted meanwhile
                continue
            raise
        with entries:
            for entry in entries:
                seen += 1
                if seen > budget:
                    return TreeSize(total, seen, False)
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # deleted meanwhile
                    continue
                if found.st_dev != device:
                    continue
                total += found.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
    return TreeSize(total, seen, True)


__all__ = ("TreeSize", "tree_size")
