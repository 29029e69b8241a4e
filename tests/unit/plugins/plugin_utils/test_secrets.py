# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes from a vault is known and hidden, with Ansible's own vaults; what playbooks go on with stays."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import typing as t
import urllib.parse
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.overc.system.plugins.plugin_utils import secrets

PASSWORD = b"vault-password"


@pytest.fixture
def load(tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    """Reads a file of variables as inventories are read; ``whole``: encrypted as a whole."""

    def read(text: str, *, whole: bool = False, knows: bool = True) -> dict[str, t.Any]:
        vault: t.Any = [("default", VaultSecret(PASSWORD))]
        path = tmp_path / "vars.yml"
        path.write_bytes(VaultLib(vault).encrypt(text) if whole else text.encode())
        loader = DataLoader()
        if knows:
            loader.set_vault_secrets(vault)
        return t.cast("dict[str, t.Any]", loader.load_from_file(str(path), cache="none"))

    return read


def inline(value: str) -> str:
    vault = VaultLib([("default", VaultSecret(PASSWORD))])
    return "!vault |\n" + "".join(f"        {line}\n" for line in vault.encrypt(value).decode().splitlines())


def test_nothing_is_no_secret() -> None:
    assert secrets.vaulted({}) == secrets.vaulted({"a": "plain-text", "b": {"c": None}}) == frozenset()


def test_whole_files(load: t.Callable[..., dict[str, t.Any]]) -> None:
    text = "a: token-of-ours\nn: 12345678\nb: {c: [deep-secret, true]}\noverc_layout: {root_subvolume: rootfs}\n"
    text += "host_upgrade_health: {commands: ['curl -H token']}\nkey: |\n  line-one-of-it\n  line-two-of-it\n"
    found = secrets.vaulted(load(text, whole=True))
    assert {"token-of-ours", "12345678", "deep-secret", "curl -H token", "line-two-of-it"} <= found
    assert not {"rootfs", "True"} & found
    assert secrets.vaulted(load(text)) == frozenset(), "read from a file that is not encrypted"


def test_a_value_that_nobody_can_decrypt(load: t.Callable[..., dict[str, t.Any]]) -> None:
    assert secrets.vaulted(load(f"a: {inline('token-of-ours')}", knows=False)) == frozenset()


def test_only_what_people_read_is_changed() -> None:
    result = {
        "msg": "curl -H token-of-ours failed", "state": "token-of-ours", "booted": {"subvolume": "token-of-ours"},
        "stdout_lines": ["x", "token-of-ours-and-more token-of-ours"], "warnings": [{"msg": "token-of-ours"}], "rc": 1,
    }  # fmt: skip
    told = secrets.told_without(result, {"token-of-ours", "token-of-ours-and-more"})
    assert told["msg"] == "curl -H ******** failed"
    assert told["stdout_lines"] == ["x", "******** ********"]
    assert told["warnings"] == [{"msg": "********"}]
    assert (told["state"], told["booted"], told["rc"]) == ("token-of-ours", {"subvolume": "token-of-ours"}, 1)
    assert secrets.without({"n": 12345678, "b": True}, {"12345678"}) == {"n": "********", "b": True}


@pytest.mark.parametrize(
    "secret", ['to"ken-of-ours', "to\\ken-of-ours", "to'ken-of-ours", "tökén-of-ours", "to ken/of&ours"]
)
def test_a_secret_is_hidden_as_programs_write_it(secret: str, load: t.Callable[..., dict[str, t.Any]]) -> None:
    """In Ansible's JSON, quoted for a shell, in an address."""
    found = secrets.vaulted(load(f"a: {json.dumps(secret)}", whole=True))
    written = [
        json.dumps({"msg": secret}), json.dumps({"msg": secret}, ensure_ascii=False), f"test {shlex.quote(secret)} = y",
        f"https://x/?a={urllib.parse.quote(secret)}", f"https://x/?a={urllib.parse.quote(secret, safe='')}",
        f"https://x/?a={urllib.parse.quote_plus(secret)}",
    ]  # fmt: skip
    told = secrets.without(written, found)
    assert [text.count(secrets.SHOWN) for text in told] == [1] * len(written)
    assert not [text for text in told if "ken" in text or "ours" in text]


def test_a_mapping_of_the_inventory_is_no_result_of_a_task(load: t.Callable[..., dict[str, t.Any]]) -> None:
    assert "token-of-ours" in secrets.vaulted(load("notify: {changed: mail, token: token-of-ours}", whole=True))
    registered = {**load("token: token-of-ours", whole=True), "changed": False}
    assert secrets.vaulted({"own": registered}) == frozenset()


HEALTH = """
- hosts: localhost
  gather_facts: false
  tasks:
    - overc.system.overc_host_health:
        units: false
        retries: 0
        commands: ["test x{{ token }} = y"]
      ignore_errors: true
    - ansible.builtin.fail: {msg: "own {{ token }} {{ deep[0].e }} {{ short }}"}
      ignore_errors: true
      register: own
    - ansible.builtin.debug: {msg: "reason={{ own | overc.system.failure_reason }}"}
    - ansible.builtin.ping:
      loop: []
      register: nothing
    - overc.system.overc_options: {role: host_upgrade}
      vars: {host_upgrade_state_policy: "x {{ token }}"}
      ignore_errors: true
      register: wrong
    - ansible.builtin.assert: {that: "wrong.msg is search('x [*]+')"}
    - overc.system.overc_options: {role: host_upgrade}
      register: asked
    - ansible.builtin.debug: {msg: "shown={{ asked.shown.health.commands[0] }}"}
    - ansible.builtin.assert: {that: "'token-of-ours' in asked.health.commands[0]"}
    - vars: {host_upgrade_state_policy: wrong, __pull_run: {secrets: "{{ playbook_dir }}/secrets.json", phase: none}}
      block:
        - ansible.builtin.include_role: {name: overc.system.pull, tasks_from: run, rolespec_validate: false}
        - ansible.builtin.meta: end_play
      rescue:
        - ansible.builtin.debug: {msg: "the pull failed"}
"""


def test_playbooks_hide_what_is_in_a_vault(tmp_path: Path) -> None:
    (tmp_path / "vars.yml").write_text(
        f"token: {inline('token-of-ours')}deep:\n  - e: {inline('deep-secret')}short: {inline('abc')}host_upgrade_health: {{commands: ['curl {{{{ token }}}}']}}\n"
    )
    (tmp_path / "play.yml").write_text(HEALTH)
    (tmp_path / "password").write_bytes(PASSWORD)
    program = Path(sys.executable).with_name("ansible-playbook")
    root = Path(__file__).resolve().parents[4]
    argv: list[t.Any] = [program, "-i", "localhost,", "-c", "local", "-e", f"@{tmp_path}/vars.yml",
            "-e", f"ansible_python_interpreter={sys.executable}", "--vault-password-file",
            tmp_path / "password", tmp_path / "play.yml"]  # fmt: skip
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "DEPRECATION" not in said, "of Ansible's own variables, which nobody has to look at"
    assert "reason=own ******** ******** abc" in said
    assert "test x******** =" in said, "the check itself was run"
    assert "shown=curl ********" in said
    assert "the pull failed" in said
    assert "token-of-ours" in json.loads((tmp_path / "secrets.json").read_text()), "known before anything can fail"
    ours = [line for line in said.splitlines() if "token-of-ours" in line and "own token-of-ours" not in line]
    assert ours == [], "only what a task of somebody else prints itself has it"
