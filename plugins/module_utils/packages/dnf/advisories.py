# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security advisories as DNF 4 tells them: which name an upgrade, and which repositories have none at all."""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import replace

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ..contract import PackageChange

# Advisory, severity and kind, package: LAB-2026:1 Important/Sec. own-b-1.5-1.noarch
_ROW: t.Final = re.compile(r"^(\S+)\s+\S+/Sec\.\s+(\S+)-([^-\s]+-[^-\s]+)\.(\w+)$")
# A repository's directory in the cache: its id, and a digest of its addresses
_DIRECTORY: t.Final = re.compile(r"^(.+)-[0-9a-f]{16}$")
LIST: t.Final = ("-q", "updateinfo", "list", "--security", "--updates")


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
    names = (posixpath.basename(posixpath.dirname(posixpath.dirname(path))) for path in paths)
    return {match.group(1) for match in map(_DIRECTORY.match, names) if match}


def with_advisories(planned: t.Iterable[PackageChange], listed: str) -> tuple[PackageChange, ...]:
    """The changes, with the advisories that `updateinfo list` (``LIST``) names for what they upgrade."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in listed.splitlines():
        match = _ROW.match(line.strip())
        if match is not None:
            found.setdefault((match.group(2), match.group(4)), []).append(match.group(1))
    return tuple(
        replace(change, advisories=tuple(sorted(set(found.get((change.name, change.arch), ())))))
        if change.installed and change.available
        else change
        for change in planned
    )


__all__ = ("LIST", "unadvised", "unadvised_in", "with_advisories")
