# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every supported ansible-core, and every supported Python on the host: the life of a host, over real SSH."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from collections.abc import Callable
from pathlib import Path

import interpreters
import pytest

from tests.lab import Host, Lab
from tests.lab.settings import REPOSITORY
from tests.release import controllers, target_python

MakeHost = Callable[..., Host]
FOUND = interpreters.found()


def without_ansible() -> dict[str, str]:
    """The environment as a user has it: pytest-ansible puts this checkout into it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}


class Ansible:
    """One controller and one host, with the host's Python as given."""

    def __init__(
        self,
        programs: Path,
        lab: Lab,
        host: Host,
        python: str,
        *,
        cwd: Path = REPOSITORY,
        config: Path = REPOSITORY / "ansible.cfg",
    ) -> None:
        self.cwd = cwd
        self.command = [str(programs / "ansible"), host.name, "-e", f"ansible_python_interpreter={python}", "-m"]
        self.environment = {
            **without_ansible(),
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_INVENTORY": str(lab.inventory()),
            "ANSIBLE_NOCOLOR": "1",
        }

    def __call__(self, module: str, *options: str) -> dict[str, t.Any]:
        done = subprocess.run(
            [*self.command, module, *options],
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "[WARNING]" not in done.stderr, done.stderr
        assert "[DEPRECATION" not in done.stderr, done.stderr
        result: dict[str, t.Any] = json.loads(done.stdout.partition("=> ")[2])
        return result


def live(ansible: Ansible, host: Host, prefix: str = "overc.system.") -> None:
    """All that a host goes through; every answer is checked, and what runs in the end."""
    info = ansible(f"{prefix}overc_host_info")
    assert info["state"] == "clean"
    host.release("v2")
    assert ansible(f"{prefix}overc_host_update")["changes"]
    planned = ansible(f"{prefix}overc_host_upgrade", "--check", "--diff")
    assert planned["changed"]
    assert planned["steps"]
    staged = ansible(f"{prefix}overc_host_upgrade")
    assert staged["state"] == "staged"
    up = ansible(f"{prefix}overc_host_upgrade", "-a", "reboot=true")
    assert up["reboot"]["came_up"]["subvolume"] == "rootfs_upgrade"
    assert host.rpm_version("lab-app") == "2.0"
    assert not ansible(f"{prefix}overc_host_upgrade")["changed"]
    assert ansible(f"{prefix}overc_host_rollback", "-a", "reboot=true")["changed"]
    assert host.rpm_version("lab-app") == "1.0"
    assert ansible(f"{prefix}overc_overlay_info")["containers"] == []


# ansible-core 2.19 knows hosts up to Python 3.13
PAIRS = [(core, python) for python in interpreters.SUPPORTED for core in controllers.CORES]
PAIRS.remove(("2.19", "3.14"))


@pytest.mark.parametrize(("core", "python"), PAIRS)
def test_core_and_target_python(core: str, python: str, lab: Lab, make_host: MakeHost) -> None:
    if python not in FOUND:
        pytest.skip(f"this machine has no Python {python}")
    try:
        controller = controllers.controller(core, FOUND)
    except controllers.CannotInstall as why:
        pytest.skip(str(why))
    host = make_host(start=False)
    place = target_python.install(host, python, FOUND[python])
    host.start()
    live(Ansible(controller.programs, lab, host, place), host)
