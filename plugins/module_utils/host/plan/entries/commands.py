# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts and what is wanted -> the named steps of each command, where each deployment has a boot entry of its own. Pure.

Everything that a deployment needs is complete and on the disk before anything chooses it: its subvolume under its name, its
kernel, its entry. Then it is recorded, and one write of GRUB's block decides (``arm_trial``, or ``choose`` where GRUB cannot
write). So every middle boots what booted before, and no two things have to change together.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ....boot.entries.boot import ADOPTED
from ....errors import OvercError, certain
from ...observe.entries.state import number_of
from ..label import with_label
from ..late import (
    Paths,
    last_moment_reason,
    last_moment_steps,
    late_differs,
    refuse_lost,
    refuse_not_brought,
    to_forget,
    with_late,
)
from ..model import Context, Operation, Plan
from ..package_steps import needed
from ..refusals import refuse_broken, refuse_elsewhere, refuse_unless_usable, refuse_upgrade
from ..trial import reason_of
from .commit import before_naming, commit_steps
from .keep import prunable
from .refusals import entry_defects, refuse_another, refuse_taken, refuse_unbootable
from .targets import came_back_by, wanted

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ....boot.entries.menu import Entry
    from ....packages.contract import PackagePlan
    from ...observe.facts import HostFacts
    from ...observe.state_model import HostState
    from ..wish import UpgradeWish

UPGRADE_STEPS: t.Final = (
    "download_packages",
    "create_root",
    "prepare_root",
    "run_packages",
    "run_commands",
    "check_root",
    "install_guard",
    "carry_over",
    "name_root",
    "write_entry_files",
    "write_menu",
    "record",
)
CONFIRM_STEPS: t.Final = ("confirm", "record", "prune")
CANCEL_STEPS: t.Final = ("disarm", "record", "prune")


def name_of(boot: EntryBoot, number: int) -> str:
    """The name of a new root: by its number, or that of the system as it was installed with an ending."""
    named = boot.place.root_named(number) if boot.place is not None else None
    return named or f"{stem_of(boot)}.overc-{number}"


def stem_of(boot: EntryBoot) -> str:
    """The name that new subvolumes begin with: that of the system as it was installed."""
    name = certain(boot.menu.of(ADOPTED), "the entry of the system as it was installed").subvolume
    return re.sub(r"(?:\.overc-\d+)+$", "", name)


def next_number(facts: HostFacts, boot: EntryBoot) -> int:
    """An id that no deployment ever had."""
    known = (entry.number or 0 for entry in facts.record.deployments.values())
    return 1 + max((facts.record.last_number, boot.highest, *(entry.id for entry in boot.menu.entries), *known))


def _context(facts: HostFacts, operation: Operation, name: str, number: int, **more: t.Any) -> Context:
    booted = certain(facts.booted, "the deployment that runs")
    return Context(
        operation=operation,
        base=booted.uuid,
        base_name=booted.path,
        root_name=name,
        backup_name="",
        number=number,
        **more,
    )


