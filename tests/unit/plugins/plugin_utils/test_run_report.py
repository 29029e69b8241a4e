# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a fleet: the table, the report, and what a look at the hosts says."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import look_record, overlay_words, run_record, run_report

from tests.unit.fleet_answers import BAD, NOW, SILENT, five, planned


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
    unseen = run_report.unseen(infos)
    assert list(unseen) == ["c", "d", "e"]
    assert (unseen["c"], unseen["e"]) == ("Failed to connect", "no answer")


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
    freeing = {**shared, "directory": "/lib", "freeing": True}
    answers = [
        {"item": {"container": "c1"}, "directories": [shared, waits, freeing]},
        {"item": {"container": "c2"}, "directories": [own]},
    ]
    assert overlay_words.overlay_lines([*answers, {"failed": True}]) == [
        "c1 /usr: shared, 300 MiB freed",
        "c1 /opt: waits for boot, 1.5 KiB freed (after the next boot)",
        "c1 /lib: shared, 300 MiB being freed",
        "c2 /srv: own files",
    ]


def test_a_container_that_cannot_be_read_is_on_the_page() -> None:
    entry = {"container": "c1", "status": "broken", "problems": ["c1: no regular file"], "overlays": [], "waiting": []}
    found = overlay_words.shared({"containers": [entry]})
    assert found is not None
    assert found["broken"] == ["c1: no regular file"]
    assert overlay_words.shared({"containers": [{**entry, "problems": []}]}) is None


KERNEL = "the host goes on with kernel 6.1.0"


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([{"operation": "upgrade", "warnings": [KERNEL]}], True),
        ([{"operation": "upgrade", "warnings": [KERNEL]}, {"operation": "confirm"}], True),
        ([{"operation": "upgrade", "warnings": [KERNEL]}, {"operation": "rollback"}], False),
        ([{"operation": "upgrade"}], False),
        ([], False),
    ],
)
def test_what_was_warned_of_is_told_as_long_as_it_is_so(events: list[dict[str, t.Any]], told: bool) -> None:
    info = {**looked_at("clean"), "events": events, "warnings": ["/boot is nearly full"]}
    line = run_report.table({"h1": info})[1]
    record = look_record.looked_at({"h1": info}, [], NOW)
    assert (f"warning: {KERNEL}" in line) is told
    assert (KERNEL in record["hosts"]["h1"]["warnings"]) is told
    assert "warning: /boot is nearly full" in line
    assert "/boot is nearly full" in str(run_report.report(record)["warned"])
