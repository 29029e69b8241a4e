# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts and what is wanted -> the named steps of each command, or a refusal. Pure: no input, no output, no clock.

The order of the steps is the whole safety argument; see docs/reliability.md and design §3 ("manual" protection):

* a new root is built and checked before anything else changes, so a failing package leaves even the backup alone;
* the backup pair is complete and durable before the switch; where its halves are replaced, the root comes first and has
  modules for both kernels;
* with automatic protection GRUB boots the backup from ``arm_fallback`` on, and ``arm_trial`` comes last: trial_plan.py;
* upgrade switches the default subvolume first and the kernel second, a rollback the other way round: the mixed middle is
  always the OLD kernel with the NEW root, which has the modules of both.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...boot.grub.protection import TRIAL_ARGUMENT
from ...errors import OvercError, certain
from ..observe.bootable import backup_defects_of, defects_of
from ..observe.facts import HostFacts
from ..observe.ordinary import is_ordinary
from ..observe.state import HostState, files_of, release_of_files, source_of
from .entries import commands as with_entries
from .label import with_label
from .late import (
    Paths,
    last_moment_reason,
    last_moment_steps,
    late_differs,
    refuse_lost,
    refuse_not_brought,
    to_forget,
    with_late,
)
from .model import Context, Operation, Plan
from .order import in_order
from .package_steps import needed
from .refusals import (
    booted_and_default,
    known_files,
    refuse_broken,
    refuse_strangers,
    refuse_unbootable,
    refuse_unless_usable,
    refuse_unwritable,
    refuse_upgrade,
)
from .trial import backup_is_complete, failed_trial, trial_context, with_trial
from .wish import UpgradeWish

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ...packages.contract import PackagePlan

UPGRADE_STEPS: t.Final = (
    "download_packages",
    "create_root",
    "run_packages",
    "run_commands",
    "check_root",
    "keep_modules",
    "create_backup",
    "write_backup_files",
    "place_backup",
    "swap_backup_files",
    "place_root",
    "carry_over",
    "write_kernel",
    "set_default",
    "swap_kernel",
    "install_efi",
    "record",
    "drop_replaced",
)
# Before the place of a staged root is taken by a newer one, the host is brought back to the running pair.
CANCEL_FIRST: t.Final = ("cancel_kernel", "cancel_default")
ROLLBACK_STEPS: t.Final = ("write_kernel", "swap_kernel", "set_default", "install_efi", "record")
CANCEL_STEPS: t.Final = (*ROLLBACK_STEPS, "drop_replaced")
RESTORE_STEPS: t.Final = ("create_root", "place_root", *ROLLBACK_STEPS, "drop_replaced")
CONFIRM_STEPS: t.Final = ("confirm", "record")


def _context(
    facts: HostFacts,
    operation: Operation,
    base: Subvolume,
    root_name: str,
    default: Subvolume | None,
    target_files: t.Mapping[str, str] | None = None,
    **trial: t.Any,
) -> Context:
    """What the context of every operation says. ``default``: the default subvolume that the switch starts from."""
    files = target_files or {}
    return Context(
        operation=operation,
        base=base.uuid,
        base_name=base.path,
        root_name=root_name,
        backup_name=facts.layout.backup,
        default_before=default.uuid if default else None,
        target_files=files,
        target_release=release_of_files(facts, files),
        kernel=facts.kernel or "",
        initrd=facts.initrd,
        **trial,
    )


