# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists in a cache of DNF, of either generation: which they are, and how old."""

from __future__ import annotations

import time
import typing as t

from .contract import ListsAge
from .rpm_lists import refreshed_at

if t.TYPE_CHECKING:
    from ..runner import Runner


def digests(runner: Runner, cache: str) -> tuple[str, ...]:
    """Of the lists in this directory: digests and where they are within it, sorted."""
    listing = runner.run(["find", cache, "-name", "repomd.xml", "-exec", "sha256sum", "{}", "+"])
    return tuple(sorted(line.replace(f" {cache}/", " ", 1) for line in listing.stdout.splitlines()))


def age(runner: Runner, cache: str, repositories: t.Iterable[str]) -> ListsAge:
    """Of the oldest list in this directory that one of these repositories has."""
    stamps = runner.run(["find", cache, "-name", "*primary.xml*", "-exec", "stat", "-c", "%Y %n", "{}", "+"])
    at = refreshed_at(stamps.stdout, tuple(repositories))
    return ListsAge(None if at is None else time.time() - at)


__all__ = ("age", "digests")
