# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked for and cannot be meant: the playbooks say so before any host is asked anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.lab.settings import REPOSITORY

# Nobody is at home there: whoever is asked anything says so
INVENTORY = """\
all:
  hosts:
    h1: {ansible_host: 127.0.0.1, ansible_port: 9}
    h2: {ansible_host: 127.0.0.1, ansible_port: 9}
    web 1: {ansible_host: 127.0.0.1, ansible_port: 9}
"""


def run(name: str, tmp_path: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(INVENTORY)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, *arguments, f"overc.system.{name}"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
             "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".collections"), **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert "Traceback" not in done.stdout
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("upgrade", ["-e", "target=all fleet_windows=22:00-04:00"], "fleet_windows (did you mean fleet_window?)"),
        ("upgrade", ["-e", "target=all host_upgrade_reboot=maybe"], "host_upgrade_reboot: 'maybe' is neither true nor false"),
        ("rollback", ["-e", "target=all fleet_canary=none"], "fleet_canary: 'none' is neither a number of hosts"),
        ("upgrade", ["-e", "target=all fleet_exclude=h3"], "fleet_exclude: h3 names no host"),
        # Ansible ends the value at the blank: h2 would not be left out
        ("upgrade", ["-e", "target=all", "-e", "fleet_exclude=h1 h2"], "-e: 'h2' belongs to no variable"),
        ("rollback", ["-e", "target=h1 h2"], "-e: 'h2' belongs to no variable"),
        ("update", ["-e", "target=h1 h2"], "-e: 'h2' belongs to no variable"),
        # The module's names, and Ansible's: the hosts would reboot
        ("upgrade", ["-e", "target=all reboot=false"], "There is no option reboot (did you mean host_upgrade_reboot?)"),
        ("rollback", ["-e", "target=all serial=1"], "There is no option serial (did you mean fleet_serial?)"),
    ],
)  # fmt: skip
def test_refused_before_anybody_is_asked(name: str, arguments: list[str], said: str, tmp_path: Path) -> None:
    code, output = run(name, tmp_path, *arguments)
    assert code != 0
    assert said in output
    assert "does not answer" not in output
    assert not (tmp_path / "overc-report").exists()


def test_one_host_with_a_bad_file_of_its_own_and_one_with_an_odd_name(tmp_path: Path) -> None:
    """Each host's own variables are looked at before the first one is touched, and no name drops out."""
    bad = tmp_path / "drain.yml"
    bad.write_text("- nosuch_module: {a: 1}\n")
    given: dict[str, t.Any] = {"target": "all", "fleet_exclude": "h1", "host_upgrade_drain_tasks": str(bad)}
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/h2").write_text("host_upgrade_health: {service: [nginx]}\n")
    del given["host_upgrade_drain_tasks"]
    (tmp_path / "host_vars/web 1").write_text(f"host_upgrade_drain_tasks: {bad}\n")
    code, _output = run(
        "upgrade", tmp_path, "-e", json.dumps(given), ANSIBLE_STRATEGY="free", ANSIBLE_ANY_ERRORS_FATAL="1"
    )
    assert code != 0
    hosts = json.loads((tmp_path / "overc-report/upgrade.json").read_text())["hosts"]
    assert {host: entry["status"] for host, entry in hosts.items()} == {"h2": "unready", "web 1": "unready"}
    assert "Did you mean services" in hosts["h2"]["reason"]
    assert "nosuch_module" in hosts["web 1"]["reason"]
    assert {entry["error_id"] for entry in hosts.values()} == {"bad_argument"}
