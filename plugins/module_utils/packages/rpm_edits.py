# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to come and to go, by the names that rpm has: of a package, or of one with its architecture. Pure."""

from __future__ import annotations

import typing as t

from ..errors import OvercError

if t.TYPE_CHECKING:
    from ..runner import Completed
    from .contract import Package, PackageChange, PackageRequest


def come_and_go(request: PackageRequest, installed: t.Sequence[Package]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of what is to come and is not there, name and architecture of what is to go and is there."""
    there = {name for package in installed for name in _names(package.name, package.arch)}
    go = [f"{p.name}.{p.arch}" for name in request.remove for p in installed if name in _names(p.name, p.arch)]
    come = [name for name in dict.fromkeys(request.install) if name not in there]
    return tuple(come), tuple(dict.fromkeys(go))


def refuse_missing(
    come: t.Iterable[str], planned: t.Iterable[PackageChange], why: t.Sequence[str], completed: Completed
) -> None:
    """DNF takes what only provides a name as well, and may go on without what does not fit.

    ``why``: what the resolver says about that. Raises package_unknown, package_manager_failed.
    """
    coming = {name for change in planned if change.available for name in _names(change.name, change.arch)}
    missing = [name for name in come if name not in coming]
    if missing and why:
        raise OvercError(
            "package_manager_failed", f"{', '.join(missing)} cannot be installed: {'; '.join(why)}", **completed.facts()
        )
    if missing:
        raise OvercError(
            "package_unknown",
            f"No repository offers a package of this very name: {', '.join(missing)}.",
            packages=missing,
            **completed.facts(),
        )


def _names(name: str, arch: str) -> tuple[str, str]:
    return name, f"{name}.{arch}"


__all__ = ("come_and_go", "refuse_missing")