def plan_upgrade(facts: HostFacts, state: HostState, packages: PackagePlan, wish: UpgradeWish | None = None) -> Plan:
    """Stage a new deployment from the running root, if there is anything to upgrade."""
    wish = wish or UpgradeWish()
    if facts.entry_boot is not None:
        return with_entries.plan_upgrade(facts, facts.entry_boot, state, packages, wish)
    refuse_upgrade(state)
    booted, default = booted_and_default(facts)
    fingerprint = packages.fingerprint
    staged = state.name == "staged"
    waiting = facts.record.pending
    if fingerprint in wish.rejected and not packages.is_empty:
        _refuse_rejected(
            default, fingerprint, waits=staged and waiting is not None and waiting.fingerprint == fingerprint
        )
    # Whatever became of it since: nobody is sent into a reboot that fails
    asked_again = staged and not wish.force
    broken = defects_of(facts, default) if asked_again else ()
    # Nor into one that has no way back: it is what this upgrade made, and what a trial that fails ends in
    lost = backup_defects_of(facts) if asked_again else ()
    same_plan = asked_again and waiting is not None and waiting.fingerprint == fingerprint
    if not wish.force and ((same_plan and not broken and not lost) or packages.is_empty):
        refuse_broken(default.path, broken, lost)
        arming = staged and wish.arm and can_be_armed(facts)
        late = staged and late_differs(facts, default, wish.carry_late)
        if staged and (wish.stale or arming or late):
            return _plan_last_moment(facts, booted, default, wish, arm=arming)
        reason = f"{default.path} is staged already with the same plan; reboot to run it"
        return Plan("upgrade", reason if same_plan else "nothing is pending")
    if fingerprint in facts.record.known_bad and not wish.force:
        raise OvercError(
            "known_bad",
            "This very plan was tried on this host before and did not come up. Wait for other packages, or give "
            "force: true to try it again.",
            fingerprint=fingerprint,
        )
    base_files = known_files(facts, booted)
    root_name = facts.layout.other_root(booted.path)
    prior, backup = facts.by_path(root_name), facts.by_path(facts.layout.backup)
    context = replace(
        _context(facts, "upgrade", booted, root_name, default, **trial_context(facts, arm=wish.arm)),
        root_prior=prior.uuid if prior else None,
        backup_prior=backup.uuid if backup else None,
        base_files=base_files,
        base_release=release_of_files(facts, base_files),
        fingerprint=fingerprint,
        replaces_staged=staged,
        carry_over=wish.carry_over,
        asked=wish.asked,
        carry_late=wish.carry_late or (),
    )
    refuse_strangers(facts, root_name, facts.layout.backup)
    steps = list(with_label(needed(UPGRADE_STEPS, packages), facts))
    if not wish.carry_over:
        steps.remove("carry_over")
    if staged:
        where = steps.index("place_root")
        steps[where:where] = CANCEL_FIRST
    steps = list(with_late(steps, wish.carry_late))
    if context.backup_entry is not None:
        steps = list(with_trial(steps, arm=wish.arm))
    return Plan("upgrade", _reason(default, broken, lost), context, tuple(steps), replaced=staged)


def _reason(default: Subvolume, broken: t.Sequence[str], lost: t.Sequence[str]) -> str:
    if broken:
        return f"{default.path} is staged and would not boot: {'; '.join(broken)}"
    if lost:
        return f"{default.path} is staged and has no way back any more: {'; '.join(lost)}"
    return "upgrades are pending"


def _refuse_rejected(default: Subvolume, fingerprint: str, *, waits: bool) -> t.NoReturn:
    """Raises plan_rejected; with the deployment, where the very plan ``waits`` for a reboot already."""
    facts = {"staged": default.path, "staged_uuid": default.uuid} if waits else {}
    then = f"It waits in {default.path}; overc_host_rollback cancels it." if waits else "Nothing was changed."
    raise OvercError("plan_rejected", f"This very plan is in rejected_plans. {then}", fingerprint=fingerprint, **facts)


def can_be_armed(facts: HostFacts) -> bool:
    """Whether a deployment is staged on a host with automatic protection, and its trial is not armed yet."""
    return facts.trial_boot.automatic and not facts.trial_boot.armed


def _plan_last_moment(facts: HostFacts, booted: Subvolume, default: Subvolume, wish: UpgradeWish, *, arm: bool) -> Plan:
    """What is left to do right before the reboot into a staged upgrade."""
    paths = wish.carry_over if wish.stale else ()
    late = late_differs(facts, default, wish.carry_late)
    base_files, files = known_files(facts, booted), files_of(facts, default)
    context = replace(
        _context(facts, "upgrade", booted, default.path, default, files, **trial_context(facts, arm=arm)),
        base_files=base_files,
        base_release=release_of_files(facts, base_files),
        fingerprint=facts.record.pending.fingerprint if facts.record.pending else None,
        carry_over=tuple(paths),
        carry_late=(wish.carry_late or ()) if late else (),
    )
    steps = last_moment_steps(carry=bool(paths), late=late, arm=arm)
    reason = last_moment_reason(default.path, steps)
    return Plan("upgrade", reason, context, steps)


