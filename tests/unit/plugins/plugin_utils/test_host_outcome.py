# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of one host, from what its modules answered."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.filter import fleet
from ansible_collections.overc.system.plugins.plugin_utils import host_outcome, run_plan, run_record

FAILURE = {"step": "Health", "msg": "It is not well.", "output": "out"}
STAGE = {"staged_uuid": "new", "booted": "rootfs", "fingerprint": "f1", "reboot_required": True}
SWITCH = {"staged_uuid": None, "reboot": {"elapsed": 3}, "seconds": 4}


def info(state: str, booted: str, staged: str | None = None) -> dict[str, t.Any]:
    return {"state": state, "booted": {"uuid": booted, "subvolume": booted}, "staged": staged and {"uuid": staged}}


# One run of the module that staged and rebooted
BOTH = {
    **STAGE, "booted": "rootfs_upgrade", "staged_uuid": None, "reboot_required": False, "seconds": 9.5, "state": "trial",
    "reboot": {"booted_before": "rootfs", "staged_uuid": "new", "seconds": 4.25},
}  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "switch", "now", "wanted"),
    [
        ({}, {}, info("clean", "old"), False),
        ({"failed": True}, {}, info("clean", "old"), False),
        (STAGE, {}, info("staged", "old", "new"), True),
        (STAGE, {}, info("staged", "old", "other"), False),
        (STAGE, SWITCH, info("clean", "new"), True),
        (STAGE, SWITCH, info("trial", "new"), True),
        (STAGE, SWITCH, info("clean", "old"), False),
        (STAGE, SWITCH, info("backup", "bak"), True),
        (STAGE, {}, info("backup", "bak"), False),
        (BOTH, {}, info("trial", "new"), True),
        (BOTH, {}, info("fallback", "bak"), True),
        (BOTH, {}, info("clean", "old"), False),
        (STAGE, SWITCH, info("interrupted", "new"), False),
        (STAGE, SWITCH, {"unreachable": True}, False),
    ],
)
def test_only_what_this_run_staged_is_taken_back(
    stage: dict[str, t.Any], switch: dict[str, t.Any], now: dict[str, t.Any], wanted: bool
) -> None:
    assert host_outcome.must_go_back(stage, switch, now) is wanted


BACK = {"state": "clean", "booted": "rootfs", "reboot": {}}


@pytest.mark.parametrize(
    ("switch", "now", "back", "unhealthy", "rollback", "status"),
    [
        (SWITCH, info("clean", "new"), BACK, "", True, "rolled_back"),
        (SWITCH, info("clean", "new"), BACK, "still ill", True, "rollback_failed"),
        (SWITCH, info("clean", "new"), {"error_id": "reboot_failed", "state": "clean", "msg": "m"}, "", True,
         "rollback_failed"),
        (SWITCH, info("clean", "new"), {"unreachable": True, "msg": "gone"}, "", True, "rollback_failed"),
        (SWITCH, info("clean", "new"), {}, "", False, "failed"),
        (SWITCH, info("inconsistent", "x"), {}, "", True, "rollback_failed"),
        (SWITCH, {"unreachable": True}, {}, "", True, "unreachable"),
        ({}, info("staged", "old", "new"), {"state": "clean", "booted": "rootfs"}, "", True, "failed"),
        ({}, info("clean", "old"), {}, "", True, "failed"),
    ],
)  # fmt: skip
def test_what_became_of_it(switch: t.Any, now: t.Any, back: t.Any, unhealthy: str, rollback: bool, status: str) -> None:
    result = host_outcome.failed_upgrade(FAILURE, STAGE, switch, now, back, unhealthy, rollback)
    assert result["status"] == status
    assert result["reason"].startswith("Health: It is not well.")
    assert result["rejects_plan"] is ("reboot" in switch)
    assert status in run_record.STATUSES


def test_one_run_that_did_both_is_told_like_two() -> None:
    confirmed = host_outcome.upgraded(BOTH, {}, {"state": "clean"}, status="upgraded")
    assert confirmed["seconds"] == {"stage": 5.2, "reboot": 4.25}
    assert (confirmed["status"], confirmed["state"]) == ("upgraded", "clean")
    assert (confirmed["booted_before"], confirmed["booted_after"]) == ("rootfs", "rootfs_upgrade")
    failed = host_outcome.failed_upgrade(FAILURE, BOTH, {}, info("clean", "new"), BACK, "", rollback=True)
    assert (failed["status"], failed["booted_before"], failed["rejects_plan"]) == ("rolled_back", "rootfs", True)
    assert failed["seconds"] == {"stage": 5.2, "reboot": 4.25, "rollback": 0}


