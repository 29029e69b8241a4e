# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden disks of Debian and Ubuntu: real roots with apt, laid out as their installers do, GRUB's menu by GRUB itself.

The default subvolume stays the top level, fstab and the menu name the root's subvolume, the kernel comes as a package.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.lab import disk, system
from tests.lab.deb_kernels import initrd_tools, kernel, newest
from tests.lab.debs import Deb, build
from tests.lab.layouts import LAYOUTS, Layout
from tests.lab.process import run
from tests.lab.signing import public_key

PACKAGES: t.Final = (
    "systemd,systemd-sysv,dbus,libpam-systemd,udev",
    "apt,python3,ucf,debconf,linux-base,grub-pc,needrestart,apt-listchanges",
    "openssh-server,btrfs-progs,iproute2,procps,kmod,util-linux,mount,findutils,e2fsprogs,attr,acl",
)
# What an image is made by, beside its root
INGREDIENTS: t.Final = ("debian", "deb_kernels", "debs", "kernel", "layouts")
# The kernel that each host of a flavour has as installed
FIRST_KERNEL: t.Final = "6.1.0-10-lab"
REPOSITORY: t.Final = "/srv/repo"
_SOURCE = f"Types: deb\nURIs: file:{REPOSITORY}\nSuites: lab\nComponents: main\nSigned-By: /etc/apt/keyrings/lab.asc\n"
_FILES = {**system.FILES, "etc/apt/sources.list.d/lab.sources": _SOURCE}
# Of the first partition, without udev: a unit that waits for its device would wait for ninety seconds
_BOOT_OPTIONS = "defaults,nofail,x-systemd.device-timeout=1"


def packages() -> list[Deb]:
    """What is installed beside Debian's own."""
    return [initrd_tools(), kernel(FIRST_KERNEL), newest(FIRST_KERNEL, "1.0")]


def fstab(layout: Layout, who: disk.Identity) -> str:
    lines = [f"UUID={who.root_uuid} / btrfs defaults,subvol={layout.root} 0 0"]
    if layout.home:
        lines.append(f"UUID={who.root_uuid} /home btrfs defaults,subvol={layout.home} 0 0")
    if layout.boot_mount:
        lines.append(f"UUID={who.boot_uuid} /{layout.boot_mount} ext4 {_BOOT_OPTIONS} 0 0")
    return "# /etc/fstab: static file system information.\n#\n" + "".join(f"{line}\n" for line in lines)


def stub(layout: Layout, who: disk.Identity) -> str:
    """The file beside the boot loader on the ESP, as grub-install writes it: the subvolume's name is in it."""
    return (
        f"search.fs_uuid {who.root_uuid} root \nset prefix=($root)'/{layout.root}/boot/grub'\n"
        "configfile $prefix/grub.cfg\n"
    )


def _fill(loop: str, scratch: Path, tarball: Path, layout: Layout) -> None:
    root = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
    device, who = disk.partition(loop, 2), disk.identity(loop)
    run(["mount", "-t", "btrfs", device, root])
    for name in filter(None, (layout.root, layout.home)):
        run(["btrfs", "subvolume", "create", root / name])
    run(["umount", root])
    run(["mount", "-t", "btrfs", "-o", f"noatime,subvol={layout.root}", device, root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    if layout.boot_mount:
        place = root / layout.boot_mount
        place.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "ext4", disk.partition(loop, 1), place])
    _configure(root, layout, who)
    _install(root, loop, who)
    _look_like_hardware(root)
    if layout.boot == "esp":
        vendor = place / "EFI" / layout.vendor
        vendor.mkdir(parents=True)
        (vendor / "grub.cfg").write_text(stub(layout, who))
        (vendor / "grubx64.efi").write_bytes(b"MZ a boot loader that never runs\n")
    if layout.boot_mount:
        run(["umount", place])
    run(["umount", root])


def _configure(root: Path, layout: Layout, who: disk.Identity) -> None:
    system.configure(root, _FILES)
    (root / "etc/fstab").write_text(fstab(layout, who))
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for other in (root / "etc/apt/sources.list.d").glob("*"):
        if other.name != "lab.sources":
            other.unlink()
    (root / "etc/apt/keyrings").mkdir(exist_ok=True)
    shutil.copy(public_key(), root / "etc/apt/keyrings/lab.asc")
    shutil.rmtree(root / "var/lib/apt/lists")
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)


def _install(root: Path, loop: str, who: disk.Identity) -> None:
    """By dpkg, with the kernel's own scripts, and the menu by the distribution's update-grub."""
    debs = root / "run/debs"
    debs.mkdir(parents=True)
    for package in packages():
        build(package, debs)
    for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "dev")):
        run(["mount", "-t", kind, kind, root / place])
    _make_devices(root / "dev", loop, who)
    (root / "boot/grub").mkdir(exist_ok=True)
    # The kernel's hook does something only where a menu is
    (root / "boot/grub/grub.cfg").touch()
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    names = [f"/run/debs/{path.name}" for path in sorted(debs.iterdir())]
    run(["chroot", root, "dpkg", "--install", *names], stdin="", env=environment)
    run(["chroot", root, "update-grub"], stdin="", env=environment)
    for place in ("dev", "sys", "proc"):
        run(["umount", root / place])
    shutil.rmtree(debs)


def _look_like_hardware(root: Path) -> None:
    """A lab host stands for a machine: Debian's hooks of kernels leave the menu alone where they see a container."""
    program = root / "usr/bin/systemd-detect-virt"
    run(["chroot", root, "dpkg-divert", "--local", "--rename", "--add", "/usr/bin/systemd-detect-virt"])
    program.write_text("#!/bin/sh\necho none\nexit 1\n")
    program.chmod(0o755)


def _make_devices(dev: Path, loop: str, who: disk.Identity) -> None:
    for name, (major, minor) in {"null": (1, 3), "urandom": (1, 9)}.items():
        run(["mknod", "-m666", dev / name, "c", f"{major}", f"{minor}"])
    for name, (major, minor) in disk.device_numbers(loop).items():
        run(["mknod", dev / name, "b", f"{major}", f"{minor}"])
    (dev / "disk/by-uuid").mkdir(parents=True)
    for uuid, number in ((who.boot_uuid, 1), (who.root_uuid, 2)):
        (dev / "disk/by-uuid" / uuid).symlink_to(f"../..{disk.partition(loop, number).removeprefix('/dev')}")


if __name__ == "__main__":
    _loop, _scratch, _tarball, _flavour = sys.argv[1:]
    _fill(_loop, Path(_scratch), Path(_tarball), LAYOUTS[_flavour])
