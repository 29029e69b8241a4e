# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan: facts + what is wanted -> the named steps, or a refusal. Pure: no input, no output, no clock.

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
from dataclasses import asdict, dataclass, field

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError, certain
from ansible_collections.overc.system.plugins.module_utils.host_facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host_state import (
    LAYOUT_ERRORS,
    HostState,
    files_of,
    release_of_files,
    source_of,
)
from ansible_collections.overc.system.plugins.module_utils.layout import NEW_SUFFIX
from ansible_collections.overc.system.plugins.module_utils.trial_plan import (
    backup_is_complete,
    failed_trial,
    settle,
    trial_context,
    with_trial,
)
from ansible_collections.overc.system.plugins.module_utils.untrusted import build

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.btrfs import Subvolume
    from ansible_collections.overc.system.plugins.module_utils.package_manager import PackagePlan

Operation = t.Literal["upgrade", "rollback", "cancel", "restore", "confirm", "repair"]

# Every step there is, and what it does, in words for people. {braces} are filled from the context of the plan.
STEPS: t.Final[dict[str, str]] = {
    "create_root": "snapshot {base_name} as {root_name}" + NEW_SUFFIX,
    "run_packages": "run the package manager in the new root, in a private mount and process namespace",
    "check_root": "check the new root: packages, kernel, modules, signature, fstab, space on the boot partition",
    "keep_modules": "keep the modules of the running kernel in the new root",
    "create_backup": "snapshot {base_name} as {backup_name}" + NEW_SUFFIX,
    "write_backup_files": "write the backup kernel beside the old one, and verify it",
    "place_backup": "put the new {backup_name} in place of the old one",
    "swap_backup_files": "put the backup kernel in place",
    "cancel_kernel": "put the running kernel back in place of the staged one",
    "cancel_default": "make {base_name} the default subvolume again",
    "place_root": "put the new root in place as {root_name}",
    "carry_over": "carry over the declared paths from the running root",
    "write_kernel": "write the kernel beside the present one, and verify it",
    "swap_kernel": "put the kernel in place",
    "set_default": "make {root_name} the default subvolume",
    "install_efi": "put the EFI binaries of the new default root in place",
    "install_guard": "put the guard of a trial into {root_name}",
    "arm_fallback": "let the backup entry boot until the switch is complete",
    "arm_trial": "let the next boot try {root_name} once",
    "await_trial": "let the backup entry boot until the trial of {root_name} is armed",
    "disarm": "let the normal entry boot again",
    "confirm": "let the normal entry boot for good: {root_name} is confirmed",
    "record": "record what was done",
    "drop_replaced": "delete what was replaced, if it is recorded as ours",
    "unplace_root": "give {root_name} back to the subvolume that had the name before",
    "keep_booted": "let {root_name}, which came up, be the default subvolume with its kernel",
    "finish_backup": "complete the backup pair",
    "drop_unfinished": "delete the unfinished new root",
    "clean_boot": "remove unfinished files from the boot partition",
    "close": "close the journal of the interrupted run",
}

