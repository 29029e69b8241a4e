# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.labelling import Labelling, observe_labelling
from ansible_collections.overc.system.plugins.module_utils.system import selinux
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount


class Finds:
    def __init__(self, *programs: str) -> None:
        self._programs = programs

    def find(self, program: str) -> str | None:
        return f"/sbin/{program}" if program in self._programs else None


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Of the machine that runs this nothing is asked."""
    said: dict[str, str | None] = {"type": "default", "contexts": "/e/file_contexts", "policy": "/e/policy.33"}
    monkeypatch.setattr(selinux, "policy_type", lambda _root: said["type"])
    monkeypatch.setattr(selinux, "file_contexts", lambda _root: said["contexts"])
    monkeypatch.setattr(selinux, "binary_policy", lambda _root: said["policy"])
    monkeypatch.setattr(selinux, "will_enforce", lambda _root: said.get("later") is not None)
    return said


def observed(tmp_path: Path, *programs: str) -> Labelling | None:
    mounted = [Mount(str(tmp_path), "/", "selinuxfs", "selinuxfs", frozenset())]
    return observe_labelling(t.cast("t.Any", Finds(*programs)), mounted)


def test_without_a_policy_nothing_is_labelled() -> None:
    assert observe_labelling(t.cast("t.Any", Finds()), []) is None


def test_a_host_that_can_label(tmp_path: Path, policy: dict[str, str | None]) -> None:
    assert policy
    assert observed(tmp_path, "setfiles") == Labelling("enforcing")


def test_a_mode_that_ends_with_the_next_start(tmp_path: Path, policy: dict[str, str | None]) -> None:
    """setenforce(8) lasts until then, and it is the new root that starts."""
    (tmp_path / "enforce").write_text("0")
    assert (observed(tmp_path) or Labelling("enforcing")).is_needed is False
    policy["later"] = "enforcing"
    found = observed(tmp_path)
    assert found is not None
    assert found.is_needed
    assert found.detail.startswith(
        "SELinux is permissive until the next start, and files of a new root cannot be labelled"
    )


def test_what_is_missing_is_named(tmp_path: Path, policy: dict[str, str | None]) -> None:
    policy["contexts"] = None
    found = observed(tmp_path)
    assert found is not None
    assert found.detail == (
        "SELinux is enforcing, and files of a new root cannot be labelled: there is no program setfiles and there is no "
        "file_contexts of the policy 'default' below /etc/selinux"
    )
    policy.update(contexts="/e/file_contexts", policy=None)
    assert observed(tmp_path, "setfiles") == Labelling(
        "enforcing", ("there is no policy/policy.* of the policy 'default' below /etc/selinux",)
    )
    policy["type"] = None
    assert observed(tmp_path, "setfiles") == Labelling("enforcing", ("there is no /etc/selinux/config",))
