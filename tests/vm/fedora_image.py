# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk in Fedora's layout that boots: GPT, ESP, /boot on ext4, ``root`` and ``home`` on btrfs, UEFI.

Rebuilt of Debian's next release, not Fedora's own. Real are GRUB 2.14, which has ``blscfg`` from its makers, DNF 5, rpm 6,
kernel-install, dracut and the kernels. The menu, grub2's tools and the plugins of kernel-install are those of the lab's hosts.
One of the two images enforces Debian's SELinux policy.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import typing as t
from pathlib import Path
from unittest import mock

from tests.lab import fedora, fedora_kernels
from tests.lab.bootloader import format_environment
from tests.lab.process import locked, run, say
from tests.lab.rootfs import NEXT_SUITE, rootfs_tarball
from tests.lab.settings import PACKAGE as LAB
from tests.lab.settings import cache_directory, digest
from tests.lab.signing import public_key
from tests.lab.system import ssh_key
from tests.vm import disk, kernels, selinux
from tests.vm.faults import FAULTS, Fault, Files
from tests.vm.image import PACKAGE, assemble, boot_partition, configure, devices, fill_apart
from tests.vm.kernels import Kernel
from tests.vm.packages import Package, app, base, build, publish
from tests.vm.rootfs import Sources, sources

ROOT: t.Final = "root"
HOME: t.Final = "home"
KERNEL: t.Final = fedora_kernels.PACKAGE
PACKAGES: t.Final = (
    "systemd,systemd-sysv,udev,kmod,dbus",
    "dnf5,rpm,python3,dracut,zstd,cpio,grub-common,grub-efi-amd64-bin",
    "openssh-server,btrfs-progs,iproute2,procps,util-linux,mount,e2fsprogs,dosfstools",
)
_ARGUMENTS: t.Final = (
    "no_timer_check console=ttyS0 net.ifnames=0 mitigations=off systemd.show_status=0 random.trust_cpu=on quiet"
)
_ESP_ID: t.Final = "ABCD-1234"
ESP: t.Final = disk.Extent(1 * disk.MIB, 33 * disk.MIB)
# Room for the kernels of three deployments: an initrd of dracut has 17 MiB
BOOT: t.Final = disk.Extent(34 * disk.MIB, 320 * disk.MIB)
ROOT_PART: t.Final = disk.Extent(354 * disk.MIB, (disk.DISK_MIB - 355) * disk.MIB)
_TYPES: t.Final = {
    ESP: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    BOOT: "BC13C2FF-59E6-4262-A352-B275FD6F7172",
    ROOT_PART: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
}
_TABLE: t.Final = "label: gpt\nfirst-lba: 2048\n" + "".join(
    f"start={part.start // disk.SECTOR}, size={part.size // disk.SECTOR}, type={kind}\n"
    for part, kind in _TYPES.items()
)
# All in one file, as Fedora's signed GRUB is
_MODULES: t.Final = (
    "part_gpt", "fat", "ext2", "btrfs", "normal", "linux", "serial", "terminal", "loadenv", "test", "echo", "reboot", "sleep",
    "search", "search_fs_uuid", "search_fs_file", "configfile", "regexp", "blsuki", "efi_gop", "all_video",
)  # fmt: skip
_OWN_INITRD: t.Final = b"made by dracut"
_STUB: t.Final = """\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
search --no-floppy --fs-uuid --set=dev {boot}
set prefix=($dev)/grub2
export prefix
configfile $prefix/grub.cfg
"""
# The real one; what it takes for its own file is elsewhere in Fedora
_EDITENV: t.Final = """\
#!/bin/sh
file=$1
shift
[ "$file" = - ] && file=/boot/grub2/grubenv
exec /usr/bin/grub-editenv "$file" "$@"
"""
_DRACUT_PLUGIN: t.Final = """\
#!/bin/bash
case $1 in
add) dracut -f --no-uefi --kver "$2" "/boot/initramfs-$2.img" ;;
remove) rm -f "/boot/initramfs-$2.img" ;;
esac
"""
_TOOLS: t.Final = {
    **{
        name: text
        for name, text in fedora_kernels.TOOLS.items()
        # A rescue kernel would need the room of a third one
        if name != "usr/bin/dracut" and "rescue" not in name
    },
    "usr/bin/grub2-editenv": _EDITENV,
    "usr/lib/kernel/install.d/50-dracut.install": _DRACUT_PLUGIN,
}
_FILES: t.Final = {
    "etc/rpm/macros": "%_dbpath /var/lib/rpm\n",
    "etc/dnf/dnf.conf": "[main]\ngpgcheck=1\ninstall_weak_deps=False\nmetadata_expire=0\nkeepcache=0\n",
    "etc/dnf/libdnf5-plugins/local.conf": "[main]\nname=local\nenabled=0\n",
    "etc/dnf/vars/labrel": "v1\n",
    "etc/yum.repos.d/vm.repo": "[vm]\nname=vm\nbaseurl=file:///srv/repositories/$labrel/\nenabled=1\ngpgcheck=1\n",
    # Not only what this machine has: it is made where no devices are to be seen
    "etc/dracut.conf.d/01-vm.conf": (
        'hostonly="no"\nhostonly_cmdline="no"\ncompress="zstd -1"\n'
        'add_drivers+=" virtio_pci virtio_blk btrfs crc32c_intel "\n'
        'omit_dracutmodules+=" bash network kernel-network-modules plymouth i18n resume rescue "\n'
    ),
    "etc/os-release": fedora.OS_RELEASE,
    **_TOOLS,
}
_KEY: t.Final = "etc/pki/rpm-gpg/RPM-GPG-KEY-vm"
_NEEDED: t.Final = ("systemd-remount-fs.service",)


