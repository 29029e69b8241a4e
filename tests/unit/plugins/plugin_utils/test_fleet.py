# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every decision of a fleet run, from answers to sentences."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import (
    look_record,
    overlay_words,
    people,
    run_gate,
    run_options,
    run_plan,
    run_record,
    run_report,
)
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from hypothesis import given
from hypothesis import strategies as st

NOW = "2026-11-23T21:00:00Z"
CHANGE = {"name": "app", "arch": "noarch", "installed": "1", "available": "2", "channel": "lab", "size": 1}
PENDING = {"state": "clean", "booted": "rootfs", "fingerprint": "f1", "actions": [{}], "upgrades": [CHANGE]}
NOTHING = {"state": "clean", "booted": "rootfs", "fingerprint": "f0", "actions": [], "msg": "nothing is pending"}
STAGED = {**NOTHING, "reboot_required": True, "fingerprint": "f1"}
REFUSED = {"state": "clean", "error_id": "no_space", "msg": "Not enough space.", "failed": False}
SILENT = {"unreachable": True, "msg": "Failed to connect\nto the host"}


def options(**more: t.Any) -> dict[str, t.Any]:
    return {"command": "upgrade", "now": NOW, "canary": 1, "serial": 2, **more}


def planned(answers: dict[str, t.Any], **more: t.Any) -> run_plan.Plan:
    return run_plan.plan(answers, options(**more))


def five(**more: t.Any) -> run_plan.Plan:
    return planned({f"h{n}": PENDING for n in range(1, 6)}, **more)


# -- waves -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "canary", "serial", "sizes"),
    [
        (5, 1, 2, [1, 2, 2]),
        (5, "1", "2", [1, 2, 2]),
        (10, "10%", "25%", [1, 2, 2, 2, 2, 1]),
        (10, 2, "1,50%", [2, 1, 5, 2]),
        (10, 0, [3, "100%"], [3, 7]),
        (1, 1, 5, [1]),
        (0, 1, 5, []),
        (3, 5, 1, [3]),
        (3, "1%", "1%", [1, 1, 1]),
    ],
)
def test_waves(count: int, canary: t.Any, serial: t.Any, sizes: list[int]) -> None:
    assert [len(wave) for wave in run_options.waves([str(n) for n in range(count)], canary, serial)] == sizes


@given(
    st.integers(0, 200),
    st.one_of(st.integers(0, 50), st.integers(0, 100).map("{}%".format)),
    st.lists(st.one_of(st.integers(1, 50), st.integers(1, 100).map("{}%".format)), min_size=1, max_size=4),
)
def test_every_host_is_in_exactly_one_wave(count: int, canary: t.Any, serial: t.Any) -> None:
    hosts = [f"h{n}" for n in range(count)]
    found = run_options.waves(hosts, canary, serial)
    assert [host for wave in found for host in wave] == hosts
    assert all(found)


@pytest.mark.parametrize("bad", ["0", "", "x", "-1", "101%", "1.5", [], [0], ["1", "no"]])
def test_wave_sizes_that_cannot_be_meant(bad: t.Any) -> None:
    with pytest.raises(FleetError):
        run_options.waves(["a"], 1, bad)


@pytest.mark.parametrize("bad", [-1, 101, "x", None, True, float("nan"), float("inf"), 10**400])
def test_limit_that_cannot_be_meant(bad: t.Any) -> None:
    with pytest.raises(FleetError, match="fleet_max_fail_percentage"):
        five(max_fail_percentage=bad)


@pytest.mark.parametrize("bad", [-1, "x", True, float("inf"), float("nan"), "1e999999999", 0.5, None, [1]])
def test_bad_soak(bad: t.Any) -> None:
    with pytest.raises(FleetError, match=r"^fleet_soak: .* is not a whole number"):
        five(soak=bad)


# -- window -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "window", "is_open"),
    [
        ("03:59", "22:00-04:00", True),
        ("04:00", "22:00-04:00", False),
        ("22:00", "22:00-04:00", True),
        ("21:59", "22:00-04:00", False),
        ("10:00", "9:30-10:30", True),
        ("10:30", "9:30-10:30", False),
    ],
)
def test_window(clock: str, window: str, is_open: bool) -> None:
    assert (run_options.closed(f"2026-11-23T{clock}:00Z", window) is None) is is_open


@pytest.mark.parametrize(("window", "not_after"), [("22-4", ""), ("25:00-04:00", ""), ("1:00-1:00", ""), ("", "soon")])
def test_window_that_cannot_be_meant(window: str, not_after: str) -> None:
    with pytest.raises(FleetError, match=r"UTC|empty"):
        run_options.closed(NOW, window, not_after)


