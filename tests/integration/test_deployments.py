# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as the installers of Debian and Ubuntu leave them: adopted, upgraded, tried, confirmed, taken back, given back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, call, succeed
from tests.integration.controller import Controller
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host
from tests.lab.apt import FIRST_KERNEL, NEW_KERNEL, install, new_kernel, offer, version
from tests.lab.debs import Deb
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


@pytest.mark.parametrize("flavour", [DEBIAN, *rotating([f"{DEBIAN}-esp", "ubuntu", "debian13"], 3)])
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

    unarmed = {"arm": False}  # as with reboot: true, which arms it right before the reboot
    planned, waits = succeed(host, "rollback", unarmed, check=True), succeed(host, "rollback", unarmed)
    for said in (planned, waits):
        assert (said["state"], said["staged"], said["next_boot"]) == ("staged", first, second), said
        assert said.get("warnings", []) == [], said
    back = succeed(host, "rollback")
    assert (back["state"], back["staged"], back["next_boot"]) == ("staged", first, first), back
    assert back.get("warnings", []) == [], back
    host.reboot()
    assert (root(host), "overc.trial=1" in cmdline(host)) == (first, True)
    succeed(host, "confirm")
    gone = adopt(host, state="absent")
    assert gone["changed"]
    assert host.run("ls /boot/overc /boot/efi/overc /boot/grub/custom.cfg", check=False).stdout == ""
    host.reboot()
    assert (root(host), [word for word in cmdline(host) if word.startswith("overc.")]) == (first, [])
    assert host.sh("sha256sum /boot/grub/grub.cfg") == menu_before


def app(release: str, **scripts: str) -> Deb:
    return Deb("deb-app", release, scripts=scripts)


@pytest.fixture
def adopted(make_host: MakeHost) -> Host:
    """A Debian host with deployments, and an application in version 1.0."""
    host = make_host(flavour=DEBIAN)
    install(host, app("1.0"))
    offer(host)
    adopt(host)
    return host


def test_a_trial_that_wrote_the_distributions_menu_ends(adopted: Host) -> None:
    """Automatic updates, say: the distribution's menu boots the system on trial then, whose end has to be the old one."""
    offer(adopted, app("2.0"))
    succeed(adopted, "upgrade")
    adopted.reboot()
    assert "overc.trial=1" in cmdline(adopted)
    adopted.sh("update-grub")
    assert "subvol=@rootfs.overc-1 " in adopted.sh("grep -m1 -P '^\\tlinux' /boot/grub/grub.cfg; sync")
    adopted.powerloss()
    adopted.start()
    assert root(adopted) == "@rootfs"
    assert succeed(adopted, "info")["state"] == "fallback"


def test_a_menu_that_leads_to_ours_no_more(adopted: Host) -> None:
    """The distribution's tool was run without its 41_custom: no entry of ours boots, and nobody is told that one does."""
    offer(adopted, app("2.0"))
    succeed(adopted, "upgrade")
    adopted.sh("cp /boot/grub/grub.cfg /root/grub.cfg; sed -i 's,^.*custom.cfg.*$,  true,' /boot/grub/grub.cfg")
    info = succeed(adopted, "info")
    assert (info["state"], info["protection"], info["next_boot"]) == ("unsupported", "manual", None), info
    assert [entry["id"] for entry in info["requirements"] if not entry["ok"]] == ["menu_hooked"]
    for command in ("upgrade", "rollback", "confirm"):
        assert_refused(call(adopted, command), "layout_unsupported", "41_custom")
    assert_refused(adopted.module("overc_bootloader", {}), "layout_unsupported", "41_custom")
    adopted.sh("cp /root/grub.cfg /boot/grub/grub.cfg")
    assert succeed(adopted, "info")["state"] == "staged"


@pytest.mark.parametrize("size", ["100000", "300G"])
def test_what_is_staged_and_got_a_kernel_of_zeros_is_dropped(adopted: Host, size: str) -> None:
    offer(adopted, *new_kernel())
    staged = succeed(adopted, "upgrade")
    adopted.sh(
        f"mount -o subvol={staged['staged']} $(findmnt -nvo SOURCE /) /mnt && "
        "file=/boot/overc/files/$(sha256sum /mnt/boot/vmlinuz-6.1.0-11-lab | cut -d' ' -f1) && umount /mnt && "
        f"test -s $file && : > $file && truncate -s {size} $file"
    )
    assert_refused(call(adopted, "upgrade"), "kernel_broken", "overc_host_rollback")
    assert succeed(adopted, "rollback")["state"] == "clean"
    assert succeed(adopted, "upgrade")["state"] == "staged"


