# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as the installer of Debian 12 leaves them: its GRUB with its menu, ``@rootfs``, an initrd by initramfs-tools.

``bios``: /boot is ext4. ``efi``: /boot is in the root subvolume, and GRUB starts from an ESP with vfat. ``SELINUX``: as ``bios``,
with Debian's policy, enforced.
Its kernels are real ones with only the modules that the machine needs, in packages with the scripts of Debian's.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.lab import deb_kernels
from tests.lab.debs import Deb, built, publish
from tests.lab.process import locked, run, say
from tests.lab.rootfs import rootfs_tarball
from tests.lab.settings import PACKAGE as LAB
from tests.lab.settings import cache_directory, digest
from tests.lab.signing import public_key, sign_release
from tests.lab.system import ssh_key
from tests.vm import disk, grub, kernels, selinux
from tests.vm.faults import FAULTS, Fault, Files
from tests.vm.image import PACKAGE, assemble, boot_partition, configure, devices, fill_apart
from tests.vm.kernels import Kernel
from tests.vm.rootfs import Sources, sources

FIRMWARES: t.Final = ("bios", "efi")
SELINUX: t.Final = "selinux"
ROOT: t.Final = "@rootfs"
PACKAGES: t.Final = (
    "systemd,systemd-sysv,udev,kmod,dbus",
    "apt,python3,ucf,linux-base,initramfs-tools,zstd,busybox,grub-pc,grub-efi-amd64-bin",
    "openssh-server,btrfs-progs,iproute2,procps,util-linux,mount,e2fsprogs,dosfstools",
)
# A processor that is emulated on a busy machine fails the timer check
_ARGUMENTS = "no_timer_check console=ttyS0 net.ifnames=0 mitigations=off systemd.show_status=0 random.trust_cpu=on"
_ESP_ID = "ABCD-1234"
_FILES: t.Final = {
    "etc/default/grub": (
        'GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
        f'GRUB_CMDLINE_LINUX="{_ARGUMENTS}"\nGRUB_TERMINAL=serial\nGRUB_DISABLE_OS_PROBER=true\n'
        'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
    ),
    # Only what mounts the root, as somebody with a slow machine would have it
    "etc/initramfs-tools/conf.d/vm": "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\nRESUME=none\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\nbtrfs\ncrc32c_intel\n",
    "etc/apt/sources.list.d/vm.sources": (
        "Types: deb\nURIs: file:/srv/repositories/current\nSuites: lab\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/vm.asc\n"
    ),
}
# The command line says "ro", as an installer's does
_NEEDED: t.Final = ("systemd-remount-fs.service",)
_OWN_INITRD: t.Final = b"made by initramfs-tools"
_NOISE: t.Final = """
LC_ALL=C tr '\\000-\\377' '\\200-\\377\\000-\\177' <{initrd} >{initrd}.noise
mv {initrd}.noise {initrd}
"""


def app(version: str, script: str = "") -> Deb:
    files = {f"/usr/share/vm-app/data/{number}": f"{version} {number}\n".encode() for number in range(100)}
    return Deb("vm-app", version, files=files, scripts={"postinst": script} if script else {})


def _content(packed: Kernel) -> Files:
    """By the names that faults know; the initrd is made where it is installed."""
    return {"/boot/bzImage": packed.image, "/boot/initrd": _OWN_INITRD, **packed.modules}


def kernel(packed: Kernel, content: Files | None = None) -> Deb:
    """``linux-image-RELEASE``, with the scripts of Debian's and without what the machine never loads.

    ``content``: what is in it instead of what belongs there.
    """
    content = content or _content(packed)
    small = deb_kernels.kernel(packed.release)
    files = {
        f"/boot/vmlinuz-{packed.release}": content["/boot/bzImage"],
        f"/boot/config-{packed.release}": (packed.tree / f"boot/config-{packed.release}").read_bytes(),
        f"/boot/System.map-{packed.release}": b"ffffffff81000000 T _text\n",
        **{name.removeprefix("/usr"): data for name, data in content.items() if not name.startswith("/boot/")},
    }
    scripts = dict(small.scripts)
    if content.get("/boot/initrd") != _OWN_INITRD:
        scripts["postinst"] += _NOISE.format(initrd=f"/boot/initrd.img-{packed.release}")
    return Deb(small.name, "1.0", fields=small.fields, files=files, scripts=scripts)


