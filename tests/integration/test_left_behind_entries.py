# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same as in test_left_behind, where each deployment has a boot entry of its own, and packages are apt's."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.integration.commands import Result, assert_refused, call, succeed
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
