# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages may go: where they were named none that the host needs, and none that an installation pushes out; where an
upgrade alone takes some, it is told. Pure.
"""

from __future__ import annotations

import typing as t

from ...errors import OvercError

if t.TYPE_CHECKING:
    from ...packages.contract import PackageChange, PackagePlan, PackageRequest


def gone(changes: t.Iterable[PackageChange]) -> tuple[str, ...]:
    """Names of the packages of which nothing is left in place of what goes, sorted."""
    listed = list(changes)
    come = {change.name for change in listed if change.available is not None}
    return tuple(sorted({change.name for change in listed if change.available is None} - come))


def refuse_needed(plan: PackagePlan, owners: t.Mapping[str, str]) -> None:
    """``owners``: path that the host cannot do without -> the package that it belongs to. Raises package_needed."""
    lost = _lost(plan, owners)
    if lost:
        names = sorted(set(lost.values()))
        raise OvercError(
            "package_needed",
            f"{', '.join(names)} would be removed, and the host cannot do without {', '.join(sorted(lost))}. "
            "Nothing was changed.",
            packages=names,
        )


def say_needed(plan: PackagePlan, owners: t.Mapping[str, str]) -> str | None:
    """What to say of an upgrade that nobody asked to remove something: what it brings may have the same file.

    Whether it has is looked at in the new root.
    """
    lost = _lost(plan, owners)
    if not lost:
        return None
    return (
        f"The upgrade removes {', '.join(sorted(set(lost.values())))}, and the host cannot do without {', '.join(sorted(lost))}: "
        "if nothing that comes has that file, the new root is refused. Leave what wants this out with the option exclude."
    )


def _lost(plan: PackagePlan, owners: t.Mapping[str, str]) -> dict[str, str]:
    going = gone(plan.changes)
    return {path: name for path, name in owners.items() if name in going}


def refuse_unasked(request: PackageRequest, plan: PackagePlan, without_install: PackagePlan) -> None:
    """``without_install``: what the same request comes to with nothing to install. Raises removal_unasked."""
    pushed_out = sorted(set(gone(plan.changes)) - set(gone(without_install.changes)) - set(request.remove))
    if pushed_out:
        raise OvercError(
            "removal_unasked",
            f"Installing {', '.join(request.install)} would remove {', '.join(pushed_out)}. Nothing was changed. Name them in "
            "remove too if they are to go, or leave out what they are in the way of.",
            packages=pushed_out,
        )


__all__ = ("gone", "refuse_needed", "refuse_unasked", "say_needed")