def _broken(fault: Fault, older: Kernel, newer: Kernel) -> list[Deb]:
    """The second release as it must not be."""
    content = fault.kernel(_content(newer), _content(older)) if fault.kernel else None
    if content is not None:
        content.setdefault("/boot/initrd", _OWN_INITRD)
    return [kernel(newer, content), deb_kernels.newest(newer.release, "2.0"), app("2.0", fault.script)]


def releases(older: Kernel, newer: Kernel) -> dict[str, list[Deb]]:
    """What each release offers."""
    first = [kernel(older), deb_kernels.newest(older.release, "1.0")]
    second = [kernel(newer), deb_kernels.newest(newer.release, "2.0")]
    return {
        "v1": [*first, app("1.0")],
        "v2": [*first[:1], *second, app("2.0")],
        **{fault.repository: _broken(fault, older, newer) for fault in FAULTS},
    }


def image(firmware: str) -> Path:
    """The disk of a machine that nobody adopted yet."""
    packages = (*PACKAGES, selinux.PACKAGES) if firmware == SELINUX else PACKAGES
    tarball, made = rootfs_tarball("bookworm", packages), sources()
    code = [PACKAGE / f"{name}.py" for name in ("debian_image", "image", "disk", "grub", "kernels", "faults")]
    code += [PACKAGE / "selinux.py"] if firmware == SELINUX else []
    code += [LAB / f"{name}.py" for name in ("deb_kernels", "debs")]
    key = digest(tarball.name, made.kernels.name, *code, ssh_key("controller"), ssh_key("host"), public_key())
    found = cache_directory() / f"vmdeb-{firmware}-{key}.qcow2"
    with locked(cache_directory() / f"vm-debian-{firmware}.lock"):
        if not found.exists():
            for old in cache_directory().glob(f"vmdeb-{firmware}-*.qcow2"):
                old.unlink()
            say(f"building the image of a virtual machine with Debian ({firmware}) ...")
            _build(firmware, tarball, made, found)
    return found


def _build(firmware: str, tarball: Path, made: Sources, target: Path) -> None:
    # Not in /dev/shm: the root is filled behind a /dev of its own
    with tempfile.TemporaryDirectory(prefix="overc-vm-", dir="/var/tmp") as name:
        scratch = Path(name)
        older, newer = kernels.unpack(made.kernels, made.root, scratch)
        pool = scratch / "pool"
        offered = releases(older, newer)
        if firmware == SELINUX:
            offered[selinux.RELEASE] = [*offered["v2"][:-1], app("2.0", selinux.SCRIPT)]
            offered[selinux.NEW_POLICY] = [*offered["v2"][:-1], app("2.0", selinux.INSTALL_POLICY)]
        for release, packages in offered.items():
            publish(scratch / "repositories" / release, packages, pool, sign=sign_release)
        (scratch / "installed").mkdir()
        for package in releases(older, newer)["v1"]:
            shutil.copy(built(package, pool), scratch / "installed")
        root, boot = scratch / "root.part", scratch / "boot.part"
        for part, extent in ((root, disk.ROOT), (boot, disk.BOOT)):
            with part.open("wb") as stream:
                stream.truncate(extent.size)
        run(["mkfs.btrfs", "-q", "-m", "single", "-d", "single", "-L", "root", root])
        if firmware != "efi":
            run(["mkfs.ext4", "-q", "-m0", "-L", "boot", boot])
        parts = {"vda3": root, **({"vda2": boot} if firmware != "efi" else {})}
        fill_apart("tests.vm.debian_image", firmware, scratch, tarball, parts=parts)
        if firmware == "efi":
            boot.unlink()
            boot_partition("vfat", scratch / "esp", boot, _ESP_ID)
        whole = scratch / "whole.raw"
        assemble(whole, {disk.BOOT.start: boot, disk.ROOT.start: root})
        if firmware != "efi":
            grub.embed(whole, disk.BIOS_BOOT, scratch)
        unfinished = target.with_suffix(".part")
        run(["qemu-img", "convert", "-q", "-O", "qcow2", whole, unfinished])
        unfinished.replace(target)