def _plan_waiting(
    facts: HostFacts, operation: Operation, booted: Subvolume, default: Subvolume, late: Paths, *, arm: bool
) -> Plan:
    """What is left of a rollback or restore that waits for its reboot: to arm its trial, or other paths to bring over."""
    refuse_lost(facts, default, late)
    arming, differs = arm and can_be_armed(facts), late_differs(facts, default, late)
    if not arming and not differs:
        return Plan(operation, f"the {operation} to {default.path} waits for its reboot")
    files = files_of(facts, default)
    context = _context(facts, operation, booted, default.path, default, files, **trial_context(facts, arm=arming))
    context = replace(context, target=default.uuid, carry_late=(late or ()) if differs else ())
    steps = last_moment_steps(carry=False, late=differs, arm=arming)
    return Plan(operation, last_moment_reason(default.path, steps), context, steps)


def plan_rollback(
    facts: HostFacts, state: HostState, *, arm: bool = True, to: int | None = None, late: Paths = None
) -> Plan:
    """Return to the previous deployment, cancel a staged one, or restore the backup: by state. ``to``: the id of a deployment,
    where each has a boot entry of its own. ``late``: paths that the deployment to return to brings over when it starts; None:
    as they were declared before.
    """
    if facts.entry_boot is not None:
        return with_entries.plan_rollback(facts, facts.entry_boot, state, arm=arm, to=to, late=late)
    if to is not None:
        if is_ordinary(facts):
            refuse_unless_usable(state, rollback=True)
        raise OvercError(
            "bad_argument",
            "to: deployments have ids only where each has a boot entry of its own. This host returns to the previous one.",
        )
    refuse_unless_usable(state, rollback=True)
    if state.name in ("backup", "fallback"):
        return _plan_restore(facts, state, arm=arm, late=late)
    booted, default = booted_and_default(facts)
    if state.name == "staged":
        # A restore is seen here after its run was cut off, the host came up with the other root, and the repair finished it.
        if state.waiting in ("rollback", "restore"):
            return _plan_waiting(facts, state.waiting, booted, default, late, arm=arm)
        return _plan_cancel(facts, booted, default)
    return _plan_previous(facts, state, booted, arm=arm, late=late)


def _plan_cancel(facts: HostFacts, booted: Subvolume, default: Subvolume) -> Plan:
    files = known_files(facts, booted)
    refuse_unbootable(facts, booted)
    context = _context(facts, "cancel", booted, booted.path, default, files, **trial_context(facts))
    context = replace(context, base_name=default.path, target=booted.uuid, root_prior=default.uuid)
    steps = _without_kernel(facts, files, CANCEL_STEPS)
    if context.backup_entry is not None:
        steps = with_trial(steps, arm=False, cancel=True)
    return Plan("cancel", f"{default.path} is staged and not booted", context, steps)


def _plan_previous(facts: HostFacts, state: HostState, booted: Subvolume, *, arm: bool, late: Paths) -> Plan:
    other = facts.by_path(facts.layout.other_root(booted.path))
    known = facts.record.deployments
    mine, its = known.get(booted.uuid), known.get(other.uuid) if other else None
    if other is not None and its is not None and its.previous == booted.uuid:
        return Plan("rollback", f"{booted.path} is the deployment before {other.path}: already rolled back")
    # Without any record (an installation of the original tool) the two names alternate; with one, only it counts.
    unrecorded = mine is None and its is None
    if other is None or not (unrecorded or (mine is not None and mine.previous == other.uuid)):
        last = facts.record.events[-1] if facts.record.events else {}
        ended_well = last.get("outcome") in ("done", "repaired") or last.get("completed")
        done = ended_well and last.get("to") == booted.path
        if done and last.get("operation") in ("cancel", "restore"):
            return Plan("rollback", f"{booted.path} runs again since the last {last['operation']}: nothing to do")
        raise OvercError(
            "no_target",
            f"There is no deployment on this host that is known to have run before {booted.path}. "
            "The backup pair, if there is one, can be booted from the boot menu and restored from there.",
        )
    files = files_of(facts, other)
    sources = {role: source_of(facts, role, digest) for role, digest in files.items()}
    if not files or None in sources.values():
        raise OvercError(
            "no_target",
            f"The kernel that belongs to {other.path} cannot be told or found any more, so a rollback to it might not boot. "
            "The backup pair can be booted from the boot menu and restored with overc_host_rollback.",
        )
    refuse_unbootable(facts, other)
    # A trial without a complete backup pair behind it would be worse than none.
    protects = backup_is_complete(facts)
    trial = trial_context(facts, arm=arm) if protects else {}
    context = replace(
        _context(facts, "rollback", booted, other.path, booted, files, **trial),
        target=other.uuid,
        carry_late=late or (),
        failed=failed_trial(facts, state),
    )
    steps, warning = in_order(facts, other, files, _without_kernel(facts, files, ROLLBACK_STEPS))
    steps = with_late(steps, late, declared=to_forget(facts, other.uuid))
    if context.backup_entry is not None:
        steps = with_trial(steps, arm=arm)
    if facts.trial_boot.automatic and not protects:
        warning = (
            f"There is no complete backup pair to fall back to, so {other.path} is not tried: this rollback has manual "
            "protection only."
        )
    return Plan("rollback", f"{other.path} ran before {booted.path}", context, steps, warning=warning)


