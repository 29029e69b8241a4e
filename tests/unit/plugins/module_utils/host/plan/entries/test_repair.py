# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a run that was cut off at any step, where each deployment has a boot entry of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.trial import TrialBoot
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, with_choice
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import derive
from ansible_collections.overc.system.plugins.module_utils.host.plan.commands import (
    plan_confirm,
    plan_rollback,
    plan_upgrade,
)
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan
from ansible_collections.overc.system.plugins.module_utils.host.plan.repair import plan_repair
from ansible_collections.overc.system.plugins.module_utils.host.plan.wish import UpgradeWish
from ansible_collections.overc.system.plugins.module_utils.host.steps.table import ENTRY_FUNCTIONS
from ansible_collections.overc.system.plugins.module_utils.host.store.journal import OpenJournal
from ansible_collections.overc.system.plugins.module_utils.host.store.record import Pending

from tests.unit import entry_factory as hosts
from tests.unit.entry_factory import subvolume, uuid
from tests.unit.host_factory import PENDING


def cut(facts: HostFacts, plan: Plan, count: int, *, finished: bool = False) -> HostFacts:
    """The host with ``count`` steps of a plan begun, and all of them but the last one finished, or all."""
    assert plan.context is not None
    begun = plan.steps[:count]
    done = begun if finished else begun[:-1]
    context = plan.context.as_dict()
    return replace(facts, journal=OpenJournal(plan.operation, "then", context, plan.steps, begun, done))


def with_new_root(facts: HostFacts, plan: Plan, *, recorded: bool) -> HostFacts:
    """The root that an upgrade makes, under its final name."""
    assert plan.context is not None
    number = plan.context.number
    assert number is not None
    new = replace(subvolume(number), parent_uuid=plan.context.base)
    record = facts.record
    if recorded:
        record = replace(
            record.with_deployments(hosts.deployment(number, confirmed=False)),
            pending=Pending("upgrade", uuid(number), PENDING.fingerprint),
        )
    return replace(facts, subvolumes=(*facts.subvolumes, new), record=record)


def clean_upgrade() -> tuple[HostFacts, Plan]:
    facts = hosts.host()
    return facts, plan_upgrade(facts, derive(facts), PENDING)


def test_an_upgrade_that_is_not_recorded_is_undone_whatever_it_came_to() -> None:
    facts, plan = clean_upgrade()
    for count in range(1, plan.steps.index("record") + 2):
        for made in (facts, with_new_root(facts, plan, recorded=False)):
            repair = plan_repair(cut(made, plan, count))
            assert repair.steps == (
                "drop_entry",
                "unplace_root",
                "drop_unfinished",
                "drop_downloads",
                "clean_boot",
                "close",
            )
            assert not repair.notes["committed"]


def test_a_recorded_one_is_completed_and_never_decides_for_whoever_booted_something_else() -> None:
    facts, plan = clean_upgrade()
    made = with_new_root(facts, plan, recorded=True)
    for count in range(plan.steps.index("record") + 1, len(plan.steps) + 1):
        assert plan_repair(cut(made, plan, count)).steps == ("arm_trial", "clean_boot", "close")
        came_up = replace(cut(made, plan, count), booted=made.subvolumes[-1])
        assert plan_repair(came_up).steps == ("clean_boot", "close")


def test_a_replaced_one_goes_in_any_case() -> None:
    facts = hosts.staged()
    plan = plan_upgrade(facts, derive(facts), PENDING, UpgradeWish(force=True))
    made = with_new_root(facts, plan, recorded=True)
    assert plan_repair(cut(made, plan, len(plan.steps) - 1)).steps == ("arm_trial", "prune", "clean_boot", "close")
    elsewhere = replace(cut(made, plan, len(plan.steps) - 1), booted=subvolume(0))
    assert plan_repair(elsewhere).steps == ("prune", "clean_boot", "close")


@pytest.mark.parametrize("arm", [True, False])
def test_nothing_is_tried_between_the_record_of_a_replacing_upgrade_and_its_commit(arm: bool) -> None:
    """GRUB would try the one that is replaced, and what came of it would be told of the new one."""
    facts = hosts.staged()
    plan = plan_upgrade(facts, derive(facts), PENDING, UpgradeWish(force=True, arm=arm))
    commit = ("arm_trial", "prune") if arm else ("prune",)
    assert plan.steps[plan.steps.index("disarm") :] == ("disarm", "record", *commit)
    count = plan.steps.index("disarm") + 1
    armed = with_new_root(facts, plan, recorded=False)
    disarmed = with_new_root(hosts.unarmed(), plan, recorded=False)
    tried = with_new_root(hosts.fallback(), plan, recorded=False)
    for cut_in in (count, count + 1):
        assert "rearm" not in plan_repair(cut(armed, plan, cut_in)).steps
        assert plan_repair(cut(disarmed, plan, cut_in)).steps[-3:] == ("rearm", "clean_boot", "close")
        assert "rearm" not in plan_repair(cut(tried, plan, cut_in)).steps
        elsewhere = replace(cut(disarmed, plan, cut_in), booted=subvolume(2))
        assert "rearm" not in plan_repair(elsewhere).steps
    assert "rearm" not in plan_repair(cut(disarmed, plan, count - 1)).steps
    not_armed = hosts.unarmed()
    assert "disarm" not in plan_upgrade(not_armed, derive(not_armed), PENDING, UpgradeWish(force=True)).steps


