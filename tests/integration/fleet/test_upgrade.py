# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on a few real hosts, by ansible-playbook as a person calls it."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.fleet.runs import (
    LOSE_KERNEL,
    NEW,
    OLD,
    ONLY_OLD,
    QUICK,
    Controller,
    assert_runs,
    assert_untouched,
    booted,
    stage,
)
from tests.lab import Host

Fleet = Callable[..., list[Host]]
pytestmark = pytest.mark.slow

MARK = """\
- name: Mark
  ansible.builtin.shell: "echo {word} >> /boot/hooks"
  changed_when: true
"""


def test_upgrade_then_nothing_to_do_then_rollback(make_fleet: Fleet, controller: Controller, tmp_path: Path) -> None:
    hosts = make_fleet(2)
    for word in ("drained", "back"):
        (tmp_path / f"{word}.yml").write_text(MARK.format(word=word))
    variables = {
        "host_upgrade_health": {**QUICK, "services": ["ssh"], "ports": [22], "commands": ["lab-app"], "soak": 1},
        "host_upgrade_drain_tasks": str(tmp_path / "drained.yml"),
        "host_upgrade_undrain_tasks": str(tmp_path / "back.yml"),
    }

    planned = controller.run("upgrade", "--check", **variables)
    assert planned.rc == 0
    assert "wave 1 (canary): h1" in planned.output
    assert "lab-app 1.0-1 -> 2.0-1" in planned.output
    assert planned.record == {}
    for host in hosts:
        assert_untouched(host)

    done = controller.run("upgrade", **variables)
    assert done.rc == 0
    assert done.statuses() == {"h1": "upgraded", "h2": "upgraded"}
    assert done.record["waves"] == [["h1"], ["h2"]]
    for host in hosts:
        assert_runs(host, NEW, "2.0")
        assert host.boots == 2
        assert host.sh("cat /boot/hooks").split() == ["drained", "back"]

    again = controller.run("upgrade", **variables)
    assert again.rc == 0
    assert "changed=0" in again.output
    assert set(again.statuses().values()) == {"current"}
    assert [host.boots for host in hosts] == [2, 2]

    back = controller.run("rollback")
    assert back.rc == 0
    assert set(back.statuses().values()) == {"returned"}
    for host in hosts:
        assert_runs(host, OLD, "1.0")

    assert set(controller.run("rollback").statuses().values()) == {"current"}


@pytest.mark.parametrize("what", ["drain", "undrain", "soak", "tasks"])
def test_each_of_what_others_do_without_the_rest(
    what: str, make_fleet: Fleet, controller: Controller, tmp_path: Path
) -> None:
    (host,) = make_fleet(1)
    hook = tmp_path / "hook.yml"
    hook.write_text(MARK.format(word=what))
    health: dict[str, t.Any] = {**QUICK, "ports": [22]}
    variables: dict[str, t.Any] = {"host_upgrade_health": health}
    if what in ("soak", "tasks"):
        health[what] = {"soak": 1, "tasks": str(hook)}[what]
    else:
        variables[f"host_upgrade_{what}_tasks"] = str(hook)
    done = controller.run("upgrade", **variables)
    assert done.status(host) == "upgraded", done.reason(host)
    assert (done.record["hosts"]["h1"]["booted_before"], host.boots) == (OLD, 2)
    assert_runs(host, NEW, "2.0")
    back = controller.run("rollback", **variables)
    assert back.status(host) == "returned", back.reason(host)
    assert (back.record["hosts"]["h1"]["booted_before"], host.boots) == (NEW, 3)
    assert_runs(host, OLD, "1.0")
    assert host.sh("cat /boot/hooks 2>/dev/null || :").split() == ([] if what == "soak" else [what] * 2)


def test_failed_health_brings_the_host_back_and_stops_the_run(make_fleet: Fleet, controller: Controller) -> None:
    canary, second, third = make_fleet(3)
    run = controller.run("upgrade", host_upgrade_health={**QUICK, "commands": [ONLY_OLD]})
    assert run.rc != 0
    assert run.statuses() == {"h1": "rolled_back", "h2": "withheld", "h3": "withheld"}
    assert "Declared commands succeed" in run.reason(canary)
    assert "The canary failed on 1 of 1 (h1)" in run.record["stopped"]
    assert_runs(canary, OLD, "1.0")
    assert canary.boots == 3
    assert_untouched(second)
    assert_untouched(third)


