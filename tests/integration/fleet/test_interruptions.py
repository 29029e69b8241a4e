# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lost connection, a killed controller: the work on the hosts goes on, and a second run completes it."""

from __future__ import annotations

import os
import re
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
    assert re.search(r"^h1: upgrade \d+/\d+: run the package manager in the new root", run.output, re.MULTILINE)
    assert "of 5 packages)" in run.output
    assert host.sh("ls -A /tmp /root /dev/shm | grep -c -i ansible || true") == "0"
    assert host.sh("ls -A /run/overc-system/async") == ""


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


SLOW = """\
- name: Mark
  ansible.builtin.shell: "echo {word} >> /boot/hooks"
- name: Then something takes its time, or fails
  ansible.builtin.command: {then}
"""


def test_host_that_was_drained_is_put_back_by_the_next_run(
    make_fleet: Fleet, controller: Controller, tmp_path: Path
) -> None:
    """The drain fails, the stage is cancelled, the controller dies before the undrain; then nothing is pending any more."""
    (host,) = make_fleet(1)
    drain, undrain = tmp_path / "drain.yml", tmp_path / "undrain.yml"
    drain.write_text(SLOW.format(word="drained", then="/bin/false"))
    undrain.write_text(SLOW.format(word="undraining", then="sleep 300"))
    variables = {"host_upgrade_drain_tasks": str(drain), "host_upgrade_undrain_tasks": str(undrain)}
    hooks = ["cat", "/boot/hooks"]
    with controller.start("upgrade", **variables) as process:
        wait_for(
            lambda: "undraining" in host.run(hooks, check=False).stdout or process.poll() is not None,
            "the undrain to begin",
            timeout=300,
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    info = host.module("overc_host_info")
    assert (info["state"], info["booted"]["subvolume"], info["unfinished"]) == ("clean", OLD, None)
    assert info["out_of_service"]
    status = controller.run("status")
    assert "out of service since" in status.output

    host.release("v1")
    undrain.write_text(SLOW.format(word="back", then="/bin/true"))
    planned = controller.run("upgrade", "--check", **variables)
    assert "left out of service by an earlier run, to be put back: h1" in planned.output
    nobody = controller.run("upgrade")
    assert (nobody.rc, nobody.status(host)) == (0, "current")
    assert any("out of service since" in text for text in nobody.record["hosts"]["h1"]["warnings"])
    assert "This run has no tasks that put it back" in nobody.output
    run = controller.run("upgrade", **variables)
    assert (run.rc, run.status(host)) == (0, "undrained"), run.reason(host)
    assert host.run(hooks).stdout.split() == ["drained", "undraining", "back"]
    assert host.module("overc_host_info")["out_of_service"] is None
    assert_runs(host, OLD, "1.0")
    assert host.boots == 1
    assert controller.run("upgrade", **variables).status(host) == "current"


def test_wave_that_falls_silent_in_its_drain_has_a_verdict(
    make_fleet: Fleet, controller: Controller, tmp_path: Path
) -> None:
    """Ansible ends a run whose wave is lost as a whole; the next run goes on from there, undrain and all."""
    silent, second = make_fleet(2)
    drain, undrain = tmp_path / "drain.yml", tmp_path / "undrain.yml"
    drain.write_text(
        "- ansible.builtin.shell: echo drained >> /boot/hooks; systemctl stop ssh; (sleep 1; pkill -x sshd) &\n"
        "- ansible.builtin.wait_for_connection: {delay: 3, timeout: 5}\n  ignore_errors: true\n"
        "- ansible.builtin.ping:\n"
    )
    undrain.write_text("- ansible.builtin.shell: echo back >> /boot/hooks\n")
    variables = {"host_upgrade_drain_tasks": str(drain), "host_upgrade_undrain_tasks": str(undrain)}
    run = controller.run("upgrade", **variables)
    assert run.rc != 0
    end = run.output[run.output.index("PLAY RECAP") :]
    assert "upgrade of 2 hosts: 1 interrupted, 1 postponed" in end
    assert "h1: interrupted: " in end
    assert f"report: {controller.directory}/upgrade.html" in end
    assert run.statuses() == {"h1": "interrupted", "h2": "postponed"}
    silent.sh("systemctl start ssh")
    assert silent.module("overc_host_info")["out_of_service"]
    drain.write_text("- ansible.builtin.shell: echo drained >> /boot/hooks\n")
    again = controller.run("upgrade", **variables)
    assert again.statuses() == {"h1": "upgraded", "h2": "upgraded"}
    for host in (silent, second):
        assert_runs(host, NEW, "2.0")
        assert host.sh("tail -n 1 /boot/hooks") == "back"
        assert host.module("overc_host_info")["out_of_service"] is None
