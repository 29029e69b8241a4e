# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short forms for what the fleet tests do over and over: run a playbook as a person does, and read what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Host, Lab
from tests.lab.settings import REPOSITORY

OLD, NEW = "rootfs", "rootfs_upgrade"
# Passes on lab-app 1.0 and on nothing newer: how a test says that an upgrade is bad
ONLY_OLD = "grep -qx 1.0 /usr/share/lab-app/version"
QUICK = {"retries": 2, "delay": 1}


# A host that goes down and does not come up: its kernel is lost while it shuts down
LOSE_KERNEL = """\
- name: Lose the kernel
  ansible.builtin.command:
    argv: [systemd-run, --unit=lose-kernel, --property=RemainAfterExit=yes, --property=RequiresMountsFor=/boot,
           "--property=ExecStop=/bin/rm /boot/bzImage", /bin/true]
  changed_when: true
"""


@dataclass(frozen=True)
class Run:
    """A finished ansible-playbook."""

    rc: int
    output: str
    record: dict[str, t.Any]

    def status(self, host: Host) -> str:
        return str(self.record["hosts"][host.name]["status"])

    def statuses(self) -> dict[str, str]:
        return {name: entry["status"] for name, entry in self.record["hosts"].items()}

    def reason(self, host: Host) -> str:
        return str(self.record["hosts"][host.name]["reason"])


class Controller:
    """Runs playbooks of this checkout against the hosts of a lab."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory

    def command(self, name: str, variables: dict[str, t.Any], more: Sequence[str] = ()) -> list[str]:
        given = {"target": "lab", "fleet_report_dir": str(self.directory), **variables}
        program = str(Path(sys.executable).parent / "ansible-playbook")
        inventory = str(self.lab.inventory(self.directory / "inventory.yml"))
        return [program, "-i", inventory, "-e", json.dumps(given), *more, f"overc.system.{name}"]

    def start(self, name: str, *more: str, **variables: t.Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
        return subprocess.Popen(
            self.command(name, variables, more),
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, name: str, *more: str, **variables: t.Any) -> Run:
        with self.start(name, *more, **variables) as process:
            output, _errors = process.communicate(timeout=900)
        print(output)
        return Run(process.returncode, output, self.record(name))

    def record(self, name: str) -> dict[str, t.Any]:
        path = self.directory / f"{name}.json"
        return t.cast("dict[str, t.Any]", json.loads(path.read_text())) if path.exists() else {}


def version(host: Host) -> str | None:
    return host.rpm_version("lab-app")


def booted(host: Host) -> str:
    return host.sh("findmnt -nvo FSROOT / | sed 's/^.//'")


def assert_untouched(host: Host) -> None:
    """Never rebooted, never staged: what a host is whose turn did not come."""
    assert host.boots == 1, host.name
    assert host.default_subvolume() == OLD
    with host.top() as top:
        assert not (top / NEW).exists(), host.name


def assert_runs(host: Host, root: str, app: str) -> None:
    assert (booted(host), version(host), host.default_subvolume()) == (root, app, root), host.name


def stage(host: Host) -> None:
    """Stage an upgrade behind the controller's back."""
    result = host.module("overc_host_upgrade")
    assert result.get("state") == "staged", result