def plan_upgrade(facts: HostFacts, boot: EntryBoot, state: HostState, packages: PackagePlan, wish: UpgradeWish) -> Plan:
    """Stage a new deployment from the running root, if there is anything to upgrade."""
    refuse_upgrade(state)
    pending, fingerprint = facts.record.pending, packages.fingerprint
    staged = state.name == "staged"
    waits = staged and pending is not None and pending.fingerprint == fingerprint
    default = certain(facts.default, "the deployment that is to boot")
    if fingerprint in wish.rejected and not packages.is_empty:
        then = f"It waits in {default.path}; overc_host_rollback cancels it." if waits else "Nothing was changed."
        known = {"staged": default.path, "staged_uuid": default.uuid} if waits else {}
        raise OvercError(
            "plan_rejected", f"This very plan is in rejected_plans. {then}", fingerprint=fingerprint, **known
        )
    newest = boot.menu.of(boot.newest)
    # Whatever became of it since: nobody is sent into a reboot that fails
    broken = entry_defects(facts, boot, newest) if newest is not None and staged and not wish.force else ()
    if not wish.force and ((waits and not broken) or packages.is_empty):
        refuse_broken(default.path, broken)
        arming = staged and wish.arm and boot.automatic and not boot.armed
        late = staged and late_differs(facts, default, wish.carry_late)
        if staged and (wish.stale or arming or late):
            return _plan_last_moment(facts, boot, wish, arm=arming)
        reason = f"{default.path} is staged already with the same plan; reboot to run it"
        return Plan("upgrade", reason if waits else "nothing is pending")
    failed = failed_trial(facts, boot, state)
    bad = {*facts.record.known_bad, failed["fingerprint"] if failed and failed["bad"] else None}
    if fingerprint in bad and not wish.force:
        raise OvercError(
            "known_bad",
            "This very plan was tried on this host before and did not come up. Wait for other packages, or give "
            "force: true to try it again.",
            fingerprint=fingerprint,
        )
    number = next_number(facts, boot)
    name = name_of(boot, number)
    refuse_taken(facts, name)
    runs = number_of(facts, boot)
    stays = (number, boot.default, *([runs] if runs is not None else []))
    context = _context(
        facts,
        "upgrade",
        name,
        number,
        fingerprint=fingerprint,
        replaces_staged=staged,
        carry_over=wish.carry_over,
        asked=wish.asked,
        carry_late=wish.carry_late or (),
        arm=wish.arm and boot.automatic,
        was_armed=boot.armed,
        failed=failed,
        # Whoever upgrades from a deployment where nothing is ever confirmed has found it good
        dropped=prunable(facts, boot, stays, () if boot.automatic else stays),
    )
    steps = [step for step in needed(UPGRADE_STEPS, packages) if step != "carry_over" or wish.carry_over]
    steps = [step for step in steps if step != "install_guard" or boot.automatic]
    steps = list(with_late(steps, wish.carry_late))
    if boot.place is not None and boot.place.by_default:
        steps.insert(steps.index("check_root"), "make_menu")
    steps = list(with_label(steps, facts))
    steps[steps.index("record") : steps.index("record")] = before_naming(boot)
    commit = commit_steps(boot, arm=wish.arm)
    if boot.armed:
        # Before the record says that something else waits: a boot in between would try the one that is replaced, and what
        # came of that would be told of the new one
        steps.insert(steps.index("record"), "disarm")
        commit = tuple(step for step in commit if step != "disarm")
    tail = ("prune",) if context.dropped else ()
    return Plan(
        "upgrade",
        f"{default.path} is staged and would not boot: {'; '.join(broken)}" if broken else "upgrades are pending",
        context,
        (*steps, *commit, *tail),
        replaced=staged,
    )


def _plan_last_moment(facts: HostFacts, boot: EntryBoot, wish: UpgradeWish, *, arm: bool) -> Plan:
    """What is left to do right before the reboot into a staged upgrade."""
    default = certain(facts.default, "the staged deployment")
    paths = wish.carry_over if wish.stale else ()
    late = late_differs(facts, default, wish.carry_late)
    context = _context(
        facts,
        "upgrade",
        default.path,
        boot.newest,
        fingerprint=facts.record.pending.fingerprint if facts.record.pending else None,
        carry_over=paths,
        carry_late=(wish.carry_late or ()) if late else (),
        arm=arm,
    )
    steps = last_moment_steps(carry=bool(paths), late=late, arm=arm)
    first = before_naming(boot) if arm else ()
    return Plan("upgrade", last_moment_reason(default.path, steps), context, (*first, *steps))


