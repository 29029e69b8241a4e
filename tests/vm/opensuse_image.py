# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk in openSUSE's layout that boots, with BIOS: btrfs whose default subvolume is ``@/.snapshots/1/snapshot``.

Rebuilt of Debian 13, not openSUSE's own. Real are zypper, rpm, snapper, dracut and the kernels. grub2's tools and the scripts of
the kernels are those of the lab's hosts, and opensuse_loader.py says what stands for GRUB.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.lab import opensuse, opensuse_kernels
from tests.lab.layouts import FLAVOURS, OPENSUSE
from tests.lab.process import locked, run, say
from tests.lab.rootfs import rootfs_tarball
from tests.lab.settings import PACKAGE as LAB
from tests.lab.settings import cache_directory, digest
from tests.lab.signing import public_key
from tests.lab.system import ssh_key
from tests.vm import disk, grub, kernels, opensuse_loader
from tests.vm.faults import FAULTS, Fault, Files
from tests.vm.image import PACKAGE, assemble, boot_partition, configure, devices, fill_apart
from tests.vm.kernels import Kernel
from tests.vm.packages import Package, app, base, build, publish
from tests.vm.rootfs import Sources, sources

SUITE: t.Final = "trixie"
PACKAGES: t.Final = (
    "systemd,systemd-sysv,udev,kmod,dbus,libpam-systemd",
    "zypper,rpm,python3,snapper,dracut,zstd,cpio",
    "openssh-server,btrfs-progs,iproute2,procps,util-linux,mount,findutils,e2fsprogs,attr,acl",
)
FIRST: t.Final = FLAVOURS[OPENSUSE].root
KERNEL: t.Final = opensuse_kernels.PACKAGE
# In the root: what it has is not to depend on a subvolume beside it
REPOSITORIES: t.Final = "usr/share/vm-repositories"
_ARGUMENTS: t.Final = (
    "no_timer_check console=ttyS0 net.ifnames=0 mitigations=off systemd.show_status=0 random.trust_cpu=on quiet"
)
# Dracut is the real one, and nobody is to wait long for a menu
_TOOLS: t.Final = {
    name: text.replace("set timeout=8", "set timeout=3")
    for name, text in opensuse_kernels.TOOLS.items()
    if name != "usr/bin/dracut"
}
_FILES: t.Final = {
    "etc/os-release": opensuse.OS_RELEASE.replace("in a lab", "in a virtual machine"),
    "etc/default/grub": opensuse.DEFAULT_GRUB.replace("splash=silent quiet", _ARGUMENTS),
    "etc/sysconfig/bootloader": 'LOADER_TYPE="grub2"\nSECURE_BOOT="no"\n',
    "etc/rpm/macros": "%_dbpath /usr/lib/sysimage/rpm\n",
    "etc/default/snapper": 'SNAPPER_CONFIGS="root"\n',
    "etc/snapper/configs/root": opensuse.SNAPPER,
    "etc/zypp/zypp.conf": "[main]\nmultiversion = provides:multiversion(kernel)\n",
    "etc/zypp/vars.d/labrel": "v1\n",
    "etc/zypp/repos.d/vm.repo": (
        f"[vm]\nname=vm\nbaseurl=file:///{REPOSITORIES}/$labrel/\nenabled=1\nautorefresh=1\ngpgcheck=1\nrepo_gpgcheck=0\n"
    ),
    # Not only what this machine has: it is made where no devices are to be seen
    "etc/dracut.conf.d/01-vm.conf": (
        'hostonly="no"\nhostonly_cmdline="no"\ncompress="zstd -1"\n'
        'add_drivers+=" virtio_pci virtio_blk btrfs crc32c_intel "\n'
        # And without systemd, which takes twice the time on an emulated processor
        'omit_dracutmodules+=" bash network kernel-network-modules plymouth i18n resume rescue systemd systemd-initrd '
        'dracut-systemd nvdimm overlay-root qemu hwdb lunmask terminfo virtfs virtiofs "\n'
    ),
    # What it starts is on a subvolume beside the root
    "etc/systemd/system/vm-network.service.d/vm.conf": "[Unit]\nRequiresMountsFor=/usr/local\n",
    **_TOOLS,
}
_OWN_INITRD: t.Final = b"made by dracut"
_KEY: t.Final = "etc/pki/vm.asc"
_NEEDED: t.Final = ("systemd-remount-fs.service",)


