# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While a fleet run goes on: who may go, when it stops, what it brings back."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import run_gate, run_record

from tests.unit.fleet_answers import BAD, NOW, PENDING, five, planned


def test_failed_canary_stops_whatever_the_limit() -> None:
    plan = five(max_fail_percentage=100)
    gate = run_gate.gate(plan, {"h1": BAD}, ["h2", "h3"], NOW)
    assert gate["go"] == []
    assert "canary failed on 1 of 1 (h1)" in gate["stop"]


def test_limit_of_a_wave() -> None:
    good = {"status": "upgraded", "fingerprint": "f1"}
    results = {"h1": good, "h2": good, "h3": {"status": "failed", "fingerprint": "f1"}}
    assert run_gate.gate(five(max_fail_percentage=50), results, ["h4", "h5"], NOW)["go"] == ["h4", "h5"]
    stopped = run_gate.gate(five(max_fail_percentage=49), results, ["h4", "h5"], NOW)
    assert stopped["go"] == []
    assert "Wave 2 failed on 1 of 2 (h3)" in stopped["stop"]


def test_rejected_plan_is_withheld_from_those_who_would_get_it() -> None:
    answers = {"h1": PENDING, "h2": PENDING, "h3": {**PENDING, "fingerprint": "f2"}}
    plan = planned(answers, canary=0, serial="1,2", max_fail_percentage=100)
    results = {"h1": BAD}
    assert run_gate.gate(plan, results, ["h2", "h3"], NOW)["go"] == ["h3"]
    record = run_record.summary(plan, {**results, "h3": {"status": "upgraded"}}, {}, NOW)
    assert {name: host["status"] for name, host in record["hosts"].items()} == {
        "h1": "rolled_back",
        "h2": "withheld",
        "h3": "upgraded",
    }
    assert "rejects_plan" not in record["hosts"]["h1"]


def test_failure_before_the_reboot_rejects_no_plan() -> None:
    assert run_gate.rejected_plans(five(), {"h1": {**BAD, "rejects_plan": False}}) == set()
    assert run_gate.rejected_plans(five(rejected_plans=["known"]), {}) == {"known"}


def test_window_that_closes_in_between() -> None:
    plan = five(not_after="2026-11-23T22:00:00Z")
    gate = run_gate.gate(plan, {"h1": {"status": "upgraded"}}, ["h2", "h3"], "2026-11-23T22:00:01Z")
    assert (gate["go"], gate["stop"]) == ([], None)
    record = run_record.summary(plan, {"h1": {"status": "upgraded"}}, {}, "2026-11-23T22:00:01Z")
    assert record["hosts"]["h2"]["status"] == "postponed"
    assert "it is after 2026-11-23T22:00:00Z" in record["hosts"]["h2"]["reason"]
    ended = run_record.summary(five(), {"h1": {"status": "upgraded"}}, {}, NOW)["hosts"]["h2"]
    assert ended["reason"] == "The run was ended before its turn. Run again to go on."
    assert record["bad"] == ["h2", "h3", "h4", "h5"]


def test_host_that_got_lost_in_a_wave_that_began() -> None:
    record = run_record.summary(five(), {"h1": {"status": "upgraded"}, "h2": {"status": "upgraded"}}, {}, NOW)
    assert record["hosts"]["h3"]["status"] == "interrupted"
    assert record["hosts"]["h4"]["status"] == "postponed"
    assert record["bad"][0] == "h3"


def test_host_that_got_lost_counts_against_the_limit() -> None:
    """Whatever made Ansible drop it: its wave failed, and the next one does not begin."""
    plan = five()
    results = {"h1": {"status": "upgraded"}, "h2": run_gate.LOST, "h3": {"status": "upgraded"}}
    gate = run_gate.gate(plan, results, ["h4", "h5"], NOW)
    assert gate["go"] == []
    assert "Wave 2 failed on 1 of 2 (h2)" in gate["stop"]
    assert run_record.summary(plan, results, {}, NOW)["hosts"]["h2"]["status"] == "interrupted"


@pytest.mark.parametrize("canary", [0, "0", "0%", "00", "00%"])
def test_no_canary_however_it_is_written(canary: t.Any) -> None:
    plan = five(canary=canary, max_fail_percentage=50)
    assert [len(wave) for wave in plan["waves"]] == [2, 2, 1]
    assert "canary)" not in " ".join(plan["lines"])
    assert run_gate.stopped(plan, {"h1": {"status": "failed"}}) is None


def test_upgrade_that_is_known_to_be_bad_takes_no_place_in_a_wave() -> None:
    """The canary is a host that is upgraded."""
    other = {**PENDING, "fingerprint": "f2"}
    plan = planned({"h1": PENDING, "h2": other, "h3": other}, rejected_plans=["f1"])
    assert plan["waves"] == [["h2"], ["h3"]]
    record = run_record.summary(plan, {"h2": {"status": "upgraded"}, "h3": {"status": "upgraded"}}, {}, NOW)
    assert record["hosts"]["h1"]["status"] == "withheld"
    assert "fleet_rejected_plans" in record["hosts"]["h1"]["reason"]
    assert record["bad"] == ["h1"]


def test_upgrade_that_failed_is_offered_on_where_that_is_wanted() -> None:
    failed = {"h1": {"status": "rolled_back", "rejects_plan": True, "fingerprint": "f1"}}
    for withheld, go in ((True, []), (False, ["h2", "h3"])):
        plan = five(canary=0, max_fail_percentage=100, withhold_rejected=withheld)
        assert run_gate.gate(plan, failed, ["h2", "h3"], NOW)["go"] == go
