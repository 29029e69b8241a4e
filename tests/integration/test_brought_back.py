# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback says whose keys and accounts come back with the old root."""

from __future__ import annotations

import typing as t

from tests.lab import Host


def kinds(answer: dict[str, t.Any]) -> dict[str, str]:
    assert not answer.get("failed"), answer
    return {entry["path"]: entry["kind"] for entry in answer["brought_back"]}


def test_what_was_renewed_is_the_old_one_again(host: Host) -> None:
    host.release("v2")
    host.module("overc_host_upgrade")
    assert host.module("overc_host_rollback", check=True)["brought_back"] == [], "a cancel goes on with what runs"
    host.reboot()
    assert kinds(host.module("overc_host_rollback", check=True)) == {}
    host.sh("useradd late; echo renewed > /etc/ssh/ssh_host_lab_key")
    shown = kinds(host.module("overc_host_rollback", check=True))
    assert shown["/etc/ssh/ssh_host_lab_key"] == "ssh host keys"
    assert shown["/etc/shadow"] == "accounts"
    assert kinds(host.module("overc_host_rollback")) == shown
    host.reboot()
    assert host.run(["id", "late"], check=False).returncode != 0
