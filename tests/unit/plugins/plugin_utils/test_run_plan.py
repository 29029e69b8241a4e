# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a fleet run, from what its hosts answered."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import look_record, run_gate, run_plan, run_record

from tests.unit.fleet_answers import BAD, NOTHING, NOW, PENDING, REFUSED, SILENT, STAGED, five, options, planned


def test_only_hosts_with_work_are_in_waves() -> None:
    plan = planned({"a": NOTHING, "b": PENDING, "c": STAGED})
    assert plan["waves"] == [["b"], ["c"]]
    assert plan["run"] == ["b", "c"]
    assert plan["sizes"] == [1, 1]
    assert "nothing to do: a: nothing is pending" in plan["lines"]
    assert "  app 1 -> 2" in plan["lines"]


@pytest.mark.parametrize("answer", [REFUSED, SILENT, {}, {"msg": "no python"}])
def test_one_unready_host_stops_all(answer: dict[str, t.Any]) -> None:
    plan = planned({"a": PENDING, "b": answer})
    assert plan["run"] == []
    assert "no host was touched" in plan["refused"]
    record = run_record.summary(plan, {}, {}, NOW)
    assert record["hosts"]["a"]["status"] == "not_started"
    assert record["hosts"]["b"]["status"] == "unready"
    assert record["bad"] == ["b"]


def test_unready_hosts_are_left_out() -> None:
    plan = planned({"a": PENDING, "b": REFUSED}, unready="skip")
    assert (plan["run"], plan["refused"]) == (["a"], None)
    record = run_record.summary(plan, {"a": {"status": "upgraded"}}, {}, NOW)
    assert record["bad"] == ["b"]


def test_closed_window_refuses_but_not_in_check_mode() -> None:
    late = {"not_after": "2020-01-01T00:00:00Z"}
    plan = five(**late)
    assert plan["run"] == []
    assert run_record.summary(plan, {}, {}, NOW)["bad"] == ["h1", "h2", "h3", "h4", "h5"]
    checked = five(check_mode=True, **late)
    assert checked["refused"] is None
    assert {host["status"] for host in run_record.summary(checked, {}, {}, NOW)["hosts"].values()} == {"planned"}
    # With nothing to do, a closed window is no failure
    assert planned({"a": NOTHING}, **late)["refused"] is None


def test_plan_says_what_of_the_own_tasks_is_skipped() -> None:
    line = planned({"a": PENDING}, skip_tags=["slow", "net"])["lines"][1]
    assert line.endswith("own tasks with the tags slow, net are skipped (--skip-tags), checks too")


def test_plan_says_what_is_in_force_and_what_was_asked_of_hosts() -> None:
    plan = run_plan.plan(
        {"h1": PENDING, "h2": PENDING},
        options(serial=[1, "25%"], soak=5, window="22:00-04:00"),
        {"h1": {"reboot": False, "exclude": ["a", "b"], "health": {}}},
    )
    assert (
        "options: canary 1, then waves of 1,25%, stops above 0% failed, soak 5 s, unready hosts stop the run, "
        "window 22:00-04:00, not after none"
    ) in plan["lines"]
    assert "asked of h1: host_upgrade_reboot=false, host_upgrade_exclude=a,b" in plan["lines"]


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("rollback", "on h1: returns from rootfs_upgrade to rootfs"),
        ("cancel", "on h1: its staged upgrade is cancelled, rootfs_upgrade runs on"),
        ("restore", "on h1: rootfs_upgrade, its backup, becomes the normal system again as rootfs"),
    ],
)
def test_plan_of_a_rollback_says_where_it_leads(operation: str, words: str) -> None:
    answer = {**PENDING, "upgrades": [], "booted": "rootfs_upgrade", "staged": "rootfs", "operation": operation}
    assert words in planned({"h1": answer}, command="rollback")["lines"]


