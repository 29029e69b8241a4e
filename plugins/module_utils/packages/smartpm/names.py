# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of packages, as the user writes them and as Smart takes them. Pure.

Smart searches: it takes names without regard to case, and an operator in front of them. So it is only ever given the exact
names of installed packages.
"""

from __future__ import annotations

import fnmatch
import typing as t

from ...errors import OvercError
from ..contract import Package, PackageRequest
from .plan import Plan


def matches(name: str, patterns: t.Iterable[str]) -> bool:
    """Whether a name is meant by one of the patterns, case included."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def is_excluded(name: str, request: PackageRequest) -> bool:
    return matches(name, request.exclude)


def refuse_operators(names: t.Iterable[str]) -> None:
    """`smart upgrade` takes ``+name`` for "install" and ``-name`` for "remove", and it knows no ``--``."""
    bad = [name for name in names if not name or name[0] in "+-" or "/" in name]
    if bad:
        raise OvercError("bad_argument", f"Smart would not take {bad[0]!r} for the name of a package.", packages=bad)


def exact_names(patterns: t.Sequence[str], installed: t.Iterable[Package]) -> tuple[str, ...]:
    """The names of the installed packages that the patterns mean. Raises package_unknown for one that means none."""
    present = sorted({package.name for package in installed})
    unknown = sorted(pattern for pattern in patterns if not any(matches(name, (pattern,)) for name in present))
    if unknown:
        raise OvercError("package_unknown", f"Not installed: {', '.join(unknown)}.", packages=unknown)
    return tuple(dict.fromkeys(name for pattern in patterns for name in present if matches(name, (pattern,))))


def refuse_other_case(names: t.Sequence[str], plan: Plan, installed: t.Iterable[Package]) -> None:
    """Refuses a plan that upgrades a package of which only a differently written name was given."""
    asked = {name.casefold() for name in names} if names else set()
    present = {package.name for package in installed}
    others = sorted(
        {p.name for p in plan.upgrading if p.name.casefold() in asked and p.name in present and p.name not in names}
    )
    if others:
        raise OvercError(
            "bad_argument",
            f"Smart does not tell {', '.join(others)} from the packages that were named, because only upper and lower case "
            "differ. Name or exclude both.",
            packages=others,
        )


__all__ = ("exact_names", "is_excluded", "matches", "refuse_operators", "refuse_other_case")
