# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which repositories say nothing of advisories, by the lists in a cache of DNF, of either generation."""

from __future__ import annotations

import posixpath
import typing as t

from .rpm_lists import repository_of

if t.TYPE_CHECKING:
    from ..runner import Runner


def unadvised_in(runner: Runner, cache: str, repositories: t.Iterable[str]) -> tuple[str, ...]:
    """Those of the enabled repositories whose lists in this cache name no advisories, sorted."""
    find = ("find", cache, "-name", "repomd.xml")
    everything = runner.run((*find, "-print"))
    advised = runner.run((*find, "-exec", "grep", "-q", 'type="updateinfo"', "{}", ";", "-print"))
    return unadvised(repositories, everything.stdout, advised.stdout)


def unadvised(repositories: t.Iterable[str], everything: str, advised: str) -> tuple[str, ...]:
    """Those of the enabled repositories that say nothing of advisories, in any of their lists that are on the disk.

    ``everything``, ``advised``: where the indexes are, all of them, and those that name advisories.
    """
    told, silent = _ids(advised.splitlines()), _ids(set(everything.splitlines()) - set(advised.splitlines()))
    return tuple(sorted(name for name in repositories if name not in told or name in silent))


def _ids(paths: t.Iterable[str]) -> set[str]:
    found = (repository_of(posixpath.dirname(posixpath.dirname(path))) for path in paths)
    return {name for name in found if name is not None}


__all__ = ("unadvised", "unadvised_in")