def test_plan_of_a_rollback_says_what_comes_back_with_it() -> None:
    back = [{"path": "/etc/shadow", "kind": "accounts"}, {"path": "/etc/ssh/ssh_host_rsa_key", "kind": "ssh host keys"}]
    answer = {**PENDING, "operation": "rollback", "staged": "rootfs_old", "brought_back": back}
    plan = run_plan.plan({"h1": answer}, options(command="rollback"))
    words = "returns from rootfs to rootfs_old, and with it come back as they were there: accounts, ssh host keys"
    assert f"on h1: {words}" in plan["lines"]


def test_delegate_that_is_silent_makes_its_hosts_unready() -> None:
    asked: list[dict[str, t.Any]] = [{"item": "lb1", "unreachable": True}, {"item": "lb2", "ping": "pong"}]
    assert run_plan.no_delegate(["lb2"], asked) == {}
    answer = {**PENDING, **run_plan.no_delegate(["lb1"], asked)}
    plan = planned({"h1": answer, "h2": PENDING})
    assert plan["unready"] == ["h1"]
    assert plan["hosts"]["h1"]["error_id"] == "delegate_unreachable"
    assert plan["run"] == []


UNFINISHED = {"operation": "upgrade", "uuid": "u"}


@pytest.mark.parametrize(
    "answer",
    [
        {**NOTHING, "unfinished": UNFINISHED},
        {"state": "trial", "error_id": "unconfirmed", "msg": "on trial", "unfinished": UNFINISHED},
        {"state": "trial", "error_id": "unconfirmed", "msg": "on trial"},
    ],
)
def test_host_that_was_switched_and_not_found_good_is_not_done(answer: dict[str, t.Any]) -> None:
    """A run that was cut off after the reboot, a host that came back late: the next run finishes it."""
    plan = planned({"h1": answer, "h2": NOTHING})
    assert plan["waves"] == [["h1"]]
    assert "to be finished, because a run was cut off after its reboot: h1" in plan["lines"]


def test_host_that_does_not_work_before_is_not_ready() -> None:
    health = {"error_id": "unhealthy", "check": "Declared services run", "msg": "Not running: nosuch."}
    plan = planned({"h1": {**PENDING, **run_plan.unhealthy_before(health)}, "h2": PENDING})
    assert (plan["unready"], plan["run"]) == (["h1"], [])
    assert (
        "Before the upgrade it does not work already: Declared services run: Not running: nosuch."
        in plan["hosts"]["h1"]["reason"]
    )
    assert run_plan.unhealthy_before({"passed": []}) == run_plan.unhealthy_before({"skipped": True}) == {}


def test_warnings_of_the_preflight_are_in_the_plan() -> None:
    plan = planned({"h1": {**PENDING, "warnings": ["exclude: lab-ap matches no installed package."]}, "h2": NOTHING})
    assert "warning on h1: host_upgrade_exclude: lab-ap matches no installed package." in plan["lines"]


def test_warnings_are_said_once_for_all_their_hosts() -> None:
    done = {"status": "upgraded", "warnings": ["the host goes on with kernel 1"]}
    plan = planned({"h1": PENDING, "h2": PENDING})
    lines = run_record.verdict_lines(run_record.summary(plan, {"h1": done, "h2": done}, {}, NOW))
    assert "warning on h1, h2: the host goes on with kernel 1" in lines


@pytest.mark.parametrize(
    "info",
    [
        {"state": "backup"}, {"state": "fallback"}, {"state": "trial"}, {"state": "interrupted"}, {"state": "inconsistent"},
        {"state": "unsupported", "requirements": [{"ok": False, "detail": "no btrfs"}]},
        {"state": "clean", "requirements": [{"ok": False, "detail": "no kernel"}]},
        {"state": "clean", "unfinished": {"operation": "upgrade"}},
    ],
)  # fmt: skip
def test_host_that_is_not_well_is_never_green(info: dict[str, t.Any]) -> None:
    """Whatever yesterday's run said."""
    last = {"updated": NOW, "command": "upgrade", "started": NOW, "hosts": {"h1": {"status": "upgraded"}}}
    record = look_record.looked_at({"h1": {"booted": {"subvolume": "x"}, **info}}, [last], NOW)
    assert record["bad"] == ["h1"]
    assert record["hosts"]["h1"]["status"] == "attention"
    assert record["hosts"]["h1"]["reason"]


