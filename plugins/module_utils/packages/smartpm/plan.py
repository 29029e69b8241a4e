# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Smart announces, as values, and what it comes to for the packages that are installed. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ..contract import Package, PackageChange


@dataclass(frozen=True)
class Plan:
    """The sections of the transaction `smart upgrade` announces.

    ``replaces``: for each package that upgrades or downgrades others, the installed ones that go for it, whatever their
    names (rpm's Obsoletes).
    """

    upgrading: tuple[Package, ...] = ()
    installing: tuple[Package, ...] = ()
    removing: tuple[Package, ...] = ()
    downgrading: tuple[Package, ...] = ()
    replaces: t.Mapping[Package, tuple[Package, ...]] = field(default_factory=dict)

    @property
    def incoming(self) -> tuple[Package, ...]:
        return (*self.upgrading, *self.downgrading, *self.installing)

    @property
    def touched(self) -> frozenset[str]:
        """The names of all packages that come, go or are replaced."""
        replaced = (package for packages in self.replaces.values() for package in packages)
        return frozenset(package.name for package in (*self.incoming, *self.removing, *replaced))

    def touches(self, package: Package) -> frozenset[str]:
        """The names that one incoming package stands for: its own and those of what it replaces."""
        return frozenset((package.name, *(gone.name for gone in self.replaces.get(package, ()))))


@dataclass(frozen=True)
class Offer:
    """A row of `smart newer`; ``installed`` is None for a package that comes new, ``size`` in bytes."""

    name: str
    installed: str | None
    available: str
    channel: str
    size: int | None


def changes(plan: Plan, installed: t.Iterable[Package], offers: t.Iterable[Offer] = ()) -> tuple[PackageChange, ...]:
    """The plan as changes of the packages ``installed`` now; ``offers`` add channel and size.

    A package that replaces several becomes one change with the version it follows, and a removal for each of the others.
    """
    present = set(installed)
    by_name: dict[str, list[Package]] = {}
    for package in sorted(present):
        by_name.setdefault(package.name, []).append(package)
    row = {(offer.name, offer.available): offer for offer in offers}
    result: set[PackageChange] = set()
    for package in plan.incoming:
        offer = row.get((package.name, package.version))
        channel, size = (offer.channel, offer.size) if offer is not None else (None, None)
        same_name = by_name.get(package.name, []) if package not in plan.installing else []
        replaced = [p for p in same_name if p.arch == package.arch] or same_name
        result.add(
            PackageChange(
                package.name, package.arch, replaced[-1].version if replaced else None, package.version, channel, size
            )
        )
        gone = [*replaced[:-1], *(p for p in plan.replaces.get(package, ()) if p in present and p not in same_name)]
        result |= {PackageChange(p.name, p.arch, p.version, None) for p in gone}
    result |= {PackageChange(p.name, p.arch, p.version, None) for p in plan.removing}
    return tuple(sorted(result, key=lambda c: (c.name, c.arch, c.available or "", c.installed or "")))


def held_back(
    newest: t.Iterable[Package], installed: t.Iterable[Package], planned: t.Iterable[PackageChange]
) -> tuple[str, ...]:
    """A sentence for every installed package of which a newer version is known that the plan leaves out.

    Smart itself is silent about an upgrade whose dependencies nobody has, even when it is asked for by name
    (transcripts newer-missing-dependency, upgrade-yes-missing-dependency-named), and about packages locked by flag.
    """
    present = set(installed)
    names = {(package.name, package.arch) for package in present}
    handled = {change.name for change in planned}
    return tuple(
        f"{package.name} {package.version} is known but left out (locked, excluded, or its dependencies cannot be met)."
        for package in sorted(set(newest) - present)
        if (package.name, package.arch) in names and package.name not in handled
    )


_VERSIONED: t.Final = re.compile(r"(?<!\S)(\S+)-[^\s-]+-[^\s-]+@(\S+)")


def broken_since(before: str, after: str) -> tuple[str, ...]:
    """The complaints of `smart check` that were not there ``before``: what was broken already is nobody's fault now.

    The version of the package that complains does not count: another one with the same broken relation is no new fault.
    """
    old = {_VERSIONED.sub(r"\1@\2", line.strip()) for line in before.splitlines()}
    lines = [line.strip() for line in after.splitlines() if line.strip()]
    return tuple(line for line in lines if _VERSIONED.sub(r"\1@\2", line) not in old)


__all__ = ("Offer", "Plan", "broken_since", "changes", "held_back")