def test_stopped_run_brings_back_what_it_did(make_fleet: Fleet, controller: Controller) -> None:
    """Only the second host is bad, so the canary was done by then; the third has another plan and is not started."""
    good, bad, third = make_fleet(3)
    bad.write("/etc/lab-bad", "")
    third.release("v3")
    check = "test ! -e /etc/lab-bad -o -e /usr/share/lab-app/1 -o 1 -eq 0"
    run = controller.run(
        "upgrade",
        fleet_serial=1,
        fleet_rollback_done=True,
        host_upgrade_health={**QUICK, "commands": [check]},
        # It fails before the upgrade as well, and would keep the run from beginning
        host_upgrade_health_before="ignore",
        host_upgrade_fail=False,
    )
    assert run.rc != 0
    assert run.status(good) == "reverted"
    # The check fails on its old system as well: it says so instead of calling it rolled back
    assert run.status(bad) == "rollback_failed"
    assert run.status(third) == "not_started"
    assert_runs(good, OLD, "1.0")
    assert_runs(bad, OLD, "1.0")
    assert_untouched(third)


def test_rejected_plan_is_not_offered_to_others(make_fleet: Fleet, controller: Controller) -> None:
    """The limit lets the run go on; who would get the same upgrade is left alone, who gets another one is not."""
    first, second, other = make_fleet(3)
    other.release("v3")
    run = controller.run(
        "upgrade",
        fleet_canary=0,
        fleet_serial=1,
        fleet_max_fail_percentage=100,
        host_upgrade_health={**QUICK, "commands": ["grep -vqx 2.0 /usr/share/lab-app/version"]},
    )
    assert run.rc != 0
    assert run.statuses() == {"h1": "rolled_back", "h2": "withheld", "h3": "upgraded"}
    assert_runs(first, OLD, "1.0")
    assert_untouched(second)
    assert_runs(other, NEW, "3.0")


def test_unready_hosts(make_fleet: Fleet, controller: Controller) -> None:
    """Full disk, booted into backup, switched off: one is enough to stop the run, or they are left out."""
    good, full, backup, off = make_fleet(4, backup=True)
    full.sh("fallocate -l $(($(stat -f -c '%a*%S' /) * 9 / 10)) /filler; sync")
    backup.boot_entry(1)
    backup.reboot()
    off.stop()

    run = controller.run("upgrade")
    assert run.rc != 0
    assert run.statuses() == {"h1": "not_started", "h2": "unready", "h3": "unready", "h4": "unready"}
    assert_untouched(good)
    assert [run.record["hosts"][name]["error_id"] for name in ("h2", "h3", "h4")] == [
        "no_space", "backup_boot", "unreachable",
    ]  # fmt: skip

    run = controller.run("upgrade", fleet_unready="skip")
    assert run.rc != 0
    assert run.statuses() == {"h1": "upgraded", "h2": "unready", "h3": "unready", "h4": "unready"}
    assert_runs(good, NEW, "2.0")
    assert (booted(full), full.boots) == (OLD, 1)
    assert (booted(backup), backup.boots) == ("rootfs_bakup", 2)

    # What the documentation says for a host in its backup
    run = controller.run("rollback", target="h3")
    assert run.rc == 0
    assert run.status(backup) == "returned"


def test_host_that_does_not_work_before_is_left_alone(make_fleet: Fleet, controller: Controller) -> None:
    """It could not be told from what the upgrade breaks, and would be brought back from an upgrade that is good."""
    good, ill = make_fleet(2)
    ill.write("/etc/lab-ill", "")
    health = {**QUICK, "commands": ["test ! -e /etc/lab-ill"]}
    run = controller.run("upgrade", host_upgrade_health=health)
    assert run.rc != 0
    assert run.statuses() == {"h1": "not_started", "h2": "unready"}
    assert "Before the upgrade it does not work already" in run.reason(ill)
    assert_untouched(good)
    assert_untouched(ill)

    run = controller.run("upgrade", host_upgrade_health=health, fleet_unready="skip")
    assert run.statuses() == {"h1": "upgraded", "h2": "unready"}
    assert_untouched(ill)


def test_staged_before_and_up_to_date(make_fleet: Fleet, controller: Controller) -> None:
    staged, current = make_fleet(2)
    stage(staged)
    current.release("v1")
    run = controller.run("upgrade")
    assert run.rc == 0
    assert run.statuses() == {"h1": "upgraded", "h2": "current"}
    assert_runs(staged, NEW, "2.0")
    assert_untouched(current)


