# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's own task files: what Ansible would stumble over in the middle of a run is found before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from ansible_collections.overc.system.plugins.plugin_utils.own_tasks import check_file

GOOD = """\
- name: At the balancer
  ansible.builtin.command: drain {{ inventory_hostname }}
  delegate_to: lb1
- block:
    - ansible.builtin.debug:
        msg: hello
      delegate_to: "{{ groups['lb'][0] }}"
  rescue:
    - ansible.builtin.fail:
        msg: no
- include_tasks: more.yml
- ansible.builtin.import_tasks:
    file: more.yml
- include_tasks: "{{ somewhere }}.yml"
- include_role:
    name: mine
- ansible.builtin.uri:
    url: https://example.org
  delegate_to: lb3
  connection: local
"""
MORE = "- ansible.builtin.ping:\n  delegate_to: lb2\n"


def test_good_one_and_to_whom_it_delegates(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "more.yml").write_text(MORE)
    assert check_file("v", str(tmp_path / "good.yml"), DataLoader()) == ["lb1", "{{ groups['lb'][0] }}", "lb2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- nosuch_module: {a: 1}\n", "nosuch_module"),
        ("- ansible.builtin.debug: {msg: a}\n  delegat_to: x\n", "delegat_to"),
        ("- a: [\n", "cannot be loaded"),
        ("a: b\n", "is no list of tasks"),
        ("- just words\n", "is no task"),
        ("- ansible.builtin.debug: {msg: a}\n  ansible.builtin.command: b\n", "conflicting"),
        ("- block:\n    - nosuch_module: {a: 1}\n", "nosuch_module"),
        ("- ansible.builtin.ping:\n- include_tasks: away.yml\n", "away.yml"),
        ("- include_tasks: bad.yml\n", "includes itself"),
        ("\x00", "cannot be loaded"),
    ],
)
def test_bad_ones(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.yml").write_text(text)
    with pytest.raises(FleetError, match=f"^v: .*{said}"):
        check_file("v", str(tmp_path / "bad.yml"), DataLoader())


@pytest.mark.parametrize("path", ["/nonexistent/x.yml", "relative.yml", "/"])
def test_no_file(path: str) -> None:
    with pytest.raises(FleetError, match=r"^v: "):
        check_file("v", path, DataLoader())
