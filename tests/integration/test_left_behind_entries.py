# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same as in test_left_behind, where each deployment has a boot entry of its own, and packages are apt's."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.integration.commands import Result, assert_refused, call, succeed
from tests.integration.disk_facts import in_top
from tests.integration.test_deployments import adopt, app
from tests.lab import Host
from tests.lab.apt import install, offer
from tests.lab.debs import Deb

_WORK = """\
set -e
useradd -m late
mkdir -p /var/lib/app /usr/local/bin /root/.ssh
echo key >> /root/.ssh/authorized_keys
echo y > /usr/local/bin/late
echo z > /var/lib/app/data
rm /etc/issue
touch /var/log/noise
"""


def paths(result: Result) -> dict[str, tuple[str, str]]:
    return {entry["path"]: (entry["kind"], entry["change"]) for entry in result["left_behind"]["paths"]}


def test_what_was_written(make_host: Callable[..., Host]) -> None:
    host = make_host(flavour="debian13")
    install(host, app("1.0"))
    time.sleep(2)  # dpkg notes whole seconds: what is installed in that of the snapshot counts as installed after it
    offer(host)
    adopt(host)
    offer(host, app("2.0"))
    for arm in (False, True):
        staged = succeed(host, "upgrade", {"arm": arm})
        assert staged["left_behind"]["paths"] == [], staged
    assert succeed(host, "info", {"full": True})["left_behind"]["paths"] == []
    host.sh(_WORK)
    offer(host, app("2.0"), Deb("deb-late", "1.5"))
    install(host, Deb("deb-late", "1.5"))
    info = succeed(host, "info", {"full": True})
    found = paths(info)
    for path, expected in {
        "/etc/passwd": ("accounts", "changed"),
        "/etc/shadow": ("accounts", "changed"),
        "/root/.ssh/authorized_keys": ("keys", "changed"),
        "/usr/local/bin/late": ("programs", "added"),
        "/var/lib/app/data": ("data", "added"),
        "/etc/issue": ("configuration", "removed"),
    }.items():
        assert found.get(path) == expected, (path, found)
    assert info["left_behind"]["packages"] == ["deb-late"]
    assert info["left_behind"]["complete"]
    again = call(
        host, "upgrade", {"state_policy": "refuse", "carry_over": ["/var/lib/app", "/var/log", "/root", "/home"]}
    )
    assert_refused(again, "state_at_risk", "/etc/passwd")
    host.reboot()
    trial = succeed(host, "info", {"full": True})
    assert "/etc/passwd" in paths(trial)
    succeed(host, "confirm")
    assert "/etc/passwd" in paths(succeed(host, "info"))


def test_fstab_names_its_own_root(make_host: Callable[..., Host]) -> None:
    """In each root it says another subvolume for /: that is ours, and no change that would be lost."""
    host = make_host(flavour="debian12")
    install(host, app("1.0"))
    offer(host)
    adopt(host)
    offer(host, app("2.0"))
    carried = {"carry_over": ["/etc"]}
    succeed(host, "upgrade", carried)
    host.sh("echo '# a note' >> /etc/fstab")
    assert list(paths(succeed(host, "info", {"full": True}))) == ["/etc/fstab"]
    assert succeed(host, "upgrade", carried)["carried_over"] == ["/etc"]
    assert paths(succeed(host, "info", {"full": True})) == {}
    host.reboot()
    succeed(host, "confirm")
    assert paths(succeed(host, "info", {"full": True})) == {}


def test_a_staged_root_that_was_renamed(make_host: Callable[..., Host]) -> None:
    """Its entry names the old name: it was told to boot next, and could not."""
    host = make_host(flavour="debian12")
    install(host, app("1.0"))
    offer(host)
    adopt(host)
    offer(host, app("2.0"))
    succeed(host, "upgrade")
    in_top(host, "mv @rootfs.overc-1 renamed")
    told = succeed(host, "info")
    assert "renamed boots next" not in told["msg"]
    assert "@rootfs.overc-1, is gone or was replaced" in told["msg"], told["msg"]
    assert told["staged"]["defects"], told
    in_top(host, "mv renamed @rootfs.overc-1")
    assert "@rootfs.overc-1 boots next" in succeed(host, "info")["msg"]
    host.reboot()
    succeed(host, "confirm")
    in_top(host, "mv @rootfs renamed")
    assert "is the way back" not in succeed(host, "info")["msg"]
