# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both generations of DNF say of packages in lists, and how they keep the lists in their caches -> values. Pure.

Facts come from dnf(8), dnf.conf(5) and the recorded outputs in tests/unit/transcripts.
"""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import replace

from ..values import decimal
from . import rpmdb

if t.TYPE_CHECKING:
    from .contract import PackageChange

SIZE_FORMAT: t.Final = r"%{name}|%{arch}|%{evr}|%{downloadsize}\n"


def parse_sizes(text: str) -> dict[tuple[str, str, str], int]:
    """Output of `dnf repoquery` with ``SIZE_FORMAT`` -> (name, arch, version): download size in bytes."""
    sizes = {}
    for line in text.splitlines():
        fields = line.strip().split("|")
        size = decimal(fields[3]) if len(fields) == 4 else None
        if size is not None:
            sizes[fields[0], fields[1], rpmdb.without_zero_epoch(fields[2])] = size
    return sizes


def with_sizes(
    planned: t.Iterable[PackageChange], sizes: t.Mapping[tuple[str, str, str], int]
) -> tuple[PackageChange, ...]:
    """The changes with the exact download sizes, as ``parse_sizes`` gives them."""
    return tuple(
        replace(c, size=sizes.get((c.name, c.arch, c.available))) if c.available is not None else c for c in planned
    )


OFFER_FORMAT: t.Final = r"%{name}|%{arch}|%{evr}|%{repoid}\n"


def parse_offers(text: str) -> tuple[tuple[str, str, str], ...]:
    """Output of `dnf repoquery` with ``OFFER_FORMAT`` -> (name, version, repository), sorted."""
    rows = (line.strip().split("|") for line in text.splitlines())
    return tuple(sorted({(row[0], rpmdb.without_zero_epoch(row[2]), row[3]) for row in rows if len(row) == 4}))


_CACHE_NAME: t.Final = re.compile(r"^(?P<id>.+)-[0-9a-f]{16}$")


def repository_of(directory: str) -> str | None:
    """The repository whose lists and packages a directory of the cache holds, or None."""
    match = _CACHE_NAME.match(posixpath.basename(directory))
    return match.group("id") if match else None


def refreshed_at(stamps: str, repository_ids: t.Sequence[str]) -> float | None:
    """When the oldest of the enabled repositories was last refreshed (seconds since the epoch), None if one never was.

    ``stamps`` is output of `stat -c '%Y %n'` of the ``primary.xml`` of the cache: DNF sets its time whenever it found
    the repository unchanged or fetched it (libdnf, Repo::Impl::loadCache and resetTimestamp).
    """
    newest: dict[str, float] = {}
    for line in stamps.splitlines():
        stamp, _blank, path = line.partition(" ")
        repository = repository_of(posixpath.dirname(posixpath.dirname(path)))
        seconds = decimal(stamp)
        if repository is not None and seconds is not None:
            newest[repository] = max(float(seconds), newest.get(repository, 0.0))
    if not repository_ids or any(name not in newest for name in repository_ids):
        return None
    return min(newest[name] for name in repository_ids)


__all__ = ("OFFER_FORMAT", "SIZE_FORMAT", "parse_offers", "parse_sizes", "refreshed_at", "repository_of", "with_sizes")
