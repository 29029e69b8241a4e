# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host commands from end to end: observe -> plan -> apply, and what they return. Modules call one function each."""

from __future__ import annotations

import shutil
import tempfile
import time
import typing as t
from dataclasses import dataclass, field

from ...boot import signature
from ...btrfs import namespace
from ...errors import OvercError
from ...packages.choose import detect
from ...packages.contract import PackagePlan, PackageRequest
from ...system.failed_units import failed_units
from ...system.lock import HostLock
from .. import transaction
from ..observe.facts import HostFacts, observe
from ..observe.layout import Layout, check_absolute
from ..observe.protection import protection_of, trial_requirements
from ..observe.state import HostState, derive
from ..observe.state_at_risk import state_at_risk
from ..plan.commands import can_be_armed, plan_confirm, plan_rollback, plan_upgrade
from ..plan.model import Plan
from ..plan.refusals import refuse_upgrade
from ..plan.repair import plan_repair
from ..plan.trial import trial_facts
from ..result import deployment, difference, host_started, nothing_to_do, planned, summary
from ..steps.carry_over import check_carry_over, is_current
from ..steps.context import Upgrade
from ..store.journal import discard_empty_journal

if t.TYPE_CHECKING:
    from ...packages.contract import PackageManager
    from ...runner import Runner


@dataclass
class Host:
    """One command on one host. ``lock_fds`` is filled while the lock is held."""

    runner: Runner
    layout: Layout
    check_mode: bool
    now: str
    lock_fds: tuple[int, ...] = ()
    warnings: list[str] = field(default_factory=list)
    repaired: list[dict[str, str]] = field(default_factory=list)
    state: str | None = None

    def observe(self, *, full: bool = False) -> tuple[HostFacts, HostState]:
        """Facts and the state derived from them; ``full`` with digests and sizes."""
        facts = observe(self.runner, self.layout, digests=full, sizes=full)
        state = derive(facts)
        self.state = state.name
        return facts, state


Command = t.Callable[[Host], dict[str, t.Any]]