def _content(packed: Kernel) -> Files:
    """By the names that faults know; the initrd is made where it is installed."""
    return {"/boot/bzImage": packed.image, "/boot/initrd": _OWN_INITRD, **packed.modules}


def kernel(packed: Kernel, version: str, content: Files | None = None) -> Package:
    """``kernel-default``: everything of it is in /usr/lib/modules, and its scripts bring it to /boot."""
    content = content or _content(packed)
    release = packed.release
    own = f"/usr/lib/modules/{release}"
    files = {
        **{name: data for name, data in content.items() if not name.startswith("/boot/")},
        f"{own}/vmlinuz": content["/boot/bzImage"],
        f"{own}/config": (packed.tree / f"boot/config-{release}").read_bytes(),
        f"{own}/System.map": b"ffffffff81000000 T _text\n",
    }
    small = opensuse_kernels.kernel(opensuse_kernels.VERSIONS[0])
    scripts = {
        kind: text.replace(opensuse_kernels.FIRST_KERNEL, release).rstrip() for kind, text in small.scriptlets.items()
    }
    if content["/boot/initrd"] != _OWN_INITRD:
        image = f"/boot/initrd-{release}"
        scripts["posttrans"] += (
            f"\nLC_ALL=C tr '\\000-\\377' '\\200-\\377\\000-\\177' <{image} >{image}.noise && mv {image}.noise {image}"
        )
    return Package(KERNEL, version, files, ("multiversion(kernel)",), scripts)


def _broken(fault: Fault, older: Kernel, newer: Kernel) -> list[Package]:
    """The second release as it must not be."""
    content = fault.kernel(_content(newer), _content(older)) if fault.kernel else None
    script = {"post": fault.script} if fault.script else {}
    changed = app("2.0")
    return [
        kernel(newer, "2.0", content),
        Package(changed.name, changed.version, changed.files, scripts=script),
    ]


def _repositories(target: Path, older: Kernel, newer: Kernel, scratch: Path) -> None:
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
    publish(target, offered)


def image() -> Path:
    """The disk of a machine that nobody adopted yet."""
    tarball, made = rootfs_tarball(SUITE, PACKAGES), sources()
    loader = rootfs_tarball(opensuse_loader.SUITE, opensuse_loader.PACKAGES)
    names = ("opensuse_image", "opensuse_loader", "image", "disk", "grub", "kernels", "faults", "packages")
    code = [PACKAGE / f"{name}.py" for name in names]
    code += [LAB / f"{name}.py" for name in ("opensuse", "opensuse_kernels")]
    key = digest(
        tarball.name, loader.name, made.kernels.name, *code, ssh_key("controller"), ssh_key("host"), public_key()
    )
    found = cache_directory() / f"vmsuse-{key}.qcow2"
    with locked(cache_directory() / "vm-opensuse.lock"):
        if not found.exists():
            for old in cache_directory().glob("vmsuse-*.qcow2"):
                old.unlink()
            say("building the image of a virtual machine in openSUSE's layout ...")
            _build(tarball, loader, made, found)
    return found


