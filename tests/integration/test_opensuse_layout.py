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

from tests.integration.commands import assert_refused, call, succeed
from tests.integration.test_deployments import adopt, cmdline, root
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
    host.sh("zypper --non-interactive update")
    assert host.sh("rpm -q kernel-default | wc -l") == "2"
    host.reboot()
    assert (kernel(host), host.rpm_version("lab-app")) == (NEW_KERNEL, "2.0")
    host.sh(
        "snapper --no-dbus create --description before; rm /usr/bin/lab-app; snapper --no-dbus --ambit classic rollback 2"
    )
    assert default(host) != FIRST
    host.reboot()
    assert root(host) == default(host) != FIRST
    assert host.sh("lab-app") == "lab-app 2.0"


def test_there_and_back(host: Host) -> None:
    refused = call(host, "upgrade")
    assert_refused(refused, "layout_unsupported", "overc_bootloader")
    adopted = adopt(host)
    assert (adopted["protection"], adopted["boot_method"], adopted["state"]) == ("manual", "snapper", "clean"), adopted
    assert "cannot" in str(adopted["warnings"]) or "nothing can be tried" in str(adopted["warnings"])
    assert adopt(host)["changed"] is False
    info = succeed(host, "info")
    assert (info["state"], [each["id"] for each in info["deployments"]]) == ("clean", [1]), info
    assert default(host) == FIRST

    offer_kernel(host)
    shown = succeed(host, "upgrade", check=True)
    assert list(snapshots(host)) == [1]
    staged = succeed(host, "upgrade")
    assert (staged["state"], staged["staged"], staged["protection"], staged.get("warnings", [])) == (
        "staged", place(2), "manual", [],
    ), staged  # fmt: skip
    assert [each["step"] for each in shown["actions"]] == [each["step"] for each in staged["actions"]]
    found = snapshots(host)
    assert (list(found), found[2]["default"], found[1]["active"]) == ([1, 2], True, True)
    assert (found[2]["type"], found[2]["cleanup"], found[2]["userdata"]) == (
        "single", "", {"overc.system": "deployment"},
    ), found  # fmt: skip
    assert default(host) == place(2)
    assert host.sh("ls -A /.snapshots/2") == "info.xml\nsnapshot"
    assert "subvol" not in host.sh(
        "cat /.snapshots/2/snapshot/boot/grub2/grub.cfg; grep ' / ' /.snapshots/2/snapshot/etc/fstab"
    )
    assert succeed(host, "upgrade")["changed"] is False
    host.reboot()
    assert (root(host), kernel(host), host.rpm_version("lab-app")) == (place(2), NEW_KERNEL, "2.0")
    assert not [word for word in cmdline(host) if "subvol" in word]
    assert succeed(host, "info")["state"] == "clean"
    confirmed = succeed(host, "confirm")
    assert (confirmed["state"], confirmed["unfinished"]) == ("clean", None), confirmed
    assert succeed(host, "upgrade")["changed"] is False

    assert succeed(host, "rollback")["staged"] == FIRST
    assert default(host) == FIRST
    host.reboot()
    assert (root(host), kernel(host), host.rpm_version("lab-app")) == (FIRST, FIRST_KERNEL, "1.0")
    assert succeed(host, "info")["state"] == "clean"
    given = adopt(host, state="absent")
    assert (given["changed"], given["left"]) == (True, [place(2)])
    assert "snapper delete" in str(given["warnings"])
    host.reboot()
    assert root(host) == FIRST
    assert list(snapshots(host)) == [1, 2]
    host.sh("snapper --no-dbus delete 2")
    assert host.sh("ls /.snapshots") == "1"
