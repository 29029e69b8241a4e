# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is asked whether it works: alone, before it is confirmed, and as a part of an upgrade with its reboot."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

from tests.integration.controller import Controller
from tests.lab import Host

MakeHost = Callable[..., Host]
UPGRADE: t.Final = "overc.system.overc_host_upgrade"
ROLLBACK: t.Final = "overc.system.overc_host_rollback"
CONFIRM: t.Final = "overc.system.overc_host_confirm"
FAILING: t.Final = (
    "printf '[Service]\\nExecStart=/bin/false\\n' >/run/systemd/system/%s.service && systemctl daemon-reload"
)


def with_health(**health: t.Any) -> tuple[str, str]:
    return "-a", json.dumps({"reboot": True, "health": {"retries": 1, "delay": 0, **health}})


def test_asked_alone(host: Host) -> None:
    asked = {"services": ["ssh.service", "systemd-journald"], "ports": [22], "commands": ["test -d /etc"]}
    fine = host.module("overc_host_health", asked)
    assert fine["passed"] == [
        "No unit failed that had not failed before",
        "Declared services run",
        "Declared ports are open",
        "Declared commands succeed",
    ]
    assert fine["changed"] is False

    host.sh(FAILING % "bad" + "; systemctl start bad; :")
    host.sh("for n in $(seq 50); do systemctl is-failed -q bad && break; sleep 0.1; done")
    sick = host.module("overc_host_health", {"retries": 0})
    assert (sick["error_id"], sick["msg"]) == ("unhealthy", "Failed: bad.service.")
    assert host.module("overc_host_health", {"failed_before": ["bad.service"]})["passed"]
    down = host.module("overc_host_health", {"units": False, "services": ["bad"], "retries": 0})
    assert (down["check"], down["msg"]) == ("Declared services run", "Not running: bad.")
    for told in (sick, down):
        assert "bad.service" in told["stdout"], "the state of the unit and its journal"
        assert "Active: " in told["stdout"]


def test_nothing_is_confirmed_that_does_not_work_or_is_not_meant(host: Host) -> None:
    booted = host.module("overc_host_info")["booted"]["uuid"]
    other = "00000000-0000-4000-8000-000000000000"
    refused = host.module(
        "overc_host_confirm", {"expected_uuid": other, "health": {"commands": ["touch /asked"]}}, check=False
    )
    assert (refused["error_id"], refused["deployment"]["uuid"]) == ("not_booted", booted)
    host.sh("! test -e /asked")
    sick = host.module("overc_host_confirm", {"health": {"commands": ["false"], "retries": 0}})
    assert (sick["error_id"], sick["check"], sick["rc"]) == ("unhealthy", "Declared commands succeed", 1)
    fine = host.module("overc_host_confirm", {"expected_uuid": booted, "health": {"ports": [22]}})
    assert (fine["deployment"]["subvolume"], fine["state"]) == ("rootfs", "clean")
    assert fine["passed"][-1] == "Declared ports are open"


def test_what_cannot_be_asked_is_refused_before_anything_is_built(ansible: Controller, host: Host) -> None:
    host.release("v2")
    refused = ansible(host.name, UPGRADE, *with_health(urls=["ftp://localhost/"]))
    assert (refused.rc, refused.result["error_id"]) == (2, "bad_argument"), refused.output
    assert refused.result["msg"].startswith("health.urls: ")
    # Ansible's own conversion ends in a traceback for these
    for value in (False, [1], 5):
        assert host.module("overc_host_upgrade", {"health": value})["error_id"] == "bad_argument"
    assert (host.module("overc_host_info")["state"], host.boots) == ("clean", 1)


def test_upgrade_and_rollback_with_health(ansible: Controller, host: Host) -> None:
    host.release("v2")
    done = ansible(host.name, UPGRADE, *with_health(services=["ssh"]), "-e", "overc_background=true")
    assert done.rc == 0, done.output
    said = f"{host.name}: reboots into rootfs_upgrade\n{host.name}: answers, is asked whether it works\n"
    assert said in done.stderr, "progress goes where results do not"
    assert done.result["passed"] == ["No unit failed that had not failed before", "Declared services run"]
    assert (done.result["state"], host.boots, host.rpm_version("lab-app")) == ("clean", 2, "2.0")

    sick = ansible(host.name, ROLLBACK, *with_health(commands=["grep -q never /etc/hostname"]))
    assert (sick.rc, sick.result["error_id"]) == (2, "unhealthy"), sick.output
    assert sick.result["check"] == "Declared commands succeed"
    assert "overc_host_rollback returns to the system before it" in sick.result["msg"]
    assert "lab-app" not in sick.result.get("stdout", ""), "what the package manager said is no reason"
    assert sick.result["reboot"]["came_up"]["subvolume"] == "rootfs"
    assert (sick.result["state"], host.boots, host.rpm_version("lab-app")) == ("clean", 3, "1.0")


def test_a_trial_that_does_not_work_is_not_confirmed(ansible: Controller, make_host: MakeHost) -> None:
    host = make_host(automatic=True)
    host.release("v2")
    sick = ansible(host.name, UPGRADE, *with_health(ports=[1]))
    assert (sick.rc, sick.result["error_id"], sick.result["state"]) == (2, "unhealthy", "trial"), sick.output
    assert "so its next start is the system before it" in sick.result["msg"]
    assert host.module("overc_host_info")["trial"]["outcome"] == "running"
    back = ansible(host.name, ROLLBACK, *with_health(ports=[22]))
    assert (back.rc, back.result["state"], back.result["trial"]) == (0, "clean", None), back.output
    assert host.rpm_version("lab-app") == "1.0"


def test_a_connection_lost_while_it_is_asked_is_made_again(ansible: Controller, host: Host) -> None:
    """The check ends the session that it was asked over, the first time."""
    host.release("v2")
    host.write(
        "/usr/local/sbin/cut", "#!/bin/sh\nmkdir /run/cut || exit 0\nkill -KILL $(pgrep -f '^sshd.*: root')\nsleep 30\n"
    )
    host.sh("chmod 755 /usr/local/sbin/cut")
    done = ansible(host.name, UPGRADE, *with_health(commands=["/usr/local/sbin/cut"]))
    assert done.rc == 0, done.output
    host.sh("test -d /run/cut")
    assert (done.result["passed"][-1], done.result["state"], host.boots) == ("Declared commands succeed", "clean", 2)
