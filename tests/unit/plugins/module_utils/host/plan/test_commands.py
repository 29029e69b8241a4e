# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command in every state, against the pure planner; and what a repair does from every point."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import ERROR_IDS, OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.obstacles import Obstacles
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState, derive
from ansible_collections.overc.system.plugins.module_utils.host.plan import commands, model, repair
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan

from tests.unit import host_factory as make

STATES: dict[str, t.Callable[[], HostFacts]] = {
    "clean": lambda: make.clean("rootfs"),
    "upgraded": make.upgraded,
    "rolled back": make.rolled_back,
    "staged": make.staged,
    "staged, other plan": lambda: make.staged("another fingerprint"),
    "staged, nothing pending": make.staged,
    "rollback staged": make.rollback_staged,
    "backup": make.backup,
    "busy": lambda: replace(make.interrupted(make.clean(), {"operation": "upgrade"}), holder={"pid": 1}),
    "inconsistent": lambda: replace(make.clean(), damage=("the record is damaged",)),
    "unsupported": lambda: replace(make.clean(), entries=()),
}


def upgrade(name: str, facts: HostFacts, state: HostState) -> Plan:
    return commands.plan_upgrade(facts, state, make.NOTHING if "nothing" in name else make.PENDING)


def rollback(_name: str, facts: HostFacts, state: HostState) -> Plan:
    return commands.plan_rollback(facts, state)


def confirm(_name: str, facts: HostFacts, state: HostState) -> Plan:
    return commands.plan_confirm(facts, state)


def outcome(command: t.Callable[[str, HostFacts, HostState], Plan], name: str, state: str | None = None) -> str:
    facts = STATES[name]()
    derived = derive(facts)
    if state:
        derived = replace(derived, name=t.cast(t.Any, state))
    try:
        plan = command(name, facts, derived)
    except OvercError as error:
        return error.error_id
    return plan.operation if plan.changed else "no-op"


@pytest.mark.parametrize(
    ("name", "state", "upgraded", "rolled_back", "confirmed"),
    [
        ("clean", "clean", "upgrade", "no_target", "no-op"),
        ("upgraded", "clean", "upgrade", "rollback", "no-op"),
        ("rolled back", "clean", "upgrade", "no-op", "no-op"),
        ("staged", "staged", "no-op", "cancel", "not_booted"),
        ("staged, other plan", "staged", "upgrade", "cancel", "not_booted"),
        ("staged, nothing pending", "staged", "no-op", "cancel", "not_booted"),
        ("rollback staged", "staged", "rollback_staged", "no-op", "not_booted"),
        ("backup", "backup", "backup_boot", "restore", "backup_boot"),
        ("busy", "busy", "locked", "locked", "locked"),
        ("inconsistent", "inconsistent", "inconsistent", "inconsistent", "inconsistent"),
        ("unsupported", "unsupported", "layout_unsupported", "layout_unsupported", "layout_unsupported"),
    ],
)
def test_every_command_in_every_state(name: str, state: str, upgraded: str, rolled_back: str, confirmed: str) -> None:
    assert derive(STATES[name]()).name == state
    assert [outcome(command, name) for command in (upgrade, rollback, confirm)] == [upgraded, rolled_back, confirmed]


@pytest.mark.parametrize(
    ("name", "state", "expected"),
    [
        ("upgraded", "trial", ["unconfirmed", "rollback", "confirm"]),
        ("backup", "fallback", ["backup_boot", "restore", "backup_boot"]),
    ],
)
def test_states_of_the_automatic_protection_have_their_place(name: str, state: str, expected: list[str]) -> None:
    assert [outcome(command, name, state) for command in (upgrade, rollback, confirm)] == expected


def plan_for(facts: HostFacts, **options: t.Any) -> Plan:
    return commands.plan_upgrade(facts, derive(facts), make.PENDING, commands.UpgradeWish(**options))


def test_the_new_root_is_built_and_checked_before_anything_else_changes() -> None:
    steps = plan_for(make.clean()).steps
    assert steps.index("check_root") < steps.index("create_backup")
    assert steps.index("swap_backup_files") < steps.index("place_root") < steps.index("set_default")