def _fill(firmware: str, scratch: Path, tarball: Path, loops: list[str]) -> None:
    root = scratch / "root"
    root.mkdir()
    devices(dict(loop.split("=") for loop in loops))
    run(["mount", "/dev/vda3", root])
    run(["btrfs", "subvolume", "create", root / ROOT])
    run(["umount", root])
    run(["mount", "-o", f"noatime,subvol={ROOT}", "/dev/vda3", root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    if firmware != "efi":
        run(["mount", "/dev/vda2", root / "boot"])
    (root / "boot/efi").mkdir(exist_ok=True)
    _configure(root, firmware)
    _install(root, scratch)
    _boot_loader(root, scratch, firmware)
    if firmware == SELINUX:
        selinux.label(root)
    if firmware != "efi":
        run(["umount", root / "boot"])
    run(["umount", root])


def _uuid(path: Path) -> str:
    return run(["findmnt", "-nvo", "UUID", path]).strip()


def _configure(root: Path, firmware: str) -> None:
    configure(root, _FILES, unmasked=_NEEDED)
    if firmware == SELINUX:
        selinux.configure(root)
    boot = f"UUID={_uuid(root / 'boot')} /boot ext4 defaults 0 2" if firmware != "efi" else ""
    boot = boot or f"UUID={_ESP_ID} /boot/efi vfat umask=0077 0 1"
    (root / "etc/fstab").write_text(f"UUID={_uuid(root)} / btrfs defaults,subvol={ROOT} 0 0\n{boot}\n")
    for source in (root / "etc/apt").glob("sources.list"):
        source.unlink()
    (root / "etc/apt/keyrings").mkdir(exist_ok=True)
    shutil.copy(public_key(), root / "etc/apt/keyrings/vm.asc")


def _by_uuid(menu: str, root: str, boot: str) -> str:
    """The menu as update-grub writes it on the machine itself: it asks no loop device for its UUID."""
    assert "root=/dev/vda3" in menu
    named = menu.replace("root=/dev/vda3", f"root=UUID={root}").replace("-/dev/vda3'", f"-{root}'")
    return re.sub(
        r"^(\t+)(?=linux\t)", rf"\1search --no-floppy --fs-uuid --set=root {boot}\n\1", named, flags=re.MULTILINE
    )


def _place_of_kernels(root: Path) -> Path:
    return root / "boot" if os.path.ismount(root / "boot") else root


def _install(root: Path, scratch: Path) -> None:
    shutil.copytree(scratch / "repositories", root / "srv/repositories")
    (root / "srv/repositories/current").symlink_to("v1")
    for kind, place in (("proc", "proc"), ("sysfs", "sys")):
        run(["mount", "-t", kind, kind, root / place])
    run(["mount", "--bind", "/dev", root / "dev"])
    grub_cfg = root / "boot/grub/grub.cfg"
    grub_cfg.parent.mkdir(exist_ok=True)
    grub_cfg.touch()
    debs = root / "run/debs"
    debs.mkdir(parents=True)
    for file in (scratch / "installed").iterdir():
        shutil.copy(file, debs)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    names = [f"/run/debs/{path.name}" for path in sorted(debs.iterdir())]
    run(["chroot", root, "dpkg", "--install", *names], stdin="", env=environment)
    run(["chroot", root, "update-grub"], stdin="", env=environment)
    grub_cfg.write_text(_by_uuid(grub_cfg.read_text(), _uuid(root), _uuid(_place_of_kernels(root))))
    for place in ("dev", "sys", "proc"):
        run(["umount", root / place])
    shutil.rmtree(debs)


def _boot_loader(root: Path, scratch: Path, firmware: str) -> None:
    """What grub-install does: modules beside the menu, and for UEFI the loader and its stub on the ESP."""
    platform = "x86_64-efi" if firmware == "efi" else "i386-pc"
    grub.copy_modules(root / "boot/grub", platform)
    if firmware == "efi":
        vendor = scratch / "esp/EFI/debian"
        vendor.mkdir(parents=True)
        (vendor / "grub.cfg").write_text(
            f"search.fs_uuid {_uuid(root)} root \nset prefix=($root)'/{ROOT}/boot/grub'\nconfigfile $prefix/grub.cfg\n"
        )
        grub.efi_image(scratch / "esp/EFI/BOOT/BOOTX64.EFI", "/EFI/debian", "btrfs", "search_fs_uuid")
        shutil.copy(scratch / "esp/EFI/BOOT/BOOTX64.EFI", vendor / "grubx64.efi")


if __name__ == "__main__":
    _fill(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