def test_nothing_to_do_and_only_staged() -> None:
    nothing = {"state": "clean", "booted": "rootfs", "reboot_required": False, "msg": "nothing is pending"}
    assert host_outcome.upgraded(nothing, {}, {}, status="upgraded")["status"] == "current"
    assert host_outcome.upgraded({**STAGE, "state": "staged"}, {}, {}, status="staged")["booted_after"] == "rootfs"


# -- words -------------------------------------------------------------------------------------------------------------


def test_reason_of_a_loop_is_that_of_its_first_failed_item() -> None:
    result = {"msg": "One or more items failed", "results": [{}, {"failed": True, "msg": "non-zero return code",
              "stderr": "no such\nservice"}]}  # fmt: skip
    assert host_outcome.reason(result) == "no such service"
    assert host_outcome.reason({}) == "It failed without a message."


RETURNED = {"changed": True, "operation": "rollback", "state": "clean", "booted": "rootfs", "seconds": 9.0}
REBOOTED = {"booted_before": "rootfs_upgrade", "staged_uuid": "u1", "seconds": 7.0}


def test_rollback_in_one_run_or_two() -> None:
    stage = {**RETURNED, "state": "staged", "booted": "rootfs_upgrade", "reboot_required": True, "seconds": 2.0}
    switch = {**RETURNED, "seconds": 7.0}
    one = host_outcome.returned({**RETURNED, "reboot": REBOOTED}, {}, {}, reboots=True, check_mode=False)
    assert one == host_outcome.returned(stage, switch, {"state": "clean"}, reboots=True, check_mode=False)
    assert (one["status"], one["booted_before"], one["booted_after"]) == ("returned", "rootfs_upgrade", "rootfs")
    assert one["seconds"] == {"stage": 2.0, "reboot": 7.0}


@pytest.mark.parametrize(
    ("stage", "reboots", "check_mode", "status"),
    [
        ({"changed": False, "reboot_required": False}, True, False, "current"),
        ({"changed": False, "reboot_required": True}, False, False, "staged"),
        ({"changed": True, "reboot_required": True}, True, True, "planned"),
        ({"changed": True, "operation": "cancel"}, True, False, "cancelled"),
    ],
)
def test_rollback_without_a_reboot(stage: t.Any, reboots: bool, check_mode: bool, status: str) -> None:
    answer = {"state": "clean", **stage}
    assert host_outcome.returned(answer, {}, {}, reboots=reboots, check_mode=check_mode)["status"] == status


def test_a_skipped_task_registers_no_answer() -> None:
    skipped = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"}
    stage = {**RETURNED, "reboot": REBOOTED, "staged_uuid": "u1"}
    alone, others = {"stage": stage}, {"stage": stage, "switch": skipped, "confirm": skipped, "back": skipped}
    assert fleet.rollback_result(others, True, False) == fleet.rollback_result(alone, True, False)
    assert fleet.upgrade_result("upgraded", others) == fleet.upgrade_result("upgraded", alone)
    assert fleet.failed_rollback({}, others) == fleet.failed_rollback({}, alone)
    assert fleet.failed_upgrade({}, others, True) == fleet.failed_upgrade({}, alone, True)
    assert fleet.must_go_back({"state": "clean", "booted": {"uuid": "u1"}}, stage, skipped)


def test_failed_rollback() -> None:
    failure = {"step": "Boot it", "msg": "no", "error_id": "reboot_failed", "silent": False}
    assert host_outcome.failed_rollback(failure, {}, {})["status"] == "failed"
    unhealthy = {**RETURNED, "failed": True, "reboot": REBOOTED}
    found = host_outcome.failed_rollback(failure, unhealthy, {})
    assert (found["status"], found["booted_before"], found["booted_after"]) == (
        "rollback_failed",
        "rootfs_upgrade",
        "rootfs",
    )
    assert host_outcome.failed_rollback({**failure, "silent": True}, {}, {})["status"] == "unreachable"


def test_only_undrain_failed() -> None:
    """The new system is good: it is kept, its plan is not rejected, and the host is not green."""
    failure = {**FAILURE, "at": "undrain"}
    result = host_outcome.failed_upgrade(failure, STAGE, SWITCH, info("clean", "new"), {}, "", True)
    assert (result["status"], result["rejects_plan"], result["in_service"]) == ("drained", False, False)