def test_upgrade_switches_the_root_first_and_rollback_the_kernel_first() -> None:
    up, back = plan_for(make.clean()).steps, commands.plan_rollback(make.upgraded(), derive(make.upgraded())).steps
    assert up.index("write_kernel") < up.index("set_default") < up.index("swap_kernel")
    assert back.index("write_kernel") < back.index("swap_kernel") < back.index("set_default")


def test_nothing_is_dropped_before_the_switch_is_recorded() -> None:
    for facts in (make.clean(), make.staged("another fingerprint")):
        steps = plan_for(facts).steps
        assert steps[-2:] == ("record", "drop_replaced")


def test_a_staged_root_is_cancelled_only_after_its_successor_is_complete() -> None:
    plan = plan_for(make.staged("another fingerprint"))
    assert plan.replaced
    steps = plan.steps
    assert steps.index("check_root") < steps.index("cancel_kernel") < steps.index("cancel_default")
    assert steps.index("cancel_default") < steps.index("place_root")


def test_the_backup_of_a_staged_host_pairs_the_running_root_with_its_own_kernel() -> None:
    context = plan_for(make.staged("another fingerprint")).context
    assert context is not None
    assert (context.base_name, context.base_files) == ("rootfs", {"kernel": make.OLD})


def test_force_stages_again_and_overrules_known_bad() -> None:
    assert plan_for(make.staged(), force=True).replaced
    known = make.clean()
    known = replace(known, record=replace(known.record, known_bad=(make.PENDING.fingerprint,)))
    with pytest.raises(OvercError) as caught:
        plan_for(known)
    assert caught.value.error_id == "known_bad"
    assert plan_for(known, force=True).changed


@pytest.mark.parametrize(
    ("facts", "waits"), [(make.clean(), False), (make.staged(), True), (make.staged("another"), False)]
)
def test_a_rejected_plan_is_refused_and_named_where_it_waits(facts: t.Any, waits: bool) -> None:
    rejected = ("what nobody offers", make.PENDING.fingerprint)
    assert plan_for(facts, rejected=rejected[:1]) == plan_for(facts)
    for force in (False, True):
        with pytest.raises(OvercError) as caught:
            plan_for(facts, rejected=rejected, force=force)
        assert caught.value.error_id == "plan_rejected"
        assert ("staged_uuid" in caught.value.facts) is waits
        assert ("overc_host_rollback" in caught.value.message) is waits


@pytest.mark.parametrize("harm", [{"read_only": True}, {"init": None}, {"modules": frozenset()}])
def test_what_is_staged_and_would_not_boot_any_more_is_made_anew(harm: dict[str, t.Any]) -> None:
    """Nobody is sent into a reboot that fails, whatever was done to it after it was staged."""
    facts = make.staged()
    assert not plan_for(facts).changed
    facts = replace(facts, roots={**facts.roots, "rootfs_upgrade": replace(facts.roots["rootfs_upgrade"], **harm)})
    plan = plan_for(facts)
    assert plan.replaced
    assert "create_root" in plan.steps
    assert "rootfs_upgrade is staged and would not boot" in plan.reason
    with pytest.raises(OvercError, match="would not boot") as caught:
        commands.plan_upgrade(facts, derive(facts), make.NOTHING)
    assert caught.value.error_id == "inconsistent"


def test_force_without_pending_upgrades_stages_a_deployment() -> None:
    facts = make.clean()
    assert commands.plan_upgrade(facts, derive(facts), make.NOTHING, commands.UpgradeWish(force=True)).changed


def test_carry_over_is_repeated_on_a_staged_host_only_where_paths_changed() -> None:
    assert plan_for(make.staged(), carry_over=("/etc/app",), stale=True).steps == ("carry_over",)
    assert not plan_for(make.staged(), carry_over=("/etc/app",), stale=False).changed


def test_an_installation_of_the_original_tool_rolls_back_between_the_two_names() -> None:
    facts = replace(make.upgraded(), record=make.clean().record)
    facts = replace(
        facts,
        roots={**facts.roots, "rootfs": replace(facts.roots["rootfs"], modules=frozenset({"1.0-lab"}))},
    )
    plan = commands.plan_rollback(facts, derive(facts))
    assert plan.context is not None
    assert (plan.context.root_name, plan.context.target_files) == ("rootfs", {"kernel": make.OLD})


