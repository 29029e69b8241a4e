# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wave together: whether others than the modules have something to do, and what became of a host where they have not."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.overc.system.plugins.filter import fleet
from ansible_collections.overc.system.plugins.plugin_utils import run_wave
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from ansible_collections.overc.system.plugins.plugin_utils.options import complete
from ansible_collections.overc.system.plugins.plugin_utils.role_arguments import building, looking

from tests.unit.fleet_answers import NOTHING, PENDING, planned

REBOOT = {"booted_before": "rootfs", "staged_uuid": "u", "seconds": 9}
DONE = {**NOTHING, "changed": True, "booted": "rootfs_upgrade", "reboot": REBOOT, "seconds": 20, "ended": "now"}
DRAINS = {"drain_tasks": "/d.yml"}


def options(command: str = "upgrade", **given: t.Any) -> dict[str, t.Any]:
    return complete(f"host_{command}", given)


@pytest.mark.parametrize(
    ("stage", "given", "needed"),
    [
        (DONE, {}, False),
        (DONE, {"health": {"services": ["a"]}}, False),
        (DONE, {"health": {"tasks": "/t.yml"}}, True),
        (DONE, {"health": {"soak": 5}}, True),
        (DONE, {"undrain_tasks": "/u.yml"}, True),
        ({**NOTHING, "reboot_required": True}, DRAINS, True),
        ({**NOTHING, "reboot_required": True}, {**DRAINS, "reboot": False}, False),
        (NOTHING, DRAINS, False),
        ({**NOTHING, "out_of_service": "then"}, {}, False),
        ({**NOTHING, "out_of_service": "then"}, DRAINS, True),
        ({**NOTHING, "unfinished": {"operation": "upgrade"}}, {}, True),
        ({"state": "trial", "error_id": "unconfirmed", "failed": False}, {}, True),
    ],
)
def test_whether_others_have_something_to_do(stage: dict[str, t.Any], given: dict[str, t.Any], needed: bool) -> None:
    assert run_wave.others_needed(stage, options(**given)) is needed
    assert not run_wave.others_needed(stage, options(**given), check_mode=True)
    assert run_wave.alone({"h1": DONE, "h2": stage}, {"h1": options(), "h2": options(**given)}) is not needed
    assert bool(run_wave.outcome("upgrade", stage, options(**given))) is not needed


@pytest.mark.parametrize("stage", [{}, {"unreachable": True}, {**DONE, "unreachable": True}, {**DONE, "silent": True}])
def test_of_a_host_that_has_not_answered_nobody_says_that_it_is_done(stage: dict[str, t.Any]) -> None:
    with pytest.raises(FleetError, match="has not said"):
        run_wave.others_needed(stage, options())
    assert not run_wave.alone({"h1": stage}, {"h1": options()})
    assert run_wave.outcome("upgrade", stage, options()) == {}


def test_a_host_that_failed_keeps_no_other_waiting_and_has_no_outcome_yet() -> None:
    failed = {**PENDING, "failed": True}
    assert run_wave.alone({"h1": failed, "h2": DONE}, {"h1": options(), "h2": options()})
    assert run_wave.outcome("upgrade", failed, options()) == {}


def test_what_became_of_a_host_that_nobody_else_had_to_do_with() -> None:
    found = run_wave.outcome("upgrade", DONE, options())
    assert (found["status"], found["booted_before"], found["booted_after"], found["ended"]) == (
        "upgraded", "rootfs", "rootfs_upgrade", "now",
    )  # fmt: skip
    assert found["seconds"] == {"stage": 11, "reboot": 9}
    staged = {**NOTHING, "reboot_required": True}
    assert run_wave.outcome("upgrade", staged, options(reboot=False))["status"] == "staged"
    assert run_wave.outcome("upgrade", NOTHING, options())["status"] == "current"
    assert run_wave.outcome("rollback", DONE, options("rollback"))["status"] == "returned"
    cancelled = {**NOTHING, "changed": True, "operation": "cancel"}
    assert run_wave.outcome("rollback", cancelled, options("rollback"))["status"] == "cancelled"


def test_what_is_rejected_by_now_comes_to_what_a_host_rejects() -> None:
    found = run_wave.options_of("upgrade", {"rejected_plans": ["own", "known"], "delegates": []}, ["known"])
    assert found["rejected_plans"] == ["known", "own"]
    assert found["rollback"] is True
    assert "delegates" not in found
    assert "rejected_plans" not in run_wave.options_of("rollback", {}, ["known"])