def _content(packed: Kernel) -> Files:
    """By the names that faults know; the initrd is made where it is installed."""
    return {"/boot/bzImage": packed.image, "/boot/initrd": _OWN_INITRD, **packed.modules}


def kernel(packed: Kernel, version: str, content: Files | None = None) -> Package:
    """``kernel-core``: all of it is in /lib/modules, and kernel-install brings it to /boot."""
    content = content or _content(packed)
    release = packed.release
    own = f"/usr/lib/modules/{release}"
    files = {
        **{name: data for name, data in content.items() if not name.startswith("/boot/")},
        f"{own}/vmlinuz": content["/boot/bzImage"],
        f"{own}/config": (packed.tree / f"boot/config-{release}").read_bytes(),
        f"{own}/System.map": b"ffffffff81000000 T _text\n",
        f"{own}/symvers.xz": b"",
    }
    noise = ""
    if content["/boot/initrd"] != _OWN_INITRD:
        image = f"/boot/initramfs-{release}.img"
        noise = (
            f"\nLC_ALL=C tr '\\000-\\377' '\\200-\\377\\000-\\177' <{image} >{image}.noise && mv {image}.noise {image}"
        )
    scripts = {
        "posttrans": f"kernel-install add {release} /lib/modules/{release}/vmlinuz || exit $?{noise}",
        "preun": f"kernel-install remove {release} || exit $?",
    }
    return Package(KERNEL, version, files, ("installonlypkg(kernel)",), scripts)


def _broken(fault: Fault, older: Kernel, newer: Kernel) -> list[Package]:
    """The second release as it must not be."""
    content = fault.kernel(_content(newer), _content(older)) if fault.kernel else None
    script = {"post": fault.script} if fault.script else {}
    changed = app("2.0")
    return [
        kernel(newer, "2.0", content),
        Package(changed.name, changed.version, changed.files, scripts=script),
    ]