def test_not_after() -> None:
    assert run_options.closed(NOW, not_after="2026-11-23T21:00:00Z") is None
    assert "after" in str(run_options.closed(NOW, not_after="2026-11-23T20:59:59Z"))


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_only_hosts_with_work_are_in_waves() -> None:
    plan = planned({"a": NOTHING, "b": PENDING, "c": STAGED})
    assert plan["waves"] == [["b"], ["c"]]
    assert plan["run"] == ["b", "c"]
    assert plan["sizes"] == [1, 1]
    assert "nothing to do: a" in plan["lines"]
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


# -- while it runs -----------------------------------------------------------------------------------------------------


BAD = {"status": "rolled_back", "fingerprint": "f1", "rejects_plan": True}


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
    record = run_record.summary(plan, {"h1": {"status": "upgraded"}}, {}, NOW)
    assert record["hosts"]["h2"]["status"] == "postponed"
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


# -- what people read --------------------------------------------------------------------------------------------------


def looked_at(state: str) -> dict[str, t.Any]:
    return {"state": state, "booted": {"subvolume": "rootfs", "uuid": "u0"}, "staged": None}


def test_table_tells_every_kind_of_answer() -> None:
    good = {**looked_at("clean"), "next_boot": {"subvolume": "rootfs"}, "requirements": [], "contradictions": []}
    unmet = {**good, "state": "unsupported", "requirements": [{"id": "btrfs_root", "ok": False}]}
    # As the module answers without root; that it failed is taken from it by the task that asked
    refused = {"failed": False, "error_id": "not_root", "state": None, "msg": "Run it with become: true.\ny"}
    trial = {**good, "state": "trial", "trial": {"outcome": "running", "seconds_left": 750}}
    trial["next_boot"] = {"subvolume": "rootfs_bakup"}
    infos = {"a": good, "bee": unmet, "c": SILENT, "d": refused, "e": {}, "f": trial, "g": {**good, "state": "backup"}}
    lines = run_report.table(infos)
    assert lines[0].split()[:2] == ["HOST", "STATE"]
    assert "clean" in lines[1]
    assert "unmet: btrfs_root" in lines[2]
    assert "unreachable" in lines[3]
    assert lines[3].endswith("Failed to connect")
    assert lines[4].split()[:2] == ["d", "failed"]
    assert lines[4].endswith("Run it with become: true.")
    assert lines[5].endswith("no answer")
    assert "rootfs_bakup" in lines[6]
    assert lines[6].endswith("12 minutes left to confirm it")
    assert "overc_host_rollback" in lines[7]
    assert run_report.unseen(infos) == ["c", "d", "e"]


def test_report_puts_failures_first_and_scales_the_bars() -> None:
    results = {
        "h1": {"status": "upgraded", "seconds": {"stage": 30, "reboot": 20}},
        "h2": {"status": "rolled_back", "seconds": {"stage": 60, "reboot": 20, "rollback": 20}},
    }
    page = run_report.report(run_record.summary(five(), results, {}, NOW))
    # h3 was in the wave of h2 and never said anything
    assert page["order"][:2] == ["h3", "h2"]
    assert page["order"][-1] == "h1"
    assert page["hosts"]["h2"]["shares"] == {"stage": 60.0, "reboot": 20.0, "rollback": 20.0}
    assert page["hosts"]["h1"]["total"] == 50


def test_report_of_what_hosts_say_now_and_what_the_last_run_said() -> None:
    record = run_record.summary(five(), {"h1": BAD}, {}, NOW)
    found = look_record.looked_at({"h1": looked_at("clean"), "new": looked_at("staged"), "off": SILENT}, [record], NOW)
    statuses = {name: host["status"] for name, host in found["hosts"].items()}
    assert statuses == {"h1": "last_failed", "new": "staged", "off": "unreachable"}
    assert found["bad"] == ["off", "h1"]
    assert found["hosts"]["h1"]["last_run"]["status"] == "rolled_back"
    assert found["hosts"]["h1"]["reason"].startswith("rolled back: ")


def test_a_run_that_had_nothing_to_do_does_not_hide_the_one_before() -> None:
    def run(command: str, started: str, status: str) -> dict[str, t.Any]:
        return {"command": command, "started": started, "hosts": {"h1": {"status": status, "reason": "why"}}}

    old = run("rollback", "2026-11-01T00:00:00Z", "returned")
    idle = run("rollback", "2026-11-02T00:00:00Z", "current")
    for records in ([old, idle], [idle, old], [old]):
        found = look_record.looked_at({"h1": looked_at("clean")}, records, NOW)
        last = found["hosts"]["h1"]["last_run"]
        assert (last["command"], last["started"], last["status"]) == ("rollback", old["started"], "returned")
        assert found["hosts"]["h1"]["status"] == "looked_at"
    assert [entry["started"] for entry in found["runs"]] == [old["started"]]
    assert (
        look_record.looked_at({"h1": looked_at("clean")}, [idle], NOW)["hosts"]["h1"]["last_run"]["status"] == "current"
    )


