# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What inventories give for the roles, with Ansible's own templates and vaults: converted, refused, and never shown where it
is secret. Nobody is logged in to: plays on the controller itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar, trust_as_template
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from ansible_collections.overc.system.plugins.plugin_utils.options import DEFAULTS
from ansible_collections.overc.system.plugins.plugin_utils.role_options import asked

ROOT = Path(__file__).resolve().parents[4]
PASSWORD = b"vault-password"
TOKEN = "token-of-ours"  # noqa: S105
HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /nowhere/at/all') }}"


def look(role: str, **variables: t.Any) -> dict[str, t.Any]:
    loader = DataLoader()
    return asked(role, variables, Templar(loader=loader, variables=variables), loader)


def template(text: str) -> str:
    return trust_as_template(text)


@pytest.mark.parametrize("option", ["packages", "release", "reboot", "health", "layout", "drain_tasks", "run"])
def test_what_is_omitted_was_not_given(option: str) -> None:
    found = look("host_upgrade", **{f"host_upgrade_{option}": template("{{ nothing | default(omit) }}")})
    assert found[option] == DEFAULTS["host_upgrade"][option]
    with pytest.raises(FleetError, match="bootloader_state: it cannot be omitted"):
        look("bootloader", bootloader_state=template("{{ omit }}"))


def test_an_option_that_is_omitted_falls_back() -> None:
    given = {"host_rollback_health": template("{{ nothing | default(omit) }}"), "host_upgrade_health": {"retries": 5}}
    assert look("host_rollback", **given)["health"] == {"retries": 5}


def test_parts_that_are_omitted_were_not_given() -> None:
    part = template("{{ nothing | default(omit) }}")
    found = look("host_upgrade", host_upgrade_health={"tasks": part, "retries": 3}, overc_layout={"kernel": part})
    assert (found["health"], found["layout"]) == ({"retries": 3}, {})


def test_what_a_host_says_is_no_template() -> None:
    """A fact of a host in an option is text, whatever it looks like."""
    found = look(
        "host_upgrade", said=HOSTILE, host_upgrade_exclude=[template("{{ said }}")], host_upgrade_install=[HOSTILE]
    )
    assert (found["exclude"], found["install"]) == ([HOSTILE], [HOSTILE])


@pytest.mark.parametrize("name", ["host_upgrade_drain_tasks", "overc_layout", "fleet_report_dir", "__overc_role"])
def test_no_host_gives_itself_options(name: str) -> None:
    """What a module answers as a fact becomes a variable that goes before the inventory."""
    facts = {"discovered_interpreter_python": "/usr/bin/python3", "hostname": "h1"}
    look("host_upgrade", ansible_facts=facts)
    with pytest.raises(FleetError, match=f"{name}: .* facts .* Nothing was changed"):
        look("host_upgrade", **{"ansible_facts": {**facts, name: "/tmp/own.yml"}, name: "/tmp/own.yml"})


SHOWN = """
- hosts: localhost
  gather_facts: false
  tasks:
    - overc.system.overc_options: {role: host_upgrade}
      register: asked
    - ansible.builtin.assert:
        that: ["'token-of-ours' in asked.health.commands[0]", "'token-of-ours' in asked.run[0][1]"]
    - overc.system.overc_host_upgrade: {health: "{{ asked.health }}", run: "{{ asked.run }}"}
      check_mode: true
      ignore_errors: true
    - overc.system.overc_host_health: {units: false, retries: 0, commands: ["true {{ token }}"]}
    - import_role: {name: overc.system.preflight, tasks_from: upgrade, rolespec_validate: false}
    - ansible.builtin.assert:
        that: "'token-of-ours' in __preflight_answer.asked.health.commands[0]"
    - ansible.builtin.set_fact:
        __fleet_plan:
          command: upgrade
          hosts: {localhost: {verdict: go, status: pending, fingerprint: f}}
          options: {report_dir: ""}
          waves: [[localhost]]
          withheld: []
    - import_role: {name: overc.system.fleet, tasks_from: before_wave, rolespec_validate: false}
      vars: {fleet_command: upgrade}
    - ansible.builtin.assert:
        that: "'token-of-ours' in __fleet_gate.options.localhost.health.commands[0]"
"""


def inline(value: str) -> str:
    lines = VaultLib([("default", VaultSecret(PASSWORD))]).encrypt(value).decode().splitlines()
    return "!vault |\n" + "".join(f"  {line}\n" for line in lines)


def play(tmp_path: Path, text: str, *more: str, variables: str = "") -> str:
    (tmp_path / "play.yml").write_text(text)
    (tmp_path / "vars.yml").write_text(variables)
    (tmp_path / "password").write_bytes(PASSWORD)
    argv: list[t.Any] = [
        Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", "-e", f"@{tmp_path}/vars.yml",
        "-e", f"ansible_python_interpreter={sys.executable}", "--vault-password-file", tmp_path / "password", *more,
        tmp_path / "play.yml",
    ]  # fmt: skip
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_no_secret_is_shown_however_much_is_asked_for(tmp_path: Path) -> None:
    health = yaml.safe_dump({"host_upgrade_health": {"commands": ["true {{ token }}"]}})
    run = yaml.safe_dump({"host_upgrade_run": [["true", "{{ token }}"]], "host_upgrade_reboot": False})
    said = play(tmp_path, SHOWN, "-vvv", variables=f"token: {inline(TOKEN)}{health}{run}")
    assert [
        line for line in said.splitlines() if TOKEN in line and "in asked" not in line and "in __" not in line
    ] == []
