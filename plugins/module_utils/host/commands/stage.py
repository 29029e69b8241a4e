# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade does where something may have to be done: planned, told, and carried out.

Loaded only then: a host without pending upgrades, which most are most of the time, need not compile it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ...errors import OvercError
from ...packages.choose import detect
from ...packages.contract import PackagePlan
from ...system.failed_units import failed_units
from ...system.mount_table import is_below
from ..carry_out import carry_out
from ..late.wish import WAITING
from ..left_behind import left_behind, refuse_or_say, refuse_or_say_deleted
from ..observe.carried_over import sentence_of
from ..observe.essentials import FSTAB, absent_devices
from ..observe.facts import HostFacts
from ..observe.late_paths import brought, late_of, refuse_system
from ..observe.own_etc import pieces_of, rewrites_of
from ..observe.state import HostState
from ..observe.state_at_risk import state_at_risk
from ..plan.commands import UpgradeWish, can_be_armed, plan_upgrade
from ..plan.late import declared, dropped_with, refuse_lost
from ..plan.package_steps import asked_for, not_asked_for_again
from ..plan.policy import gpg_policy, release_space, state_policy
from ..result import difference, nothing_to_do
from ..steps.carry_over import check_carry_over, is_current
from ..steps.context import Upgrade
from ..steps.etc.copies import refuse_deep
from ..steps.etc.merge import ETC, Etc

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ...packages.contract import PackageManager
    from ..session import Host
    from .options import UpgradeOptions

# Directories within one another in a tree that is carried over: more than that nobody compares
_DEEPEST: t.Final = 500


@dataclass(frozen=True)
class Found:
    """The host and its package manager as they were looked at, and the result so far."""

    facts: HostFacts
    state: HostState
    manager: PackageManager
    packages: PackagePlan
    result: dict[str, t.Any]


def check_carried(facts: HostFacts, paths: t.Sequence[str]) -> None:
    """Raises bad_argument for a path that cannot be carried over from the running root."""
    for path in paths:
        root = _running_root(facts)
        if path == ETC:  # which is merged file by file
            refuse_deep(root + ETC)
            continue
        refuse_system(path, "carry_over")
        check_carry_over(root, path)
        refuse_deep(root + path, path, _DEEPEST)


def stage(host: Host, found: Found, options: UpgradeOptions) -> dict[str, t.Any]:
    """Stage what is pending or asked for beyond it, or say why nothing is done. Returns the completed result."""
    result, facts, state, packages = found.result, found.facts, found.state, found.packages
    result["failed_units"] = failed_units(host.runner, host.warnings)
    if state.name == "staged" and facts.default is not None and not options.force:
        refuse_lost(facts, facts.default, options.carry_late, ", or cancel with overc_host_rollback")
    options = _with_declared(options, facts)
    late = options.carry_late is not None and state.name == "staged"
    last_moment = options.carry_over or late or (options.arm and can_be_armed(facts))
    if packages.is_empty and not options.force and not last_moment:
        result["left_behind"] = _left_behind(host, facts, options)
        return {**result, **nothing_to_do(facts, state, "nothing is pending")}
    # Something may have to be done: now the parts of the facts are read that cost more than milliseconds.
    facts, state = host.observe(full=True)
    etc = _merge_of_etc(facts, state, options.carry_over)
    stale = bool(etc and etc.stale) or _stale_carry_over(facts, state, options.carry_over)
    asked = asked_for(options.request, packages)
    wish = UpgradeWish(
        options.force, options.carry_over, stale, options.carry_late, options.arm, options.rejected, asked
    )
    plan = plan_upgrade(facts, state, packages, wish)
    result["replaced"] = plan.replaced
    if plan.replaced and facts.default is not None:
        _say_what_is_replaced(host, facts, facts.default, asked, options)
    anew = "create_root" in plan.steps
    if anew or options.carry_over:
        _say_what_is_waited_for(host, facts, options, None if anew else facts.default)
    if state.name == "staged" and not anew:
        if etc is not None:
            etc.merge.refuse_unknown()
            _tell_conflicts(host, etc, result)
        result["left_behind"] = _left_behind(host, facts, options, etc)
    result["carry_late"] = declared(facts, plan, options.carry_late)
    if not plan.changed:
        return {**result, **nothing_to_do(facts, state, plan.reason)}
    unchecked = found.manager.unchecked(demanded=options.request.signed) if packages.changes else ()
    left_out = packages.release.disabled if packages.release else ()
    result["unchecked_repositories"] = [name for name in unchecked if name not in left_out]
    warning = gpg_policy(result["unchecked_repositories"], refuse=options.refuse_unsigned)
    host.warnings += [warning] if warning else []
    result["state_at_risk"] = state_at_risk(facts)
    state_policy(result["state_at_risk"], options.covered, refuse=options.refuse_state_at_risk)
    if anew and not options.force:
        release_space(packages, facts.space.free)
    if anew and state.name == "clean":
        _say_what_is_deleted(host, facts, options)
    result["diff"] = difference(facts, plan.context.root_name if plan.context else None, result["upgrades"], plan)
    bound = Upgrade(
        lambda runner: detect(runner, found.manager.name),
        options.request,
        packages,
        options.refuse_hidden,
        options.run_timeout,
    )
    result = carry_out(host, facts, state, plan, result, bound)
    if anew:
        # It is staged: what was written while it was built is told, and refused only right before the reboot. While
        # nothing is built nothing can be left behind.
        told = replace(options, refuse_state_at_risk=False)
        result["left_behind"] = None if host.check_mode else _left_behind(host, host.observe()[0], told)
    return result


