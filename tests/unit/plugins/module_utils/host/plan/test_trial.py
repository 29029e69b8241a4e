# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Automatic protection against the pure planner: every command in every state, the order of steps, and each repair."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.trial import TrialBoot, _place_problem
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.protection import (
    protection_of,
    trial_requirements,
)
from ansible_collections.overc.system.plugins.module_utils.host.observe.requirements import requirements_of
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import derive
from ansible_collections.overc.system.plugins.module_utils.host.plan import commands, repair
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan
from ansible_collections.overc.system.plugins.module_utils.host.plan.trial import failed_trial, reason_of, trial_facts
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount

from tests.unit import host_factory as make

Make = t.Callable[[], HostFacts]
COMMANDS: t.Final = ("upgrade", "rollback", "confirm")


def plan(command: str, facts: HostFacts, **options: t.Any) -> Plan:
    state = derive(facts)
    if command == "upgrade":
        return commands.plan_upgrade(
            facts, state, options.pop("packages", make.PENDING), commands.UpgradeWish(**options)
        )
    if command == "rollback":
        return commands.plan_rollback(facts, state, **options)
    return commands.plan_confirm(facts, state)


def outcome(command: str, facts: HostFacts, **options: t.Any) -> str:
    try:
        made = plan(command, facts, **options)
    except OvercError as error:
        return error.error_id
    return made.operation if made.changed else "no-op"