def test_the_module_is_not_told_what_is_nothing() -> None:
    """An empty path is refused, where none is meant."""
    assert {"run_creates", "advisories", "release"} & set(looking("host_upgrade", {})) == set()
    asked: dict[str, t.Any] = {
        "release": "13",
        "layout": {"root_subvolume": "root"},
        "health": {"tasks": "/t", "ports": [1]},
        **DRAINS,
    }
    look = looking("host_upgrade", asked)
    assert (look["release"], look["root_subvolume"], look["update_cache"]) == ("13", "root", True)
    build = building("host_upgrade", options(**asked))
    assert (build["reboot"], build["arm"], build["confirm"], build["health"]) == (False, False, False, {"ports": [1]})
    assert building("host_upgrade", options(reboot=False))["arm"] is True
    assert building("host_upgrade", options(), check_mode=True)["reboot"] is False
    assert looking("host_rollback", {}) == {}
    assert building("host_rollback", options("rollback", carry_late=["/a"]))["carry_late"] == ["/a"]


SICK = {"error_id": "unhealthy", "check": "Declared services run", "msg": "Not running: nosuch."}


def plan(**answer: t.Any) -> t.Any:
    variables = {"h1": answer, "h2": {"__preflight_answer": {**PENDING, "asked": {}}}}
    return fleet.fleet_plan(["h1", "h2"], variables, {"command": "upgrade", "now": "2026-11-23T21:00:00Z"})


@pytest.mark.parametrize(
    ("answer", "health", "verdict"),
    [
        (PENDING, SICK, "unready"),
        (PENDING, {"unreachable": True, "msg": "gone"}, "unready"),
        (PENDING, {"passed": []}, "go"),
        (PENDING, {"skipped": True, "changed": False}, "go"),
        (NOTHING, {"skipped": True}, "current"),
    ],
)
def test_a_host_that_does_not_work_before_is_left_alone(
    answer: dict[str, t.Any], health: dict[str, t.Any], verdict: str
) -> None:
    found = plan(__preflight_answer={**answer, "asked": {}}, __preflight_health=health)
    assert found["hosts"]["h1"]["verdict"] == verdict
    assert bool(found["run"]) is (verdict != "unready")
    outcome = fleet.pull_verdict(answer, [], health)
    assert outcome["status"] == {"go": "planned"}.get(verdict, verdict)


def test_a_silent_delegate_stops_the_host_whose_tasks_it_carries_out() -> None:
    pinged = {"results": [{"item": "lb1", "unreachable": True}, {"item": "lb2", "ping": "pong"}]}
    answer = {**PENDING, "asked": {"delegates": ["lb1"]}}
    found = plan(__preflight_answer=answer, __preflight_pinged=pinged)
    assert found["hosts"]["h1"]["error_id"] == "delegate_unreachable"
    assert plan(__preflight_answer={**PENDING, "asked": {"delegates": ["lb2"]}}, __preflight_pinged=pinged)["run"]


def test_what_a_role_has_said_goes_before_what_its_module_said() -> None:
    of = planned(dict.fromkeys(("h1", "h2", "h3"), PENDING), serial=1)
    gate = {"go": ["h1", "h2", "h3"], "options": {name: options() for name in ("h1", "h2", "h3")}}
    known = {"__fleet_gate": gate, "__host_upgrade_stage": DONE}
    variables: dict[str, dict[str, t.Any]] = {
        "localhost": {"__fleet_went": ["h1", "h2"]},
        "h1": {**known, "inventory_hostname": "h1", "host_upgrade_result": {"status": "rolled_back"}},
        "h2": {**known, "inventory_hostname": "h2", "host_upgrade_result": {}},
        # What an earlier run has left of a host whose turn has not come
        "h3": {**known, "inventory_hostname": "h3", "host_upgrade_result": {"status": "failed"}},
    }
    assert of["waves"] == [["h1"], ["h2"], ["h3"]]
    record = json.loads(fleet.fleet_record_text(of, variables, "2026-11-23T21:00:00Z"))
    assert {name: host["status"] for name, host in record["hosts"].items()} == {
        "h1": "rolled_back", "h2": "upgraded", "h3": "not_started",
    }  # fmt: skip
