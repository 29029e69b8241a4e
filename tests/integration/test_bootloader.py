# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing automatic protection on a host and removing it: nothing else changes, and everything comes back."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, upgrade_to
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host

MakeHost = Callable[..., Host]
Result = dict[str, t.Any]


def bootloader(host: Host, state: str = "present", *, check: bool = False, **args: t.Any) -> Result:
    return host.module("overc_bootloader", {"state": state, **args}, check=check, diff=True)


def test_installed_and_removed_again(host: Host) -> None:
    host.sh("rm -rf /etc/systemd/system-generators /etc/systemd/system/sysinit.target.wants; sync")
    before = snapshot_of_disk(host)
    preview = bootloader(host, check=True)
    assert preview["changed"], preview
    assert preview["protection"] == "manual"
    assert_unchanged(before, host)

    done = bootloader(host)
    assert done["changed"], done
    assert done["protection"] == "automatic"
    assert done["diff"] == preview["diff"]
    assert "+" not in done["diff"]["before"]
    assert "load_env" in done["diff"]["after"]
    again = bootloader(host)
    assert (again["changed"], again["diff"]["before"]) == (False, again["diff"]["after"])
    info = host.module("overc_host_info")
    assert info["protection"] == "automatic"
    assert [entry for entry in info["protection_requirements"] if not entry["ok"]] == []
    assert bootloader(host, confirm_deadline=1800)["changed"]

    preview = bootloader(host, "absent", check=True)
    gone = bootloader(host, "absent")
    assert (gone["changed"], gone["protection"]) == (True, "manual")
    assert preview["diff"] == gone["diff"]
    assert not bootloader(host, "absent")["changed"]
    assert_unchanged(before, host)


def test_an_environment_block_of_others_stays(host: Host) -> None:
    with host.boot_partition() as boot:
        (boot / "grub/grubenv").write_bytes(b"# GRUB Environment Block\nmine=1\n".ljust(1024, b"#"))
    before = snapshot_of_disk(host)
    assert bootloader(host)["changed"]
    assert bootloader(host, "absent")["changed"]
    assert snapshot_of_disk(host).boot == before.boot


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("sed -i '1i load_env' /boot/grub/grub.cfg", "logic of its own"),
        ("mkdir -p /boot/EFI/BOOT && echo 'set x=1' >/boot/EFI/BOOT/grub.cfg", "EFI/BOOT/grub.cfg"),
        ("printf 'x' >/boot/grub/grubenv", "damaged"),
        ("mv /boot/grub /boot/grub.d && ln -s grub.d /boot/grub", "through a link"),
        (
            (
                "{ echo '# GRUB Environment Block'; echo saved_entry=1; head -c 1024 /dev/zero | tr '\\0' '#'; }"
                " | head -c 1024 >/boot/grub/grubenv"
            ),
            "saved_entry=1",
        ),
    ],
)
def test_where_it_cannot_work_it_is_refused(host: Host, script: str, named: str) -> None:
    host.sh(script)
    before = snapshot_of_disk(host)
    assert_refused(bootloader(host), "no_trial_boot", named)
    assert host.module("overc_host_info")["protection"] == "manual"
    assert_unchanged(before, host)


def test_what_somebody_changed_since_is_not_taken_away(host: Host) -> None:
    bootloader(host)
    host.sh('sed -i \'s/timeout="5"/timeout="9"/\' /boot/grub/grub.cfg')
    before = snapshot_of_disk(host)
    assert_refused(bootloader(host, "absent"), "bootloader_changed", "grub.cfg")
    assert_refused(bootloader(host, confirm_deadline=0), "bootloader_changed", "grub.cfg")
    assert host.module("overc_host_info")["protection"] == "automatic"
    assert_unchanged(before, host)


def test_not_in_the_middle_of_a_switch(host: Host) -> None:
    upgrade_to(host, "v2")
    assert_refused(bootloader(host), "not_booted")
    host.boot_entry(1)
    host.reboot()
    assert_refused(bootloader(host), "backup_boot")