# name -> (the host without protection, what GRUB's environment says where it is automatic, its state, upgrade, rollback,
# confirm). A row without variables is a host on which nothing is unconfirmed: both protections must agree on it.
TABLE: dict[str, tuple[Make, dict[str, str], str, str, str, str]] = {
    "clean": (make.clean, {}, "clean", "upgrade", "no_target", "no-op"),
    "upgraded": (make.upgraded, {}, "clean", "upgrade", "rollback", "no-op"),
    "rolled back": (make.rolled_back, {}, "clean", "upgrade", "no-op", "no-op"),
    "backup": (make.backup, {}, "backup", "backup_boot", "restore", "backup_boot"),
    "inconsistent": (
        lambda: replace(make.clean(), damage=("the record is damaged",)), {},
        "inconsistent", "inconsistent", "inconsistent", "inconsistent",
    ),
    "unsupported": (
        lambda: replace(make.clean(), entries=()), {},
        "unsupported", "layout_unsupported", "layout_unsupported", "layout_unsupported",
    ),
    "busy": (
        lambda: replace(make.interrupted(make.clean(), {"operation": "upgrade"}), holder={"pid": 1}), {},
        "busy", "locked", "locked", "locked",
    ),
    "staged": (make.staged, {"saved_entry": "1", "next_entry": "0"}, "staged", "no-op", "cancel", "not_booted"),
    "staged, other plan": (
        lambda: make.staged("another"), {"saved_entry": "1", "next_entry": "0"},
        "staged", "upgrade", "cancel", "not_booted",
    ),
    "rollback staged": (
        make.rollback_staged, {"saved_entry": "1", "next_entry": "0"},
        "staged", "rollback_staged", "no-op", "not_booted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("protection", ["manual", "automatic"])
def test_both_protections_agree_where_nothing_is_on_trial(name: str, protection: str) -> None:
    facts, values, state, *expected = TABLE[name]
    host = facts() if protection == "manual" else make.automatic(facts(), **values)
    assert protection_of(host) == protection
    assert derive(host).name == state
    assert [outcome(command, host) for command in COMMANDS] == expected


@pytest.mark.parametrize(
    ("facts", "state", "expected"),
    [
        (make.armed, "staged", ["no-op", "cancel", "not_booted"]),
        (make.trial, "trial", ["unconfirmed", "rollback", "confirm"]),
        (make.fallback, "fallback", ["backup_boot", "restore", "backup_boot"]),
        (lambda: make.fallback(tried=False), "fallback", ["backup_boot", "restore", "backup_boot"]),
        (lambda: make.fallback(operation="rollback"), "fallback", ["backup_boot", "restore", "backup_boot"]),
        (lambda: make.fallback(operation="restore"), "fallback", ["backup_boot", "restore", "backup_boot"]),
        # A restore that was staged without arming its trial
        (lambda: make.fallback(tried=False, operation="restore"), "backup", ["backup_boot", "restore", "backup_boot"]),
    ],
)
def test_states_of_automatic_protection(facts: Make, state: str, expected: list[str]) -> None:
    assert derive(facts()).name == state
    assert [outcome(command, facts()) for command in COMMANDS] == expected


def test_a_human_choice_of_the_backup_is_no_failed_trial() -> None:
    assert derive(make.automatic(make.backup())).name == "backup"
    without_pending = make.automatic(make.backup(), saved_entry="1")
    assert derive(without_pending).name == "backup"


def test_staged_without_arming_is_armed_by_the_next_run() -> None:
    facts = make.automatic(make.staged(), saved_entry="1")
    assert plan("upgrade", facts).steps == ("arm_trial",)
    assert plan("upgrade", facts, packages=make.NOTHING).steps == ("arm_trial",)
    assert plan("upgrade", facts, carry_over=("/etc/x",), stale=True).steps == ("carry_over", "arm_trial")
    assert not plan("upgrade", facts, arm=False).changed
    assert not plan("upgrade", make.armed()).changed
    back = make.automatic(make.rollback_staged(), saved_entry="1")
    assert plan("rollback", back).steps == ("arm_trial",)
    restored = make.fallback(tried=False, operation="restore")
    assert plan("rollback", restored).steps == ("arm_trial",)


ORDER: list[tuple[str, Make]] = [
    ("upgrade", lambda: make.automatic(make.clean())),
    ("upgrade", lambda: make.automatic(make.staged("another"), saved_entry="1", next_entry="0")),
    ("rollback", lambda: make.automatic(make.upgraded())),
    ("rollback", make.trial),
    ("rollback", make.fallback),
    ("rollback", lambda: make.automatic(make.backup())),
]


@pytest.mark.parametrize(("command", "facts"), ORDER)
def test_the_backup_boots_while_anything_changes_and_the_trial_is_armed_last(command: str, facts: Make) -> None:
    steps = plan(command, facts()).steps
    assert steps[-1] == "arm_trial"
    switches = [
        steps.index(step) for step in ("cancel_kernel", "cancel_default", "swap_kernel", "set_default") if step in steps
    ]
    assert steps.index("arm_fallback") < min(switches)
    assert steps.index("install_guard") < steps.index("arm_fallback")
    if "swap_backup_files" in steps:
        assert steps.index("swap_backup_files") < steps.index("arm_fallback")
    assert plan(command, facts(), arm=False).steps == (*steps[:-1], "await_trial")


def test_manual_steps_are_what_they_were() -> None:
    without = {"install_guard", "arm_fallback", "arm_trial", "await_trial", "disarm"}
    for command, facts in ORDER:
        protected = facts()
        if protected.trial_boot.unconfirmed:
            continue
        manual = plan(command, replace(protected, trial_boot=TrialBoot())).steps
        assert not without & set(manual)
        assert tuple(step for step in plan(command, protected).steps if step not in without) == manual


def test_a_cancel_ends_with_the_normal_entry() -> None:
    steps = plan("rollback", make.armed()).steps
    assert steps.index("arm_fallback") < steps.index("swap_kernel") < steps.index("set_default") < steps.index("disarm")
    assert "arm_trial" not in steps


def test_a_rollback_without_a_complete_backup_is_not_tried_and_says_so() -> None:
    facts = make.automatic(make.upgraded())
    facts = replace(facts, boot_files={name: file for name, file in facts.boot_files.items() if name == "bzImage"})
    facts = replace(facts, boot_files={**facts.boot_files, "bzImage": make.kernel_file("bzImage", make.OLD)})
    made = plan("rollback", facts)
    assert made.warning
    assert "arm_fallback" not in made.steps


def test_a_failed_root_is_replaced_and_the_one_before_it_stays() -> None:
    failed, chosen = plan("rollback", make.fallback()).context, plan("rollback", make.automatic(make.backup())).context
    assert failed is not None
    assert chosen is not None
    assert (failed.root_name, chosen.root_name) == ("rootfs_upgrade", "rootfs")


# -- what is remembered ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "bad", "reason"),
    [
        (make.trial, True, "given up"),
        (make.fallback, True, "did not come up"),
        (lambda: make.fallback(tried=False), False, "not tried"),
    ],
)
def test_a_plan_that_was_tried_is_remembered(facts: Make, bad: bool, reason: str) -> None:
    context = plan("rollback", facts()).context
    assert context is not None
    assert context.failed is not None
    assert (context.failed["bad"], context.failed["fingerprint"]) == (bad, make.PENDING.fingerprint)
    assert reason in context.failed["reason"]


def test_nothing_is_remembered_of_what_was_confirmed() -> None:
    for facts in (make.automatic(make.upgraded()), make.automatic(make.backup()), make.armed()):
        assert failed_trial(facts, derive(facts)) is None


def test_the_guard_has_its_say() -> None:
    facts = make.fallback()
    facts = replace(facts, trial_boot=replace(facts.trial_boot, note="2026-01-01T00:00:00Z nobody confirmed it"))
    assert reason_of(facts, derive(facts)) == "2026-01-01T00:00:00Z nobody confirmed it"


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (lambda: make.automatic(make.clean()), None),
        (make.staged, None),
        (lambda: make.automatic(make.staged(), saved_entry="1"), "not_armed"),
        (make.armed, "armed"),
        (make.trial, "running"),
        (make.fallback, "failed"),
        (lambda: make.fallback(tried=False), "not_tried"),
    ],
)
def test_what_is_shown_of_a_trial(facts: Make, outcome: str | None) -> None:
    shown = trial_facts(facts(), derive(facts()), 100.0, 1000.0)
    assert (shown and shown["outcome"]) == outcome


