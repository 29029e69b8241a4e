# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both generations of DNF are configured with, however they tell it. Pure."""

from __future__ import annotations

import typing as t
import urllib.parse
from dataclasses import dataclass, field

# Of `tsflags` (dnf.conf(5), dnf5.conf(5)): with these rpm registers or checks less than it does, or runs no scripts
_UNTRUE_FLAGS: t.Final = ("test", "justdb", "noscripts", "notriggers", "nocrypto")


@dataclass(frozen=True)
class Repository:
    """An enabled repository.

    ``checked``: the signatures of its packages are; ``signed_lists``: that of its lists is; ``optional``: it may be skipped
    when it cannot be read. ``packages`` and ``keys`` are addresses, those of the packages only where no list of mirrors
    counts instead.
    """

    checked: bool
    signed_lists: bool = False
    optional: bool = False
    packages: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class DnfConfiguration:
    """``cache`` of the package lists, persistent ``state``, ``read``: further directories that DNF is configured in.

    ``check_options``: the names of the option that has the signatures of packages checked. ``tsflags``: what rpm is told to
    do differently. ``repositories`` are the enabled ones.
    """

    cache: str
    state: str
    read: tuple[str, ...] = ()
    check_options: tuple[str, ...] = ("gpgcheck",)
    tsflags: tuple[str, ...] = ()
    repositories: t.Mapping[str, Repository] = field(default_factory=dict)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Ids of the repositories whose packages are not checked, sorted."""
        return tuple(sorted(name for name, repository in self.repositories.items() if not repository.checked))

    @property
    def has_signed_lists(self) -> bool:
        return any(repository.signed_lists for repository in self.repositories.values())

    @property
    def optional(self) -> tuple[str, ...]:
        """Ids of the repositories that may be skipped when they cannot be read, sorted."""
        return tuple(sorted(name for name, repository in self.repositories.items() if repository.optional))

    @property
    def whole_transaction(self) -> t.Mapping[str, str]:
        """Settings with which rpm does all that it registers; none where the host asks for nothing else."""
        kept = [flag for flag in self.tsflags if flag.lower() not in _UNTRUE_FLAGS]
        # Values are added to those of dnf.conf, unless an empty one comes first
        return {"tsflags": ",".join(["", *kept])} if len(kept) < len(self.tsflags) else {}

    @property
    def paths(self) -> tuple[str, ...]:
        """What DNF reads from this host's own file tree: directories of packages, keys, files that configure it."""
        urls = [url for repository in self.repositories.values() for url in (*repository.packages, *repository.keys)]
        return tuple(dict.fromkeys([*self.read, *(path for path in map(local_path, urls) if path)]))


def local_path(url: str) -> str | None:
    """The path of a ``file:`` address, or of one without a scheme, which a key may have."""
    if url.startswith("/"):
        return url
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.unquote(parts.path) if parts.scheme == "file" and parts.path.startswith("/") else None


__all__ = ("DnfConfiguration", "Repository", "local_path")
