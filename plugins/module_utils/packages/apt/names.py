# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of packages, as the user writes them and as apt takes them. Pure.

`install` takes ``NAME-`` for "remove it", ``NAME=VERSION`` and ``NAME/SUITE`` for instructions, and a name that it does not
know, with a dot or an asterisk in it, for a pattern (transcripts named-minus, named-regex-danger). So names are matched here
against what is installed, and apt gets nothing but exact ones with their architecture.
"""

from __future__ import annotations

import fnmatch
import re
import typing as t

from ...errors import OvercError

if t.TYPE_CHECKING:
    from ..contract import Package
    from .status import Entry

_PATTERN: t.Final = re.compile(r"^[A-Za-z0-9.+*?!\[\]_~-]+(?::[a-z0-9*?-]+)?$")


def spec(package: Package) -> str:
    """What names this package, and nothing else, to apt-get."""
    return f"{package.name}:{package.arch}"


def _matches(package: Package, pattern: str) -> bool:
    """As the other package managers of this collection take it: a name, with or without architecture or version."""
    words = (package.name, spec(package), f"{package.name}.{package.arch}", f"{package.name}-{package.version}")
    return any(fnmatch.fnmatchcase(word, pattern) for word in words)


def is_excluded(package: Package, exclude: t.Iterable[str]) -> bool:
    return any(_matches(package, pattern) for pattern in exclude)


def select(named: t.Iterable[str], entries: t.Sequence[Entry]) -> tuple[Entry, ...]:
    """The installed packages that these names or patterns mean, sorted. Raises package_unknown."""
    installed = [entry for entry in entries if entry.is_installed]
    found: set[Entry] = set()
    unknown = []
    for name in named:
        # A package's own name may have a "+" in it, and no pattern character
        meant = {entry for entry in installed if name in (entry.package.name, spec(entry.package))}
        meant = meant or {entry for entry in installed if _matches(entry.package, name)}
        if not meant:
            unknown.append(name)
        found |= meant
    if unknown:
        raise OvercError(
            "package_unknown", f"Not installed on this host: {', '.join(sorted(unknown))}.", packages=sorted(unknown)
        )
    return tuple(sorted(found, key=lambda entry: entry.package))


def pins(exclude: t.Sequence[str], installed: t.Iterable[Package]) -> str:
    """Text of a preferences file (apt_preferences(5)) with which what is excluded has no upgrade; "" for nothing.

    Patterns are apt's own there, so that they also keep out packages that are not installed yet, for instance a new kernel.
    Raises bad_argument for what cannot be one.
    """
    wrong = [pattern for pattern in exclude if not _PATTERN.match(pattern)]
    if wrong:
        raise OvercError("bad_argument", f"exclude: {', '.join(map(repr, wrong))} cannot be the name of a package.")
    more = {spec(package) for package in installed if is_excluded(package, exclude)}
    names = [*dict.fromkeys(exclude), *sorted(more)]
    return "".join(f"Package: {name}\nPin: release *\nPin-Priority: -1\n\n" for name in names)


__all__ = ("is_excluded", "pins", "select", "spec")