def test_a_rollback_never_guesses_between_two_kernels() -> None:
    facts = replace(make.upgraded(), record=make.clean().record)  # both kernels have modules in rootfs
    with pytest.raises(OvercError) as caught:
        commands.plan_rollback(facts, derive(facts))
    assert caught.value.error_id == "no_target"


@pytest.mark.parametrize("broken", [{"init": False}, {"read_only": True}, {"modules": frozenset()}])
def test_a_rollback_to_what_would_not_boot_is_refused(broken: dict[str, t.Any]) -> None:
    facts = make.upgraded()
    facts = replace(facts, roots={**facts.roots, "rootfs": replace(facts.roots["rootfs"], **broken)})
    with pytest.raises(OvercError, match=r"rootfs has .* would not boot") as caught:
        commands.plan_rollback(facts, derive(facts))
    assert caught.value.error_id == "no_target"


def test_a_host_without_any_modules_has_a_kernel_that_needs_none() -> None:
    facts = make.upgraded()
    facts = replace(facts, roots={name: replace(root, modules=frozenset()) for name, root in facts.roots.items()})
    assert commands.plan_rollback(facts, derive(facts)).changed


@pytest.mark.parametrize(("name", "refused"), [("bzImage", True), ("bzImage_bakup", False)])
def test_a_rollback_asks_whether_its_kernel_can_be_replaced(name: str, refused: bool) -> None:
    facts = replace(make.upgraded(), obstacles=Obstacles(boot_files={name: f"/boot/{name} is immutable"}))
    if not refused:
        assert commands.plan_rollback(facts, derive(facts)).changed
        return
    with pytest.raises(OvercError, match="/boot/bzImage is immutable") as caught:
        commands.plan_rollback(facts, derive(facts))
    assert caught.value.error_id == "access_denied"


def with_modules(facts: HostFacts, **modules: str) -> HostFacts:
    roots = {name: replace(root, modules=frozenset(modules[name].split())) for name, root in facts.roots.items()}
    return replace(facts, roots=roots)


def test_a_restore_of_a_newer_backup_has_the_root_first() -> None:
    facts = make.backup()
    older = with_modules(facts, rootfs="1.0-lab", rootfs_upgrade="2.0-lab", rootfs_bakup="1.0-lab 2.0-lab")
    steps = commands.plan_rollback(older, derive(older)).steps
    assert steps.index("set_default") < steps.index("swap_kernel")
    usual = commands.plan_rollback(facts, derive(facts)).steps
    assert usual.index("swap_kernel") < usual.index("set_default")


def test_a_rollback_whose_middle_only_the_backup_boots_says_so() -> None:
    facts = with_modules(make.upgraded(), rootfs="1.0-lab", rootfs_upgrade="2.0-lab", rootfs_bakup="1.0-lab")
    plan = commands.plan_rollback(facts, derive(facts))
    assert plan.warning is not None
    assert "only the backup entry" in plan.warning
    assert commands.plan_rollback(make.upgraded(), derive(make.upgraded())).warning is None


def test_a_stranger_with_our_unfinished_name_is_never_touched() -> None:
    facts = make.clean()
    stranger = make.subvolume("rootfs_upgrade.overc-new")
    with pytest.raises(OvercError) as caught:
        plan_for(replace(facts, subvolumes=(*facts.subvolumes, stranger)))
    assert caught.value.error_id == "inconsistent"


def test_every_step_has_a_description_without_leftovers() -> None:
    plan = plan_for(make.clean(), carry_over=("/etc/app",))
    for step in model.STEPS:
        assert "{" not in plan.describe(step)


def repaired(facts: HostFacts) -> tuple[str, ...]:
    return repair.plan_repair(facts).steps


def after_kill(facts: HostFacts, plan: Plan, step: str) -> HostFacts:
    assert plan.context is not None
    steps = plan.steps[: plan.steps.index(step) + 1]
    return make.interrupted(facts, plan.context.as_dict(), *steps)