def test_host_that_does_not_come_back(make_fleet: Fleet, controller: Controller, tmp_path: Path) -> None:
    lost, second = make_fleet(2)
    (tmp_path / "drain.yml").write_text(LOSE_KERNEL)
    run = controller.run(
        "upgrade", host_upgrade_drain_tasks=str(tmp_path / "drain.yml"), host_upgrade_reboot_timeout=15
    )
    assert run.rc != 0
    assert run.status(lost) == "unreachable"
    assert "the entry of the system before it" in run.reason(lost)
    assert not lost.is_on
    assert_untouched(second)

    # What the documentation says then; a kernel is there again, as it is where it merely does not boot
    with lost.boot_partition() as boot:
        shutil.copy(boot / "bzImage_bakup", boot / "bzImage")
    lost.boot_entry(1)
    lost.start()
    assert booted(lost) == "rootfs_bakup"
    back = controller.run("rollback", target="h1")
    assert back.rc == 0
    assert_runs(lost, OLD, "1.0")


def test_stage_only_then_rollback_cancels(make_fleet: Fleet, controller: Controller) -> None:
    (host,) = make_fleet(1)
    run = controller.run("upgrade", host_upgrade_reboot=False)
    assert (run.rc, run.status(host), host.boots) == (0, "staged", 1)
    back = controller.run("rollback")
    assert (back.rc, back.status(host), host.boots) == (0, "cancelled", 1)
    assert host.default_subvolume() == OLD


def test_failed_package_leaves_the_host_as_it_was(make_fleet: Fleet, controller: Controller) -> None:
    """Also a host that has a previous deployment: a rollback must not take it there."""
    (host,) = make_fleet(1)
    stage(host)
    host.reboot()
    host.enable_repo("pre-fails")
    run = controller.run("upgrade", host_upgrade_packages=["lab-prefail"])
    assert run.rc != 0
    assert run.status(host) == "failed"
    assert run.record["hosts"]["h1"]["error_id"] == "package_manager_failed"
    assert "this scriptlet fails on purpose" in run.record["hosts"]["h1"]["output"]
    assert_runs(host, NEW, "2.0")
    assert host.boots == 2


def test_window_and_exclusion(make_fleet: Fleet, controller: Controller) -> None:
    first, second = make_fleet(2)
    run = controller.run("upgrade", fleet_not_after="2020-01-01T00:00:00Z")
    assert run.rc != 0
    assert "No host was touched" in run.record["refused"]
    assert_untouched(first)
    run = controller.run("upgrade", fleet_exclude="h1")
    assert run.rc == 0
    assert run.statuses() == {"h2": "upgraded"}
    assert_untouched(first)
    assert_runs(second, NEW, "2.0")


def test_update_status_and_report(make_fleet: Fleet, controller: Controller, tmp_path: Path) -> None:
    _seen, off = make_fleet(2)
    update = controller.run("update")
    assert update.rc == 0
    assert "lab-app 1.0-1 -> 2.0-1" in update.output
    status = controller.run("status")
    assert status.rc == 0
    assert "HOST" in status.output
    assert "clean" in status.output

    off.stop()
    report = controller.run("report")
    assert report.rc != 0, "not all of them were looked at"
    assert report.statuses() == {"h1": "looked_at", "h2": "unreachable"}
    assert "does not answer" in (tmp_path / "report.html").read_text()
    assert f"{tmp_path}/report.html" in report.output
    seen = controller.run("status")
    assert seen.rc != 0
    assert "unreachable" in seen.output
    for name in ("status", "report", "update"):
        refused = controller.run(name, fleet_windows="22:00-04:00")
        assert refused.rc != 0
        assert "did you mean fleet_window" in refused.output
        assert "HOST " not in refused.output


def test_no_default_target(make_fleet: Fleet, controller: Controller) -> None:
    (host,) = make_fleet(1)
    for name in ("update", "upgrade", "rollback"):
        run = controller.run(name, target="")
        assert run.rc != 0
        assert "-e target=GROUP" in run.output
        run = controller.run(name, target="nobody")
        assert run.rc != 0
        assert "names no host" in run.output
    assert_untouched(host)


def test_automatic_protection(make_fleet: Fleet, controller: Controller) -> None:
    """Armed before the reboot, confirmed after the health checks; what fails them is given up and remembered."""
    (host,) = make_fleet(1, automatic=True)
    done = controller.run("upgrade", host_upgrade_health=QUICK)
    assert done.rc == 0, done.output
    assert done.statuses() == {"h1": "upgraded"}
    assert_runs(host, NEW, "2.0")
    assert host.module("overc_host_info")["state"] == "clean"

    host.release("v3")
    failed = controller.run(
        "upgrade", host_upgrade_health={**QUICK, "commands": ["grep -qx 2.0 /usr/share/lab-app/version"]}
    )
    assert failed.statuses() == {"h1": "rolled_back"}
    assert_runs(host, NEW, "2.0")
    info = host.module("overc_host_info")
    assert (info["state"], info["trial"], len(info["known_bad"])) == ("clean", None, 1)

    back = controller.run("rollback")
    assert back.statuses() == {"h1": "current"}