def test_what_is_staged_and_lost_its_modules_is_dropped(adopted: Host) -> None:
    """The command that the refusal names is one that helps."""
    offer(adopted, *new_kernel())
    staged = succeed(adopted, "upgrade")
    adopted.sh(
        f"mount -o subvol={staged['staged']} $(findmnt -nvo SOURCE /) /mnt && rm -r /mnt/lib/modules/* && umount /mnt"
    )
    assert_refused(call(adopted, "upgrade"), "kernel_broken", "overc_host_rollback")
    assert succeed(adopted, "rollback")["state"] == "clean"
    assert succeed(adopted, "upgrade")["state"] == "staged"


def upgrade_and_confirm(host: Host, release: str) -> None:
    offer(host, app(release))
    succeed(host, "upgrade")
    host.reboot()
    assert version(host, "deb-app") == release
    succeed(host, "confirm")


def test_a_broken_upgrade_and_one_that_does_not_stay(adopted: Host) -> None:
    host = adopted
    before = snapshot_of_disk(host)
    offer(host, app("2.0", postinst="echo lab: no >&2; exit 3"))
    failed = call(host, "upgrade")
    assert_refused(failed, "package_manager_failed", "deb-app")
    assert failed["state"] == "clean"
    after = snapshot_of_disk(host)
    assert (after.default, after.subvolumes, after.boot) == (before.default, before.subvolumes, before.boot)
    host.reboot()
    assert (root(host), version(host, "deb-app")) == ("@rootfs", "1.0")

    # A trial that nobody confirms
    offer(host, app("2.0"))
    succeed(host, "upgrade")
    host.reboot()
    assert root(host) == "@rootfs.overc-1"
    assert_refused(call(host, "upgrade"), "unconfirmed")
    host.powerloss()
    host.start()
    assert (root(host), version(host, "deb-app")) == ("@rootfs", "1.0")
    info = succeed(host, "info")
    assert (info["state"], info["trial"]["outcome"], info["next_boot"]["subvolume"]) == (
        "fallback",
        "failed",
        "@rootfs",
    ), info
    assert_refused(call(host, "confirm"), "backup_boot")
    assert_refused(call(host, "upgrade"), "known_bad")
    assert_refused(host.module("overc_bootloader", {"state": "absent"}), "backup_boot")

    # Another plan takes its place
    offer(host, app("3.0"))
    staged = succeed(host, "upgrade")
    assert (staged["state"], staged["staged"]) == ("staged", "@rootfs.overc-2"), staged
    assert "@rootfs.overc-1" not in host.sh("ls /boot/overc; cat /boot/overc/menu.cfg")
    assert [entry["id"] for entry in succeed(host, "info")["deployments"]] == [2, 0]
    cancelled = succeed(host, "rollback")
    assert (cancelled["operation"], cancelled["state"], cancelled["staged"]) == ("cancel", "clean", None), cancelled
    assert [entry["id"] for entry in succeed(host, "info")["deployments"]] == [0]
    host.reboot()
    assert root(host) == "@rootfs"


def test_what_is_kept_and_how_to_go_anywhere(adopted: Host) -> None:
    host = adopted
    upgrade_and_confirm(host, "2.0")
    assert succeed(host, "confirm", {"pin": [1]})["changed"]
    assert not succeed(host, "confirm", {"pin": [1]})["changed"]
    for number in (3, 4, 5):
        upgrade_and_confirm(host, f"{number}.0")
    known = {entry["id"]: entry for entry in succeed(host, "info", {"sizes": True})["deployments"]}
    assert sorted(known) == [0, 1, 3, 4], known
    assert known[1]["pinned"]
    assert known[4]["size_alone"] is not None
    assert host.sh("ls /boot/overc/files | wc -l") == "2", "equal kernels and initrds are there once"

    # Somebody stands at the menu
    host.boot_entry("overc-3")
    host.reboot()
    assert (root(host), version(host, "deb-app")) == ("@rootfs.overc-3", "4.0")
    assert succeed(host, "info")["state"] == "elsewhere"
    assert_refused(call(host, "upgrade"), "not_default")
    assert_refused(call(host, "confirm"), "not_default")
    here = succeed(host, "rollback")
    assert (here["state"], here["next_boot"]) == ("clean", "@rootfs.overc-3"), here
    host.reboot()
    assert root(host) == "@rootfs.overc-3"

    assert_refused(call(host, "rollback", {"to": "2"}), "no_target", "0, 1, 3, 4")
    assert_refused(call(host, "rollback", {"to": "nowhere"}), "bad_argument")
    assert succeed(host, "rollback", {"to": "1"})["staged"] == "@rootfs.overc-1"
    host.reboot()
    assert (root(host), version(host, "deb-app")) == ("@rootfs.overc-1", "2.0")
    given_up = succeed(host, "rollback")
    assert (given_up["state"], given_up["next_boot"]) == ("staged", "@rootfs.overc-3"), given_up
    host.reboot()
    assert (root(host), succeed(host, "info")["state"]) == ("@rootfs.overc-3", "clean")