# -- repair ----------------------------------------------------------------------------------------------------------


def killed(facts: HostFacts, made: Plan, step: str, **changes: t.Any) -> tuple[str, ...]:
    assert made.context is not None
    begun = made.steps[: made.steps.index(step) + 1]
    found = make.interrupted(replace(facts, **changes), made.context.as_dict(), *begun)
    return repair.plan_repair(found).steps


def in_backup(facts: HostFacts) -> dict[str, t.Any]:
    backup = make.subvolume("rootfs_bakup")
    return {"booted": backup, "subvolumes": (*[e for e in facts.subvolumes if e != backup], backup)}


UPGRADE = plan("upgrade", make.automatic(make.clean()))
UNDONE = UPGRADE.steps[: UPGRADE.steps.index("set_default")]


@pytest.mark.parametrize("step", UNDONE)
@pytest.mark.parametrize("rebooted", [False, True])
def test_an_upgrade_that_is_undone_leaves_the_normal_entry(step: str, rebooted: bool) -> None:
    facts = make.automatic(make.clean(), saved_entry="1")
    steps = killed(facts, UPGRADE, step, **(in_backup(facts) if rebooted else {}))
    assert steps[-3:] == ("disarm", "clean_boot", "close")
    assert "arm_trial" not in steps


def switched() -> dict[str, t.Any]:
    new = replace(make.subvolume("rootfs_upgrade"), parent_uuid=make.uuid("rootfs"))
    return {"subvolumes": (make.subvolume("rootfs"), new), "default_id": new.id}


@pytest.mark.parametrize("step", ["set_default", "record", "arm_trial"])
def test_an_upgrade_that_is_completed_is_armed_only_where_its_base_still_runs(step: str) -> None:
    facts = make.automatic(make.clean(), saved_entry="1")
    assert "arm_trial" in killed(facts, UPGRADE, step, **switched())
    for name in ("rootfs_upgrade", "rootfs_bakup"):
        steps = killed(facts, UPGRADE, step, **switched(), booted=make.subvolume(name))
        assert not {"arm_trial", "disarm"} & set(steps)


def test_staged_without_arming_stays_so() -> None:
    facts = make.automatic(make.clean(), saved_entry="1")
    steps = killed(facts, plan("upgrade", make.automatic(make.clean()), arm=False), "record", **switched())
    assert not {"arm_trial", "disarm"} & set(steps)


@pytest.mark.parametrize(("step", "last"), [("create_backup", "arm_trial"), ("cancel_kernel", "disarm")])
def test_a_staged_root_that_stays_is_armed_again(step: str, last: str) -> None:
    facts = make.automatic(make.staged("another"), saved_entry="1", next_entry="0")
    assert killed(facts, plan("upgrade", facts), step)[-3] == last


@pytest.mark.parametrize(("step", "last"), [("write_kernel", "arm_trial"), ("swap_kernel", "disarm")])
def test_a_cancel_that_is_undone_leaves_the_trial_armed(step: str, last: str) -> None:
    facts = make.armed()
    assert killed(facts, plan("rollback", facts), step)[-3] == last


@pytest.mark.parametrize("step", ["cancel_kernel", "cancel_default"])
def test_a_staged_root_that_was_chosen_in_the_menu_while_it_was_replaced_is_not_confirmed_by_a_repair(
    step: str,
) -> None:
    facts = make.automatic(make.staged("another"), saved_entry="1", next_entry="0")
    steps = killed(facts, plan("upgrade", facts), step, booted=make.subvolume("rootfs_upgrade"))
    assert "keep_booted" in steps
    assert not {"arm_trial", "disarm"} & set(steps)


