# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new deployment is staged from what is pending."""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass, replace

from ...packages.choose import detect
from ...packages.contract import Package, PackagePlan, PackageRequest
from ...packages.scratch import scratch_directory
from ...system.failed_units import failed_units
from ..carry_out import carry_out, refuse_busy_packages, repair_preview
from ..left_behind import left_behind, refuse_or_say, refuse_or_say_deleted
from ..observe.facts import HostFacts
from ..observe.layout import check_absolute
from ..observe.state import HostState
from ..observe.state_at_risk import state_at_risk
from ..plan.commands import UpgradeWish, can_be_armed, plan_upgrade
from ..plan.policy import gpg_policy, skipped_repositories, state_policy
from ..plan.refusals import refuse_upgrade
from ..result import difference, nothing_to_do
from ..steps.carry_over import check_carry_over, is_current
from ..steps.context import Upgrade

if t.TYPE_CHECKING:
    from ...packages.contract import PackageManager
    from ..session import Host


@dataclass(frozen=True)
class UpgradeOptions:
    """What an upgrade was asked for beyond the layout."""

    request: PackageRequest
    update_cache: bool = True
    force: bool = False
    carry_over: tuple[str, ...] = ()
    refuse_state_at_risk: bool = False
    refuse_unsigned: bool = True
    refuse_hidden: bool = True
    arm: bool = True
    rejected: tuple[str, ...] = ()


def upgrade(host: Host, options: UpgradeOptions) -> dict[str, t.Any]:
    """Stage a new deployment if anything is pending."""
    for path in options.carry_over:
        check_absolute("carry_over", path)
    facts, state = host.observe()
    preview = repair_preview(host, facts, state)
    if preview is not None:
        return preview
    refuse_upgrade(state)
    for path in options.carry_over:
        check_carry_over(_running_root(facts), path)
    manager = detect(host.runner, host.layout.package_manager)
    refuse_busy_packages(host, facts)  # what is pending is not told either from the middle of a transaction
    packages = _pending(host, manager, options)
    host.warnings += _idle_exclusions(options.request.exclude, manager.installed() if options.request.exclude else ())
    result: dict[str, t.Any] = {
        "package_manager": manager.name,
        "upgrades": [change.as_dict() for change in packages.changes],
        "held_back": list(packages.held_back),
        "skipped_repositories": skipped_repositories(host.warnings, packages),
        "fingerprint": packages.fingerprint,
    }
    last_moment = options.carry_over or (options.arm and can_be_armed(facts))
    if not packages.changes and not options.force and not (last_moment and state.name == "staged"):
        if state.name == "staged":
            result["failed_units"] = failed_units(host.runner, host.warnings)
            result["left_behind"] = _left_behind(host, facts, options)
        return {**result, **nothing_to_do(facts, state, "nothing is pending")}
    result["failed_units"] = failed_units(host.runner, host.warnings)
    # Something may have to be done: now the parts of the facts are read that cost more than milliseconds.
    facts, state = host.observe(full=True)
    stale = _stale_carry_over(facts, state, options.carry_over)
    wish = UpgradeWish(options.force, options.carry_over, stale, options.arm, options.rejected)
    plan = plan_upgrade(facts, state, packages, wish)
    result["replaced"] = plan.replaced
    anew = "create_root" in plan.steps
    if state.name == "staged" and not anew:
        result["left_behind"] = _left_behind(host, facts, options)
    if not plan.changed:
        return {**result, **nothing_to_do(facts, state, plan.reason)}
    result["unchecked_repositories"] = (
        list(manager.unchecked(demanded=options.request.signed)) if packages.changes else []
    )
    warning = gpg_policy(result["unchecked_repositories"], refuse=options.refuse_unsigned)
    host.warnings += [warning] if warning else []
    result["state_at_risk"] = state_at_risk(facts)
    state_policy(result["state_at_risk"], options.carry_over, refuse=options.refuse_state_at_risk)
    if anew and state.name == "clean":
        _say_what_is_deleted(host, facts, options)
    result["diff"] = difference(facts, plan.context.root_name if plan.context else None, result["upgrades"])
    bound = Upgrade(lambda runner: detect(runner, manager.name), options.request, packages, options.refuse_hidden)
    result = carry_out(host, facts, state, plan, result, bound)
    if anew:
        # It is staged: what was written while it was built is told, and refused only right before the reboot. While
        # nothing is built nothing can be left behind.
        told = replace(options, refuse_state_at_risk=False)
        result["left_behind"] = None if host.check_mode else _left_behind(host, host.observe()[0], told)
    return result


def _left_behind(host: Host, facts: HostFacts, options: UpgradeOptions) -> dict[str, t.Any] | None:
    """What the reboot into the staged root would lose. Raises state_at_risk where the policy is to refuse that."""
    found = left_behind(host.runner, facts)
    warning = refuse_or_say(found, options.carry_over, refuse=options.refuse_state_at_risk)
    host.warnings += [warning] if warning else []
    return found.without(options.carry_over).as_dict() if found else None


def _say_what_is_deleted(host: Host, facts: HostFacts, options: UpgradeOptions) -> None:
    """The previous root goes: with what was written to it after the running one was made of it."""
    found = left_behind(host.runner, facts)
    warning = refuse_or_say_deleted(found, options.carry_over, refuse=options.refuse_state_at_risk)
    host.warnings += [warning] if warning else []


def _pending(host: Host, manager: PackageManager, options: UpgradeOptions) -> PackagePlan:
    if host.check_mode:
        with scratch_directory() as directory:
            return manager.pending(options.request, refresh=options.update_cache, scratch=directory, sizes=False)
    return manager.pending(options.request, refresh=options.update_cache, sizes=False)


def _idle_exclusions(exclude: t.Sequence[str], installed: t.Iterable[Package]) -> list[str]:
    """What to say of names among ``exclude`` that leave nothing out. No refusal: a package that is not there yet may be meant."""
    names = {
        name
        for package in installed
        for name in (package.name, f"{package.name}.{package.arch}", f"{package.name}-{package.version}")
    }
    idle = [pattern for pattern in exclude if not any(fnmatch.fnmatchcase(name, pattern) for name in names)]
    return [f"exclude: {', '.join(idle)} matches no installed package. Is it misspelt?"] if idle else []


def _running_root(facts: HostFacts) -> str:
    """The running root under the top-level tree, where what is mounted on it does not show."""
    return f"{facts.top}/{facts.booted.path if facts.booted else ''}"


def _stale_carry_over(facts: HostFacts, state: HostState, paths: t.Sequence[str]) -> bool:
    if not paths or state.name != "staged" or facts.default is None:
        return False
    return not all(is_current(_running_root(facts), f"{facts.top}/{facts.default.path}", path) for path in paths)


__all__ = (
    "UpgradeOptions",
    "upgrade",
)
