# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's environment block damaged, or gone, on a host with automatic protection: nothing untrue is said of the next boot."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed, upgrade_to
from tests.integration.disk_facts import booted, snapshot_of_disk
from tests.lab import Host

MakeHost = Callable[..., Host]
# GRUB takes those that are only too short or too long, and follows a link: what they say counts for it
DAMAGE: t.Final = {
    "zeros": "head -c 1024 /dev/zero > grubenv",
    "too short": "truncate -s 300 grubenv",
    "empty": ": > grubenv",
    "too long": "cat grubenv grubenv > long; mv long grubenv",
    "a directory": "rm grubenv; mkdir grubenv",
    "a link": "mv grubenv other; ln -s other grubenv",
}
_MEND: t.Final = "cd /boot/grub; rm -rf grubenv other; cp /run/block grubenv"


@pytest.fixture
def protected(make_host: MakeHost) -> Host:
    return make_host(automatic=True)


def harm(host: Host, script: str) -> None:
    host.sh(f"cd /boot/grub; [ -e /run/block ] || cp grubenv /run/block; {script}")


def test_a_damaged_block(protected: Host) -> None:
    """Before an upgrade, on trial, and on the backup."""
    host = protected
    for name, script in DAMAGE.items():
        harm(host, script)
        seen = succeed(host, "info")
        assert (seen["state"], seen["next_boot"]) == ("inconsistent", None), name
        host.release("v2")
        before = snapshot_of_disk(host)
        assert_refused(call(host, "upgrade"), "inconsistent", "/boot/grub/grubenv", "grub-editenv")
        assert_unchanged(before, host)
        host.sh(_MEND)
    upgrade_to(host, "v2")
    host.reboot()
    host.sh("rm -f /run/block")
    for name, script in DAMAGE.items():
        harm(host, script)
        for command in ("confirm", "rollback", "upgrade"):
            assert_refused(call(host, command), "inconsistent", "cannot be told", "grub-editenv")
        assert succeed(host, "info")["next_boot"] is None, name
        host.sh(_MEND)
    assert succeed(host, "info")["state"] == "trial"
    host.reboot()
    assert booted(host) == "rootfs_bakup"
    host.sh("rm -f /run/block")
    harm(host, DAMAGE["too long"])
    seen = succeed(host, "info")
    assert (seen["state"], seen["next_boot"]) == ("backup", None)
    restored = succeed(host, "rollback")
    assert "grub-editenv /boot/grub/grubenv create before the reboot" in str(restored["warnings"])
    assert restored["next_boot"] is None
    host.sh(
        "grub-editenv /boot/grub/grubenv create 2>/dev/null || { printf '# GRUB Environment Block\\n'; "
        "head -c 1000 /dev/zero | tr '\\0' '#'; } | head -c 1024 > /boot/grub/grubenv"
    )
    host.reboot()
    assert booted(host) == restored["staged"]


def test_a_block_that_is_gone(protected: Host) -> None:
    """GRUB then boots the normal entry: no upgrade is tried, none is made without what was asked for, the way back is open."""
    host = protected
    harm(host, "rm grubenv")
    host.release("v2")
    before = snapshot_of_disk(host)
    assert_refused(call(host, "upgrade"), "no_trial_boot", "trial_environment", "overc_bootloader")
    assert_unchanged(before, host)
    assert succeed(host, "info")["next_boot"]["subvolume"] == "rootfs"
    assert not host.module("overc_bootloader", {}).get("failed")
    staged = upgrade_to(host, "v2")
    assert staged["trial"]["outcome"] == "armed"
    host.reboot()
    harm(host, "rm grubenv")
    assert_refused(call(host, "confirm"), "no_trial_boot", "guard of this trial", "grub-editenv")
    assert succeed(host, "rollback", check=True)["staged"] == "rootfs"
