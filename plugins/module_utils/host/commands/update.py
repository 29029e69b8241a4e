# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package lists are refreshed, and what is pending is shown."""

from __future__ import annotations

import typing as t

from ... import people
from ...packages.choose import detect
from ...packages.contract import PackageRequest
from ...packages.scratch import scratch_directory
from ..plan.policy import skipped_repositories

if t.TYPE_CHECKING:
    from ...packages.contract import PackageChange
    from ..session import Host


def update(host: Host, cache_valid_time: float = 0, *, skip_if_unavailable: bool = False) -> dict[str, t.Any]:
    """Refresh the package lists of the running system and show what is pending."""
    _facts, state = host.observe()
    manager = detect(host.runner, host.layout.package_manager)
    everything = PackageRequest(skip_unavailable=skip_if_unavailable)
    if host.check_mode:
        with scratch_directory() as directory:
            age = manager.lists_age(scratch=directory)
            skipped = age.within(cache_valid_time)
            packages = manager.pending(everything, refresh=not skipped, scratch=directory)
        # An interrupted run would be repaired first, and that is a change too.
        changed = (packages.lists_changed and not skipped) or state.name == "interrupted"
    else:
        age = manager.lists_age()
        skipped = age.within(cache_valid_time)
        changed = manager.refresh(skip_unavailable=skip_if_unavailable) if not skipped else False
        packages = manager.pending(everything)
    return {
        "changed": changed,
        "state": state.name,
        "package_manager": manager.name,
        "skipped": skipped,
        "cache_age_seconds": round(age.seconds) if age.seconds is not None else None,
        "msg": _now(packages.changes, age.seconds if skipped else None),
        "upgrades": [change.as_dict() for change in packages.changes],
        "held_back": list(packages.held_back),
        "fingerprint": packages.fingerprint,
        "skipped_repositories": skipped_repositories(host.warnings, packages),
    }


def _now(changes: t.Sequence[PackageChange], age: float | None) -> str:
    """What is so, for people; ``age`` is that of lists that were not refreshed."""
    count = len(changes)
    pending = (
        f"{people.plural(count, 'package')} {'is' if count == 1 else 'are'} pending" if count else "nothing is pending"
    )
    lists = f"; the package lists are {people.human_seconds(age)} old" if age is not None else ""
    return f"{pending}{lists}"


__all__ = ("update",)
