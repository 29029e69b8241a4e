# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as the installers of Debian and Ubuntu leave them: adopted, upgraded, tried, confirmed, taken back, given back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import Result, succeed
from tests.lab import Host
from tests.lab.apt import new_kernel, offer
from tests.lab.layouts import LAYOUTS
from tests.sampling import rotating

MakeHost = Callable[..., Host]
DEBIAN = "debian12"


def adopt(host: Host, **args: str | int) -> Result:
    result = host.module("overc_bootloader", args)
    assert not result.get("failed"), (result.get("error_id"), result.get("msg"))
    return result


def root(host: Host) -> str:
    return host.sh("findmnt -nvo FSROOT /").lstrip("/")


def cmdline(host: Host) -> list[str]:
    return host.sh("cat /proc/cmdline").split()


@pytest.mark.parametrize("flavour", [DEBIAN, *rotating([f"{DEBIAN}-esp", "ubuntu", "debian13"], 1)])
def test_there_and_back(make_host: MakeHost, flavour: str) -> None:
    layout, host = LAYOUTS[flavour], make_host(flavour=flavour)
    first, second = layout.root, f"{layout.root}.overc-1"
    menu_before = host.sh("sha256sum /boot/grub/grub.cfg")
    adopted = adopt(host)
    assert (adopted["changed"], adopted["protection"], adopted["boot_method"]) == (True, "automatic", "grub-entry"), (
        adopted
    )
    assert adopt(host)["changed"] is False
    host.reboot()
    assert (root(host), [word for word in cmdline(host) if word.startswith("overc.")]) == (first, [])
    info = succeed(host, "info")
    assert (info["state"], info["protection"], info["booted"]["subvolume"]) == ("clean", "automatic", first), info
    offer(host)
    assert succeed(host, "upgrade")["changed"] is False

    offer(host, *new_kernel())
    result = succeed(host, "upgrade")
    assert (result["state"], result["staged"], result["next_boot"]) == ("staged", second, second), result
    assert root(host) == first
    host.reboot()
    assert root(host) == second
    assert {"overc.id=1", "overc.trial=1"} <= set(cmdline(host))
    assert f"subvol={second} " in host.sh("grep ' / ' /etc/fstab")
    assert succeed(host, "info")["state"] == "trial"
    confirmed = succeed(host, "confirm")
    assert (confirmed["state"], confirmed["changed"]) == ("clean", True), confirmed
    host.reboot()
    assert (root(host), "overc.trial=1" in cmdline(host)) == (second, False)
    assert host.sh("systemctl --failed --plain --no-legend; dpkg --audit") == ""
    assert host.sh("sha256sum /boot/grub/grub.cfg") == menu_before

    back = succeed(host, "rollback")
    assert (back["state"], back["staged"]) == ("staged", first), back
    host.reboot()
    assert (root(host), "overc.trial=1" in cmdline(host)) == (first, True)
    succeed(host, "confirm")
    gone = adopt(host, state="absent")
    assert gone["changed"]
    assert host.run("ls /boot/overc /boot/efi/overc /boot/grub/custom.cfg", check=False).stdout == ""
    host.reboot()
    assert (root(host), [word for word in cmdline(host) if word.startswith("overc.")]) == (first, [])
    assert host.sh("sha256sum /boot/grub/grub.cfg") == menu_before
