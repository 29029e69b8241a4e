# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repositories that zypper uses, as ``lr`` lists them. Pure.

``gpgcheck`` has either the lists checked or, where they are not signed, each package: both is a check (zypp.conf). zypper shows
what counts in the end as ``pkg_gpgcheck`` and ``repo_gpgcheck``, the general setting included.
"""

from __future__ import annotations

import posixpath
import typing as t
import urllib.parse
from dataclasses import dataclass

from .output import Stream, UnreadableOutput

_INDEXES: t.Final = ("repodata/repomd.xml", "content", "cookie")


@dataclass(frozen=True)
class Repository:
    """An enabled repository. ``urls`` of its packages, ``keys`` that the administrator names for it."""

    alias: str
    checked: bool
    urls: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def directory(self) -> str:
        """What libzypp calls its directory of lists (RepoInfo::escaped_alias)."""
        return self.alias.replace("/", "_")


def parse_repositories(stream: Stream) -> tuple[Repository, ...]:
    """The enabled ones, sorted. Raises UnreadableOutput."""
    found = []
    for entry in stream.repositories:
        try:
            if entry["enabled"] != "0":
                checked = "1" in (entry["pkg_gpgcheck"], entry["repo_gpgcheck"])
                keys = tuple(str(entry.get("gpgkey", "")).split())
                found.append(Repository(str(entry["alias"]), checked, tuple(entry["urls"]), keys))
        except KeyError as error:
            raise UnreadableOutput(f"a repository without {error}") from None
    return tuple(sorted(found, key=lambda repository: repository.alias))


def local_paths(repositories: t.Iterable[Repository]) -> tuple[str, ...]:
    """What of them is in this host's own file tree: directories of packages, and keys."""
    urls = [url for repository in repositories for url in (*repository.urls, *repository.keys)]
    return tuple(dict.fromkeys(path for path in map(_local_path, urls) if path))


def _local_path(url: str) -> str | None:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.unquote(parts.path) if parts.scheme in ("file", "dir") and parts.path.startswith("/") else None


def refreshed_at(listing: str, repositories: t.Sequence[Repository]) -> float | None:
    r"""When the oldest was last refreshed (seconds since the epoch), None if one never was, or where there is none.

    ``listing``: output of `find -printf '%T@ %P\n'` in the directory of lists. zypper sets the time of an index also where it
    found it unchanged.
    """
    newest: dict[str, float] = {}
    for line in listing.splitlines():
        stamp, _blank, path = line.partition(" ")
        directory, _slash, file = path.partition("/")
        if file in _INDEXES:
            try:
                newest[directory] = max(float(stamp), newest.get(directory, 0.0))
            except ValueError:
                continue
    if not repositories or any(repository.directory not in newest for repository in repositories):
        return None
    return min(newest[repository.directory] for repository in repositories)


def without_lists(listing: str, repositories: t.Iterable[Repository]) -> tuple[str, ...]:
    """Aliases of the repositories that have no lists in a directory (``listing`` as above), sorted."""
    return tuple(sorted(each.alias for each in repositories if refreshed_at(listing, [each]) is None))


INDEX_NAMES: t.Final = tuple(posixpath.basename(index) for index in _INDEXES)

__all__ = ("INDEX_NAMES", "Repository", "local_paths", "parse_repositories", "refreshed_at", "without_lists")
