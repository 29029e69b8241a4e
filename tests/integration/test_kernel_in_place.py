# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that got a newer kernel in place, as ``apt upgrade`` brings one: what booted by default still does, or it is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, call, kill_at, steps, succeed
from tests.integration.test_deployments import DEBIAN, adopt, app, cmdline, root
from tests.lab import Host
from tests.lab.apt import FIRST_KERNEL, NEW_KERNEL, install, new_kernel, offer
from tests.sampling import rotating

MakeHost = Callable[..., Host]
_APT = "export DEBIAN_FRONTEND=noninteractive; apt-get -q"
FLAVOURS = [DEBIAN, f"{DEBIAN}-esp", f"{DEBIAN}-inside", "debian13"]


def newer_in_place(host: Host) -> None:
    """By the administrator, who has not rebooted yet."""
    offer(host, *new_kernel(), app("2.0"))
    host.sh(f"{_APT} update && {_APT} -y install linux-image-lab && update-grub")


def boots_newer(host: Host) -> bool:
    """Whether what runs was started with the newer kernel, by the distribution's menu or by an entry of ours."""
    names = [word.rsplit("/", 1)[-1] for word in cmdline(host) if word.startswith("BOOT_IMAGE=")]
    digest = host.sh(f"sha256sum /boot/vmlinuz-{NEW_KERNEL}").split()[0]
    return names[-1] in (f"vmlinuz-{NEW_KERNEL}", digest)


def told(result: Result) -> bool:
    return any(NEW_KERNEL in str(said) and "overc_bootloader" in str(said) for said in result.get("warnings", ()))


def ready(make_host: MakeHost, flavour: str = DEBIAN) -> Host:
    host = make_host(flavour=flavour)
    install(host, app("1.0"))
    offer(host)
    adopt(host)
    return host


@pytest.mark.parametrize("flavour", rotating(FLAVOURS[:2] + FLAVOURS[3:], 1))
def test_a_trial_that_wrote_the_distributions_menu_ends(make_host: MakeHost, flavour: str) -> None:
    """In the system before it, and with the kernel that it had."""
    host = ready(make_host, flavour)
    newer_in_place(host)
    host.reboot()
    assert (root(host), boots_newer(host)) == ("@rootfs", True)
    info = succeed(host, "info", {"full": True})
    assert info["kernel_in_place"] == {"release": NEW_KERNEL, "entry": FIRST_KERNEL, "runs": NEW_KERNEL}, info
    assert not told(info), "the upgrade sees to that"
    preview = succeed(host, "upgrade", check=True)
    assert "update_entry" in steps(preview), preview
    assert "update_entry" in steps(succeed(host, "upgrade"))
    host.reboot()
    assert "overc.trial=1" in cmdline(host)
    host.sh("update-grub; sync")
    host.powerloss()
    host.start()
    assert (root(host), boots_newer(host)) == ("@rootfs", True)
    assert succeed(host, "info")["state"] == "fallback"
    assert succeed(host, "rollback")["state"] == "clean"
    host.reboot()
    assert (root(host), boots_newer(host)) == ("@rootfs", True)
    info = succeed(host, "info", {"full": True})
    assert (info["kernel_in_place"], told(info)) == (None, False), info


def test_a_cancelled_upgrade_leaves_what_booted(make_host: MakeHost) -> None:
    host = ready(make_host)
    newer_in_place(host)
    host.reboot()
    succeed(host, "upgrade")
    assert succeed(host, "rollback")["state"] == "clean"
    host.reboot()
    assert (root(host), boots_newer(host)) == ("@rootfs", True)


def test_where_grub_cannot_write(make_host: MakeHost) -> None:
    host = ready(make_host, f"{DEBIAN}-inside")
    newer_in_place(host)
    host.reboot()
    succeed(host, "upgrade")
    host.reboot()
    assert root(host) == "@rootfs.overc-1"
    succeed(host, "rollback", {"to": "0"})
    host.reboot()
    assert (root(host), boots_newer(host)) == ("@rootfs", True)


@pytest.mark.parametrize(
    "point", rotating([("after", "update_entry"), ("before", "arm_trial"), ("after", "record")], 1)
)
def test_killed(make_host: MakeHost, point: tuple[str, str]) -> None:
    host = ready(make_host)
    newer_in_place(host)
    host.reboot()
    kill_at(host, "upgrade", *point)
    host.powerloss()
    host.start()
    if root(host) == "@rootfs":
        assert boots_newer(host)
        call(host, "confirm")  # refused, after the repair
    state = succeed(host, "info")["state"]
    assert state == ("staged" if point[1] != "update_entry" else "clean"), state
    if state == "clean":
        succeed(host, "upgrade")
    assert succeed(host, "rollback")["state"] == "clean"
    host.reboot()
    assert (root(host), boots_newer(host)) == ("@rootfs", True)


def test_later_ones_are_told_and_brought_up_to_date_by_the_set_up(make_host: MakeHost) -> None:
    """What boots by default is an entry of ours by then."""
    host = ready(make_host)
    offer(host, app("2.0"))
    succeed(host, "upgrade")
    host.reboot()
    succeed(host, "confirm")
    offer(host, *new_kernel(), app("2.0"))
    host.sh(f"{_APT} update && {_APT} -y install linux-image-lab")
    for result in (succeed(host, "info"), succeed(host, "confirm")):
        assert told(result), result
    host.reboot()
    assert (root(host), boots_newer(host)) == ("@rootfs.overc-1", False)
    info = succeed(host, "info", {"full": True})
    assert (info["kernel_in_place"]["release"], told(info)) == (NEW_KERNEL, True), info
    assert adopt(host)["changed"]
    assert not told(adopt(host))
    host.reboot()
    assert (root(host), boots_newer(host)) == ("@rootfs.overc-1", True)
    assert not told(succeed(host, "info"))


def test_one_that_nobody_has_booted_is_not_what_a_trial_falls_back_to(make_host: MakeHost) -> None:
    host = ready(make_host)
    newer_in_place(host)
    staged = succeed(host, "upgrade")
    assert told(staged), staged
    host.reboot()
    host.powerloss()
    host.start()
    assert (root(host), boots_newer(host)) == ("@rootfs", False)
    assert told(succeed(host, "info"))


def test_no_room_for_both_is_refused(make_host: MakeHost) -> None:
    host = ready(make_host)
    newer_in_place(host)
    host.reboot()
    host.sh(
        "one=$(ls -lL /boot/vmlinuz-* /boot/initrd.img-* | awk '$5>m{m=$5} {s+=$5} END{print int(s/2)}');"
        "fallocate -l $(($(df --output=avail -B1 /boot | tail -1) - 1048576 - one - one/2)) /boot/big"
    )
    assert_refused(call(host, "upgrade"), "no_space", "bytes are missing")
    host.sh("rm /boot/big")
    assert succeed(host, "upgrade")["state"] == "staged"
