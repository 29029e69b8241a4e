# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian with systemd-boot: adopted, upgraded, tried, confirmed, taken back, given back; killed at each step."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, call, kill_at, succeed
from tests.integration.test_crash_deployments import ARGS, CASES, WAYS, begin, check_whole, converge, go_on
from tests.integration.test_deployments import DEBIAN, adopt, app, cmdline, root
from tests.lab import Host
from tests.lab.apt import install, new_kernel, offer, version
from tests.lab.loader_boot import DIRECTORY, convert, set_variable, variable
from tests.sampling import rotating

MakeHost = Callable[..., Host]
ONE_IN: t.Final = 24


def loader_host(make_host: MakeHost) -> Host:
    host = make_host(flavour=f"{DEBIAN}-esp")
    convert(host)
    return host


def firmware(host: Host) -> Path:
    return host.directory / DIRECTORY


def entries(host: Host) -> list[str]:
    return sorted(name for name in host.sh("ls /boot/efi/loader/entries").split() if name.startswith("overc"))


def check_tidy(host: Host) -> None:
    """Nothing unfinished, nothing that nobody names."""
    host.sh("mkdir -p /run/top; mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/top")
    top = host.sh("ls /run/top; umount /run/top").split()
    lines = host.sh("cat /boot/efi/loader/entries/overc-[0-9]*.conf").splitlines()
    listed = [json.loads(line[3:]) for line in lines if line.startswith("#> ")]
    assert {entry["subvolume"] for entry in listed} == {name for name in top if name.startswith("@")}
    names = [name for entry in listed for name in (f"overc-{entry['id']}.conf", f"overc-try-{entry['id']}.conf")]
    assert entries(host) == sorted(names)
    files = set(host.sh("ls /boot/efi/overc/files").split())
    assert files == {entry[kind].rsplit("/", 1)[1] for entry in listed for kind in ("kernel", "initrd")}
    assert "overc-new" not in host.sh("ls -R /boot/efi") + " ".join(top)
    info = succeed(host, "info", {"full": True})
    assert (info["contradictions"], [entry["id"] for entry in info["requirements"] if not entry["ok"]]) == ([], [])


def test_there_and_back(make_host: MakeHost) -> None:
    host = loader_host(make_host)
    assert root(host) == "@rootfs"
    install(host, app("1.0"))
    offer(host)
    theirs = host.sh("cd /boot/efi; find . -type f | xargs sha256sum")
    adopted = adopt(host)
    assert (adopted["changed"], adopted["protection"], adopted["boot_method"]) == (True, "automatic", "loader-entry")
    assert adopt(host)["changed"] is False
    host.reboot()
    assert (root(host), [word for word in cmdline(host) if word.startswith("overc.")]) == ("@rootfs", [])
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["boot_method"], info["protection"]) == ("clean", "loader-entry", "automatic"), info

    offer(host, app("2.0"), *new_kernel())
    result = succeed(host, "upgrade")
    assert (result["state"], result["next_boot"]) == ("staged", "@rootfs.overc-1"), result
    assert variable(firmware(host), "LoaderEntryOneShot") == "overc-try-1.conf"
    host.reboot()
    assert {"overc.id=1", "overc.trial=1"} <= set(cmdline(host))
    assert succeed(host, "info")["state"] == "trial"
    host.reboot()  # nobody confirmed
    assert root(host) == "@rootfs"
    assert succeed(host, "info")["state"] == "fallback"
    assert_refused(call(host, "confirm"), "backup_boot")
    assert succeed(host, "rollback")["state"] == "clean"
    assert_refused(call(host, "upgrade"), "known_bad")

    succeed(host, "upgrade", {"force": True})
    host.reboot()
    assert succeed(host, "confirm")["state"] == "clean"
    assert variable(firmware(host), "LoaderEntryDefault") == "overc-2.conf"
    host.reboot()
    check_whole_after(host, "@rootfs.overc-2", "2.0")
    refused = host.module("overc_bootloader", {"state": "absent"})
    assert_refused(refused, "layout_unsupported")
    assert "to: 0" in refused["msg"]

    succeed(host, "rollback", {"to": 0})
    host.reboot()
    succeed(host, "confirm")
    check_tidy(host)
    gone = adopt(host, state="absent")
    assert (gone["changed"], gone["left"]) == (True, ["@rootfs.overc-2"]), gone
    assert host.sh("cd /boot/efi; find . -type f | xargs sha256sum") == theirs
    assert variable(firmware(host), "LoaderEntryDefault") is None
    host.reboot()
    check_whole_after(host, "@rootfs", "1.0")
    assert [word for word in cmdline(host) if word.startswith("overc.")] == []