def plan_rollback(
    facts: HostFacts,
    boot: EntryBoot,
    state: HostState,
    *,
    arm: bool = True,
    to: int | None = None,
    late: Paths = None,
) -> Plan:
    """Return to the previous deployment or to the one with the id ``to``, cancel a staged one, or make the running one the
    default: by state.
    """
    refuse_unless_usable(state, rollback=True)
    runs = certain(number_of(facts, boot), "the deployment that runs")
    booted = certain(facts.booted, "the deployment that runs")
    # The same again, as right before the reboot: what waits for it is armed then
    same = state.waiting != "upgrade" and to == boot.newest
    cancels = state.waiting == "upgrade" and to in (None, runs)
    if state.name == "staged" and (to is None or same or cancels):
        if cancels:
            return _plan_cancel(facts, boot, state, "is staged and not booted")
        arming = arm and boot.automatic and not boot.armed and boot.newest != boot.default
        target = certain(facts.default, "the deployment that waits")
        refuse_lost(facts, target, late)
        differs = late_differs(facts, target, late)
        if arming or differs:
            paths = (late or ()) if differs else ()
            context = _context(
                facts, "rollback", target.path, boot.newest, arm=arming, target=target.uuid, carry_late=paths
            )
            steps = last_moment_steps(carry=False, late=differs, arm=arming)
            first = before_naming(boot) if arming else ()
            return Plan("rollback", last_moment_reason(target.path, steps), context, (*first, *steps))
        return Plan("rollback", f"the rollback to {facts.default.path if facts.default else ''} waits for its reboot")
    if state.name == "fallback" and to is None:
        return _plan_cancel(facts, boot, state, _came_of_it(boot))
    if state.name == "elsewhere" and to in (None, runs):
        context = _context(facts, "rollback", booted.path, runs, target=booted.uuid)
        first = ("update_entry",) if boot.runs_another else ()
        reason = f"{booted.path} runs and is not what boots by default"
        return Plan("rollback", reason, context, (*first, "record", "choose"))
    if state.name == "trial" and to in (None, boot.default):
        return _plan_give_up(facts, boot, state, late)
    if to == runs:
        # Out of a trial that was given up nothing can be taken back: what runs was never the default
        waits = state.name == "staged" and state.waiting != "upgrade"
        if waits and (boot.default == runs or not boot.automatic):
            return _plan_stay(facts, boot, runs)
        return Plan("rollback", f"{booted.path} runs already")
    if state.name not in ("clean", "elsewhere"):
        refuse_another(boot, state, runs)
    before = came_back_by(facts, booted.path) if to is None else None
    if before:
        reason = f"{booted.path} runs again since the last {before}: nothing to do. Name another deployment with the option to"
        return Plan("rollback", reason)
    return _plan_return(facts, boot, runs, wanted(facts, boot, booted.uuid, to), late, arm=arm)


def _plan_return(facts: HostFacts, boot: EntryBoot, runs: int, target: Entry, late: Paths, *, arm: bool) -> Plan:
    refuse_unbootable(facts, boot, target)
    automatic = boot.automatic
    context = _context(
        facts,
        "rollback",
        target.subvolume,
        target.id,
        target=target.uuid,
        arm=arm and automatic,
        carry_late=late or (),
    )
    guarded = ("install_guard",) if automatic else ()
    steps = (*guarded, *before_naming(boot), "record", *commit_steps(boot, arm=arm))
    steps = with_late(steps, late, declared=to_forget(facts, target.uuid))
    return Plan("rollback", f"deployment {target.id} ({target.subvolume}) instead of {runs}", context, steps)


def _plan_give_up(facts: HostFacts, boot: EntryBoot, state: HostState, late: Paths) -> Plan:
    """Out of a trial: nothing was promised yet, so the default is what it was, and only the record has to know."""
    back = certain(boot.menu.of(boot.default), "the default deployment")
    refuse_unbootable(facts, boot, back)
    context = _context(
        facts,
        "rollback",
        back.subvolume,
        back.id,
        target=back.uuid,
        carry_late=late or (),
        failed=failed_trial(facts, boot, state),
    )
    steps = with_late(("record", "disarm"), late, declared=to_forget(facts, back.uuid))
    return Plan("rollback", f"{context.base_name} is on trial and given up", context, steps)