def restore_of_what_failed(*names: str) -> tuple[HostFacts, Plan, dict[str, t.Any]]:
    """A restore that has placed its new root; the one that failed has the unfinished name now."""
    facts = make.fallback()
    prior = make.subvolume("rootfs_upgrade")
    new = replace(make.subvolume("rootfs_new"), parent_uuid=make.uuid("rootfs_bakup"))
    placed = [replace(entry, path=name) for entry, name in zip((prior, new), names)]
    others = [entry for entry in facts.subvolumes if entry.path != "rootfs_upgrade"]
    return facts, plan("rollback", facts), {"subvolumes": (*others, *placed)}


def test_a_restore_goes_back_where_somebody_chose_the_root_that_it_replaces() -> None:
    facts, made, placed = restore_of_what_failed("rootfs_upgrade.overc-new", "rootfs_upgrade")
    chosen = replace(make.subvolume("rootfs_upgrade"), path="rootfs_upgrade.overc-new")
    steps = killed(facts, made, "swap_kernel", **placed, booted=chosen)
    assert steps == ("keep_booted", "unplace_root", "drop_unfinished", "clean_boot", "close")
    # The backup runs again: forward, also from the middle of that way back
    assert killed(facts, made, "swap_kernel", **placed)[:4] == (
        "place_root",
        "write_kernel",
        "swap_kernel",
        "set_default",
    )


def test_a_restore_that_went_back_does_not_go_forward_without_its_new_root() -> None:
    facts, made, _placed = restore_of_what_failed("rootfs_upgrade", "rootfs_upgrade.overc-new")
    assert "keep_booted" in killed(facts, made, "swap_kernel")


def test_a_rollback_from_a_trial_that_is_undone_leaves_it_unconfirmed() -> None:
    facts = make.trial()
    for changes in ({}, in_backup(facts)):
        steps = killed(facts, plan("rollback", facts), "arm_fallback", **changes)
        assert not {"arm_trial", "disarm"} & set(steps)


def test_a_confirmation_is_completed_only_by_whoever_it_confirms() -> None:
    facts = make.trial()
    made = plan("confirm", facts)
    assert killed(facts, made, "confirm") == ("confirm", "record", "close")
    assert killed(facts, made, "confirm", **in_backup(facts)) == ("close",)


# -- requirements ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "violated"),
    [
        ({}, set()),
        ({"protected": None}, {"grub_trial_boot", "trial_guard"}),
        ({"exists": False}, {"grub_trial_boot"}),
        ({"exists": False, "protected": None}, {"grub_trial_boot", "trial_guard"}),
        ({"menu_problem": "two"}, {"grub_menu"}),
        ({"place_problem": "btrfs"}, {"grub_writes"}),
        ({"block_problem": "short"}, {"grub_environment"}),
        ({"guard_missing": ("etc/x",)}, {"trial_guard"}),
    ],
)
def test_why_a_host_has_manual_protection(changes: dict[str, t.Any], violated: set[str]) -> None:
    facts = make.automatic(make.clean())
    facts = replace(facts, trial_boot=replace(facts.trial_boot, **changes))
    assert {entry.id for entry in trial_requirements(facts) if not entry.ok} == violated
    assert (protection_of(facts) == "manual") == bool(violated - {"trial_guard"})
    unmet = [entry.id for entry in requirements_of(facts) if not entry.ok]
    assert unmet == (["trial_environment"] if facts.trial_boot.forgetful else []), (
        "an upgrade without it stays possible"
    )
    assert (derive(facts).name == "inconsistent") is ("block_problem" in changes)


@pytest.mark.parametrize(
    ("fstype", "options", "problem"),
    [
        ("ext4", set(), None),
        ("vfat", set(), None),
        ("btrfs", set(), "btrfs"),
        ("xfs", set(), "xfs"),
        ("ext4", {"data=journal"}, "data=journal"),
    ],
)
def test_where_grub_can_write(fstype: str, options: set[str], problem: str | None) -> None:
    mount = Mount("/proc", "/", fstype, "/dev/sda1", frozenset(options))
    found = _place_problem("/proc/version", mount)
    assert (found is None) if problem is None else (problem in str(found))


def test_a_missing_kernel_is_what_a_restore_brings_back() -> None:
    facts = make.fallback()
    facts = replace(facts, boot_files={"bzImage_bakup": facts.boot_files["bzImage_bakup"]})
    assert derive(facts).name == "fallback"
    assert outcome("rollback", facts) == "restore"
