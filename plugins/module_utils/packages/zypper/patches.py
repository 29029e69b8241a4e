# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches of zypper's, which are advisories: which are needed, which packages each is about. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

if t.TYPE_CHECKING:
    from ..contract import Advisories, PackageChange
    from .output import Patch, Stream

LIST: t.Final = ("list-patches",)
_NAME: t.Final = re.compile(r"^Name\s*: (\S+)\s*$", re.MULTILINE)
_CONFLICTS: t.Final = re.compile(r"^Conflicts\s*: (.*(?:\n[ \t]+.*)*)", re.MULTILINE)
# A package that must not be older; what has a kind before a colon is none
_OLDER: t.Final = re.compile(r"^\s*([^\s:]+) < \S+\s*$", re.MULTILINE)


def needed(patches: t.Iterable[Patch], category: Advisories) -> tuple[str, ...]:
    """The names of those that the host lacks, sorted: zypper lists other categories as well."""
    return tuple(sorted({each.name for each in patches if (each.category, each.status) == (category, "needed")}))


def packages_of(described: Stream) -> dict[str, frozenset[str]]:
    """Patch -> names of the packages that it is about, some with an architecture; from `info --type patch`."""
    found: dict[str, frozenset[str]] = {}
    for _kind, text in described.messages:
        name, conflicts = _NAME.search(text), _CONFLICTS.search(text)
        if name is not None:
            about = _OLDER.findall(conflicts.group(1)) if conflicts is not None else []
            found[name.group(1)] = found.get(name.group(1), frozenset()) | frozenset(about)
    return found


def with_patches(
    planned: t.Iterable[PackageChange], about: t.Mapping[str, t.Collection[str]]
) -> tuple[PackageChange, ...]:
    """The changes, each with the patches that are about its package, be it new beside an older one."""
    return tuple(
        replace(
            change, advisories=tuple(sorted(name for name, packages in about.items() if _is_about(packages, change)))
        )
        for change in planned
    )


def _is_about(packages: t.Collection[str], change: PackageChange) -> bool:
    return bool({change.name, f"{change.name}.{change.arch}"} & set(packages))


__all__ = ("LIST", "needed", "packages_of", "with_patches")