@pytest.mark.parametrize(
    "damaged",
    ["", "[", "[]", "{}", '{"hosts": []}', '{"hosts": {"h1": {}}}', '{"hosts": {"h1": {"status": "nosuch"}}}', 3],
)
def test_record_that_is_none_is_passed_over(damaged: t.Any) -> None:
    record = look_record.looked_at({"h1": {"state": "clean"}}, [damaged], NOW)
    assert (record["hosts"]["h1"]["status"], record["damaged"]) == ("looked_at", 1)


def test_bringing_back_what_was_done() -> None:
    plan = five()
    results: dict[str, dict[str, t.Any]] = {"h1": {"status": "upgraded"}, "h2": {"status": "upgraded"}, "h3": BAD}
    assert run_gate.done_hosts(plan, results) == ["h2", "h1"]
    record = run_record.summary(
        plan, results, {"h1": {"status": "returned"}, "h2": {"status": "failed", "reason": "x"}}, NOW
    )
    assert record["hosts"]["h1"]["status"] == "reverted"
    assert record["hosts"]["h2"]["status"] == "rollback_failed"
    assert run_record.verdict_lines(record)[0].startswith("upgrade of 5 hosts: 1 rollback failed, 1 rolled back")


OUT = "2026-11-22T21:00:00Z"
DRAINS = {"h1": {"undrain_tasks": "/back.yml"}}


def test_host_that_was_left_out_of_service_is_put_back() -> None:
    left = {**NOTHING, "out_of_service": OUT}
    plan = run_plan.plan({"h1": left, "h2": NOTHING}, options(), DRAINS)
    assert plan["waves"] == [["h1"]]
    assert f"left out of service by an earlier run, to be put back: h1 (since {OUT})" in plan["lines"]


def test_nobody_is_promised_to_be_put_back_without_tasks_for_it() -> None:
    plan = planned({"h1": {**PENDING, "out_of_service": OUT}})
    assert plan["waves"] == [["h1"]]
    assert not any("to be put back" in line for line in plan["lines"])
    assert any(line.startswith(f"warning on h1: It is out of service since {OUT}") for line in plan["lines"])


def test_host_that_nobody_would_put_back_is_told() -> None:
    plan = planned({"h1": {**NOTHING, "out_of_service": OUT}, "h2": NOTHING})
    assert plan["waves"] == []
    assert any(line.startswith(f"warning on h1: It is out of service since {OUT}") for line in plan["lines"])
    lines = run_record.verdict_lines(run_record.summary(plan, {}, {}, NOW))
    assert any(line.startswith(f"warning on h1: It is out of service since {OUT}") for line in lines)


def test_host_that_is_not_ready_says_that_it_is_out_of_service() -> None:
    plan = run_plan.plan({"h1": {**REFUSED, "out_of_service": OUT}}, options(), DRAINS)
    assert plan["unready"] == ["h1"]
    assert f"It is out of service since {OUT}" in plan["hosts"]["h1"]["reason"]


@pytest.mark.parametrize("answer", [NOTHING, REFUSED, PENDING])
def test_warnings_of_hosts_that_are_not_touched_reach_the_end(answer: dict[str, t.Any]) -> None:
    plan = planned({"h1": {**answer, "warnings": ["/boot is nearly full"]}, "h2": REFUSED})
    lines = run_record.verdict_lines(run_record.summary(plan, {}, {}, NOW))
    assert "warning on h1: /boot is nearly full" in lines