def _plan_restore(facts: HostFacts, state: HostState, *, arm: bool, late: Paths) -> Plan:
    booted, default = certain(facts.booted, "the deployment that runs"), facts.default
    if state.waiting == "restore":
        if default is not None:
            return _plan_waiting(facts, "restore", booted, default, late, arm=arm)
        return Plan("restore", "the restored deployment waits for its reboot")
    files = known_files(facts, booted)
    names = facts.layout.roots
    root_name = facts.layout.other_root(default.path) if default and default.path in names else names[0]
    if state.name == "fallback" and default is not None and default.path in names:
        # What failed is replaced; the deployment before it keeps its place, and what was last written to it.
        root_name = default.path
    prior = facts.by_path(root_name)
    context = replace(
        _context(facts, "restore", booted, root_name, default, files, **trial_context(facts, arm=arm)),
        root_prior=prior.uuid if prior else None,
        base_files=files,
        carry_late=late or (),
        failed=failed_trial(facts, state),
    )
    refuse_strangers(facts, root_name)
    steps, warning = in_order(facts, booted, files, _without_kernel(facts, files, RESTORE_STEPS))
    steps = with_late(steps, late)
    if context.backup_entry is not None:
        steps = with_trial(steps, arm=arm)
    if facts.trial_boot.unclear is not None:
        warning = (
            f"{facts.trial_boot.unclear.rstrip('.')}. GRUB may boot the backup again: write a new block with grub-editenv "
            f"{facts.trial_boot.environment} create before the reboot. {warning or ''}".rstrip()
        )
    return Plan("restore", f"{booted.path} is booted", context, steps, warning=warning)


def plan_confirm(facts: HostFacts, state: HostState) -> Plan:
    """Make a deployment on trial permanent. Without automatic protection a booted deployment is permanent already."""
    if facts.entry_boot is not None:
        return with_entries.plan_confirm(facts, facts.entry_boot, state)
    refuse_unless_usable(state, rollback=True)
    refuse_not_brought(facts)
    if state.name in ("backup", "fallback"):
        raise OvercError(
            "backup_boot",
            "The host runs its backup deployment: there is nothing to confirm. Run overc_host_rollback to restore it.",
        )
    if state.name == "staged":
        raise OvercError("not_booted", "The staged deployment has not been booted yet. Reboot the host, then confirm.")
    booted = facts.booted
    if state.name == "trial" and booted is not None:
        pending = facts.record.pending
        context = replace(
            _context(facts, "confirm", booted, booted.path, None, **trial_context(facts)),
            fingerprint=pending.fingerprint if pending else None,
        )
        return Plan("confirm", f"{booted.path} is on trial", context, CONFIRM_STEPS)
    if TRIAL_ARGUMENT in facts.cmdline and facts.trial_boot.forgetful:
        environment = facts.trial_boot.environment
        raise OvercError(
            "no_trial_boot",
            f"GRUB's environment block {environment} is gone, so the guard of this trial cannot see that it is confirmed, and "
            f"reboots the host in the end. Run grub-editenv {environment} create, then run the same command again.",
        )
    return Plan("confirm", "the running deployment is permanent")


def _without_kernel(facts: HostFacts, files: t.Mapping[str, str], steps: t.Sequence[str]) -> tuple[str, ...]:
    """Leave out the kernel's steps where the boot partition has the right files already."""
    default = facts.default
    same = default is not None and files_of(facts, default) == dict(files)
    left = tuple(step for step in steps if not (same and step in ("write_kernel", "swap_kernel")))
    refuse_unwritable(facts, left)
    return left


__all__ = (
    "CANCEL_FIRST",
    "CANCEL_STEPS",
    "CONFIRM_STEPS",
    "RESTORE_STEPS",
    "ROLLBACK_STEPS",
    "UPGRADE_STEPS",
    "UpgradeWish",
    "can_be_armed",
    "plan_confirm",
    "plan_rollback",
    "plan_upgrade",
)
