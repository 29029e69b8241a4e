# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as the installers of Debian and Ubuntu leave them, in the lab: what others conclude from them depends on this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries import menu

from tests.lab import Host, LabError
from tests.lab.apt import FIRST_KERNEL, NEW_KERNEL, new_kernel, offer
from tests.lab.bootloader import format_environment, parse_environment
from tests.lab.layouts import LAYOUTS, Layout
from tests.sampling import rotating

MakeHost = Callable[..., Host]
DEBIAN = "debian12"


def cmdline(host: Host) -> str:
    return host.sh("cat /proc/cmdline")


def root(host: Host) -> str:
    return host.sh("findmnt -nvo FSROOT /").lstrip("/")


def apt_upgrade(host: Host) -> None:
    """In place, as an administrator does it."""
    host.sh("export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q -y dist-upgrade")


@pytest.mark.parametrize("flavour", rotating(sorted(LAYOUTS), len(LAYOUTS)))
def test_it_is_what_the_installer_leaves(make_host: MakeHost, flavour: str) -> None:
    layout, host = LAYOUTS[flavour], make_host(flavour=flavour)
    assert root(host) == layout.root
    assert f"rootflags=subvol={layout.root}" in cmdline(host).split()
    assert f"subvol={layout.root} " in host.sh("grep ' / ' /etc/fstab")
    assert host.sh("btrfs subvolume get-default /") == "ID 5 (FS_TREE)"
    assert host.sh("uname -s; readlink /vmlinuz").split() == ["Linux", f"boot/vmlinuz-{FIRST_KERNEL}"]
    assert host.run("findmnt /boot", check=False).returncode == (0 if layout.boot == "apart" else 1)
    assert host.run("findmnt /boot/efi", check=False).returncode == (0 if layout.boot == "esp" else 1)
    assert host.run("findmnt /home", check=False).returncode == (0 if layout.home else 1)
    assert host.sh("systemctl --failed --plain --no-legend; dpkg --audit; apt-get check >/dev/null") == ""
    # The menu is the distribution's, and stays it
    host.sh("cp /boot/grub/grub.cfg /run/before && update-grub && diff /run/before /boot/grub/grub.cfg")
    _an_upgrade_in_place(host)


def _an_upgrade_in_place(host: Host) -> None:
    offer(host, *new_kernel())
    apt_upgrade(host)
    assert FIRST_KERNEL in cmdline(host)
    host.reboot()
    assert f"vmlinuz-{NEW_KERNEL}" in cmdline(host)
    assert host.sh("readlink /vmlinuz.old") == f"boot/vmlinuz-{FIRST_KERNEL}"
    # Somebody stands at the menu, and picks the older one
    host.boot_entry(f"1>Debian GNU/Linux, with Linux {FIRST_KERNEL}")
    host.reboot()
    assert f"vmlinuz-{FIRST_KERNEL}" in cmdline(host)
    host.reboot()
    assert f"vmlinuz-{NEW_KERNEL}" in cmdline(host)


# --- our own menu in it -----------------------------------------------------------------------------------------------


def add_menu(host: Host, layout: Layout) -> None:
    """Deployment 0 and a second one, with the menu of the collection, made by hand."""
    uuids = host.sh("findmnt -no UUID /; findmnt -no UUID /boot || true; findmnt -no UUID /boot/efi || true").split()
    host.sh("mount -o subvolid=5 $(findmnt -nvo SOURCE /) /mnt")
    host.sh(f"btrfs subvolume snapshot / /mnt/{layout.root}.overc-1; umount /mnt")
    apart = layout.boot == "apart"
    entries = []
    for number, name in enumerate((layout.root, f"{layout.root}.overc-1")):
        place = "" if apart else f"/{name}/boot"
        args = (f"root=UUID={uuids[0]}", "ro", f"rootflags=subvol={name}", "quiet")
        files = (f"{place}/vmlinuz-{FIRST_KERNEL}", args, f"{place}/initrd.img-{FIRST_KERNEL}")
        entries.append(menu.Entry(number, f"Deployment {number}", name, uuids[0], uuids[1 if apart else 0], *files))
    selector = "/boot/efi/overc" if layout.boot == "esp" else "/boot/overc"
    directory = f"/{layout.root}/boot/overc" if layout.boot == "inside" else "/overc"
    device = uuids[0] if layout.boot == "inside" else uuids[1]
    host.write(f"{selector}/menu.cfg", menu.menu_text(menu.Menu(tuple(entries))))
    host.sh(f"touch {selector}/env")
    (host.root / selector.lstrip("/") / "env").write_bytes(format_environment({}))
    host.write("/boot/grub/custom.cfg", menu.hook_text(device, directory))
    host.sh(f"grub-script-check {selector}/menu.cfg && grub-script-check /boot/grub/custom.cfg; sync")