UPGRADE_STEPS: t.Final = (
    "create_root",
    "run_packages",
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
_CANCEL_FIRST: t.Final = ("cancel_kernel", "cancel_default")
ROLLBACK_STEPS: t.Final = ("write_kernel", "swap_kernel", "set_default", "install_efi", "record")
CANCEL_STEPS: t.Final = (*ROLLBACK_STEPS, "drop_replaced")
RESTORE_STEPS: t.Final = ("create_root", "place_root", *ROLLBACK_STEPS, "drop_replaced")
CONFIRM_STEPS: t.Final = ("confirm", "record")


@dataclass(frozen=True)
class Context:
    """What the steps work on. JSON-able, because it is what a repair starts from.

    Uuids say which subvolume is meant whatever its name is at the moment: ``base`` is the one that is snapshotted,
    ``target`` the one a rollback or cancel returns to (None where a new root is made), ``root_prior`` and
    ``backup_prior`` those that hold the names before. ``base_files`` and ``target_files`` are role -> sha256.

    ``backup_entry`` is the number of the backup entry on a host with automatic protection, None on any other. ``arm``:
    the plan ends with the trial armed; ``was_armed``: one was before; ``unconfirmed``: the running deployment was on
    trial itself, or is the backup because of one. ``failed`` is what the history is told about that one.
    """

    operation: Operation
    base: str
    base_name: str
    root_name: str
    backup_name: str
    target: str | None = None
    root_prior: str | None = None
    backup_prior: str | None = None
    default_before: str | None = None
    base_files: t.Mapping[str, str] = field(default_factory=dict)
    target_files: t.Mapping[str, str] = field(default_factory=dict)
    base_release: str | None = None
    target_release: str | None = None
    kernel: str = ""
    initrd: str | None = None
    fingerprint: str | None = None
    replaces_staged: bool = False
    carry_over: tuple[str, ...] = ()
    backup_entry: int | None = None
    arm: bool = False
    was_armed: bool = False
    unconfirmed: bool = False
    failed: t.Mapping[str, t.Any] | None = None

    def as_dict(self) -> dict[str, t.Any]:
        return asdict(self)


def context_from(raw: t.Mapping[str, t.Any]) -> Context:
    """The inverse of ``Context.as_dict`` after a round trip through JSON. Raises inconsistent."""
    try:
        context = build(Context, raw, operation=raw["operation"])
        if context.operation not in t.get_args(Operation):
            raise ValueError(f"operation {context.operation!r:.40}")
    except (ValueError, KeyError) as error:
        raise OvercError("inconsistent", f"The journal of the interrupted run cannot be understood: {error}.") from None
    return context


@dataclass(frozen=True)
class Plan:
    """Named steps in order; none means there is nothing to do, and ``reason`` says why."""

    operation: Operation
    reason: str
    context: Context | None = None
    steps: tuple[str, ...] = ()
    replaced: bool = False
    notes: t.Mapping[str, t.Any] = field(default_factory=dict)
    warning: str | None = None

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    def describe(self, step: str) -> str:
        """One sentence for people."""
        return STEPS[step].format(**self.context.as_dict()) if self.context else STEPS[step]


def refuse_unless_usable(state: HostState, *, rollback: bool) -> None:
    """The refusals that no command gets around: layout, contradictions, another run; and what an upgrade needs more."""
    if state.name == "busy":
        raise OvercError("locked", "Another run is at work on this host. Nothing was changed; wait for it to finish.")
    if state.name == "inconsistent":
        raise OvercError("inconsistent", " ".join(state.contradictions), contradictions=list(state.contradictions))
    wanted = [
        entry
        for entry in state.requirements
        if not entry.ok and (not rollback or entry.error_id in (*LAYOUT_ERRORS, "tool_missing"))
    ]
    if state.name in ("backup", "fallback"):
        wanted = [entry for entry in wanted if entry.id != "default_subvolume"] if rollback else []
    if not wanted:
        return
    layout_first = sorted(
        wanted, key=lambda entry: (entry.error_id != "layout_unsupported", entry.error_id not in LAYOUT_ERRORS)
    )
    lines = "; ".join(f"{entry.id}: {entry.detail} (to mend: {entry.remedy})" for entry in layout_first)
    raise OvercError(
        layout_first[0].error_id,
        f"This host does not meet {len(wanted)} requirement{'s' if len(wanted) > 1 else ''}: {lines}.",
        requirements=[entry.as_dict() for entry in state.requirements],
    )


def plan_upgrade(
    facts: HostFacts,
    state: HostState,
    packages: PackagePlan,
    *,
    force: bool = False,
    carry_over: t.Sequence[str] = (),
    stale: bool = False,
    arm: bool = True,
) -> Plan:
    """Stage a new deployment from the running root, if there is anything to upgrade.

    ``stale``: a declared path differs between the running and the staged root, so it is carried over again. ``arm``: with
    automatic protection, let the next boot try it.
    """
    refuse_upgrade(state)
    booted, default = _pair(facts)
    fingerprint = packages.fingerprint
    staged = state.name == "staged"
    waiting = facts.record.pending
    same_plan = staged and not force and waiting is not None and waiting.fingerprint == fingerprint
    if not force and (same_plan or not packages.changes):
        arming = staged and arm and can_be_armed(facts)
        if staged and (stale or arming):
            return _plan_last_moment(facts, booted, default, carry_over if stale else (), arm=arming)
        reason = f"{default.path} is staged already with the same plan; reboot to run it"
        return Plan("upgrade", reason if same_plan else "nothing is pending")
    if fingerprint in facts.record.known_bad and not force:
        raise OvercError(
            "known_bad",
            "This very plan was tried on this host before and did not come up. Wait for other packages, or give "
            "force: true to try it again.",
            fingerprint=fingerprint,
        )
    base_files = _known_files(facts, booted)
    root_name = facts.layout.other_root(booted.path)
    prior, backup = facts.by_path(root_name), facts.by_path(facts.layout.backup)
    context = Context(
        operation="upgrade",
        base=booted.uuid,
        base_name=booted.path,
        root_name=root_name,
        backup_name=facts.layout.backup,
        root_prior=prior.uuid if prior else None,
        backup_prior=backup.uuid if backup else None,
        default_before=default.uuid,
        base_files=base_files,
        base_release=release_of_files(facts, base_files),
        kernel=facts.kernel or "",
        initrd=facts.initrd,
        fingerprint=fingerprint,
        replaces_staged=staged,
        carry_over=tuple(carry_over),
        **trial_context(facts, arm=arm),
    )
    _refuse_strangers(facts, root_name, facts.layout.backup)
    steps = list(UPGRADE_STEPS)
    if not carry_over:
        steps.remove("carry_over")
    if staged:
        where = steps.index("place_root")
        steps[where:where] = _CANCEL_FIRST
    if context.backup_entry is not None:
        steps = list(with_trial(steps, arm=arm))
    return Plan("upgrade", "upgrades are pending", context, tuple(steps), replaced=staged)


def can_be_armed(facts: HostFacts) -> bool:
    """Whether a deployment is staged on a host with automatic protection, and its trial is not armed yet."""
    return facts.trial_boot.automatic and not facts.trial_boot.armed


def _plan_last_moment(
    facts: HostFacts, booted: Subvolume, default: Subvolume, paths: t.Sequence[str], *, arm: bool
) -> Plan:
    """What is left to do right before the reboot into a staged upgrade."""
    base_files, files = _known_files(facts, booted), files_of(facts, default)
    context = Context(
        operation="upgrade",
        base=booted.uuid,
        base_name=booted.path,
        root_name=default.path,
        backup_name=facts.layout.backup,
        default_before=default.uuid,
        base_files=base_files,
        target_files=files,
        base_release=release_of_files(facts, base_files),
        target_release=release_of_files(facts, files),
        kernel=facts.kernel or "",
        initrd=facts.initrd,
        fingerprint=facts.record.pending.fingerprint if facts.record.pending else None,
        carry_over=tuple(paths),
        **trial_context(facts, arm=arm),
    )
    reason = (
        f"declared paths changed since {default.path} was staged" if paths else f"{default.path} waits for its trial"
    )
    steps = (*(("carry_over",) if paths else ()), *(("arm_trial",) if arm else ()))
    return Plan("upgrade", reason, context, steps)


def _plan_arm(facts: HostFacts, operation: Operation, booted: Subvolume, default: Subvolume) -> Plan:
    """Arm the trial of a rollback or restore that was staged without."""
    files = files_of(facts, default)
    context = Context(
        operation=operation,
        base=booted.uuid,
        base_name=booted.path,
        root_name=default.path,
        backup_name=facts.layout.backup,
        target=default.uuid,
        default_before=default.uuid,
        target_files=files,
        target_release=release_of_files(facts, files),
        kernel=facts.kernel or "",
        initrd=facts.initrd,
        **trial_context(facts, arm=True),
    )
    return Plan(operation, f"{default.path} waits for its trial", context, ("arm_trial",))


def refuse_upgrade(state: HostState) -> None:
    """The refusals of an upgrade that need no package manager to be asked first."""
    refuse_unless_usable(state, rollback=False)
    if state.name in ("backup", "fallback"):
        raise OvercError(
            "backup_boot",
            "The host runs its backup deployment; an upgrade would start from it and leave no backup. "
            "Run overc_host_rollback to restore it to the normal entry, reboot, then upgrade.",
        )
    if state.name == "trial":
        raise OvercError(
            "unconfirmed",
            "The running deployment is on trial. Confirm it with overc_host_confirm or give it up with "
            "overc_host_rollback, then upgrade.",
        )
    if state.name == "staged" and state.waiting in ("rollback", "restore"):
        raise OvercError(
            "rollback_staged",
            f"A {state.waiting} waits for its reboot. Reboot the host to finish it, then upgrade.",
        )


def plan_rollback(facts: HostFacts, state: HostState, *, arm: bool = True) -> Plan:
    """Return to the previous deployment, cancel a staged one, or restore the backup: by state."""
    refuse_unless_usable(state, rollback=True)
    if state.name in ("backup", "fallback"):
        return _plan_restore(facts, state, arm=arm)
    booted, default = _pair(facts)
    if state.name == "staged":
        # A restore is seen here after its run was cut off, the host came up with the other root, and the repair finished it.
        if state.waiting in ("rollback", "restore"):
            if arm and can_be_armed(facts):
                return _plan_arm(facts, state.waiting, booted, default)
            return Plan(state.waiting, f"the {state.waiting} to {default.path} waits for its reboot")
        return _plan_cancel(facts, booted, default)
    return _plan_previous(facts, state, booted, arm=arm)


def _plan_cancel(facts: HostFacts, booted: Subvolume, default: Subvolume) -> Plan:
    files = _known_files(facts, booted)
    context = Context(
        operation="cancel",
        base=booted.uuid,
        base_name=default.path,
        root_name=booted.path,
        backup_name=facts.layout.backup,
        target=booted.uuid,
        root_prior=default.uuid,
        default_before=default.uuid,
        target_files=files,
        target_release=release_of_files(facts, files),
        kernel=facts.kernel or "",
        initrd=facts.initrd,
        **trial_context(facts),
    )
    steps = _without_kernel(facts, files, CANCEL_STEPS)
    if context.backup_entry is not None:
        steps = with_trial(steps, arm=False, cancel=True)
    return Plan("cancel", f"{default.path} is staged and not booted", context, steps)


def _plan_previous(facts: HostFacts, state: HostState, booted: Subvolume, *, arm: bool) -> Plan:
    other = facts.by_path(facts.layout.other_root(booted.path))
    known = facts.record.deployments
    mine, its = known.get(booted.uuid), known.get(other.uuid) if other else None
    if other is not None and its is not None and its.previous == booted.uuid:
        return Plan("rollback", f"{booted.path} is the deployment before {other.path}: already rolled back")
    # Without any record (an installation of the original tool) the two names alternate; with one, only it counts.
    unrecorded = mine is None and its is None
    if other is None or not (unrecorded or (mine is not None and mine.previous == other.uuid)):
        last = facts.record.events[-1] if facts.record.events else {}
        done = last.get("outcome") in ("done", "repaired") and last.get("to") == booted.path
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
    # A trial without a complete backup pair behind it would be worse than none.
    protects = backup_is_complete(facts)
    context = Context(
        operation="rollback",
        base=booted.uuid,
        base_name=booted.path,
        root_name=other.path,
        backup_name=facts.layout.backup,
        target=other.uuid,
        default_before=booted.uuid,
        target_files=files,
        target_release=release_of_files(facts, files),
        kernel=facts.kernel or "",
        initrd=facts.initrd,
        failed=failed_trial(facts, state),
        **(trial_context(facts, arm=arm) if protects else {}),
    )
    steps = _without_kernel(facts, files, ROLLBACK_STEPS)
    if context.backup_entry is not None:
        steps = with_trial(steps, arm=arm)
    warning = None
    if facts.trial_boot.automatic and not protects:
        warning = (
            f"There is no complete backup pair to fall back to, so {other.path} is not tried: this rollback has manual "
            "protection only."
        )
    return Plan("rollback", f"{other.path} ran before {booted.path}", context, steps, warning=warning)


def _plan_restore(facts: HostFacts, state: HostState, *, arm: bool) -> Plan:
    booted, default = certain(facts.booted, "the deployment that runs"), facts.default
    if state.waiting == "restore":
        if arm and default is not None and can_be_armed(facts):
            return _plan_arm(facts, "restore", booted, default)
        return Plan("restore", "the restored deployment waits for its reboot")
    files = _known_files(facts, booted)
    names = facts.layout.roots
    root_name = facts.layout.other_root(default.path) if default and default.path in names else names[0]
    if state.name == "fallback" and default is not None and default.path in names:
        # What failed is replaced; the deployment before it keeps its place, and what was last written to it.
        root_name = default.path
    prior = facts.by_path(root_name)
    context = Context(
        operation="restore",
        base=booted.uuid,
        base_name=booted.path,
        root_name=root_name,
        backup_name=facts.layout.backup,
        root_prior=prior.uuid if prior else None,
        default_before=default.uuid if default else None,
        base_files=files,
        target_files=files,
        target_release=release_of_files(facts, files),
        kernel=facts.kernel or "",
        initrd=facts.initrd,
        failed=failed_trial(facts, state),
        **trial_context(facts, arm=arm),
    )
    _refuse_strangers(facts, root_name)
    steps = _without_kernel(facts, files, RESTORE_STEPS)
    if context.backup_entry is not None:
        steps = with_trial(steps, arm=arm)
    return Plan("restore", f"{booted.path} is booted", context, steps)


def plan_confirm(facts: HostFacts, state: HostState) -> Plan:
    """Make a deployment on trial permanent. Without automatic protection a booted deployment is permanent already."""
    refuse_unless_usable(state, rollback=True)
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
        context = Context(
            operation="confirm",
            base=booted.uuid,
            base_name=booted.path,
            root_name=booted.path,
            backup_name=facts.layout.backup,
            kernel=facts.kernel or "",
            initrd=facts.initrd,
            fingerprint=pending.fingerprint if pending else None,
            **trial_context(facts),
        )
        return Plan("confirm", f"{booted.path} is on trial", context, CONFIRM_STEPS)
    return Plan("confirm", "the running deployment is permanent")


def plan_repair(facts: HostFacts) -> Plan:
    """Bring an interrupted transaction to an end: forward once it was committed, else back. Derived from facts.

    Committed means: an upgrade has its new root as default subvolume; the others have begun to replace the kernel (a
    kernel and its signature are two files, so half of them is no way back) or set the default. From every point this
    plan leads to the old or the new deployment, also when it is killed itself.
    """
    journal = facts.journal
    if journal is None:
        return Plan("repair", "no transaction is open")
    context = context_from(journal.context)
    new = new_root_of(facts, context)
    target = context.target or (new.uuid if new else None)
    committed = target is not None and facts.default is not None and facts.default.uuid == target
    begun = set(journal.begun)
    steps: list[str] = []
    if context.operation == "confirm":
        # Who confirmed ran the trial. If it does not run any more, it was not confirmed in time.
        runs = facts.booted is not None and facts.booted.uuid == context.base
        return Plan(
            "repair",
            "confirm was interrupted: " + ("completing it" if runs else "the trial is over"),
            context,
            (*(CONFIRM_STEPS if runs else ()), "close"),
            notes=dict(journal.notes),
        )
    if context.operation == "upgrade":
        if committed:
            steps = ["write_kernel", "swap_kernel", "install_efi", "record", "drop_replaced"]
        else:
            steps = ["unplace_root"]
            if context.replaces_staged and begun & set(_CANCEL_FIRST):
                came_up = facts.booted is not None and facts.booted.uuid == context.root_prior
                steps += ["keep_booted"] if came_up else [*_CANCEL_FIRST, "record"]
            steps += ["finish_backup", "drop_unfinished"]
    elif committed or "swap_kernel" in begun:
        committed = True
        steps = ["write_kernel", "swap_kernel", "set_default", "install_efi", "record"]
        if context.operation != "rollback":
            steps.append("drop_replaced")
    elif context.operation == "restore":
        steps = ["unplace_root", "drop_unfinished"]
    steps += settle(facts, context, begun, forward=committed)
    return Plan(
        "repair",
        f"{context.operation} was interrupted " + ("after its switch: completing it" if committed else "and is undone"),
        context,
        (*steps, "clean_boot", "close"),
        notes={**journal.notes, "committed": committed},
    )


def new_root_of(facts: HostFacts, context: Context) -> Subvolume | None:
    """The root that a transaction made, under its unfinished or its final name; None before it was made.

    Whatever holds one of the two names and is not what held the final name before: nothing had the unfinished name when
    the transaction began, or it would have been refused.
    """
    if context.target is not None:
        return None
    for name in (context.root_name, context.root_name + NEW_SUFFIX):
        found = facts.by_path(name)
        if found is not None and found.uuid != context.root_prior:
            return found
    return None


def _without_kernel(facts: HostFacts, files: t.Mapping[str, str], steps: t.Sequence[str]) -> tuple[str, ...]:
    """Leave out the kernel's steps where the boot partition has the right files already."""
    default = facts.default
    same = default is not None and files_of(facts, default) == dict(files)
    return tuple(step for step in steps if not (same and step in ("write_kernel", "swap_kernel")))


def _pair(facts: HostFacts) -> tuple[Subvolume, Subvolume]:
    booted, default = facts.booted, facts.default
    if booted is None or default is None:
        raise OvercError("layout_unsupported", "The running root or the default subvolume is not a subvolume.")
    return booted, default


def _known_files(facts: HostFacts, subvolume: Subvolume) -> dict[str, str]:
    files = files_of(facts, subvolume)
    missing = [role for role, digest in files.items() if source_of(facts, role, digest) is None]
    if "kernel" not in files or missing:
        raise OvercError(
            "inconsistent",
            f"The kernel that belongs to {subvolume.path} cannot be told or found on the boot partition, so no complete "
            f"pair of kernel and root can be made of it. Install it as {facts.layout.boot_dir}/{facts.kernel}_bakup or set "
            "the default subvolume by hand.",
        )
    return files


def _refuse_strangers(facts: HostFacts, *names: str) -> None:
    found = [name + NEW_SUFFIX for name in names if facts.by_path(name + NEW_SUFFIX)]
    if found:
        raise OvercError(
            "inconsistent",
            f"Subvolume {', '.join(found)} exists without an open transaction, so it is nobody's known work. "
            "Look what it is, then rename or delete it.",
        )


__all__ = (
    "CANCEL_STEPS",
    "CONFIRM_STEPS",
    "RESTORE_STEPS",
    "ROLLBACK_STEPS",
    "STEPS",
    "UPGRADE_STEPS",
    "Context",
    "Plan",
    "can_be_armed",
    "context_from",
    "new_root_of",
    "plan_confirm",
    "plan_repair",
    "plan_rollback",
    "plan_upgrade",
    "refuse_unless_usable",
    "refuse_upgrade",
)
