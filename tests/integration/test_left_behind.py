# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to the running root between staging and reboot is found, named, and refused where that was asked for."""

from __future__ import annotations

import pytest

from tests.integration.commands import Result, assert_refused, call, succeed, upgrade_to
from tests.integration.disk_facts import in_top
from tests.lab import Host

_WORK = """\
set -e
useradd -m late
mkdir -p /etc/ssh/sshd_config.d /var/lib/app /usr/local/bin /root/.ssh
echo x > /etc/ssh/sshd_config.d/x.conf
echo key >> /root/.ssh/authorized_keys
echo y > /usr/local/bin/late
echo z > /var/lib/app/data
rm /etc/issue
touch /var/log/noise /var/cache/noise /tmp/noise /etc/mtab2 && rm /etc/mtab2
find /etc /usr -type f -readable > /dev/null
"""


def paths(result: Result) -> dict[str, tuple[str, str]]:
    return {entry["path"]: (entry["kind"], entry["change"]) for entry in result["left_behind"]["paths"]}


def test_nothing_was_written(host: Host) -> None:
    """The run itself, programs that only read, and what both roots have alike are nothing to be told."""
    result = upgrade_to(host, "v2")
    host.sh(
        "find / -xdev -type f -newermt 2000-01-01 > /dev/null; cat /etc/* > /dev/null 2>&1; rpm -qa; dnf -q repolist; true"
    )
    host.sh("cp -p /etc/hostname /run/h; cat /run/h > /etc/hostname")
    for found in (
        result,
        succeed(host, "info"),
        succeed(host, "upgrade"),
        succeed(host, "upgrade", {"state_policy": "report"}),
    ):
        assert found["left_behind"]["paths"] == [], found["left_behind"]
        assert found["left_behind"]["packages"] == []
        assert found["left_behind"]["complete"] is True
        assert not found.get("warnings")


def test_what_was_written(host: Host) -> None:
    upgrade_to(host, "v2")
    host.sh(_WORK)
    host.enable_repo("bulk-1")
    host.sh("dnf -y install lab-bulk; rpm -e lab-prefail")
    info = succeed(host, "info")
    found = paths(info)
    for path, expected in {
        "/etc/passwd": ("accounts", "changed"),
        "/etc/shadow": ("accounts", "changed"),
        "/etc/ssh/sshd_config.d/x.conf": ("keys", "added"),
        "/root/.ssh/authorized_keys": ("keys", "changed"),
        "/usr/local/bin/late": ("programs", "added"),
        "/var/lib/app/data": ("data", "added"),
        "/etc/issue": ("configuration", "removed"),
    }.items():
        assert found.get(path) == expected, (path, found)
    assert info["left_behind"]["packages"] == ["lab-bulk-1.0-1"]
    assert info["left_behind"]["removed_packages"] == ["lab-prefail-1.0-1"]
    assert info["left_behind"]["counts"]["bookkeeping"] > 0
    assert not any(path.startswith(("/var/log", "/var/cache", "/tmp")) for path in found)
    assert next(iter(found)).startswith("/etc/")
    assert len(found) <= 100
    assert info["left_behind"]["complete"] is False  # 256 files of lab-bulk
    again = succeed(host, "upgrade")
    assert again["changed"] is False
    # logs and caches go on being written meanwhile
    seen, told = ({k: v for k, v in result["left_behind"].items() if k != "counts"} for result in (again, info))
    assert seen == told
    for text in ("/etc/passwd", "lab-bulk-1.0-1", "removed packages lab-prefail-1.0-1", "force: true"):
        assert text in str(again["warnings"])
    host.sh("rpm -e lab-tool")  # which the staged root has upgraded
    assert succeed(host, "info")["left_behind"]["removed_packages"] == ["lab-prefail-1.0-1", "lab-tool-1.0-1"]
    host.reboot()
    after = succeed(host, "info")["left_behind"]
    assert after["root"] == "rootfs"
    assert {"path": "/etc/passwd", "kind": "accounts", "change": "changed"} in after["paths"]