def _repositories(target: Path, older: Kernel, newer: Kernel, scratch: Path, *, enforcing: bool) -> None:
    def built(package: Package, name: str = "") -> Path:
        return build(package, scratch, name or f"{package.name}-{package.version}")

    always = [built(base()), built(kernel(older, "1.0"))]
    offered = {
        "v1": [*always, built(app("1.0"))],
        "v2": [*always, built(kernel(newer, "2.0")), built(app("2.0"))],
    }
    for fault in FAULTS:
        broken = [built(package, f"{package.name}-{fault.name}") for package in _broken(fault, older, newer)]
        offered[fault.repository] = [*always, *broken]
    if enforcing:
        plain = app("2.0")
        seen = Package(plain.name, plain.version, plain.files, scripts={"post": selinux.SCRIPT})
        offered[selinux.RELEASE] = [*offered["v2"][:-1], built(seen, "vm-app-selinux")]
    publish(target, offered)


def image(*, enforcing: bool = False) -> Path:
    """The disk of a machine that nobody adopted yet. ``enforcing``: an SELinux policy, from its first boot on."""
    packages = (*PACKAGES, selinux.PACKAGES) if enforcing else PACKAGES
    tarball, made = rootfs_tarball(NEXT_SUITE, packages), sources()
    own = ("fedora_image", "image", "disk", "kernels", "faults", "packages", *(("selinux",) if enforcing else ()))
    code = [PACKAGE / f"{name}.py" for name in own]
    code += [LAB / f"{name}.py" for name in ("fedora", "fedora_kernels")]
    key = digest(tarball.name, made.kernels.name, *code, ssh_key("controller"), ssh_key("host"), public_key())
    name = "vmfedora" if not enforcing else "vmfedoraselinux"
    found = cache_directory() / f"{name}-{key}.qcow2"
    with locked(cache_directory() / "vm-fedora.lock"):
        if not found.exists():
            for old in cache_directory().glob(f"{name}-*.qcow2"):
                old.unlink()
            say("building the image of a virtual machine in Fedora's layout ...")
            with mock.patch.object(kernels, "_FOR_ROOT", (*kernels._FOR_ROOT, "efivarfs")):
                _build(tarball, made, found, enforcing=enforcing)
    return found


def _build(tarball: Path, made: Sources, target: Path, *, enforcing: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="overc-vm-", dir="/var/tmp") as name:
        scratch = Path(name)
        older, newer = kernels.unpack(made.kernels, made.root, scratch)
        _repositories(scratch / "repositories", older, newer, scratch, enforcing=enforcing)
        root, boot, esp = (scratch / f"{part}.part" for part in ("root", "boot", "esp"))
        for part, extent in ((root, ROOT_PART), (boot, BOOT)):
            with part.open("wb") as stream:
                stream.truncate(extent.size)
        run(["mkfs.btrfs", "-q", "-m", "single", "-d", "single", "-L", "fedora", root])
        run(["mkfs.ext4", "-q", "-m0", "-L", "boot", boot])
        policy = "enforcing" if enforcing else "none"
        parts = {"vda2": boot, "vda3": root}
        fill_apart("tests.vm.fedora_image", scratch, tarball, older.release, policy, parts=parts)
        boot_partition("vfat", scratch / "esp", esp, _ESP_ID, ESP)
        whole = scratch / "whole.raw"
        assemble(whole, {ESP.start: esp, BOOT.start: boot, ROOT_PART.start: root}, _TABLE)
        unfinished = target.with_suffix(".part")
        run(["qemu-img", "convert", "-q", "-O", "qcow2", whole, unfinished])
        unfinished.replace(target)