def test_back_and_not_well_there_either_is_told_apart_from_not_back() -> None:
    result = host_outcome.failed_upgrade(
        FAILURE, STAGE, SWITCH, info("clean", "new"), BACK, "Services: Not running: x..", True
    )
    assert result["status"] == "rollback_failed"
    assert result["reason"] == (
        "Health: It is not well. It is back on the system it had, and does not work there either: Services: Not running: x."
    )
    assert result["in_service"] is True


def test_advice_of_the_module_is_not_repeated_when_it_was_followed() -> None:
    said = {**FAILURE, "msg": "Not running: x. overc_host_rollback returns to the system before it."}
    result = host_outcome.failed_upgrade(said, STAGE, SWITCH, info("clean", "new"), BACK, "", True)
    assert result["reason"] == "Health: Not running: x. It is back on the system it had."


def test_who_was_never_rebooted_is_not_back() -> None:
    """A drain that fails comes before the reboot: the host has not been anywhere."""
    result = host_outcome.failed_upgrade({**FAILURE, "at": "drain"}, STAGE, {}, info("staged", "old"), BACK, "", True)
    assert result["status"] == "failed"
    assert result["reason"].endswith("It was not rebooted, and runs the system it had.")


def test_warnings_of_every_part_are_kept_once() -> None:
    stage = {**BOTH, "warnings": ["a", {"msg": "b"}]}
    assert host_outcome.upgraded(stage, {}, {"state": "clean", "warnings": ["a", "c"]}, status="upgraded")["warnings"] == [
        "a", "b", "c",
    ]  # fmt: skip


CUT = {"state": "clean", "booted": "rootfs_upgrade", "actions": [], "unfinished": {"uuid": "new"}, "fingerprint": "f0"}
ON_TRIAL = {"state": "trial", "error_id": "unconfirmed"}


@pytest.mark.parametrize("stage", [CUT, ON_TRIAL])
def test_what_an_earlier_run_left_is_finished_or_taken_back(stage: dict[str, t.Any]) -> None:
    assert host_outcome.to_be_finished(stage)
    assert host_outcome.upgraded(stage, {}, {"state": "clean"}, status="upgraded")["status"] == "upgraded"
    now = {**info(stage["state"], "new"), "unfinished": {"uuid": "new"}}
    assert host_outcome.must_go_back(stage, {}, now)
    result = host_outcome.failed_upgrade(FAILURE, stage, {}, now, BACK, "", True)
    assert (result["status"], result["rejects_plan"]) == ("rolled_back", False)
    # Found good meanwhile by another controller
    assert not host_outcome.must_go_back(stage, {}, info("clean", "new"))


@pytest.mark.parametrize("stage", [STAGE, BOTH, {**CUT, "actions": [{}]}, {**CUT, "unfinished": None}, {}])
def test_what_this_run_does_is_not_left_by_an_earlier_one(stage: dict[str, t.Any]) -> None:
    assert not host_outcome.to_be_finished(stage)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("leave it out with the option exclude, then", "leave it out with host_upgrade_exclude, then"),
        ("name it in carry_over: x", "name it in host_upgrade_carry_over: x"),
        ("allow it with state_policy: report.", "allow it with host_upgrade_state_policy: report."),
        ("host_upgrade_gpg_policy is exclude", "host_upgrade_gpg_policy is exclude"),
    ],
)
def test_messages_name_the_variables_of_the_role(said: str, told: str) -> None:
    assert host_outcome.as_asked(said) == host_outcome.reason({"msg": said}) == told


LEFT_OUT = {"state": "clean", "booted": "rootfs", "actions": [], "out_of_service": "2026-11-22T21:00:00Z"}


def test_host_that_an_earlier_run_left_out_of_service() -> None:
    assert host_outcome.to_be_finished(LEFT_OUT, True)
    assert not host_outcome.to_be_finished(LEFT_OUT)
    assert not host_outcome.to_be_finished({**LEFT_OUT, "error_id": "no_space"}, True)
    assert not host_outcome.to_be_finished({**LEFT_OUT, "actions": [{}]}, True), (
        "it is drained and put back by its upgrade"
    )
    cancelled = {**LEFT_OUT, "actions": [{}], "operation": "cancel", "changed": True}
    assert host_outcome.to_be_finished(cancelled, True)
    done = host_outcome.upgraded(LEFT_OUT, {}, {}, {"state": "clean"}, status="upgraded", finish=True)
    assert (done["status"], done["warnings"]) == ("undrained", [])
    shown = host_outcome.upgraded(LEFT_OUT, {}, {}, {}, status="planned", finish=True)
    assert shown["status"] == "planned"
    for finish, status in ((True, "undrained"), (False, "current")):
        back = host_outcome.returned(LEFT_OUT, {}, {}, {}, reboots=True, check_mode=False, finish=finish)
        assert back["status"] == status
    back = host_outcome.returned(cancelled, {}, {}, {}, reboots=True, check_mode=False, finish=True)
    assert back["status"] == "cancelled"