def test_a_trial_that_wrote_an_entry_of_its_own_ends(make_host: MakeHost) -> None:
    """Automatic updates, say: kernel-install writes for the system that runs, and what it wrote last comes first."""
    host = loader_host(make_host)
    install(host, app("1.0"))
    offer(host)
    adopt(host)
    offer(host, app("2.0"))
    succeed(host, "upgrade")
    host.reboot()
    assert "overc.trial=1" in cmdline(host)
    theirs = host.sh("cd /boot/efi/loader/entries; ls | grep -v overc").strip()
    change = "s,subvol=@rootfs,subvol=@rootfs.overc-1,; s,^version .*,version 99.9,"
    host.sh(
        f"cd /boot/efi/loader/entries; sed '{change}' {theirs} > later-99.9.conf; grep -q overc-1 later-99.9.conf; sync"
    )
    host.reboot()
    assert root(host) == "@rootfs"
    assert succeed(host, "info")["state"] == "fallback"


def check_whole_after(host: Host, name: str, release: str) -> None:
    assert (root(host), version(host, "deb-app"), "overc.trial=1" in cmdline(host)) == (name, release, False)
    assert host.sh("systemctl --failed --plain --no-legend; dpkg --audit") == ""


def test_what_is_refused_and_what_is_told(make_host: MakeHost) -> None:
    host = loader_host(make_host)
    for spoil, mend, told in (
        ("mkdir /boot/grub; touch /boot/grub/grub.cfg", "rm -r /boot/grub", "menu of GRUB"),
        ("mkdir -p /boot/efi/EFI/Linux; touch /boot/efi/EFI/Linux/x.efi", "rm -r /boot/efi/EFI/Linux", "unified"),
        ("umount /boot/efi", "mount /boot/efi", "Mount the EFI system partition"),
        ("mount -o remount,ro /boot/efi", "mount -o remount,rw /boot/efi", "read-only"),
    ):
        host.sh(spoil)
        refused = host.module("overc_bootloader", {})
        assert_refused(refused, "layout_unsupported")
        assert told in refused["msg"], refused["msg"]
        host.sh(mend)
    assert entries(host) == []

    adopt(host)
    offer(host, *new_kernel())
    succeed(host, "upgrade")
    host.reboot()
    succeed(host, "confirm")
    # The firmware lost its memory, for instance with its battery: the distribution's default boots, and that is told
    set_variable(firmware(host), "LoaderEntryDefault", None)
    host.reboot()
    assert root(host) == "@rootfs"
    info = succeed(host, "info")
    assert info["state"] == "unsupported"
    refused = call(host, "upgrade")
    assert "LoaderEntryDefault" in refused["msg"], refused["msg"]
    host.boot_entry("overc-1.conf")
    host.reboot()
    assert adopt(host)["changed"] is True
    assert succeed(host, "info")["state"] == "clean"
    host.reboot()
    assert root(host) == "@rootfs.overc-1"


def test_a_host_with_entries_of_grub_that_systemd_boot_starts(make_host: MakeHost) -> None:
    """What GRUB's menu and block say decides nothing any more."""
    host = make_host(flavour=f"{DEBIAN}-esp")
    assert adopt(host)["boot_method"] == "grub-entry"
    convert(host, keep_grub=True)
    assert succeed(host, "info")["state"] == "unsupported"
    offer(host, *new_kernel())
    refused = call(host, "upgrade")
    assert_refused(refused, "layout_unsupported")
    assert "systemd-boot has started this host" in refused["msg"]


def test_what_is_staged_and_was_damaged_since_is_not_booted(make_host: MakeHost) -> None:
    """One byte, in the middle, which no look at its header shows: systemd-boot would end in the firmware."""
    host = loader_host(make_host)
    adopt(host)
    offer(host, *new_kernel())
    succeed(host, "upgrade")
    file = host.sh("sed -n 's,^initrd /,,p' /boot/efi/loader/entries/overc-1.conf")
    host.sh(f"printf x | dd of=/boot/efi/{file} bs=1 seek=5000 conv=notrunc status=none; sync")
    info = succeed(host, "info", {"full": True})
    assert [entry["defects"] != [] for entry in info["deployments"]] == [True, False], info["deployments"]
    assert "entry_files" in [entry["id"] for entry in info["requirements"] if not entry["ok"]]
    assert succeed(host, "rollback")["state"] == "clean"
    assert succeed(host, "upgrade")["state"] == "staged"
    host.reboot()
    succeed(host, "confirm")


@pytest.mark.crash
@pytest.mark.parametrize(("number", "case"), [
    pytest.param(number, case, id="-".join(case)) for number, case in rotating(list(enumerate(CASES)), ONE_IN)
])  # fmt: skip
def test_killed_at_a_step(make_host: MakeHost, number: int, case: tuple[str, str, str]) -> None:
    name, step, when = case
    host = loader_host(make_host)
    begin(host, name)
    host.sh("sync")
    command = {"cancel": "rollback", "give_up": "rollback", "replace": "upgrade"}.get(name, name)
    kill_at(host, command, when, step, ARGS.get(name))
    go_on(host, WAYS[number % len(WAYS)])
    check_whole(host)
    converge(host, name)
    check_whole(host)
    check_tidy(host)
