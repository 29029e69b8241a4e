# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Was the announced transaction performed? Pure comparisons of what was installed before and after."""

from __future__ import annotations

import typing as t

from ..errors import OvercError
from .contract import Package, PackageChange, packages_digest

if t.TYPE_CHECKING:
    from ..runner import Completed
    from .contract import PackagePlan


def differences(before: t.Iterable[Package], after: t.Iterable[Package]) -> tuple[PackageChange, ...]:
    """What really changed, sorted: a removed and an added version of one name are paired, same architecture first."""
    old, new = set(before), set(after)
    removed, added = sorted(old - new), sorted(new - old)
    changes: list[PackageChange] = []
    for package in added:
        same_name = [gone for gone in removed if gone.name == package.name]
        # Of two registered versions the later one is followed, as drivers announce it
        same_arch = [gone for gone in same_name if gone.arch == package.arch] or same_name
        partner = same_arch[-1] if same_arch else None
        if partner is not None:
            removed.remove(partner)
        installed = partner.version if partner is not None else None
        changes.append(PackageChange(package.name, package.arch, installed, package.version))
    changes += [PackageChange(gone.name, gone.arch, gone.version, None) for gone in removed]
    return tuple(sorted(changes, key=lambda change: (change.name, change.arch, change.available or "")))


def check_base(plan: PackagePlan, installed: t.Iterable[Package]) -> None:
    """Whether what is installed where the plan is carried out is what it was made from. Raises locked."""
    if plan.base is not None and plan.base != packages_digest(installed):
        raise OvercError(
            "locked",
            "Another program installed or removed packages of this host after the upgrade was planned. Nothing was changed; "
            "run the same command again when it has ended.",
        )


def complaints(
    changes: t.Iterable[PackageChange], before: t.Iterable[Package], after: t.Iterable[Package]
) -> tuple[str, ...]:
    """Every difference between the announced ``changes`` and what happened, as sentences; empty: proved.

    The rule is a closed world: what is installed afterwards must be exactly what was installed before, minus the
    replaced and removed versions, plus the new ones. That includes "exactly one version of each upgraded package",
    "nothing else vanished" and "nothing came along unannounced", and leaves install-only packages alone.
    """
    old, new = set(before), set(after)
    said: list[str] = []
    gone_as_announced: set[Package] = set()
    come_as_announced: set[Package] = set()
    for change in changes:
        if change.available is not None:
            wanted = Package(change.name, change.arch, change.available)
            come_as_announced.add(wanted)
            if wanted not in new:
                said.append(f"{change.name} is {_versions(change.name, new)} instead of {change.available}.")
        if change.installed is not None:
            outgoing = _matching(change, old)
            gone_as_announced |= outgoing
            said += [
                f"{package.name} {package.version} is still registered."
                for package in sorted(outgoing & new - come_as_announced)
            ]
    said += [
        f"{package.name} {package.version} vanished without being announced."
        for package in sorted(old - new - gone_as_announced)
    ]
    said += [
        f"{package.name} {package.version} was installed without being announced."
        for package in sorted(new - old - come_as_announced)
    ]
    return tuple(said)


def not_as_announced(said: t.Sequence[str], done: t.Iterable[PackageChange], completed: Completed) -> OvercError:
    """The failure of an upgrade that has ``complaints``."""
    changes = [change.as_dict() for change in done]
    message = f"The upgrade did not do what was announced: {' '.join(said)}"
    if not changes:
        message += (
            " Nothing at all was changed, and no failure was told: look for a setting of the package manager, or of rpm or dpkg, "
            "that lets it only try, then run the same command again."
        )
    return OvercError(
        "package_manager_failed",
        message,
        complaints=list(said),
        changes=changes,
        **completed.facts(),
    )


def _matching(change: PackageChange, packages: set[Package]) -> set[Package]:
    """The installed package a change replaces; its architecture may differ from the new one's."""
    candidates = {p for p in packages if p.name == change.name and p.version == change.installed}
    same_arch = {p for p in candidates if p.arch == change.arch}
    return same_arch or candidates


def _versions(name: str, packages: set[Package]) -> str:
    found = sorted(package.version for package in packages if package.name == name)
    return " and ".join(found) if found else "not installed"


__all__ = ("check_base", "complaints", "differences", "not_as_announced")
