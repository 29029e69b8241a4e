# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of packages run as root, and some reach beyond the new root: what boots next is not theirs to decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, kill_at, succeed
from tests.integration.disk_facts import assert_no_leftovers, booted, in_top, snapshot_of_disk
from tests.integration.own_packages import build, install, offer
from tests.lab import Host
from tests.lab.packages import Package


def script(body: str) -> list[Package]:
    """A package whose second version runs this after it was installed."""
    files = {"/usr/share/own-script/version": b"own\n"}
    return [
        Package("own-script", "1.0", (), files),
        Package("own-script", "2.0", (), files, scriptlets={"post": body}),
    ]


def ready(host: Host, scratch: Path, body: str) -> None:
    files = build(scratch, *script(body))
    install(host, files["own-script-1.0"])
    offer(host, files["own-script-2.0"])


SET_DEFAULT = {"itself": "btrfs subvolume set-default /", "the top-level tree": "btrfs subvolume set-default 5 /"}


@pytest.mark.parametrize("target", SET_DEFAULT)
@pytest.mark.parametrize("fails", [True, False], ids=["and fails", "and ends well"])
def test_a_script_does_not_decide_what_boots(host: Host, tmp_path: Path, target: str, fails: bool) -> None:
    ready(host, tmp_path, f"{SET_DEFAULT[target]}; exit {int(fails)}")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    if fails:
        assert_refused(result, "package_manager_failed", "own-script")
        assert result["state"] == "clean"
        assert_unchanged(before, host, history=False)
    else:
        assert result["state"] == "staged", result["msg"]
        assert snapshot_of_disk(host).default == "rootfs_upgrade"
    assert "set-default" in str([result.get("warnings"), result.get("notes")]), result
    host.powerloss()
    host.start()
    assert booted(host) == ("rootfs" if fails else "rootfs_upgrade")
    assert_no_leftovers(host)


def test_a_run_cut_off_after_a_script_set_the_default(host: Host, tmp_path: Path) -> None:
    ready(host, tmp_path, "")
    kill_at(host, "upgrade", "before", "run_packages")
    in_top(host, "btrfs subvolume set-default /run/t/rootfs_upgrade.overc-new")
    result = succeed(host, "rollback", check=True)
    assert "restore_default" in [action["step"] for action in result["actions"]]
    succeed(host, "confirm")
    assert succeed(host, "info")["state"] == "clean"
    assert snapshot_of_disk(host).default == "rootfs"
    assert_no_leftovers(host)


@pytest.mark.parametrize("fails", [True, False], ids=["and fails", "and ends well"])
@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_script_that_locks_the_new_root(host: Host, tmp_path: Path, flag: str, fails: bool) -> None:
    ready(host, tmp_path, f"chattr +{flag} /; exit {int(fails)}")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    assert_refused(result, "package_manager_failed" if fails else "access_denied")
    assert result["state"] == "clean"
    assert_unchanged(before, host, history=False)
    assert_no_leftovers(host)


_KERNEL = """\
hostname evil; echo evil > /proc/sys/kernel/hostname; echo 1 > /proc/sys/net/ipv4/ip_forward; sysctl -w net.ipv4.ip_forward=1
echo 12345 > /proc/sys/net/ipv4/tcp_keepalive_time; echo b > /proc/sysrq-trigger; exit 0
"""


def test_a_script_does_not_change_the_running_kernel(host: Host, tmp_path: Path) -> None:
    ready(host, tmp_path, _KERNEL)
    host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward")
    look = "hostname; cat /proc/sys/kernel/hostname /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/tcp_keepalive_time"
    before = host.sh(look)
    assert succeed(host, "upgrade")["state"] == "staged"
    assert host.sh(look) == before
