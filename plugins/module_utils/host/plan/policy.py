# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked to be refused, and is otherwise told: the options gpg_policy and state_policy. Pure."""

from __future__ import annotations

import typing as t

from ...errors import OvercError
from ...people import human_bytes

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
            "subvolume. Put it on a subvolume or file system of its own, name it in carry_over or carry_late, or allow it with "
            "state_policy: report. Nothing was changed.",
            state_at_risk=list(found),
        )


# Debian 12 to 13 took 0.9 GB of btrfs for 144 MB of packages: as they are fetched, and unpacked beside the old ones
_UNPACKED: t.Final = 6


def release_space(packages: PackagePlan, free: int) -> None:
    """Whether ``free`` bytes are enough for another release: a file system that fills up meanwhile hits what runs on it.

    Raises no_space.
    """
    download = sum(change.size or 0 for change in packages.changes)
    need = download * _UNPACKED
    if packages.release is not None and need > free:
        raise OvercError(
            "no_space",
            f"Packages of {human_bytes(download)} come with {packages.release.after}; unpacked beside what runs they take about "
            f"{human_bytes(need)}, and {human_bytes(free)} are free: {human_bytes(need - free)} too little. Delete what is not "
            "needed, older deployments for instance, or enlarge the file system; force: true tries it all the same. Nothing was "
            "changed.",
            missing_bytes=need - free,
        )


def skipped_repositories(warnings: list[str], packages: PackagePlan) -> list[str]:
    """The repositories that were allowed to be skipped, told as warnings as well."""
    warnings += [
        f"Repository {name} could not be read and was skipped: what it offers is unknown." for name in packages.skipped
    ]
    return list(packages.skipped)


def advisories(warnings: list[str], packages: PackagePlan) -> dict[str, t.Any]:
    """Whether every enabled repository tells of security advisories, and which do not; those are told as warnings as well."""
    if packages.unadvised:
        warnings.append(
            f"Nothing is known of security advisories of {', '.join(packages.unadvised)}: whether anything there is pending for "
            "security is unknown, and it was left out."
        )
    return {"advisories_known": not packages.unadvised, "unadvised_repositories": list(packages.unadvised)}


__all__ = (
    "advisories",
    "gpg_policy",
    "release_space",
    "skipped_repositories",
    "state_policy",
)