@pytest.mark.parametrize("last", ["rollback_failed", "unreachable", "interrupted", "failed", "unready", "upgraded"])
def test_a_host_is_called_what_it_is_now(last: str) -> None:
    """Not what the last run said: a host that answers now is not unreachable, one that is silent is not upgraded."""
    record = {"command": "upgrade", "started": NOW, "hosts": {"h1": {"status": last}}}
    for info, status in (
        (looked_at("clean"), "looked_at" if last == "upgraded" else "last_failed"),
        (looked_at("backup"), "attention"),
        ({"state": None, "error_id": "not_root", "msg": "no"}, "attention"),
        (SILENT, "unreachable"),
    ):
        assert look_record.looked_at({"h1": info}, [record], NOW)["hosts"]["h1"]["status"] == status


def test_trial_says_how_long_it_has() -> None:
    trial = {**looked_at("trial"), "trial": {"seconds_left": 600}}
    host = look_record.looked_at({"h1": trial}, [], NOW)["hosts"]["h1"]
    assert "10 minutes left to confirm it" in host["reason"]


def test_equal_reasons_are_said_once() -> None:
    broken = {"error_id": "repository_failed", "msg": "404 at mirror.", "state": "clean"}
    plan = planned({f"h{n}": broken for n in range(200)})
    lines = run_record.verdict_lines(run_record.summary(plan, {}, {}, NOW), "/srv/overc-report/upgrade.html")
    assert sum("404 at mirror" in line for line in lines) == 1
    assert any(line.startswith("h0, h1, ") and "and 192 more: unready: 404" in line for line in lines)
    assert lines[-1] == "report: /srv/overc-report/upgrade.html"
    assert sum("404 at mirror" in line for line in plan["lines"]) == 1
    assert all(len(line) < 400 for line in (*lines, *plan["lines"]))
    one = run_record.verdict_lines(run_record.summary(planned({"h1": broken}), {}, {}, NOW))
    assert one[0].startswith("upgrade of 1 host: ")


def test_lines_about_overlays() -> None:
    shared = {"directory": "/usr", "status": "shared", "bytes_freed": 300 << 20}
    waits = {"directory": "/opt", "status": "waits_for_boot", "bytes_freed": 1536}
    own = {"directory": "/srv", "status": "own", "bytes_freed": 0}
    answers = [
        {"item": {"container": "c1"}, "directories": [shared, waits]},
        {"item": {"container": "c2"}, "directories": [own]},
    ]
    assert overlay_words.overlay_lines([*answers, {"failed": True}]) == [
        "c1 /usr: shared, 300 MiB freed",
        "c1 /opt: waits for boot, 1.5 KiB freed (after the next boot)",
        "c2 /srv: own files",
    ]


def test_a_container_that_cannot_be_read_is_on_the_page() -> None:
    entry = {"container": "c1", "status": "broken", "problems": ["c1: no regular file"], "overlays": [], "waiting": []}
    found = overlay_words.shared({"containers": [entry]})
    assert found is not None
    assert found["broken"] == ["c1: no regular file"]
    assert overlay_words.shared({"containers": [{**entry, "problems": []}]}) is None


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB"), (5 << 50, "5120 TiB")]
)
def test_bytes_for_people(number: int, text: str) -> None:
    assert people.human_bytes(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (750, "12 minutes"),
        (7200, "2 hours"),
        (200000, "2 days"),
    ],
)
def test_time_for_people(seconds: int, text: str) -> None:
    assert people.human_seconds(seconds) == text


def test_when_it_was() -> None:
    assert people.ago("2026-11-23T20:48:00Z", NOW) == "12 minutes ago"
    assert people.ago("2026-11-23T22:00:00Z", NOW) == "0 seconds ago"
    assert people.ago("yesterday", NOW) == ""


def test_long_lists_and_equal_sentences() -> None:
    assert people.names(["a", "b"]) == "a, b"
    assert people.names([str(n) for n in range(10)], 3) == "0, 1, 2 and 7 more"
    assert people.alike({"a": "x", "b": "y", "c": "x"}) == [("x", ["a", "c"]), ("y", ["b"])]
