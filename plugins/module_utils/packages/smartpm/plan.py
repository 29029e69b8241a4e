# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Smart announces, as values, and what it comes to for the packages that are installed. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..contract import Package, PackageChange


@dataclass(frozen=True)
class Plan:
    """The sections of the transaction `smart upgrade` announces."""

    upgrading: tuple[Package, ...] = ()
    installing: tuple[Package, ...] = ()
    removing: tuple[Package, ...] = ()
    downgrading: tuple[Package, ...] = ()

    @property
    def incoming(self) -> tuple[Package, ...]:
        return (*self.upgrading, *self.downgrading, *self.installing)


@dataclass(frozen=True)
class Offer:
    """A row of `smart newer`; ``installed`` is None for a package that comes new, ``size`` in bytes."""

    name: str
    installed: str | None
    available: str
    channel: str
    size: int | None


def changes(
    plan: Plan,
    installed: t.Iterable[Package],
    offers: t.Iterable[Offer] = (),
    renames: t.Mapping[Package, t.Sequence[Package]] | None = None,
) -> tuple[PackageChange, ...]:
    """The plan as changes of the packages ``installed`` now.

    ``offers`` add channel and size. A package that replaces one of another name (rpm's Obsoletes) stands under
    "Upgrading" with its new name only; ``renames`` tells which installed packages go with it.
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
        gone = [*replaced[:-1], *(p for p in (renames or {}).get(package, ()) if p in present and p not in same_name)]
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


__all__ = ("Offer", "Plan", "changes", "held_back")
