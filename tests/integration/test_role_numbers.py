# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that nobody can count to, given to roles: refused at once, with the name of the variable, and nothing happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host, Lab
from tests.lab.settings import REPOSITORY

# Role, its tasks, the variable, and the name in the refusal: that of the module's option where a module is what refuses
CASES: t.Final = [
    ("bootloader", "main", "bootloader_panic_timeout", "panic_timeout"),
    ("bootloader", "main", "bootloader_boot_timeout", "boot_timeout"),
    ("bootloader", "main", "bootloader_confirm_deadline", "confirm_deadline"),
    ("health", "main", "health_checks.retries", "health_checks.retries"),
    ("health", "main", "health_checks.delay", "health_checks.delay"),
    ("health", "main", "health_checks.soak", "health_checks.soak"),
    ("host_rollback", "main", "host_rollback_reboot_timeout", "reboot_timeout"),
    ("host_update", "main", "host_update_cache_valid_time", "cache_valid_time"),
    ("host_upgrade", "main", "host_upgrade_reboot_timeout", "reboot_timeout"),
    ("host_upgrade", "main", "host_upgrade_health.retries", "health.retries"),
    ("host_upgrade", "main", "host_upgrade_health.delay", "health.delay"),
    ("host_upgrade", "main", "host_upgrade_health.soak", "host_upgrade_health.soak"),
    ("preflight", "upgrade", "preflight_wait", "preflight_wait"),
    ("preflight", "rollback", "preflight_wait", "preflight_wait"),
    ("pull", "main", "pull_timeout", "pull_timeout"),
]
VALUES: t.Final = [float("inf"), "1e999999999", "many"]
# What those roles need besides
OTHERS: t.Final = {"pull_url": "https://example.invalid/site.git", "pull_program_directory": "/usr/bin"}


def tasks(value: t.Any) -> list[dict[str, t.Any]]:
    """Each role with one bad number; what it says goes on, after the number of its case."""
    made: list[dict[str, t.Any]] = []
    for number, (role, tasks_from, variable, _name) in enumerate(CASES):
        name, _dot, key = variable.partition(".")
        use = {"name": f"overc.system.{role}", "tasks_from": tasks_from}
        given = {**OTHERS, name: {key: value} if key else value}
        # It ends no run: why a host is not ready is in its answer
        fail = {"msg": "{{ __preflight_answer.msg }}"}
        answer = [{"ansible.builtin.fail": fail, "when": "__preflight_answer is failed"}] if role == "preflight" else []
        said = f"case {number} said: {{{{ ansible_failed_result.msg | default('') }}}}"
        made.append({
            "block": [
                {"ansible.builtin.include_role": use, "vars": given},
                *answer,
                {"ansible.builtin.debug": {"msg": f"case {number} went on"}},
            ],
            "rescue": [{"ansible.builtin.debug": {"msg": said}}],
        })  # fmt: skip
    return made


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_refused_by_name(value: t.Any, lab: Lab, host: Host, tmp_path: Path) -> None:
    before = snapshot_of_disk(host)
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump([{"hosts": host.name, "gather_facts": False, "tasks": tasks(value)}]))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", lab.inventory(), play],
        cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout
    said = dict(re.findall(r'"msg": "case (\d+) said: (.*)"', done.stdout))
    wanted = "is not a whole number from 0 to 2147483647"
    unclear = {
        variable: said.get(str(number), done.stdout[-2000:])
        for number, (_role, _tasks, variable, name) in enumerate(CASES)
        if f"{name}: " not in said.get(str(number), "") or wanted not in said[str(number)]
    }
    assert unclear == {}
    assert snapshot_of_disk(host) == before
