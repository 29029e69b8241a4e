# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host that upgrades itself decides, and what its statuses are."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import pull, run_record

ANSWER = {"state": "clean", "booted": "rootfs", "fingerprint": "f", "actions": [{}], "upgrades": []}
NOTE = {"booted": "rootfs", "booted_uuid": "old", "fingerprint": "f"}


def info(uuid: str, state: str = "clean") -> dict[str, t.Any]:
    return {"state": state, "booted": {"subvolume": "x", "uuid": uuid}}


@pytest.mark.parametrize(
    ("answer", "rejected", "status"),
    [
        (ANSWER, [], "planned"),
        (ANSWER, ["f"], "withheld"),
        (ANSWER, ["g"], "planned"),
        ({**ANSWER, "actions": []}, ["f"], "current"),
        ({"error_id": "no_space", "msg": "full"}, [], "unready"),
        ({}, [], "unready"),
    ],
)
def test_verdict(answer: dict[str, t.Any], rejected: list[str], status: str) -> None:
    found = pull.verdict(answer, rejected)
    assert found["status"] == status
    assert "reason" in found
    assert status in run_record.STATUSES


@pytest.mark.parametrize(
    ("status", "reboot", "goes"), [("staged", True, True), ("staged", False, False), ("failed", True, False)]
)
def test_staged(status: str, reboot: bool, goes: bool) -> None:
    found = pull.staged({"status": status, "reason": "", "seconds": {"stage": 3}}, reboot=reboot)
    assert found["reboot"] is goes
    assert found["host_seconds"] == {"stage": 3}
    assert found["reason"] == ""


def test_verified() -> None:
    assert pull.verified(info("new"), NOTE)["status"] == "upgraded"
    assert pull.verified(info("old"), NOTE)["status"] == "rolled_back"
    assert pull.verified(info("made anew"), {**NOTE, "returning": True})["status"] == "rolled_back"


def test_verified_and_found_bad() -> None:
    back = {"state": "staged", "reboot_required": True}
    found = pull.verified(info("new"), NOTE, "Health: no.", back)
    assert (found["status"], found["reboot"]) == ("failed", True)
    assert found["reason"] == "Health: no. Going back to rootfs."


@pytest.mark.parametrize(
    ("seen", "back"),
    [
        (info("new"), {"skipped": True}),
        (info("new"), {"error_id": "no_target", "msg": "nothing there", "state": "clean"}),
        (info("new"), None),
        (info("old"), None),
        (info("bak", "backup"), None),
    ],
)
def test_cannot_go_back(seen: dict[str, t.Any], back: t.Any) -> None:
    found = pull.verified(seen, NOTE, "Health: no.", back)
    assert found["status"] == "rollback_failed"
    assert found["reason"].startswith("Health: no.")
    assert "reboot" not in found
    assert ("nothing there" in found["reason"]) == bool(back and back.get("msg"))


def test_a_host_that_cannot_be_looked_at() -> None:
    assert pull.verified({}, NOTE, "Which system runs: broken")["status"] == "failed"


@pytest.mark.parametrize(("uuid", "stage", "status"), [
    ("old", "building", "postponed"),  # a power cut, a reboot: the new system was never booted
    ("old", "staged", "rolled_back"),
    ("new", "building", "upgraded"),  # the new system has the note as it was when it was made
    ("new", "staged", "upgraded"),
])  # fmt: skip
def test_a_restart_while_building_is_no_verdict(uuid: str, stage: str, status: str) -> None:
    note = {**NOTE, "stage": stage}
    assert pull.interrupted(info(uuid), note) is (status == "postponed")
    assert pull.verified(info(uuid), note)["status"] == status


def test_abandoned_before_the_reboot() -> None:
    assert pull.abandoned({"fingerprint": "f"}, "Drain: no.", {}) == {
        "status": "failed", "reason": "Drain: no.", "fingerprint": "f",
    }  # fmt: skip
    cancelled = pull.abandoned({}, "Drain: no.", {"state": "clean", "reboot_required": False})
    assert (cancelled["status"], cancelled["state"]) == ("failed", "clean")
    stuck = pull.abandoned({}, "Drain: no.", {"error_id": "locked", "msg": "at work"})
    assert stuck["status"] == "rollback_failed"
    assert "at work" in stuck["reason"]


def test_out_of_service_is_tried_again() -> None:
    found = pull.out_of_service({"status": "upgraded", "reason": ""}, {"failed": True, "msg": "no balancer"})
    assert (found["status"], found["again"]) == ("failed", True)
    assert "no balancer" in found["reason"]


def test_host_that_was_not_drained_because_the_window_closed_is_not_rebooted() -> None:
    result = {"status": "staged", "reason": "x", "state": "staged"}
    assert pull.staged(result, reboot=True)["reboot"] is True
    shut = pull.staged(result, reboot=True, window=False)
    assert (shut["reboot"], "window closed" in shut["reason"]) == (False, True)
    failed = pull.staged({**result, "status": "failed"}, reboot=True, window=False)
    assert (failed["reboot"], failed["reason"]) == (False, "x")


def test_how_long_the_host_took_is_not_how_long_the_run_took() -> None:
    out = pull.staged({"status": "staged", "seconds": {"stage": 3}}, reboot=True)
    assert ("seconds" in out, out["host_seconds"]) == (False, {"stage": 3})