@pytest.mark.parametrize(
    "service", [{"unreachable": True, "msg": "no route"}, {"error_id": "locked", "msg": "no route"}]
)
def test_host_that_could_not_be_told_that_it_is_back(service: dict[str, t.Any]) -> None:
    done = host_outcome.upgraded(LEFT_OUT, {}, {}, service, status="upgraded", finish=True)
    assert "could not be noted on the host (no route)" in done["warnings"][0]


def test_host_that_does_not_work_stays_out_of_service_and_says_so() -> None:
    failure = {**FAILURE, "at": "finish", "out_of_service": "2026-11-22T21:00:00Z"}
    result = host_outcome.failed_upgrade(failure, LEFT_OUT, {}, info("clean", "old"), {}, "", True)
    assert (result["status"], result["in_service"], result["rejects_plan"]) == ("drained", False, False)
    assert "there it stays" in result["reason"]
    silent = {**FAILURE, "at": "drain", "out_of_service": "2026-11-22T21:00:00Z"}
    result = host_outcome.failed_upgrade(silent, STAGE, {}, {"unreachable": True}, {}, "", True)
    assert result["status"] == "unreachable"
    assert "It is out of service until the next run puts it back." in result["reason"]
    back = host_outcome.failed_rollback(silent, STAGE, {})
    assert "It is out of service until the next run puts it back." in back["reason"]


NO_DATA = 'Data could not be sent to remote host "10.1.1.1". Make sure this host can be reached over ssh:'
NO_SSH = "Failed to connect to the host via ssh:"


@pytest.mark.parametrize(
    ("said", "short"),
    [
        (
            f"Task failed: {NO_DATA} joe@10.1.1.1: Permission denied (publickey,password).",
            "Permission denied (publickey,password) for joe",
        ),
        (
            f"The host stopped answering: {NO_SSH} ssh: connect to host web1 port 22: Connection refused",
            "port 22: Connection refused",
        ),
        ("Failed to connect to the host via ssh: Host key verification failed.", "Host key verification failed"),
        ("ssh: Could not resolve hostname web1", "ssh: Could not resolve hostname web1"),
        (
            "mm_receive_fd: recvmsg: expected received 1 got 0\r\nproxy dialer did not pass back a connection",
            "no answer",
        ),
        (f"{NO_DATA.replace(chr(34), chr(39)).replace('ssh', 'SSH')} [Errno 32] Broken pipe", "Broken pipe"),
        ("", "no answer"),
        (None, "no answer"),
    ],
)
def test_why_a_host_is_silent_is_said_in_few_words_and_without_its_address(said: str | None, short: str) -> None:
    assert host_outcome.silence(said) == short


def test_a_module_that_could_not_be_started_has_a_reason() -> None:
    """As on a full disk: Ansible's own start of the module fails, and it says only that there was no JSON."""
    answer = {
        "failed": True,
        "msg": "Module result deserialization failed: No start of json char found",
        "module_stderr": "Traceback (most recent call last):\nOSError: [Errno 28] No space left on device\n",
    }
    why = "Ansible's modules cannot be run on the host: No space left on device."
    assert host_outcome.reason(answer) == why
    assert run_plan.verdict(answer)["reason"] == why
    assert host_outcome.could_not_run({"msg": "fine"}) == ""


def test_output_that_a_module_has_chosen_is_taken() -> None:
    assert host_outcome.output({"output": ["Error: no", "why"], "rc": 1}) == "Error: no\nwhy"


@pytest.mark.parametrize(
    ("msg", "said"),
    [
        ("Task failed: Incorrect sudo password", "Incorrect sudo password; -K asks for it"),
        ("Task failed: Missing sudo password", "Missing sudo password; -K asks for it"),
        ("Task failed: incomplete format", "incomplete format"),
        ("", "no answer"),
    ],
)
def test_what_keeps_a_module_from_being_run(msg: str, said: str) -> None:
    assert host_outcome.not_seen_because({"failed": True, "msg": msg}).startswith(said)
