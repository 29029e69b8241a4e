# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked to be refused, and is otherwise told: the options gpg_policy and state_policy. Pure."""

from __future__ import annotations

import typing as t

from ...errors import OvercError

if t.TYPE_CHECKING:
    from ...packages.contract import PackagePlan


def gpg_policy(unchecked: t.Sequence[str], *, refuse: bool) -> str | None:
    """A warning if packages of these repositories are installed without a check, None if there are none.

    Raises gpg_policy instead where that is to be refused.
    """
    if not unchecked:
        return None
    names = ", ".join(unchecked)
    if refuse:
        raise OvercError(
            "gpg_policy",
            f"Packages of {names} are installed without a check of their signatures. Nothing was changed",
            unchecked_repositories=list(unchecked),
        )
    return f"The signatures of packages from {names} are not checked."


def state_policy(found: t.Sequence[t.Mapping[str, t.Any]], carry_over: t.Sequence[str], *, refuse: bool) -> None:
    """``found`` is the state at risk, as ``observe.state_at_risk`` tells it; what ``carry_over`` covers is not.

    Raises state_at_risk where that is to be refused.
    """
    left = [
        entry["path"]
        for entry in found
        if not any(entry["path"] == path or entry["path"].startswith(path + "/") for path in carry_over)
    ]
    if refuse and left:
        raise OvercError(
            "state_at_risk",
            f"What is written to {', '.join(left)} between now and the reboot would be lost, because it lives on the root "
            "subvolume. Put it on a subvolume or file system of its own, name it in carry_over, or allow it with "
            "state_policy: report. Nothing was changed.",
            state_at_risk=list(found),
        )


def skipped_repositories(warnings: list[str], packages: PackagePlan) -> list[str]:
    """The repositories that were allowed to be skipped, told as warnings as well."""
    warnings += [
        f"Repository {name} could not be read and was skipped: what it offers is unknown." for name in packages.skipped
    ]
    return list(packages.skipped)


__all__ = (
    "gpg_policy",
    "skipped_repositories",
    "state_policy",
)
