# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.brought_back import brought_back

ACCOUNTS = {"etc/passwd": "root", "etc/shadow": "old", "etc/machine-id": "a1", "etc/ssh/ssh_host_ed25519_key": "k1"}


def root(path: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return str(path)


def found(now: str, then: str) -> dict[str, str]:
    return {entry["path"]: entry["kind"] for entry in brought_back(now, then)}


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ({}, {}),
        ({"etc/shadow": "renewed"}, {"/etc/shadow": "accounts"}),
        ({"etc/ssh/ssh_host_ed25519_key": "k2"}, {"/etc/ssh/ssh_host_ed25519_key": "ssh host keys"}),
        ({"etc/ssh/ssh_host_rsa_key": "only there"}, {"/etc/ssh/ssh_host_rsa_key": "ssh host keys"}),
        ({"etc/krb5.keytab": "x"}, {"/etc/krb5.keytab": "machine keytab"}),
        ({"etc/machine-id": "b2"}, {"/etc/machine-id": "machine id"}),
        ({"etc/ssh/sshd_config": "x", "etc/hosts": "x", "etc/ssh/ssh_host_ed25519_key.pub": "x"}, {}),
    ],
)
def test_what_is_not_as_it_is_now(tmp_path: Path, then: dict[str, str], told: dict[str, str]) -> None:
    now = root(tmp_path / "now", ACCOUNTS)
    assert found(now, root(tmp_path / "then", {**ACCOUNTS, **then})) == told


def test_other_things_in_the_place_of_files(tmp_path: Path) -> None:
    """A fifo is not waited for, and a link that leads out of the root is not followed out of it."""
    now, then = root(tmp_path / "now", ACCOUNTS), root(tmp_path / "then", ACCOUNTS)
    os.unlink(f"{then}/etc/shadow")
    os.mkfifo(f"{then}/etc/shadow")
    os.unlink(f"{then}/etc/passwd")
    os.symlink(f"{now}/etc/passwd", f"{then}/etc/passwd")
    assert set(found(now, then)) == {"/etc/shadow", "/etc/passwd"}
    assert found(now, str(tmp_path / "nowhere")).keys() == {f"/{name}" for name in ACCOUNTS}
