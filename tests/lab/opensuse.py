# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden disk of hosts in openSUSE's layout, rebuilt after what is known of it: it is not openSUSE's own image.

Real are zypper, rpm and snapper (Debian 13 has them), btrfs and systemd. The subvolumes, the default one among them, the
kernels, their scripts and the menu of the structure that openSUSE's grub2-mkconfig writes are made here. As with BIOS:
no EFI system partition, and GRUB reads everything from the default subvolume.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.lab import disk, opensuse_kernels, system, zypper
from tests.lab.layouts import FLAVOURS, OPENSUSE, Layout
from tests.lab.opensuse_kernels import FIRST, TOOLS
from tests.lab.process import run

# Beside the root, below @: in the order in which they are mounted
OTHERS: t.Final = (
    ".snapshots", "boot/grub2/i386-pc", "boot/grub2/x86_64-efi", "home", "opt", "root", "srv", "usr/local", "var",
)  # fmt: skip
OS_RELEASE: t.Final = """\
NAME="openSUSE Leap"
VERSION="15.6"
ID="opensuse-leap"
ID_LIKE="suse opensuse"
VERSION_ID="15.6"
PRETTY_NAME="openSUSE Leap 15.6 (its layout, rebuilt in a lab)"
"""
DEFAULT_GRUB: t.Final = """\
GRUB_TIMEOUT=8
GRUB_DEFAULT=saved
GRUB_CMDLINE_LINUX_DEFAULT="splash=silent quiet"
SUSE_BTRFS_SNAPSHOT_BOOTING="true"
"""
SNAPPER: t.Final = """\
SUBVOLUME="/"
FSTYPE="btrfs"
QGROUP=""
SPACE_LIMIT="0.5"
FREE_LIMIT="0.2"
ALLOW_USERS=""
ALLOW_GROUPS=""
SYNC_ACL="no"
BACKGROUND_COMPARISON="yes"
NUMBER_CLEANUP="yes"
NUMBER_MIN_AGE="0"
NUMBER_LIMIT="2-10"
NUMBER_LIMIT_IMPORTANT="4-10"
TIMELINE_CREATE="no"
TIMELINE_CLEANUP="yes"
EMPTY_PRE_POST_CLEANUP="yes"
EMPTY_PRE_POST_MIN_AGE="0"
"""
FIRST_INFO: t.Final = """\
<?xml version="1.0"?>
<snapshot>
  <type>single</type>
  <num>1</num>
  <date>2026-01-02 03:04:05</date>
  <description>first root filesystem</description>
</snapshot>
"""


def _fstab(who: disk.Identity) -> str:
    lines = [f"UUID={who.root_uuid}  /  btrfs  defaults  0  0"]
    lines += [f"UUID={who.root_uuid}  /{name}  btrfs  subvol=/@/{name}  0  0" for name in OTHERS]
    return "".join(f"{line}\n" for line in lines)


def _fill(loop: str, scratch: Path, tarball: Path, layout: Layout, repositories: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
    device, who = disk.partition(loop, 2), disk.identity(loop)
    run(["mount", "-t", "btrfs", device, root])
    run(["btrfs", "subvolume", "create", root / "@"])
    for name in OTHERS:
        (root / "@" / name).parent.mkdir(parents=True, exist_ok=True)
        run(["btrfs", "subvolume", "create", root / "@" / name])
    first = root / layout.root
    first.parent.mkdir()
    (first.parent / "info.xml").write_text(FIRST_INFO)
    run(["btrfs", "subvolume", "create", first])
    run(["btrfs", "subvolume", "set-default", first])
    run(["umount", root])
    run(["mount", "-t", "btrfs", "-o", "noatime", device, root])
    # As openSUSE has it; libsolv of Debian looks nowhere else, so that a new root needs it below what /var hides as well
    link_database(root)
    for name in OTHERS:
        (root / name).mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "btrfs", "-o", f"subvol=/@/{name}", device, root / name])
    (root / ".snapshots").chmod(0o750)
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    link_database(root)
    _configure(root, who)
    zypper.install(root, repositories, "lab-kernel")
    _install_kernel(root, repositories / FIRST, loop)
    for name in reversed(OTHERS):
        run(["umount", root / name])
    run(["umount", root])


def link_database(root: Path) -> None:
    (root / "var/lib").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(root / "var/lib/rpm", ignore_errors=True)
    (root / "var/lib/rpm").symlink_to("../../usr/lib/sysimage/rpm")


def _configure(root: Path, who: disk.Identity) -> None:
    system.configure(root, zypper.FILES)
    (root / "etc/os-release").unlink()
    files = {
        "etc/os-release": OS_RELEASE,
        "etc/fstab": _fstab(who),
        "etc/default/grub": DEFAULT_GRUB,
        "etc/sysconfig/bootloader": 'LOADER_TYPE="grub2"\nSECURE_BOOT="no"\n',
        "etc/rpm/macros": "%_dbpath /usr/lib/sysimage/rpm\n",
        "etc/default/snapper": 'SNAPPER_CONFIGS="root"\n',
        "etc/snapper/configs/root": SNAPPER,
        **TOOLS,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name in TOOLS else 0o644)
    for kind in ("timers", "sysinit"):  # a test says itself when snapper is at work
        for link in (root / f"etc/systemd/system/{kind}.target.wants").glob("snapper*"):
            link.unlink()
    settings = root / "etc/zypp/zypp.conf"
    told = settings.read_text() if settings.exists() else "[main]\n"
    settings.write_text(told.replace("[main]\n", "[main]\nmultiversion = provides:multiversion(kernel)\n", 1))


def _install_kernel(root: Path, repository: Path, loop: str) -> None:
    """By rpm, with the kernel's own scripts, and the menu by the distribution's tool."""
    packages = root / "run/packages"
    packages.mkdir(parents=True)
    run(["mount", "--bind", repository, packages])
    for kind, place in (("proc", "proc"), ("tmpfs", "dev")):
        run(["mount", "-t", kind, kind, root / place])
    run(["mknod", "-m666", root / "dev/null", "c", "1", "3"])
    for name, (major, minor) in disk.device_numbers(loop).items():
        run(["mknod", root / "dev" / name, "b", f"{major}", f"{minor}"])
    file = f"/run/packages/{opensuse_kernels.PACKAGE}-{opensuse_kernels.VERSIONS[0]}-1.noarch.rpm"
    run(["chroot", root, "rpm", "--install", file], stdin="")
    run(["chroot", root, "grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"], stdin="")
    for place in ("dev", "proc"):
        run(["umount", root / place])
    run(["umount", packages])
    packages.rmdir()


if __name__ == "__main__":
    _loop, _scratch, _tarball, _repositories = sys.argv[1:]
    _fill(_loop, Path(_scratch), Path(_tarball), FLAVOURS[OPENSUSE], Path(_repositories))