def test_the_last_moment() -> None:
    facts = hosts.unarmed()
    plan = plan_upgrade(facts, derive(facts), PENDING, UpgradeWish(carry_over=("/etc/x",), stale=True))
    assert plan.steps == ("carry_over", "arm_trial")
    assert plan_repair(cut(facts, plan, 1)).steps == ("carry_over", "arm_trial", "clean_boot", "close")
    assert plan_repair(cut(facts, plan, 2)).steps == ("arm_trial", "clean_boot", "close")
    assert plan_repair(replace(cut(facts, plan, 1), booted=subvolume(2))).steps == ("clean_boot", "close")


def test_a_rollback() -> None:
    facts = hosts.settled()
    plan = plan_rollback(facts, derive(facts))
    assert plan.steps == ("install_guard", "record", "arm_trial")
    assert plan_repair(cut(facts, plan, 1)).steps == ("clean_boot", "close")
    assert plan_repair(cut(facts, plan, 2)).steps == ("clean_boot", "close")
    recorded = replace(facts, record=replace(facts.record, pending=Pending("rollback", uuid(1))))
    assert plan_repair(cut(recorded, plan, 2)).steps == ("arm_trial", "clean_boot", "close")
    assert plan_repair(cut(recorded, plan, 3)).steps == ("arm_trial", "clean_boot", "close")
    assert plan_repair(replace(cut(recorded, plan, 3), booted=subvolume(1))).steps == ("clean_boot", "close")


def test_what_runs_becoming_the_default() -> None:
    facts = hosts.elsewhere()
    plan = plan_rollback(facts, derive(facts))
    assert plan_repair(cut(facts, plan, 1)).steps == ("clean_boot", "close")
    assert plan_repair(cut(facts, plan, 1, finished=True)).steps == ("choose", "clean_boot", "close")


def test_a_cancellation_goes_on_unless_what_it_cancels_came_up() -> None:
    facts = hosts.staged()
    plan = plan_rollback(facts, derive(facts))
    for count in range(1, len(plan.steps) + 1):
        assert plan_repair(cut(facts, plan, count)).steps == (*plan.steps, "clean_boot", "close")
        assert plan_repair(replace(cut(facts, plan, count), booted=subvolume(2))).steps == ("clean_boot", "close")


def test_the_marks_of_a_repair_that_was_cut_off_are_no_begin_of_what_it_undoes() -> None:
    facts = hosts.staged()
    plan = plan_rollback(facts, derive(facts))
    nothing_begun = cut(facts, plan, 0)
    first = plan_repair(nothing_begun)
    assert (first.steps, first.notes["committed"]) == (("clean_boot", "close"), False)
    assert nothing_begun.journal is not None
    for count in (1, 2):
        marked = replace(nothing_begun, journal=replace(nothing_begun.journal, begun=first.steps[:count]))
        assert plan_repair(marked) == first


def test_what_came_up_after_its_entry_was_taken_out_is_not_forgotten() -> None:
    """GRUB replays no journal: it may have shown the menu from before."""
    facts = hosts.staged()
    plan = plan_rollback(facts, derive(facts))
    boot = facts.entry_boot
    assert boot is not None
    without = with_choice(facts, replace(boot, menu=boot.menu.without({2})))
    interrupted = replace(cut(without, plan, len(plan.steps)), booted=subvolume(2))
    assert plan_repair(interrupted).steps == (*plan.steps, "clean_boot", "close")


def test_a_confirmation() -> None:
    facts = hosts.trial()
    plan = plan_confirm(facts, derive(facts))
    for count in range(1, len(plan.steps) + 1):
        assert plan_repair(cut(facts, plan, count)).steps == (*plan.steps, "clean_boot", "close")
        over = replace(cut(facts, plan, count), booted=subvolume(1))
        assert plan_repair(over).steps == ("clean_boot", "close")
    settled = replace(hosts.settled(), booted=subvolume(1))
    assert plan_repair(cut(settled, plan, 2)).steps == ("record", "prune", "clean_boot", "close")


@pytest.mark.parametrize(
    "state", ["host", "staged", "unarmed", "trial", "fallback", "elsewhere", "settled", "manual_staged"]
)
def test_every_step_of_every_plan_and_repair_is_known(state: str) -> None:
    facts: HostFacts = getattr(hosts, state)()
    plans = []
    for act in (plan_upgrade, plan_rollback, plan_confirm):
        try:
            wish = (PENDING, UpgradeWish(force=True)) if act is plan_upgrade else ()
            plans.append(act(facts, derive(facts), *wish))
        except Exception:  # noqa: S112 - refusals are looked at elsewhere
            continue
    for plan in plans:
        for count in range(1, len(plan.steps) + 1):
            repair = plan_repair(cut(facts, plan, count))
            assert {*plan.steps, *repair.steps} <= set(ENTRY_FUNCTIONS)


def test_without_its_menu_nothing_is_repaired() -> None:
    facts, plan = clean_upgrade()
    with pytest.raises(OvercError) as caught:
        plan_repair(replace(cut(facts, plan, 3), trial_boot=TrialBoot()))
    assert caught.value.error_id == "inconsistent"
