# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result says in words, and what check mode predicts: the state after the command, never the one before it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.host import words
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import boots_next, derive
from ansible_collections.overc.system.plugins.module_utils.host.plan import commands
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan

from tests.unit import host_factory as make

CHANGE = {"name": "app", "installed": "1", "available": "2"}
NEW, GONE = {**CHANGE, "installed": None}, {**CHANGE, "available": None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([], ""),
        ([CHANGE], "1 package upgraded"),
        ([CHANGE, CHANGE], "2 packages upgraded"),
        ([NEW, CHANGE, GONE], "1 package upgraded, 1 new, 1 removed"),
        ([NEW, NEW], "2 packages new"),
    ],
)
def test_packages_in_words(changes: list[dict[str, t.Any]], said: str) -> None:
    assert words.packages_words(changes) == said


def upgrade(facts: HostFacts, **more: t.Any) -> Plan:
    return commands.plan_upgrade(facts, derive(facts), make.PENDING, commands.UpgradeWish(**more))


def rollback(facts: HostFacts) -> Plan:
    return commands.plan_rollback(facts, derive(facts))


def confirm(facts: HostFacts) -> Plan:
    return commands.plan_confirm(facts, derive(facts))


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (
            upgrade(make.clean()),
            "1 package upgraded in rootfs_upgrade, which was made from rootfs; rootfs_upgrade boots next",
        ),
        (
            upgrade(make.automatic(make.clean())),
            (
                "1 package upgraded in rootfs_upgrade, which was made from rootfs; the next boot tries rootfs_upgrade, and "
                "rootfs_bakup boots if it fails"
            ),
        ),
        (
            upgrade(make.automatic(make.clean()), arm=False),
            (
                "1 package upgraded in rootfs_upgrade, which was made from rootfs; rootfs_bakup boots until the trial of "
                "rootfs_upgrade is armed"
            ),
        ),
        (rollback(make.upgraded()), "the host returns from rootfs_upgrade to rootfs; rootfs boots next"),
        (rollback(make.staged()), "the staged rootfs_upgrade is cancelled; rootfs runs and boots next"),
        (rollback(make.backup()), "rootfs was made from rootfs_bakup, the backup; rootfs boots next"),
        (confirm(make.trial()), "rootfs_upgrade is confirmed and boots for good"),
    ],
)
def test_what_is_so_afterwards(plan: Plan, said: str) -> None:
    assert words.done(plan, [CHANGE]) == said
    assert words.would(plan, [CHANGE]) == f"this would be so: {said}"


def test_last_moment_says_what_it_did() -> None:
    waits = make.automatic(make.staged(), saved_entry="1")
    assert words.done(upgrade(waits)) == "the next boot tries rootfs_upgrade"
    both = upgrade(waits, carry_over=("/etc",), stale=True)
    assert words.done(both) == (
        "declared paths are carried over to rootfs_upgrade once more; the next boot tries rootfs_upgrade"
    )
    unarmed = upgrade(waits, carry_over=("/etc",), stale=True, arm=False)
    said = "declared paths are carried over to rootfs_upgrade once more; "
    assert words.done(unarmed, (), "rootfs_bakup") == (
        f"{said}rootfs_bakup boots until the trial of rootfs_upgrade is armed"
    )
    assert words.done(unarmed, (), "rootfs_upgrade") == f"{said}rootfs_upgrade boots next"


@pytest.mark.parametrize("facts", [make.armed(), make.automatic(make.staged(), saved_entry="1"), make.staged()])
@pytest.mark.parametrize("arm", [True, False])
def test_who_only_carries_over_leaves_what_boots_as_it_is(facts: HostFacts, arm: bool) -> None:
    plan = upgrade(facts, carry_over=("/etc",), stale=True, arm=arm)
    arms = "arm_trial" in plan.steps
    assert words.predicted(plan) == {"predicted": True, **({"next_boot": "rootfs_upgrade"} if arms else {})}


def test_nothing_to_do_names_what_runs_once() -> None:
    assert words.nothing("nothing is pending", "rootfs") == "nothing is pending; rootfs runs"
    assert words.nothing("rootfs is the deployment before x", "rootfs") == "rootfs is the deployment before x"
    assert words.nothing("nothing is pending", None) == "nothing is pending"


def test_after_the_reboot() -> None:
    result = {"booted": "rootfs_upgrade", "backup": "rootfs_bakup", "state": "clean", "upgrades": [CHANGE] * 5}
    assert words.after_reboot(result) == "5 packages upgraded; rootfs_upgrade runs; rootfs_bakup is the way back"
    assert words.after_reboot({**result, "upgrades": [CHANGE]}).startswith("1 package upgraded; ")
    assert "rootfs_upgrade runs on trial and is not confirmed" in words.after_reboot({**result, "state": "trial"})
    back = {"booted": "rootfs", "backup": None, "state": "clean", "operation": "rollback"}
    assert words.after_reboot(back) == "rootfs runs again"
    assert words.after_reboot({**back, "operation": "restore"}) == "rootfs runs, made from the backup"


PREDICTED = [
    (upgrade(make.clean()), ("staged", "rootfs_upgrade", "rootfs_upgrade", True)),
    (upgrade(make.automatic(make.clean()), arm=False), ("staged", "rootfs_bakup", "rootfs_upgrade", True)),
    (rollback(make.upgraded()), ("staged", "rootfs", "rootfs", True)),
    (rollback(make.staged()), ("clean", "rootfs", None, False)),
    (rollback(make.backup()), ("backup", "rootfs", "rootfs", True)),
    (confirm(make.trial()), ("clean", "rootfs_upgrade", None, False)),
]


@pytest.mark.parametrize(("plan", "wanted"), PREDICTED)
def test_check_mode_tells_one_story(plan: Plan, wanted: tuple[t.Any, ...]) -> None:
    found = words.predicted(plan)
    assert found["predicted"] is True
    assert tuple(found[key] for key in ("state", "next_boot", "staged", "reboot_required")) == wanted
    assert found.get("staged_uuid") is None or found["staged"]


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (make.clean(), "rootfs"),
        (make.staged(), "rootfs_upgrade"),
        (make.rollback_staged(), "rootfs"),
        (make.backup(), "rootfs_upgrade"),
        (make.armed(), "rootfs_upgrade"),
        (make.automatic(make.staged(), saved_entry="1"), "rootfs_bakup"),
        (make.trial(), "rootfs_bakup"),
        (make.fallback(), "rootfs_bakup"),
        (make.fallback(tried=False), "rootfs_bakup"),
        (replace(make.clean(), entries=()), None),
        (replace(make.clean(), damage=("damaged",)), None),
    ],
)
def test_what_boots_next(facts: HostFacts, name: str | None) -> None:
    found = boots_next(facts, derive(facts))
    assert (found.path if found else None) == name