def test_policy(host: Host) -> None:
    host.release("v2")
    known = [entry["path"] for entry in succeed(host, "info")["state_at_risk"]]
    args = {"state_policy": "refuse", "carry_over": known}
    succeed(host, "upgrade", args)
    assert succeed(host, "upgrade", args)["left_behind"]["paths"] == []
    host.sh("echo x > /etc/late; echo y > /root/late")
    for check in (True, False):
        result = call(host, "upgrade", args, check=check)
        assert_refused(result, "state_at_risk", "/etc/late", "force: true", "carry_over")
        assert [entry["path"] for entry in result["left_behind"]["paths"]] == ["/etc/late"]
    carried = succeed(host, "upgrade", {**args, "carry_over": [*known, "/etc/late"]})
    assert "/etc/late" in carried["carried_over"]
    host.sh("echo z > /etc/later")
    assert succeed(host, "upgrade", {**args, "force": True})["left_behind"]["paths"] == []
    host.reboot()
    assert host.sh("cat /etc/late /etc/later /root/late") == "x\nz\ny"


_QUIET = """\
python3 -c 'import os; os.setxattr("/etc/debian_version", "user.late", b"yes")'
chmod 600 /etc/hostname
chgrp 7 /usr/local/sbin
ln /etc/hosts /etc/hosts.linked
echo more >> /var/cache/new/two-names
echo more >> /etc/new/two-names
mv /etc/issue.net /etc/issue.moved
"""


# Of several names the kernel tells one, that in the newest directory: once the one in /etc, once the other
_TWO_NAMES = """\
mkdir /var/cache/new
echo one > /etc/two-names
ln /etc/two-names /var/cache/new/
mkdir /etc/new
echo one > /var/cache/two-names
ln /var/cache/two-names /etc/new/
"""


# The kernel says that the staged root was made a day later: as where the clock was set back by a day since
_SET_BACK = """\
from dataclasses import replace
from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl
seen = ioctl.subvolume_info
ioctl.subvolume_info = lambda fd: replace(seen(fd), origin_time=seen(fd).origin_time + 86400)
"""


@pytest.mark.parametrize("clock", ["right", "set back"])
def test_changes_that_leave_few_traces(host: Host, clock: str) -> None:
    """Attributes, modes, further names; and a clock that was set back, so that no time tells what is newer."""
    host.sh(_TWO_NAMES)
    upgrade_to(host, "v2")
    host.sh(_QUIET)
    host.sh(
        "echo x > /etc/late; echo y >> /etc/fstab; mkdir /srv/late; echo z > /srv/late/z; echo u >> /etc/lab-app.conf"
    )
    found = paths(succeed(host, "info", prelude=_SET_BACK if clock == "set back" else ""))
    wanted = (
        "/etc/hostname",
        "/usr/local/sbin",
        "/etc/hosts.linked",
        "/etc/two-names",
        "/etc/new/two-names",
        "/etc/late",
        "/etc/fstab",
        "/srv/late/z",
        "/etc/debian_version",
    )
    assert [path for path in (*wanted, "/etc/lab-app.conf", "/etc/issue.moved") if path not in found] == [], found
    assert found["/etc/issue.net"] == ("configuration", "removed")


def test_the_next_upgrade_deletes_what_stayed_behind(host: Host) -> None:
    """What was written after staging is in the previous root only, and that root goes with the next upgrade."""
    upgrade_to(host, "v2")
    host.sh("echo only here > /srv/late")
    host.reboot()
    assert "/srv/late" in paths(succeed(host, "info"))
    host.release("v3")
    known = [entry["path"] for entry in succeed(host, "info")["state_at_risk"] if entry["path"] != "/srv"]
    for check in (True, False):
        args = {"state_policy": "refuse", "carry_over": known}
        assert_refused(call(host, "upgrade", args, check=check), "state_at_risk", "/srv/late", "deletes rootfs")
    assert "deletes rootfs" in str(succeed(host, "upgrade", check=True)["warnings"])
    in_top(host, "cp -a /run/t/rootfs/srv/late /srv/late")
    assert "deletes rootfs" not in str(succeed(host, "upgrade").get("warnings"))


@pytest.mark.parametrize("policy", ["report", "refuse"])
def test_nothing_staged(host: Host, policy: str) -> None:
    assert succeed(host, "info")["left_behind"] is None
    host.sh("echo x > /etc/late")
    assert "left_behind" not in succeed(host, "upgrade", {"state_policy": policy})