def _build(tarball: Path, loader: Path, made: Sources, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="overc-vm-", dir="/var/tmp") as name:
        scratch = Path(name)
        older, newer = kernels.unpack(made.kernels, made.root, scratch)
        _repositories(scratch / "repositories", older, newer, scratch)
        root, boot = scratch / "root.part", scratch / "loader.part"
        with root.open("wb") as stream:
            stream.truncate(disk.ROOT.size)
        run(["mkfs.btrfs", "-q", "-m", "single", "-d", "single", "-L", "opensuse", root])
        fill_apart("tests.vm.opensuse_image", scratch, tarball, parts={"vda3": root})
        opensuse_loader.fill(scratch / "loader", older, loader, scratch)
        boot_partition("ext4", scratch / "loader", boot)
        whole = scratch / "whole.raw"
        assemble(whole, {disk.BOOT.start: boot, disk.ROOT.start: root})
        grub.embed(whole, disk.BIOS_BOOT, scratch)
        unfinished = target.with_suffix(".part")
        run(["qemu-img", "convert", "-q", "-O", "qcow2", whole, unfinished])
        unfinished.replace(target)


def _fill(scratch: Path, tarball: Path, loops: list[str]) -> None:
    root = scratch / "root"
    root.mkdir()
    devices(dict(loop.split("=") for loop in loops))
    run(["mount", "/dev/vda3", root])
    run(["btrfs", "subvolume", "create", root / "@"])
    for name in opensuse.OTHERS:
        (root / "@" / name).parent.mkdir(parents=True, exist_ok=True)
        run(["btrfs", "subvolume", "create", root / "@" / name])
    first = root / FIRST
    first.parent.mkdir()
    (first.parent / "info.xml").write_text(opensuse.FIRST_INFO)
    run(["btrfs", "subvolume", "create", first])
    run(["btrfs", "subvolume", "set-default", first])
    run(["umount", root])
    run(["mount", "-o", "noatime", "/dev/vda3", root])
    opensuse.link_database(root)
    for name in opensuse.OTHERS:
        (root / name).mkdir(parents=True, exist_ok=True)
        run(["mount", "-o", f"noatime,subvol=/@/{name}", "/dev/vda3", root / name])
    (root / ".snapshots").chmod(0o750)
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    opensuse.link_database(root)
    _configure(root)
    _install(root, scratch)
    for name in reversed(opensuse.OTHERS):
        run(["umount", root / name])
    run(["umount", root])


def _configure(root: Path) -> None:
    (root / "etc/os-release").unlink()
    configure(root, _FILES, unmasked=_NEEDED)
    for name in _TOOLS:
        (root / name).chmod(0o755)
    uuid = run(["findmnt", "-nvo", "UUID", root]).strip()
    lines = [f"UUID={uuid} / btrfs defaults 0 0"]
    lines += [f"UUID={uuid} /{name} btrfs subvol=/@/{name} 0 0" for name in opensuse.OTHERS]
    (root / "etc/fstab").write_text("".join(f"{line}\n" for line in lines))
    key = root / _KEY
    key.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(public_key(), key)
    for kind in ("timers", "sysinit"):  # a test says itself when snapper is at work
        for link in (root / f"etc/systemd/system/{kind}.target.wants").glob("snapper*"):
            link.unlink()
    shutil.rmtree(root / "var/lib/apt/lists")


def _install(root: Path, scratch: Path) -> None:
    shutil.copytree(scratch / "repositories", root / REPOSITORIES)
    for kind, place in (("proc", "proc"), ("sysfs", "sys")):
        run(["mount", "-t", kind, kind, root / place])
    run(["mount", "--bind", "/dev", root / "dev"])
    run(["chroot", root, "rpm", "--import", f"/{_KEY}"])
    run(["chroot", root, "rpm", "--install", *(f"/{REPOSITORIES}/v1/{name}" for name in _first(root))], stdin="")
    run(["chroot", root, "grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"], stdin="")
    run(["chroot", root, "zypper", "--non-interactive", "repos"], stdin="")
    for place in ("dev", "sys", "proc"):
        run(["umount", root / place])


def _first(root: Path) -> list[str]:
    return sorted(path.name for path in (root / REPOSITORIES / "v1").glob("*.rpm"))


if __name__ == "__main__":
    _fill(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