def run(
    runner: Runner, layout: Layout, name: str, command: Command, *, check_mode: bool, reads_only: bool = False
) -> dict[str, t.Any]:
    """Run one command in a private mount namespace and, unless it only looks, alone on the host.

    An interrupted transaction is repaired before a command that may change anything. Raises OvercError only.
    """
    host = Host(runner, layout, check_mode, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    try:
        namespace.enter()
        if check_mode or reads_only:
            result = command(host)
        else:
            with HostLock(name) as held:
                host.lock_fds = (held.fd,)
                _repair_first(host)
                result = command(host)
    except OvercError as error:
        error.facts.setdefault("state", host.state)
        if host.repaired:
            error.facts["repaired"] = host.repaired
        raise
    if host.repaired:
        result["repaired"] = host.repaired
        result["changed"] = True
    result["warnings"] = host.warnings
    return result


def _repair_first(host: Host) -> None:
    facts, _state = host.observe()
    if facts.damage:  # a journal that cannot be read is not an empty one: it stays for whoever looks into it
        return
    if facts.journal is None:
        if facts.top is not None:
            discard_empty_journal(facts.top)
        return
    facts, _state = host.observe(full=True)
    host.repaired, warnings = transaction.repair(host.runner, facts, host.now)
    host.warnings += warnings


def _interrupted_preview(host: Host, facts: HostFacts, state: HostState) -> dict[str, t.Any] | None:
    """Check mode on an interrupted host: the repair comes first, and what comes after it depends on its outcome."""
    if state.name != "interrupted" or not host.check_mode:
        return None
    facts = observe(host.runner, host.layout, digests=True)
    plan = plan_repair(facts)
    return {
        "changed": True,
        "msg": f"{plan.reason}; what follows can be told only after that",
        "actions": planned(plan),
        **summary(facts, state),
    }


def info(host: Host) -> dict[str, t.Any]:
    """Everything there is to know, nothing changed."""
    facts, state = host.observe(full=True)
    booted, default = facts.booted, facts.default
    staged = default if booted and default and booted.id != default.id else None
    other = facts.by_path(host.layout.other_root(booted.path)) if booted and booted.path in host.layout.roots else None
    journal = facts.journal
    return {
        "changed": False,
        "state": state.name,
        "waiting_for": state.waiting,
        "booted": deployment(host.runner, facts, booted),
        "default": deployment(host.runner, facts, default),
        "staged": deployment(host.runner, facts, staged),
        "previous": deployment(host.runner, facts, other if other != staged else None),
        "backup": deployment(host.runner, facts, facts.by_path(host.layout.backup)),
        "protection": protection_of(facts),
        "trial": trial_facts(facts, state, host_started()),
        "known_bad": list(facts.record.known_bad),
        "package_manager": facts.package_manager,
        "last_event": dict(facts.record.events[-1]) if facts.record.events else None,
        "events": [dict(entry) for entry in facts.record.events],
        "free_space": {"root": facts.root_free, "boot": facts.boot_free},
        "state_at_risk": state_at_risk(facts),
        "requirements": [entry.as_dict() for entry in state.requirements],
        "protection_requirements": [entry.as_dict() for entry in trial_requirements(facts)],
        "contradictions": list(state.contradictions),
        "interrupted": {
            "operation": journal.operation,
            "started": journal.started,
            "step": journal.begun[-1] if journal.begun else None,
        }
        if journal
        else None,
        "holder": dict(facts.holder) if facts.holder else None,
    }


def update(host: Host, cache_valid_time: float = 0) -> dict[str, t.Any]:
    """Refresh the package lists of the running system and show what is pending."""
    _facts, state = host.observe()
    manager = detect(host.runner, host.layout.package_manager)
    everything = PackageRequest()
    age = manager.lists_age()
    skipped = age.within(cache_valid_time)
    if host.check_mode:
        with _scratch() as directory:
            packages = manager.pending(everything, refresh=not skipped, scratch=directory)
        # An interrupted run would be repaired first, and that is a change too.
        changed = (packages.lists_changed and not skipped) or state.name == "interrupted"
    else:
        changed = manager.refresh() if not skipped else False
        packages = manager.pending(everything)
    return {
        "changed": changed,
        "state": state.name,
        "package_manager": manager.name,
        "skipped": skipped,
        "cache_age": age.seconds,
        "upgrades": [change.as_dict() for change in packages.changes],
        "held_back": list(packages.held_back),
        "fingerprint": packages.fingerprint,
    }


@dataclass(frozen=True)
class UpgradeOptions:
    """What an upgrade was asked for beyond the layout."""

    request: PackageRequest
    update_cache: bool = True
    force: bool = False
    carry_over: tuple[str, ...] = ()
    refuse_state_at_risk: bool = False
    refuse_unsigned: bool = True
    arm: bool = True
    rejected: tuple[str, ...] = ()


def upgrade(host: Host, options: UpgradeOptions) -> dict[str, t.Any]:
    """Stage a new deployment if anything is pending."""
    for path in options.carry_over:
        check_absolute("carry_over", path)
    facts, state = host.observe()
    preview = _interrupted_preview(host, facts, state)
    if preview is not None:
        return preview
    refuse_upgrade(state)
    for path in options.carry_over:
        check_carry_over(_running_root(facts), path)
    manager = detect(host.runner, host.layout.package_manager)
    packages = _pending(host, manager, options)
    result: dict[str, t.Any] = {
        "package_manager": manager.name,
        "upgrades": [change.as_dict() for change in packages.changes],
        "held_back": list(packages.held_back),
        "fingerprint": packages.fingerprint,
    }
    last_moment = options.carry_over or (options.arm and can_be_armed(facts))
    if not packages.changes and not options.force and not (last_moment and state.name == "staged"):
        if state.name == "staged":
            result["failed_units"] = failed_units(host.runner, host.warnings)
        return {**result, **nothing_to_do(facts, state, "nothing is pending")}
    result["failed_units"] = failed_units(host.runner, host.warnings)
    # Something may have to be done: now the parts of the facts are read that cost more than milliseconds.
    facts, state = host.observe(full=True)
    stale = _stale_carry_over(facts, state, options.carry_over)
    plan = plan_upgrade(
        facts,
        state,
        packages,
        force=options.force,
        carry_over=options.carry_over,
        stale=stale,
        arm=options.arm,
        rejected=options.rejected,
    )
    result["replaced"] = plan.replaced
    if not plan.changed:
        return {**result, **nothing_to_do(facts, state, plan.reason)}
    result["unchecked_repositories"] = _unchecked_repositories(host, manager, options) if packages.changes else []
    result["state_at_risk"] = state_at_risk(facts)
    _check_state_at_risk(result["state_at_risk"], options)
    result["diff"] = difference(facts, plan.context.root_name if plan.context else None, result["upgrades"])
    bound = Upgrade(lambda runner: detect(runner, manager.name), options.request, packages)
    return _finish(host, facts, state, plan, result, bound)


def _pending(host: Host, manager: PackageManager, options: UpgradeOptions) -> PackagePlan:
    if host.check_mode and options.update_cache:
        with _scratch() as directory:
            return manager.pending(options.request, refresh=True, scratch=directory, sizes=False)
    return manager.pending(options.request, refresh=options.update_cache, sizes=False)


def _unchecked_repositories(host: Host, manager: PackageManager, options: UpgradeOptions) -> list[str]:
    """The repositories whose packages nobody checks; refused or told, by policy."""
    found = list(manager.unchecked())
    if found and options.refuse_unsigned:
        raise OvercError(
            "gpg_policy",
            f"Packages of {', '.join(found)} are installed without a check of their signatures. Nothing was changed",
            unchecked_repositories=found,
        )
    if found:
        host.warnings.append(f"The signatures of packages from {', '.join(found)} are not checked.")
    return found


class _scratch:  # noqa: N801 - reads as a function
    """A private directory for package lists that must not become the host's."""

    def __enter__(self) -> str:
        self._path = tempfile.mkdtemp(prefix="overc-check-", dir="/var/tmp")
        return self._path

    def __exit__(self, *_exc: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def _running_root(facts: HostFacts) -> str:
    """The running root under the top-level tree, where what is mounted on it does not show."""
    return f"{facts.top}/{facts.booted.path if facts.booted else ''}"


def _stale_carry_over(facts: HostFacts, state: HostState, paths: t.Sequence[str]) -> bool:
    if not paths or state.name != "staged" or facts.default is None:
        return False
    return not all(is_current(_running_root(facts), f"{facts.top}/{facts.default.path}", path) for path in paths)


def _check_state_at_risk(found: t.Sequence[t.Mapping[str, t.Any]], options: UpgradeOptions) -> None:
    covered = options.carry_over
    left = [
        entry["path"]
        for entry in found
        if not any(entry["path"] == path or entry["path"].startswith(path + "/") for path in covered)
    ]
    if options.refuse_state_at_risk and left:
        raise OvercError(
            "state_at_risk",
            f"What is written to {', '.join(left)} between now and the reboot would be lost, because it lives on the root "
            "subvolume. Put it on a subvolume or file system of its own, name it in carry_over, or allow it with "
            "state_policy: report. Nothing was changed.",
            state_at_risk=list(found),
        )


def rollback(host: Host, *, arm: bool = True) -> dict[str, t.Any]:
    """Return to the previous deployment, cancel a staged one, or restore the backup; ``arm`` as for an upgrade."""
    facts, state = host.observe(full=True)
    preview = _interrupted_preview(host, facts, state)
    if preview is not None:
        return preview
    plan = plan_rollback(facts, state, arm=arm)
    result: dict[str, t.Any] = {"operation": plan.operation, "failed_units": failed_units(host.runner, host.warnings)}
    if not plan.changed:
        return {**result, **nothing_to_do(facts, state, plan.reason)}
    result["state_at_risk"] = state_at_risk(facts) if plan.operation != "cancel" else []
    result["diff"] = difference(facts, plan.context.root_name if plan.context else None, ())
    return _finish(host, facts, state, plan, result)


def confirm(host: Host) -> dict[str, t.Any]:
    """Make the running deployment permanent."""
    facts, state = host.observe()
    preview = _interrupted_preview(host, facts, state)
    if preview is not None:
        return preview
    plan = plan_confirm(facts, state)
    if not plan.changed:
        return nothing_to_do(facts, state, plan.reason)
    saved = f"the normal entry boots {plan.context.root_name if plan.context else ''}"
    return _finish(host, facts, state, plan, {"diff": {"before": f"{saved} on trial\n", "after": f"{saved}\n"}})


def _finish(
    host: Host, facts: HostFacts, state: HostState, plan: Plan, result: dict[str, t.Any], upgrade: Upgrade | None = None
) -> dict[str, t.Any]:
    result.update({"changed": True, "msg": plan.reason})
    if plan.warning:
        host.warnings.append(plan.warning)
    if host.layout.kernel_certificate and plan.operation not in ("cancel", "confirm"):
        signature.check_possible(host.runner, host.layout.kernel_certificate)
    if host.check_mode:
        stays = plan.operation in ("cancel", "confirm")
        return {
            **result,
            "actions": planned(plan),
            **summary(facts, state),
            "staged": None if stays or plan.context is None else plan.context.root_name,
            "reboot_required": not stays,
        }
    actions, at = transaction.apply(host.runner, facts, plan, host.now, lock_fds=host.lock_fds, upgrade=upgrade)
    host.warnings += at.warnings
    after, state = host.observe()
    return {**result, **at.result, "actions": actions, **summary(after, state)}


__all__ = (
    "Host",
    "UpgradeOptions",
    "confirm",
    "info",
    "rollback",
    "run",
    "update",
    "upgrade",
)