def _plan_stay(facts: HostFacts, boot: EntryBoot, runs: int) -> Plan:
    """What runs stays: the way back that waits for its reboot is taken back. It may never come up, where GRUB fails to write."""
    booted = certain(facts.booted, "the deployment that runs")
    target = certain(facts.default, "the deployment that waits")
    context = replace(
        _context(facts, "cancel", booted.path, runs, target=booted.uuid, root_prior=target.uuid), base_name=target.path
    )
    first = "disarm" if boot.automatic else "choose"
    return Plan("cancel", f"{booted.path} stays, and {target.path} is not booted", context, (first, "record"))


def _plan_cancel(facts: HostFacts, boot: EntryBoot, state: HostState, why: str) -> Plan:
    given_up = certain(facts.default, "the deployment that is given up")
    booted = certain(facts.booted, "the deployment that runs")
    runs = certain(number_of(facts, boot), "the deployment that runs")
    keep = {runs} if boot.automatic else {runs, ADOPTED}
    good = [entry.id for entry in boot.menu.entries if entry.uuid != given_up.uuid] if not boot.automatic else ()
    context = replace(
        _context(
            facts,
            "cancel",
            booted.path,
            runs,
            target=booted.uuid,
            root_prior=given_up.uuid,
            failed=failed_trial(facts, boot, state),
            dropped=prunable(facts, boot, keep, good),
        ),
        base_name=given_up.path,
    )
    first = ("disarm",) if boot.automatic else ("choose",)
    return Plan("cancel", f"{given_up.path} {why}", context, (*first, *CANCEL_STEPS[1:]))


def plan_confirm(facts: HostFacts, boot: EntryBoot, state: HostState) -> Plan:
    """Make a deployment on trial permanent."""
    refuse_unless_usable(state, rollback=True)
    if state.name == "staged":
        raise OvercError("not_booted", "The staged deployment has not been booted yet. Reboot the host, then confirm.")
    if state.name == "fallback":
        raise OvercError(
            "backup_boot",
            f"The newest deployment {_came_of_it(boot)}, and the one before it runs: there is nothing to confirm. "
            "overc_host_rollback removes it.",
        )
    refuse_elsewhere(state)
    refuse_not_brought(facts)
    booted = certain(facts.booted, "the deployment that runs")
    if state.name != "trial":
        return Plan("confirm", "the running deployment is permanent")
    runs = certain(number_of(facts, boot), "the deployment that runs")
    pending = facts.record.pending
    context = _context(
        facts,
        "confirm",
        booted.path,
        runs,
        fingerprint=pending.fingerprint if pending else None,
        dropped=prunable(facts, boot, (runs,), (runs,)),
    )
    return Plan("confirm", f"{booted.path} is on trial", context, CONFIRM_STEPS)


def _came_of_it(boot: EntryBoot) -> str:
    """Of a deployment that waited and does not run. GRUB notes a trial before it shows its menu, where another may be chosen."""
    return "was tried and did not stay" if boot.tried else "was not tried"


def failed_trial(facts: HostFacts, boot: EntryBoot, state: HostState) -> dict[str, t.Any] | None:
    """What the history is told about a trial that failed, or is given up now; None if there was none."""
    pending, newest = facts.record.pending, facts.default
    if state.name not in ("trial", "fallback") or pending is None or newest is None or pending.uuid != newest.uuid:
        return None
    return {
        "operation": pending.operation,
        "to": newest.path,
        "fingerprint": pending.fingerprint,
        "since": pending.since,
        "reason": reason_of(facts, state),
        "bad": state.name == "trial" or boot.tried,
    }


__all__ = (
    "CANCEL_STEPS",
    "CONFIRM_STEPS",
    "UPGRADE_STEPS",
    "failed_trial",
    "plan_confirm",
    "plan_rollback",
    "plan_upgrade",
)