def _fill(scratch: Path, tarball: Path, release: str, policy: str, loops: list[str]) -> None:
    root = scratch / "root"
    root.mkdir()
    devices(dict(loop.split("=") for loop in loops))
    run(["mount", "/dev/vda3", root])
    for name in (ROOT, HOME):
        run(["btrfs", "subvolume", "create", root / name])
    run(["umount", root])
    run(["mount", "-o", f"noatime,subvol={ROOT}", "/dev/vda3", root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    # What dpkg put there is of no use to Fedora's GRUB
    shutil.rmtree(root / "boot/grub", ignore_errors=True)
    run(["mount", "/dev/vda2", root / "boot"])
    (root / "boot/efi").mkdir()
    enforcing = policy == "enforcing"
    _configure(root, release, f"{selinux.ARGUMENTS} {_ARGUMENTS}" if enforcing else _ARGUMENTS)
    _install(root, scratch)
    _loader(root, scratch / "esp")
    if enforcing:
        selinux.enforce(root)
        selinux.let_systemd_start(root)
        selinux.label(root)
    run(["umount", root / "boot"])
    run(["umount", root])


def _uuid(path: Path) -> str:
    return run(["findmnt", "-nvo", "UUID", path]).strip()


def _configure(root: Path, release: str, arguments: str) -> None:
    for link in ("etc/os-release", "usr/bin/dnf"):
        (root / link).unlink(missing_ok=True)
    (root / "usr/bin/dnf").symlink_to("dnf5")
    boot, btrfs = _uuid(root / "boot"), _uuid(root)
    configure(root, _FILES, unmasked=_NEEDED)
    for name in _TOOLS:
        (root / name).chmod(0o755)
    for stale in (root / "usr/lib/kernel/install.d").glob("51-dracut-rescue.install"):
        stale.unlink()
    shutil.rmtree(root / "var/lib/apt/lists")
    files = {
        "etc/fstab": (
            f"UUID={btrfs} / btrfs subvol={ROOT} 0 0\nUUID={boot} /boot ext4 defaults 1 2\n"
            f"UUID={_ESP_ID} /boot/efi vfat umask=0077,shortname=winnt 0 2\nUUID={btrfs} /home btrfs subvol={HOME} 0 0\n"
        ),
        "etc/kernel/cmdline": f"root=UUID={btrfs} ro rootflags=subvol={ROOT} {arguments}\n",
        "etc/default/grub": fedora.DEFAULT_GRUB.replace("rhgb quiet", arguments),
        "boot/grub2/grub.cfg": fedora.GRUB_CFG.format(boot=boot, root=btrfs, subvolume=ROOT),
        _KEY: public_key().read_text(),
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "etc/grub2.cfg").symlink_to("../boot/grub2/grub.cfg")
    values = {
        "saved_entry": f"{fedora.MACHINE}-{release}", "menu_auto_hide": "1", "boot_success": "0", "boot_indeterminate": "0",
    }  # fmt: skip
    (root / "boot/grub2/grubenv").write_bytes(format_environment(values))


def _install(root: Path, scratch: Path) -> None:
    shutil.copytree(scratch / "repositories", root / "srv/repositories")
    for kind, place in (("proc", "proc"), ("sysfs", "sys")):
        run(["mount", "-t", kind, kind, root / place])
    run(["mount", "--bind", "/dev", root / "dev"])
    run(["chroot", root, "rpm", "--import", f"/{_KEY}"])
    run(["chroot", root, "dnf", "--quiet", "--assumeyes", "install", "vm-base", "vm-app", KERNEL], stdin="")
    run(["chroot", root, "dnf", "--quiet", "clean", "all"], stdin="")
    for place in ("dev", "sys", "proc"):
        run(["umount", root / place])


def _loader(root: Path, esp: Path) -> None:
    """GRUB and the stub of it that looks for /boot; the firmware finds it by the removable path."""
    vendor = esp / "EFI/fedora"
    vendor.mkdir(parents=True)
    (esp / "EFI/BOOT").mkdir()
    (vendor / "grub.cfg").write_text(_STUB.format(boot=_uuid(root / "boot")))
    made = "/run/grubx64.efi"
    run(["chroot", root, "grub-mkimage", "-O", "x86_64-efi", "-o", made, "-p", "/EFI/fedora", *_MODULES])
    for name in (vendor / "grubx64.efi", esp / "EFI/BOOT/BOOTX64.EFI"):
        shutil.copy(root / made.lstrip("/"), name)
    (root / made.lstrip("/")).unlink()


if __name__ == "__main__":
    _fill(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
