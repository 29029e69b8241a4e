# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk with Debian 12 and systemd-boot, as ``bootctl install`` and Debian's own kernel hooks leave it; no GRUB at all.

/boot is in the root subvolume, the ESP is at /boot/efi, and kernel-install has put kernel, initrd and entry on it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import typing as t
from pathlib import Path
from unittest import mock

from tests.lab.debs import built, publish
from tests.lab.process import locked, run, say
from tests.lab.rootfs import rootfs_tarball
from tests.lab.settings import PACKAGE as LAB
from tests.lab.settings import cache_directory, digest
from tests.lab.signing import public_key, sign_release
from tests.lab.system import ssh_key
from tests.vm import disk, kernels
from tests.vm.debian_image import ROOT, releases
from tests.vm.image import PACKAGE, assemble, boot_partition, configure, fill_apart
from tests.vm.rootfs import Sources, sources

PACKAGES: t.Final = (
    "systemd,systemd-sysv,udev,kmod,dbus,systemd-boot",
    "apt,python3,ucf,linux-base,initramfs-tools,zstd,busybox",
    "openssh-server,btrfs-progs,iproute2,procps,util-linux,mount,e2fsprogs,dosfstools",
)
_ARGUMENTS = (
    "no_timer_check console=ttyS0 net.ifnames=0 mitigations=off systemd.show_status=0 random.trust_cpu=on quiet"
)
_ESP_ID = "ABCD-1234"
_FILES: t.Final = {
    "etc/initramfs-tools/conf.d/vm": "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\nRESUME=none\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\nbtrfs\ncrc32c_intel\n",
    "etc/apt/sources.list.d/vm.sources": (
        "Types: deb\nURIs: file:/srv/repositories/current\nSuites: lab\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/vm.asc\n"
    ),
}
_NEEDED: t.Final = ("systemd-remount-fs.service",)
# The loader's variables are files of this file system
_MODULES: t.Final = ("efivarfs",)


def image() -> Path:
    """The disk of a machine that nobody adopted yet."""
    tarball, made = rootfs_tarball("bookworm", PACKAGES), sources()
    code = [PACKAGE / f"{name}.py" for name in ("loader_image", "debian_image", "image", "disk", "kernels", "faults")]
    code += [LAB / f"{name}.py" for name in ("deb_kernels", "debs")]
    key = digest(tarball.name, made.kernels.name, *code, ssh_key("controller"), ssh_key("host"), public_key())
    found = cache_directory() / f"vmloader-{key}.qcow2"
    with locked(cache_directory() / "vm-loader.lock"):
        if not found.exists():
            for old in cache_directory().glob("vmloader-*.qcow2"):
                old.unlink()
            say("building the image of a virtual machine with Debian and systemd-boot ...")
            with mock.patch.object(kernels, "_FOR_ROOT", (*kernels._FOR_ROOT, *_MODULES)):
                _build(tarball, made, found)
    return found


def _build(tarball: Path, made: Sources, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="overc-vm-", dir="/var/tmp") as name:
        scratch = Path(name)
        older, newer = kernels.unpack(made.kernels, made.root, scratch)
        pool = scratch / "pool"
        for release, packages in releases(older, newer).items():
            publish(scratch / "repositories" / release, packages, pool, sign=sign_release)
        (scratch / "installed").mkdir()
        for package in releases(older, newer)["v1"]:
            shutil.copy(built(package, pool), scratch / "installed")
        root, esp = scratch / "root.part", scratch / "esp.part"
        with root.open("wb") as stream:
            stream.truncate(disk.ROOT.size)
        run(["mkfs.btrfs", "-q", "-m", "single", "-d", "single", "-L", "root", root])
        fill_apart("tests.vm.loader_image", scratch, tarball, older.release)
        boot_partition("vfat", scratch / "esp", esp, _ESP_ID)
        whole = scratch / "whole.raw"
        assemble(whole, {disk.BOOT.start: esp, disk.ROOT.start: root})
        unfinished = target.with_suffix(".part")
        run(["qemu-img", "convert", "-q", "-O", "qcow2", whole, unfinished])
        unfinished.replace(target)


def _fill(scratch: Path, tarball: Path, release: str) -> None:
    root, part = scratch / "root", scratch / "root.part"
    root.mkdir()
    run(["mount", "-o", "loop", part, root])
    run(["btrfs", "subvolume", "create", root / ROOT])
    run(["umount", root])
    run(["mount", "-o", f"loop,noatime,subvol={ROOT}", part, root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    uuid = run(["findmnt", "-nvo", "UUID", root]).strip()
    configure(root, _FILES, unmasked=_NEEDED)
    (root / "etc/fstab").write_text(
        f"UUID={uuid} / btrfs defaults,subvol={ROOT} 0 0\nUUID={_ESP_ID} /boot/efi vfat umask=0077 0 1\n"
    )
    for source in (root / "etc/apt").glob("sources.list"):
        source.unlink()
    (root / "etc/apt/keyrings").mkdir(exist_ok=True)
    shutil.copy(public_key(), root / "etc/apt/keyrings/vm.asc")
    (root / "etc/kernel").mkdir(exist_ok=True)
    (root / "etc/kernel/cmdline").write_text(f"root=UUID={uuid} ro rootflags=subvol={ROOT} {_ARGUMENTS}\n")
    _loader(root, scratch / "esp")
    _install(root, scratch, release)
    run(["umount", root / "boot/efi"])
    run(["umount", root])


def _loader(root: Path, esp: Path) -> None:
    """What ``bootctl install`` writes; the firmware finds it by the removable path."""
    for name in ("EFI/systemd", "EFI/BOOT", "loader/entries"):
        (esp / name).mkdir(parents=True)
    binary = root / "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
    shutil.copy(binary, esp / "EFI/systemd/systemd-bootx64.efi")
    shutil.copy(binary, esp / "EFI/BOOT/BOOTX64.EFI")
    (esp / "loader/loader.conf").write_text("#timeout 3\n#console-mode keep\n")
    (esp / "loader/entries.srel").write_text("type1\n")
    place = root / "boot/efi"
    place.mkdir(exist_ok=True)
    run(["mount", "--bind", esp, place])


def _install(root: Path, scratch: Path, release: str) -> None:
    shutil.copytree(scratch / "repositories", root / "srv/repositories")
    (root / "srv/repositories/current").symlink_to("v1")
    for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "dev")):
        run(["mount", "-t", kind, kind, root / place])
    for name, minor in (("null", "3"), ("zero", "5"), ("urandom", "9")):
        run(["mknod", "-m666", root / "dev" / name, "c", "1", minor])
    debs = root / "run/debs"
    debs.mkdir(parents=True)
    for file in (scratch / "installed").iterdir():
        shutil.copy(file, debs)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    names = [f"/run/debs/{path.name}" for path in sorted(debs.iterdir())]
    run(["chroot", root, "dpkg", "--install", *names], stdin="", env=environment)
    # Debian's hook asks bootctl for the ESP, which is none here yet
    files = [f"/boot/vmlinuz-{release}", f"/boot/initrd.img-{release}"]
    run(["chroot", root, "kernel-install", "add", release, *files], stdin="", env=environment)
    assert list((root / "boot/efi/loader/entries").glob("*.conf")), "kernel-install made no entry"
    for place in ("dev", "sys", "proc"):
        run(["umount", root / place])
    shutil.rmtree(debs)


if __name__ == "__main__":
    _fill(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