BEFORE_THE_SWITCH = [
    step
    for step in commands.UPGRADE_STEPS[: commands.UPGRADE_STEPS.index("set_default")]
    if step not in ("carry_over", "run_commands")  # not planned without paths or commands
]


@pytest.mark.parametrize("step", BEFORE_THE_SWITCH)
def test_an_upgrade_killed_before_its_switch_is_undone(step: str) -> None:
    facts = make.clean()
    steps = repaired(after_kill(facts, plan_for(facts), step))
    assert "drop_unfinished" in steps
    assert "set_default" not in steps
    assert steps[-2:] == ("clean_boot", "close")


@pytest.mark.parametrize("step", BEFORE_THE_SWITCH)
def test_a_default_that_a_script_chose_is_no_switch(step: str) -> None:
    """Scripts of packages can set the default subvolume: the unfinished root is then undone, and the default put back."""
    before = make.clean()
    after = replace(make.clean("rootfs", "rootfs_upgrade"), default_id=make.IDS["rootfs_upgrade"])
    plan = plan_for(before)
    killed = after_kill(after, plan, step)
    assert killed.journal is not None
    steps = repaired(replace(killed, journal=replace(killed.journal, steps=plan.steps)))
    assert "drop_unfinished" in steps
    assert ("restore_default" in steps) is (BEFORE_THE_SWITCH.index(step) >= BEFORE_THE_SWITCH.index("run_packages"))


def test_a_last_moment_that_was_cut_off_leaves_the_staged_root() -> None:
    facts = make.staged()
    plan = plan_for(facts, carry_over=("/etc/app",), stale=True)
    assert plan.context is not None
    steps = repaired(make.interrupted(facts, plan.context.as_dict()))
    assert not {"restore_default", "unplace_root", "drop_unfinished"} & set(steps)
    # What was brought over is repeated, but not over a system that runs by now
    assert plan.steps == ("carry_over",)
    for cut, again in ((facts, True), (make.clean("rootfs_upgrade", "rootfs"), False)):
        killed = after_kill(cut, plan, "carry_over")
        assert killed.journal is not None
        killed = replace(killed, journal=replace(killed.journal, steps=plan.steps))
        assert (repaired(killed)[:1] == ("carry_over",)) is again


def test_an_upgrade_killed_after_its_switch_is_completed() -> None:
    before = make.clean()
    plan = plan_for(before)
    after = replace(
        make.clean("rootfs", "rootfs_upgrade"),
        default_id=make.IDS["rootfs_upgrade"],
    )
    steps = repaired(after_kill(after, plan, "set_default"))
    assert steps[:2] == ("write_kernel", "swap_kernel")
    assert "drop_unfinished" not in steps


@pytest.mark.parametrize(("step", "forward"), [("write_kernel", False), ("swap_kernel", True), ("set_default", True)])
def test_a_rollback_is_completed_once_it_began_to_replace_the_kernel(step: str, forward: bool) -> None:
    facts = make.upgraded()
    steps = repaired(after_kill(facts, commands.plan_rollback(facts, derive(facts)), step))
    assert ("set_default" in steps) is forward


def test_a_killed_replacement_of_a_staged_root_is_brought_back_to_the_running_pair() -> None:
    facts = make.staged("another fingerprint")
    steps = repaired(after_kill(facts, plan_for(facts), "cancel_kernel"))
    assert steps.index("unplace_root") < steps.index("cancel_kernel") < steps.index("cancel_default")


def test_a_staged_root_that_came_up_while_it_was_being_replaced_keeps_its_place() -> None:
    facts = make.staged("another fingerprint")
    killed = after_kill(facts, plan_for(facts), "cancel_kernel")
    steps = repaired(replace(killed, booted=make.subvolume("rootfs_upgrade")))
    assert "keep_booted" in steps
    assert "cancel_default" not in steps


def test_a_journal_of_another_version_is_refused_not_guessed() -> None:
    with pytest.raises(OvercError) as caught:
        repaired(make.interrupted(make.clean(), {"operation": "upgrade"}, "create_root"))
    assert caught.value.error_id == "inconsistent"


def test_error_ids_are_sentences() -> None:
    assert all(text.endswith(".") and text[0].isupper() for text in ERROR_IDS.values())