def test_a_later_deployment_becomes_the_distributions_own(adopted: Host) -> None:
    host = adopted
    offer(host, *new_kernel())
    succeed(host, "upgrade")
    host.reboot()
    succeed(host, "confirm")
    gone = adopt(host, state="absent")
    assert gone["left"] == ["@rootfs"], gone
    assert host.run("ls /boot/overc /boot/grub/custom.cfg", check=False).stdout == ""
    host.reboot()
    assert root(host) == "@rootfs.overc-1"
    assert [word for word in cmdline(host) if word.startswith("overc.")] == []
    assert f"vmlinuz-{NEW_KERNEL}" in " ".join(cmdline(host))
    # It is an ordinary host again, and can become one with deployments again
    assert adopt(host)["changed"]
    offer(host, *new_kernel(), app("2.0"))
    assert succeed(host, "upgrade")["staged"] == "@rootfs.overc-2"
    host.reboot()
    assert (root(host), version(host, "deb-app")) == ("@rootfs.overc-2", "2.0")


def test_a_menu_that_a_later_deployment_wrote_is_made_anew_when_the_host_is_given_back(adopted: Host) -> None:
    host = adopted
    upgrade_and_confirm(host, "2.0")
    host.sh("update-grub; grep -q 'subvol=@rootfs.overc-1' /boot/grub/grub.cfg")
    succeed(host, "rollback", {"to": "0"})
    host.reboot()
    succeed(host, "confirm")
    assert adopt(host, state="absent")["changed"]
    host.reboot()
    assert root(host) == "@rootfs"


def test_where_grub_cannot_write(make_host: MakeHost) -> None:
    """Manual protection, said as such: the new one boots at once, and the older one is an entry in the menu."""
    host = make_host(flavour=f"{DEBIAN}-inside")
    install(host, app("1.0"))
    result = adopt(host)
    assert (result["protection"], result["boot_method"]) == ("manual", "grub-entry")
    assert "btrfs" in str(result["warnings"])
    offer(host, app("2.0"))
    staged = succeed(host, "upgrade")
    assert (staged["state"], staged["protection"], staged["next_boot"]) == ("staged", "manual", "@rootfs.overc-1"), (
        staged
    )
    host.reboot()
    assert (root(host), version(host, "deb-app")) == ("@rootfs.overc-1", "2.0")
    assert succeed(host, "info")["state"] == "clean"
    host.boot_entry("overc-0")
    host.reboot()
    assert (root(host), succeed(host, "info")["state"]) == ("@rootfs", "elsewhere")
    assert succeed(host, "rollback")["state"] == "clean"
    host.reboot()
    assert (root(host), version(host, "deb-app")) == ("@rootfs", "1.0")