def choose(host: Host, layout: Layout, **values: str) -> None:
    _environment(host, layout).write_bytes(format_environment(values))
    host.sh("sync")


def _environment(host: Host, layout: Layout) -> Path:
    return host.root / ("boot/efi/overc/env" if layout.boot == "esp" else "boot/overc/env")


def environment(host: Host, layout: Layout) -> dict[str, str]:
    return parse_environment(_environment(host, layout).read_bytes())


@pytest.mark.parametrize("flavour", rotating([DEBIAN, f"{DEBIAN}-esp", "ubuntu"], 3))
def test_a_try_is_made_once(make_host: MakeHost, flavour: str) -> None:
    layout, host = LAYOUTS[flavour], make_host(flavour=flavour)
    second = f"{layout.root}.overc-1"
    add_menu(host, layout)
    host.reboot()
    assert (root(host), "overc" in cmdline(host)) == (layout.root, False)  # nothing is chosen: the distribution's own

    choose(host, layout, overc_default="0", overc_try="1")
    host.reboot()
    assert root(host) == second
    assert {"overc.trial=1", "overc.id=1"} <= set(cmdline(host).split())
    assert environment(host, layout) == {"overc_default": "0", "overc_try": ""}
    host.reboot()
    assert (root(host), "overc.trial=1" in cmdline(host)) == (layout.root, False)

    choose(host, layout, overc_default="1")
    host.reboot()
    assert (root(host), "overc.trial=1" in cmdline(host)) == (second, False)
    host.boot_entry("overc-0")
    host.reboot()
    assert root(host) == layout.root
    host.boot_entry(0)  # the distribution's first, whatever root is in it
    host.reboot()
    assert "overc.id=0" not in cmdline(host)


@pytest.mark.parametrize("name", ["vmlinuz", "initrd.img"])
def test_what_cannot_be_loaded(make_host: MakeHost, name: str) -> None:
    """A trial without its kernel or initrd uses itself up; a default without it leads to the distribution's entry."""
    layout, host = LAYOUTS[DEBIAN], make_host(flavour=DEBIAN)
    add_menu(host, layout)
    logic, newest, others = (host.root / "boot/overc/menu.cfg").read_text().split("\n#> ")
    broken = newest.replace(f"/{name}-{FIRST_KERNEL}", "/gone")
    host.write("/boot/overc/menu.cfg", f"{logic}\n#> {broken}\n#> {others}")
    choose(host, layout, overc_default="0", overc_try="1")
    host.reboot()
    assert root(host) == layout.root
    assert [failure for failure in host.boot_failures if "GRUB reboots" in failure], host.boot_failures
    assert environment(host, layout) == {"overc_default": "0", "overc_try": ""}

    choose(host, layout, overc_default="1")
    host.reboot()
    assert (root(host), "overc.id" in cmdline(host)) == (layout.root, False)

    host.sh("mv /boot/grub/grub.cfg /boot/grub/away; sync")
    before = host.boots
    host.reboot(wait=False)
    host.wait_off()
    assert (host.boots, "waits for a key" in (host.boot_failed or "")) == (before, True)
    with pytest.raises(LabError):
        host.wait_ssh()


def test_grub_cannot_write_into_btrfs(make_host: MakeHost) -> None:
    """So a try would be one for ever: the menu does not obey it."""
    flavour = f"{DEBIAN}-inside"
    layout, host = LAYOUTS[flavour], make_host(flavour=flavour)
    add_menu(host, layout)
    choose(host, layout, overc_default="0", overc_try="1")
    host.reboot()
    assert root(host) == layout.root
    assert environment(host, layout)["overc_try"] == "1"
    choose(host, layout, overc_default="1")
    host.reboot()
    assert root(host) == f"{layout.root}.overc-1"


def test_the_initrd_has_to_be_that_of_the_kernel(make_host: MakeHost) -> None:
    layout, host = LAYOUTS[DEBIAN], make_host(flavour=DEBIAN)
    offer(host, *new_kernel())
    apt_upgrade(host)
    add_menu(host, layout)
    text = (host.root / "boot/overc/menu.cfg").read_text()
    mixed = text.replace(f"linux /vmlinuz-{FIRST_KERNEL} root", f"linux /vmlinuz-{NEW_KERNEL} root", 1)
    host.write("/boot/overc/menu.cfg", mixed)
    choose(host, layout, overc_default="0", overc_try="1")
    host.reboot()
    assert any("is for the kernel" in failure for failure in host.boot_failures), host.boot_failures
    assert root(host) == layout.root
