# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in openSUSE's layout with quotas on, as its installer leaves them: snapper has a group of its own for its snapshots."""

from __future__ import annotations

import pytest

from tests.integration.commands import succeed
from tests.integration.test_deployments import MakeHost, adopt, root
from tests.integration.test_opensuse_layout import FIRST, default, offer_kernel, place, snapshots
from tests.lab import Host
from tests.lab.layouts import OPENSUSE

MIB = 1 << 20
_BY = ["touch", "/usr/share/ran"]


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    made = make_host(flavour=OPENSUSE)
    made.sh("btrfs quota enable / && btrfs quota rescan -w / && btrfs qgroup create 1/0 /")
    made.sh("sed -i 's,^QGROUP=.*,QGROUP=\"1/0\",' /etc/snapper/configs/root")
    made.sh("snapper --no-dbus create --description theirs --cleanup-algorithm number")
    return made


def counted(host: Host, path: str) -> int:
    """The bytes that a subvolume holds alone, as the quotas have it."""
    host.sh("sync; btrfs quota rescan -w / >/dev/null")
    number = host.sh(f"btrfs subvolume list / | sed -n 's,^ID \\([0-9]*\\) .* path {path}$,\\1,p'")
    return int(host.sh(f"btrfs qgroup show --raw / | awk '$1 == \"0/{number}\" {{print $3}}'"))


def test_upgrades_and_what_goes_with_quotas_on(host: Host) -> None:
    assert snapshots(host)[2]["description"] == "theirs"
    assert "1/0" in host.sh("btrfs qgroup show -p /")
    adopt(host)
    offer_kernel(host)
    asked = {"run": [_BY], "run_creates": "/usr/share/ran"}
    staged = succeed(host, "upgrade", asked)
    assert (staged["staged"], staged.get("warnings", [])) == (place(3), []), staged
    host.reboot()
    assert (root(host), host.sh("ls /usr/share/ran")) == (place(3), "/usr/share/ran")
    assert succeed(host, "upgrade", asked)["changed"] is False, "it is there"
    host.sh("dd if=/dev/urandom of=/usr/share/big bs=1M count=8 status=none; sync")
    told = {each["id"]: each["size_alone"] for each in succeed(host, "info", {"sizes": True})["deployments"]}
    for number in (1, 3):
        # The quotas count trees as well
        assert abs(told[number] - counted(host, place(number))) < 3 * MIB, (number, told)
    assert told[3] > 8 * MIB
    # Ours are in no group of snapper's, and its cleanup, which counts that group, goes on
    host.sh("snapper --no-dbus cleanup number")
    host.release("v3")
    succeed(host, "upgrade")
    host.reboot()
    assert succeed(host, "upgrade", {"keep": 1, "force": True})["staged"] == place(5)
    assert place(3) not in host.sh("btrfs subvolume list /")
    assert succeed(host, "rollback")["state"] == "clean"
    assert (root(host), default(host)) == (place(4), place(4))
    assert succeed(host, "rollback", {"to": "1"})["staged"] == FIRST
    host.reboot()
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["contradictions"], root(host)) == ("clean", [], FIRST)
    assert {1, 4} <= set(snapshots(host))