def _left_behind(
    host: Host, facts: HostFacts, options: UpgradeOptions, etc: _MergeOfEtc | None = None
) -> dict[str, t.Any] | None:
    """What the reboot into the staged root would lose. Raises state_at_risk where the policy is to refuse that."""
    behind = left_behind(host.runner, facts)
    lost = [found["path"] for found in etc.conflicts] if etc else []
    warning = refuse_or_say(behind, options.covered, refuse=options.refuse_state_at_risk, but=lost)
    host.warnings += [warning] if warning else []
    return behind.without(options.covered, but=lost).as_dict() if behind else None


def _with_declared(options: UpgradeOptions, facts: HostFacts) -> UpgradeOptions:
    """Where nothing is said of carry_late, what waits already brings what was declared for it."""
    booted, default = facts.booted, facts.default
    late = late_of(facts, default) if booted is not None and default is not None and default.id != booted.id else None
    waits = late is not None and late.status == WAITING and not options.force
    return replace(options, carry_late=late.paths) if late and waits and options.carry_late is None else options


@dataclass(frozen=True)
class _MergeOfEtc:
    merge: Etc
    stale: bool
    conflicts: list[dict[str, t.Any]]


def _merge_of_etc(facts: HostFacts, state: HostState, paths: t.Sequence[str]) -> _MergeOfEtc | None:
    """Whether changes of /etc would come over to the staged root now, and which cannot."""
    if ETC not in paths or state.name != "staged" or facts.default is None or facts.top is None:
        return None
    staged = facts.default
    etc = Etc(
        facts.top,
        _running_root(facts),
        f"{facts.top}/{staged.path}",
        staged.uuid,
        pieces_of(facts),
        rewrites_of(facts, staged.path),
    )
    if not etc.is_known:  # a new root may be asked for
        return _MergeOfEtc(etc, True, [])
    wanted = etc.three_way()
    return _MergeOfEtc(etc, not etc.is_current(wanted), etc.told(wanted.conflicts))


def _tell_conflicts(host: Host, etc: _MergeOfEtc, result: dict[str, t.Any]) -> None:
    result["carry_conflicts"] = etc.conflicts
    said = sentence_of(etc.conflicts)
    if said and not etc.stale:  # else the step says so
        host.warnings.append(said)


def _say_what_is_replaced(
    host: Host, facts: HostFacts, staged: Subvolume, asked: tuple[str, ...], options: UpgradeOptions
) -> None:
    known = facts.record.deployments.get(staged.uuid)
    lost = not_asked_for_again(staged.path, known.asked if known else (), asked)
    host.warnings += [said for said in (lost, dropped_with(facts, staged, options.carry_late)) if said]


def _say_what_is_waited_for(host: Host, facts: HostFacts, options: UpgradeOptions, staged: Subvolume | None) -> None:
    """The running root may need devices to start that are not there any more: nothing shows that until the reboot.

    Raises bad_argument where they would be brought into a root that waits without them.
    """
    into = staged if any(is_below(FSTAB, path) for path in options.carry_over) else None
    absent = absent_devices(_running_root(facts), f"{facts.top}/{into.path}" if into is not None else None)
    own = ("", facts.layout.boot_dir)  # may be called in many ways, and is there
    said = ", ".join(f"{source} (for {target})" for source, target in absent if target.rstrip("/") not in own)
    if not said:
        return
    if into is not None:
        raise OvercError(
            "bad_argument",
            f"carry_over: {FSTAB} has lines for devices that are not there: {said}. With them {into.path} would not come "
            "up. Nothing was changed; attach them, give the lines the option nofail, or take them out.",
        )
    host.warnings.append(
        f"{FSTAB} has lines for devices that are not there: {said}. Without the option nofail neither what runs nor what is made "
        "of it comes up at the next start."
    )


def _say_what_is_deleted(host: Host, facts: HostFacts, options: UpgradeOptions) -> None:
    """The previous root goes: with what was written to it after the running one was made of it."""
    behind = left_behind(host.runner, facts)
    warning = refuse_or_say_deleted(behind, (*options.carry_over, *brought(facts)), refuse=options.refuse_state_at_risk)
    host.warnings += [warning] if warning else []


def _running_root(facts: HostFacts) -> str:
    """The running root under the top-level tree, where what is mounted on it does not show."""
    return f"{facts.top}/{facts.booted.path if facts.booted else ''}"


def _stale_carry_over(facts: HostFacts, state: HostState, paths: t.Sequence[str]) -> bool:
    if not paths or state.name != "staged" or facts.default is None:
        return False
    staged = f"{facts.top}/{facts.default.path}"
    return not all(is_current(_running_root(facts), staged, path) for path in paths if path != ETC)


__all__ = ("Found", "check_carried", "stage")