def test_what_is_refused(make_host: MakeHost) -> None:
    host = make_host(flavour=DEBIAN)
    offer(host)
    assert_refused(call(host, "upgrade"), "layout_unsupported", "overc_bootloader")
    host.write("/boot/grub/custom.cfg", "set color_normal=white/black\n")
    before = host.sh("find /boot /etc/overc /etc/systemd/system 2>/dev/null | sort")
    assert_refused(host.module("overc_bootloader", {}), "custom_cfg_foreign", "append")
    host.write("/etc/initramfs-tools/initramfs.conf", "MODULES=dep\n")
    appended = {"adopt_custom_cfg": "append"}
    assert_refused(host.module("overc_bootloader", appended), "layout_unsupported", "MODULES=most")
    host.sh(
        "rm /etc/initramfs-tools/initramfs.conf; fallocate -l $(($(df --output=avail -B1 /boot | tail -1) - 4096)) /boot/big"
    )
    assert_refused(host.module("overc_bootloader", appended), "no_space", "bytes")
    host.sh(
        "rm /boot/big; cp -a /boot/grub/grub.cfg /boot/grub/kept; sed -i '1iset superusers=root' /boot/grub/grub.cfg"
    )
    assert_refused(host.module("overc_bootloader", appended), "layout_unsupported", "superusers")
    host.sh(
        "mv /boot/grub/kept /boot/grub/grub.cfg; umount /boot; cp -a /boot /run/boot; mount /boot; cp -a /boot/. /run/boot"
    )
    host.sh("umount /boot; cp -a /run/boot/. /boot")
    assert_refused(host.module("overc_bootloader", appended), "layout_unsupported", "mount /boot")
    host.sh("rm -r /boot/*; mount /boot")
    assert host.sh("find /boot /etc/overc /etc/systemd/system 2>/dev/null | sort") == before
    adopt(host, **appended)
    offer(host, app("2.0"))
    install(host, app("1.0"))
    host.sh("fallocate -l $(($(df --output=avail -B1 /boot | tail -1) - 4096)) /boot/big")
    assert_refused(call(host, "upgrade"), "no_space", "bytes are missing")
    host.sh("rm /boot/big")
    host.sh("umount /boot")
    assert_refused(call(host, "upgrade"), "layout_unsupported")
    assert host.module("overc_bootloader", appended).get("failed")
    host.sh("mount /boot")
    menu = host.sh("cat /boot/overc/menu.cfg")
    host.write("/boot/overc/menu.cfg", menu.replace("quiet", "loud"))
    assert_refused(call(host, "upgrade"), "layout_unsupported", "menu.cfg")
    assert_refused(host.module("overc_bootloader", {}), "bootloader_changed")
    host.write("/boot/overc/menu.cfg", menu + "\n")
    adopt(host, state="absent")
    assert host.sh("cat /boot/grub/custom.cfg") == "set color_normal=white/black"


def test_three_commands(ansible: Controller, make_host: MakeHost) -> None:
    """As a user has it: set up, upgraded with the reboot and the confirmation, and back."""
    host = make_host(flavour=DEBIAN)
    install(host, app("1.0"))
    offer(host, app("2.0"), *new_kernel())
    host.write("/etc/lab-carried", "before\n")
    for command in ("overc_bootloader", "overc_host_info"):
        done = ansible(host.name, f"overc.system.{command}")
        assert done.rc == 0, done.output
    assert (done.result["state"], done.result["boot_method"]) == ("clean", "grub-entry"), done.output

    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true carry_over=/etc/lab-carried")
    assert done.rc == 0, done.output
    assert (done.result["state"], done.result["booted"]) == ("clean", "@rootfs.overc-1"), done.output
    assert (version(host, "deb-app"), host.boots) == ("2.0", 2)
    assert succeed(host, "info")["deployments"][0]["confirmed"]

    done = ansible(host.name, "overc.system.overc_host_rollback", "-a", "to=0 reboot=true")
    assert done.rc == 0, done.output
    assert (done.result["state"], done.result["booted"]) == ("clean", "@rootfs"), done.output
    again = ansible(host.name, "overc.system.overc_host_rollback", "-a", "to=0 reboot=true")
    assert (again.rc, again.result["changed"], host.boots) == (0, False, 3), again.output


def test_a_kernel_that_was_purged_in_place(adopted: Host) -> None:
    """The entry of the running deployment names a kernel without modules: said, and mended by setting it up again."""
    host = adopted
    offer(host, *new_kernel(), app("2.0"))
    host.sh("export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q -y install linux-image-lab")
    host.sh(f"export DEBIAN_FRONTEND=noninteractive; apt-get -q -y purge linux-image-{FIRST_KERNEL}")
    assert_refused(call(host, "upgrade"), "kernel_broken", FIRST_KERNEL, "overc_bootloader")
    assert adopt(host)["changed"]
    assert NEW_KERNEL in host.sh("cat /boot/overc/menu.cfg")
    assert succeed(host, "upgrade")["state"] == "staged"
