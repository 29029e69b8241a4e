# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lost connection, a killed controller: the work on the hosts goes on, and a second run completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.fleet.runs import NEW, OLD, QUICK, Controller, assert_runs, stage
from tests.lab import Host
from tests.lab.process import wait_for

Fleet = Callable[..., list[Host]]
pytestmark = pytest.mark.slow


def at_work(host: Host) -> bool:
    try:
        return (host.root / "run/overc-system/progress.json").exists()
    except OSError:
        return False


def wait_until_at_work(host: Host, process: subprocess.Popen[str]) -> None:
    wait_for(lambda: at_work(host) or process.poll() is not None, "the upgrade to begin", timeout=180, interval=0.01)
    if process.poll() is not None:
        print(process.communicate()[0])
    assert process.poll() is None


def test_lost_connection_neither_kills_the_upgrade_nor_loses_its_result(
    make_fleet: Fleet, controller: Controller
) -> None:
    (host,) = make_fleet(1)
    with controller.start("upgrade") as process:
        wait_until_at_work(host, process)
        host.sh("systemctl stop ssh; pkill -x sshd || true")
        time.sleep(8)
        host.sh("systemctl start ssh")
        output, _errors = process.communicate(timeout=600)
    print(output)
    assert process.returncode == 0
    assert "the connection was lost, connecting again" in output
    assert_runs(host, NEW, "2.0")
    assert controller.record("upgrade")["hosts"]["h1"]["status"] == "upgraded"
    # Nothing of the background job is left, in the new system least of all
    assert host.sh("ls -A /root /dev/shm | grep -c ansible || true") == "0"


def test_progress_is_shown_without_asking(make_fleet: Fleet, controller: Controller) -> None:
    (host,) = make_fleet(1)
    # Slow enough to be seen: the package manager waits for its turn
    host.sh("mv /usr/bin/dnf /usr/bin/dnf.real && printf '#!/bin/sh\\nsleep 3\\nexec /usr/bin/dnf.real \"$@\"\\n' "
            "> /usr/bin/dnf && chmod 755 /usr/bin/dnf")  # fmt: skip
    run = controller.run("upgrade", host_upgrade_reboot=False)
    assert run.rc == 0
    assert "h1: upgrade 2/15: run the package manager in the new root" in run.output
    assert "of 5 packages)" in run.output


@pytest.mark.parametrize("moment", ["building", "rebooting"])
def test_killed_controller_and_a_second_run(make_fleet: Fleet, controller: Controller, moment: str) -> None:
    hosts = make_fleet(2)
    with controller.start("upgrade", fleet_canary=0, fleet_serial=2) as process:
        if moment == "building":
            wait_until_at_work(hosts[0], process)
        else:
            wait_for(lambda: hosts[0].boots > 1 or process.poll() is not None, "a reboot", timeout=300)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    record = controller.record("upgrade")
    assert record["waves"] == [["h1", "h2"]]

    run = controller.run("upgrade", fleet_canary=0, fleet_serial=2)
    assert run.rc == 0
    assert set(run.statuses().values()) <= {"upgraded", "current"}
    for host in hosts:
        assert_runs(host, NEW, "2.0")
        assert host.boots == 2


def test_what_was_switched_and_not_found_good_is_finished(
    make_fleet: Fleet, controller: Controller, tmp_path: Path
) -> None:
    """Cut off after the reboot, or back too late: health, going back, and back into service are the next run's."""
    good, bad = make_fleet(2)
    for host in (good, bad):
        stage(host)
        host.reboot()
        assert host.module("overc_host_info")["unfinished"]["operation"] == "upgrade"
    bad.write("/etc/lab-bad", "")
    undrain = tmp_path / "undrain.yml"
    undrain.write_text("- name: Mark\n  ansible.builtin.shell: echo back >> /boot/hooks\n")
    variables = {
        "fleet_canary": 0,
        "fleet_serial": 2,
        "host_upgrade_health": {**QUICK, "commands": ["test ! -e /etc/lab-bad"]},
        "host_upgrade_undrain_tasks": str(undrain),
    }
    run = controller.run("upgrade", **variables)
    assert run.rc != 0
    assert "to be finished, because a run was cut off after its reboot: h1, h2" in run.output
    assert run.statuses() == {"h1": "upgraded", "h2": "rolled_back"}
    assert_runs(good, NEW, "2.0")
    assert_runs(bad, OLD, "1.0")
    assert [host.sh("cat /boot/hooks") for host in (good, bad)] == ["back", "back"]
    assert [host.module("overc_host_info")["unfinished"] for host in (good, bad)] == [None, None]
    again = controller.run("upgrade", target="h1", **variables)
    assert (again.rc, again.status(good)) == (0, "current")


def test_trial_that_was_left_by_a_run_is_finished(make_fleet: Fleet, controller: Controller) -> None:
    (host,) = make_fleet(1, automatic=True)
    stage(host)
    host.reboot()
    assert host.module("overc_host_info")["state"] == "trial"
    run = controller.run("upgrade", host_upgrade_health=QUICK)
    assert (run.rc, run.status(host)) == (0, "upgraded"), run.reason(host)
    info = host.module("overc_host_info")
    assert (info["state"], info["unfinished"]) == ("clean", None)
    assert_runs(host, NEW, "2.0")
