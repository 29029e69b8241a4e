# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch of the root leaves behind on this host: before the reboot in the running root, afterwards in the previous."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..errors import OvercError
from ..packages.choose import detect
from ..packages.scratch import scratch_directory
from .observe.changed_since import LeftBehind, changed_since
from .observe.facts import HostFacts
from .observe.own_etc import rewrites_of

if t.TYPE_CHECKING:
    from ..btrfs.subvolumes import Subvolume
    from ..packages.contract import PackageManager, Registered
    from ..runner import Runner


def left_behind(runner: Runner, facts: HostFacts) -> LeftBehind | None:
    """None where no root was made of another one that matters now.

    Staged: what changed in the running root since the staged one was made of it. Otherwise: what was left in the root that the
    running one was made of.
    """
    booted, default = facts.booted, facts.default
    if booted is None or default is None or facts.top is None:
        return None
    if default.parent_uuid == booted.uuid and default.id != booted.id:
        return _look(runner, facts, booted, default, runs=True)
    origin = facts.by_uuid(booted.parent_uuid or "")
    if (
        default.id == booted.id
        and origin is not None
        and origin.path in (*facts.layout.roots, *facts.layout.deployments)
    ):
        return _look(runner, facts, origin, booted, runs=False)
    return None


def _look(runner: Runner, facts: HostFacts, root: Subvolume, made: Subvolume, *, runs: bool) -> LeftBehind:
    try:
        own = {f"etc/{name}": rewrite for name, rewrite in rewrites_of(facts, made.path).items()}
        found = changed_since(root.path, f"{facts.top}/{root.path}", made.path, f"{facts.top}/{made.path}", own)
    except OSError as error:
        return LeftBehind(root.path, made.path, problem=f"{error.filename or root.path}: {error.strerror}")
    if not runs or not facts.manager.name or not any(entry.kind == "packages" for entry in found.changes):
        return found
    try:
        driver = detect(runner, facts.manager.name)
        return replace(
            found,
            packages=driver.installed_since(found.since),
            removed_packages=_removed(driver, facts, root, made, found.since),
        )
    except (OvercError, OSError) as error:
        return replace(
            found, problem=f"which packages: {error.message if isinstance(error, OvercError) else error.strerror}"
        )


def _removed(driver: PackageManager, facts: HostFacts, root: Subvolume, made: Subvolume, since: int) -> tuple[str, ...]:
    """What is registered in the new root and was removed here: it comes back with the reboot.

    What the upgrade itself brought is not in the backup, which was made of this root in the same run.
    """
    backup = facts.by_path(facts.layout.backup)
    with scratch_directory() as scratch:
        here, there, before = (
            driver.registered_in(f"{facts.top}/{entry.path}", f"{scratch}/{number}") if entry is not None else {}
            for number, entry in enumerate((root, made, backup if backup and backup.parent_uuid == root.uuid else None))
        )
    return removed(here, there, before, since)


def removed(
    here: t.Mapping[str, Registered], there: t.Mapping[str, Registered], before: t.Mapping[str, Registered], since: int
) -> tuple[str, ...]:
    """What ``there``, made of ``here`` at ``since``, has and ``here`` has no more: names with versions. Pure.

    ``before``: what ``here`` had about then.
    """
    names = {package.name for package in here.values()}
    renewed = {package.name for package in here.values() if package.at >= since}
    known = {package.name for package in before.values()}
    gone = {
        label
        for label, package in there.items()
        if label not in here and package.at < since and package.name not in renewed
    }
    upgraded = {package.name for package in there.values() if package.at >= since} & known - names
    return tuple(sorted(gone | {label for label, package in before.items() if package.name in upgraded}))


def refuse_or_say(
    found: LeftBehind | None, carry_over: t.Sequence[str], *, refuse: bool, but: t.Sequence[str] = ()
) -> str | None:
    """A warning of what would be lost, None if nothing would; what ``carry_over`` covers is not, ``but`` for these paths.

    Raises state_at_risk instead where that is to be refused, also where it cannot be told.
    """
    if found is None:
        return None
    left = found.without(carry_over, but=but)
    sentence = left.sentence()
    if sentence is None and left.problem is not None:
        sentence = f"What changed in {left.root} after {left.missing_in} was made of it cannot be told: {left.problem}"
    if sentence is None:
        return None
    if refuse:
        raise OvercError(
            "state_at_risk",
            f"{sentence}. Nothing was changed. Run it with force: true, which makes {left.missing_in} anew of what runs now, "
            "name it in carry_over or carry_late, or allow it with state_policy: report.",
            left_behind=left.as_dict(),
        )
    return (
        f"{sentence}. With force: true {left.missing_in} is made anew of what runs now; carry_over and carry_late bring "
        "single paths."
    )


def refuse_or_say_deleted(found: LeftBehind | None, carry_over: t.Sequence[str], *, refuse: bool) -> str | None:
    """The same of a previous root that a new one takes the place of: what only it has is deleted with it."""
    left = found.without(carry_over) if found else None
    sentence = left.sentence() if left else None
    if left is None or sentence is None:
        return None
    if refuse:
        raise OvercError(
            "state_at_risk",
            f"{sentence}. This upgrade deletes {left.root}. Nothing was changed. Bring what you need into the running root, "
            "or allow it with state_policy: report.",
            left_behind=left.as_dict(),
        )
    return f"{sentence}. This upgrade deletes {left.root}, and that with it."


__all__ = ("left_behind", "refuse_or_say", "refuse_or_say_deleted", "removed")
