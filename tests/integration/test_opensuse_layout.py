# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in openSUSE's layout, rebuilt in the lab (tests/lab/opensuse.py): a root for each number of snapper, and the default
subvolume as all that decides. zypper and snapper are real.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

import pytest

from tests.integration.test_deployments import cmdline, root
from tests.lab import Host
from tests.lab.layouts import OPENSUSE
from tests.lab.opensuse_kernels import FIRST_KERNEL, NEW_KERNEL, NEWER

MakeHost = Callable[..., Host]


def place(number: int) -> str:
    """The root subvolume of a number."""
    return f"@/.snapshots/{number}/snapshot"


FIRST: t.Final = place(1)


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host(flavour=OPENSUSE)


def kernel(host: Host) -> str:
    """The release of the kernel that was loaded."""
    return host.sh("sed 's/^BOOT_IMAGE=.boot.vmlinuz-//; s/ .*//' /proc/cmdline")


def default(host: Host) -> str:
    return host.sh("btrfs subvolume get-default / | sed 's/.* path //'")


def snapshots(host: Host) -> dict[int, dict[str, t.Any]]:
    """What snapper itself says of each number but 0."""
    said = json.loads(host.sh("snapper --no-dbus --jsonout list --disable-used-space"))
    return {entry["number"]: entry for entry in said["root"] if entry["number"]}


def offer_kernel(host: Host) -> None:
    host.enable_repo(NEWER)
    host.release("v2")


def test_it_is_what_is_known_of_the_layout(host: Host) -> None:
    """An upgrade in place, and snapper's own rollback, as an administrator does them."""
    assert (root(host), default(host), kernel(host)) == (FIRST, FIRST, FIRST_KERNEL)
    assert not [word for word in cmdline(host) if "subvol" in word]
    assert "subvol" not in host.sh("grep ' / ' /etc/fstab")
    mounted = host.sh("findmnt -nrvo TARGET,FSROOT -t btrfs | sort")
    assert "/.snapshots /@/.snapshots" in mounted
    assert "/var /@/var" in mounted
    found = snapshots(host)
    assert (list(found), found[1]["default"], found[1]["active"]) == ([1], True, True)
    offer_kernel(host)
    print(host.sh("zypper --non-interactive update 2>&1"))
    print(host.sh("cat /etc/zypp/zypp.conf; rpm -q kernel-default; rpm -q --provides kernel-default; zypper lr -u; ls -l /boot; tail -30 /var/log/zypp/history; snapper --no-dbus list"))
    assert host.sh("rpm -q kernel-default | wc -l") == "2"
    host.reboot()
    assert (kernel(host), host.rpm_version("lab-app")) == (NEW_KERNEL, "2.0")
    host.sh("snapper --no-dbus create --description before; rm /usr/bin/lab-app; snapper --no-dbus --ambit classic rollback 2")
    assert default(host) != FIRST
    host.reboot()
    assert root(host) == default(host) != FIRST
    assert host.sh("lab-app") == "lab-app 2.0"
