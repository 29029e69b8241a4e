# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of operation in every state, as tables; nothing is touched."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay.apply import Work
from ansible_collections.overc.system.plugins.module_utils.overlay.plan import (
    STEPS,
    DirectoryFacts,
    check_directories,
    plan_directory,
    when,
)

S = ("essential",)
OURS = DirectoryFacts("/usr", "ours", S)
STALE = DirectoryFacts("/usr", "ours", S, "source essential has changed since")


@pytest.mark.parametrize(
    ("facts", "state", "sources", "later", "kind"),
    [
        (DirectoryFacts("/usr"), "present", S, False, "create"),
        (DirectoryFacts("/usr"), "present", S, True, "queue"),
        (DirectoryFacts("/usr", queued="present"), "present", S, True, "none"),
        (DirectoryFacts("/usr", queued="other"), "present", S, True, "queue"),
        (DirectoryFacts("/usr"), "absent", (), False, "none"),
        (DirectoryFacts("/usr", queued="other"), "absent", (), False, "unqueue"),
        (OURS, "present", S, False, "none"),
        (OURS, "present", ("c0",), False, "reshare"),
        (OURS, "present", ("essential", "c0"), True, "queue"),
        (STALE, "present", S, False, "reshare"),
        (OURS, "absent", (), False, "stop"),
        (OURS, "absent", (), True, "queue"),
        (DirectoryFacts("/usr", "ours", S, queued="absent"), "absent", (), True, "none"),
        (DirectoryFacts("/usr", "ours", S, queued="other"), "present", S, False, "unqueue"),
        (DirectoryFacts("/usr", "original"), "absent", (), False, "stop_original"),
    ],
)
def test_operation(facts: DirectoryFacts, state: str, sources: tuple[str, ...], later: bool, kind: str) -> None:
    operation = plan_directory(facts, state, sources, later=later)
    assert operation.kind == kind
    assert bool(operation.steps) == (kind != "none")
    assert all(step["does"] for step in operation.describe())


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (DirectoryFacts("/usr", "foreign"), "present"),
        (DirectoryFacts("/usr", "foreign"), "absent"),
        (DirectoryFacts("/usr", "original"), "present"),
    ],
)
def test_refusal(facts: DirectoryFacts, state: str) -> None:
    with pytest.raises(OvercError) as caught:
        plan_directory(facts, state, S, later=False)
    assert caught.value.error_id == "inconsistent"


def test_nothing_old_goes_before_the_commit() -> None:
    """The order that everything rests on."""
    destroys = {"empty_directory", "empty_later", "drop_sources", "remove_old_layers", "remove_original", "trim_layer"}
    for facts, state in (
        (DirectoryFacts("/usr"), "present"),
        (STALE, "present"),
        (OURS, "absent"),
        (DirectoryFacts("/usr", "original"), "absent"),
    ):
        for wait in (True, False):
            steps = plan_directory(facts, state, S, later=False, wait=wait).steps
            commit = next(n for n, step in enumerate(steps) if step.startswith("commit"))
            assert "sync" in steps[:commit]
            assert not destroys & set(steps[:commit])
            assert steps[-1] == ("empty_later" if not wait and state == "present" else "record")


@pytest.mark.parametrize("facts", [DirectoryFacts("/usr"), STALE])
def test_what_goes_later_goes_when_it_is_on_the_record(facts: DirectoryFacts) -> None:
    """And what tells it stays till then; but what the host mounts hides from the host, too, so that goes first."""
    operation = plan_directory(facts, "present", S, later=False, wait=False)
    assert operation.empties_later
    assert operation.steps[-2:] == ("record", "empty_later")
    assert not {"empty_directory", "drop_snapshots"} & set(operation.steps)
    mounted = plan_directory(facts, "present", S, later=False, wait=False, host_side=True)
    assert mounted == plan_directory(facts, "present", S, later=False, host_side=True)


def test_every_step_can_be_performed() -> None:
    performed_elsewhere = {"queue", "install_boot_unit", "unqueue"}
    assert {step for step in STEPS if not hasattr(Work, f"_{step}")} == performed_elsewhere


def test_host_side_directories_are_mounted_and_unmounted() -> None:
    facts = DirectoryFacts("/usr", "ours", S, "changed", on_host=True)
    steps = plan_directory(facts, "present", S, later=False, host_side=True).steps
    assert steps[0] == "unmount"
    assert steps[-2:] == ("mount", "record")


@pytest.mark.parametrize(
    ("apply", "running", "later"),
    [("auto", False, False), ("auto", True, True), ("boot", False, True), ("now", False, False)],
)
def test_when(apply: str, running: bool, later: bool) -> None:
    assert when(apply, running) is later


def test_not_now_while_it_runs() -> None:
    with pytest.raises(OvercError) as caught:
        when("now", True)
    assert caught.value.error_id == "container_running"


@pytest.mark.parametrize("directories", [("/usr", "/usr/lib"), ("/a/b/c", "/a"), ("/a", "/a")])
def test_directories_in_one_another(directories: tuple[str, ...]) -> None:
    with pytest.raises(OvercError):
        check_directories(directories)


def test_similar_names_are_not_in_one_another() -> None:
    check_directories(("/usr", "/usr2", "/usr-local"))


@pytest.mark.parametrize(
    "facts", [DirectoryFacts("/usr", ring=("c1", "c0", "c1")), DirectoryFacts("/usr", "ours", S, ring=("c1", "c1"))]
)
def test_a_ring_is_refused_and_can_be_left(facts: DirectoryFacts) -> None:
    for later in (False, True):
        with pytest.raises(OvercError) as caught:
            plan_directory(facts, "present", S, later=later)
        assert caught.value.error_id == "overlay_ring"
        plan_directory(facts, "absent", (), later=later)
