# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images with the documented layout: GPT, GRUB, a boot partition with ext4 or vfat, btrfs with ``rootfs``.

The partitions are made as files and put together: this machine's kernel need not know partition tables or vfat.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.lab.process import LabError, locked, run, say
from tests.lab.settings import REPOSITORY, cache_directory, digest, scratch_directory
from tests.lab.signing import public_key
from tests.lab.system import ssh_key
from tests.vm import disk, grub, kernels, one_a_day
from tests.vm.packages import build_repositories
from tests.vm.rootfs import Sources, sources

BOOT_FILESYSTEMS: t.Final = ("ext4", "vfat")


def todays_filesystems() -> list[str]:
    """One each day, because the states of a machine take minutes to make for each; all where that was asked for."""
    return one_a_day(BOOT_FILESYSTEMS)


PACKAGE: t.Final = Path(__file__).resolve().parent

_FILES = {
    "etc/hostname": "vm\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 vm\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/resolv.conf": "nameserver 127.0.0.1\n",
    "etc/ssh/sshd_config": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\nUsePAM no\nUseDNS no\nPermitRootLogin prohibit-password\n"
        "PrintMotd no\nSubsystem sftp internal-sftp\nMaxStartups 100\nMaxSessions 100\n"
    ),
    "etc/systemd/journald.conf.d/vm.conf": "[Journal]\nStorage=volatile\n",
    # Only what is needed: the emulated processor is slow
    "etc/systemd/system/systemd-udev-trigger.service.d/vm.conf": (
        "[Service]\nExecStart=\n"
        "ExecStart=-udevadm trigger --action=add --subsystem-match=block --subsystem-match=net --subsystem-match=pci "
        "--subsystem-match=virtio\n"
    ),
    "etc/systemd/system/ssh.service.d/vm.conf": "[Service]\nExecStartPre=\nExecStartPre=/bin/mkdir -p /run/sshd\n",
    "etc/systemd/system/vm-network.service": (
        "[Unit]\nDefaultDependencies=no\nAfter=systemd-udev-trigger.service\nBefore=network.target\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/sbin/vm-network\n"
    ),
    "usr/local/sbin/vm-network": (
        "#!/bin/sh\necho 'VM-USERSPACE' > /dev/ttyS0\nip link set lo up\n"
        "i=0; while [ ! -e /sys/class/net/eth0 ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done\n"
        "ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2\n"
    ),
}
_PACKAGE_MANAGER = {
    "etc/fstab": "/dev/vda3 / btrfs defaults 0 0\n/dev/vda2 /boot auto defaults 0 0\n",
    "etc/rpm/macros": "%_dbpath /var/lib/rpm\n",
    "etc/dnf/dnf.conf": "[main]\ngpgcheck=1\ninstall_weak_deps=False\nmetadata_expire=0\nkeepcache=0\nplugins=0\n",
    "etc/dnf/vars/labrel": "v1\n",
    "etc/yum.repos.d/vm.repo": "[vm]\nname=vm\nbaseurl=file:///srv/repositories/$labrel/\nenabled=1\ngpgcheck=1\n",
}
_LINKS = {
    "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
    "etc/systemd/system/sysinit.target.wants/vm-network.service": "../vm-network.service",
}
_MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "console-getty.service",
    "dev-hugepages.mount", "dev-mqueue.mount", "dnf-makecache.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "getty.target", "getty@tty1.service", "kmod-static-nodes.service",
    "ldconfig.service", "modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service",
    "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@loop.service", "proc-sys-fs-binfmt_misc.automount",
    "rpmdb-migrate.service", "rpmdb-rebuild.service", "serial-getty@ttyS0.service", "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path", "systemd-binfmt.service", "systemd-firstboot.service", "systemd-hwdb-update.service",
    "systemd-journal-flush.service", "systemd-machine-id-commit.service",
    "systemd-modules-load.service", "systemd-network-generator.service", "systemd-networkd.service",
    "systemd-networkd.socket", "systemd-pstore.service", "systemd-random-seed.service", "systemd-remount-fs.service",
    "systemd-resolved.service", "systemd-sysctl.service", "systemd-sysusers.service", "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer", "systemd-tmpfiles-setup-dev.service", "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service", "systemd-user-sessions.service",
)  # fmt: skip


def image(boot_filesystem: str) -> Path:
    """The disk of a machine with ``manual`` protection, with this file system on its boot partition."""
    made = sources()
    code = [PACKAGE / f"{name}.py" for name in ("image", "disk", "grub", "kernels", "packages", "faults")]
    key = digest(made.root.name, *code, ssh_key("controller"), ssh_key("host"), public_key())
    found = {name: cache_directory() / f"vm-{name}-{key}.qcow2" for name in BOOT_FILESYSTEMS}
    with locked(cache_directory() / "vm-image.lock"):
        if not all(path.exists() for path in found.values()):
            for old in cache_directory().glob("vm-*.qcow2"):
                old.unlink()
            say("building the images of the virtual machines ...")
            _build(made, found)
    return found[boot_filesystem]


def _build(made: Sources, wanted: dict[str, Path]) -> None:
    with tempfile.TemporaryDirectory(prefix="overc-vm-", dir=scratch_directory(3 << 30)) as name:
        scratch = Path(name)
        older, newer = kernels.unpack(made.kernels, made.root, scratch)
        build_repositories(scratch / "repositories", older, newer, scratch)
        _root_partition(scratch, made)
        boot = scratch / "boot"
        grub.fill(boot)
        for filesystem, target in wanted.items():
            part = scratch / f"{filesystem}.part"
            boot_partition(filesystem, boot, part)
            whole = scratch / "whole.raw"
            assemble(whole, {disk.BOOT.start: part, disk.ROOT.start: scratch / "root.part"})
            grub.embed(whole, disk.BIOS_BOOT, scratch)
            unfinished = target.with_suffix(".part")
            run(["qemu-img", "convert", "-q", "-O", "qcow2", whole, unfinished])
            whole.unlink()
            unfinished.replace(target)


def assemble(whole: Path, parts: dict[int, Path], table: str = disk.PARTITION_TABLE) -> None:
    with whole.open("wb") as stream:
        stream.truncate(disk.DISK_MIB * disk.MIB)
    run(["sfdisk", "--quiet", whole], stdin=table)
    for start, part in parts.items():
        run(
            [
                "dd",
                f"if={part}",
                f"of={whole}",
                "bs=1M",
                f"seek={start // disk.MIB}",
                "conv=notrunc,sparse",
                "status=none",
            ]
        )


def boot_partition(
    filesystem: str, content: Path, part: Path, number: str = "0FEE-1DEA", extent: disk.Extent = disk.BOOT
) -> None:
    """``number``: what vfat has for a UUID."""
    with part.open("wb") as stream:
        stream.truncate(extent.size)
    if filesystem == "ext4":
        run(["mkfs.ext4", "-q", "-m0", "-L", "boot", "-d", content, part])
        return
    run(["mkfs.vfat", "-F", "32", "-n", "BOOT", "-i", number.replace("-", ""), part])
    run(["mcopy", "-i", part, "-s", "-Q", *sorted(content.iterdir()), "::/"])


def fill_apart(module: str, *arguments: str | Path, parts: t.Mapping[str, Path] | None = None) -> None:
    """Run a module in mount and pid namespaces of its own: whatever happens, its mounts and processes end with it.

    ``parts``: the name that a device is to have -> a file; the module gets ``NAME=LOOP DEVICE`` as last arguments.
    """
    argv: list[str | Path] = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ]
    argv += [sys.executable, "-m", module, *arguments]
    loops: list[str] = []
    try:
        for name, part in (parts or {}).items():
            loops.append(run(["losetup", "--show", "--find", part]).strip())
            argv.append(f"{name}={loops[-1]}")
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    finally:
        for loop in loops:
            run(["losetup", "--detach", loop], check=False)
    if done.returncode != 0:
        raise LabError(f"the root file system could not be built:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")


def _root_partition(scratch: Path, made: Sources) -> None:
    part = scratch / "root.part"
    with part.open("wb") as stream:
        stream.truncate(disk.ROOT.size)
    run(["mkfs.btrfs", "-q", "-m", "single", "-d", "single", "-L", "root", part])
    fill_apart("tests.vm.image", scratch, made.root)


def _fill(scratch: Path, tarball: Path) -> None:
    root = scratch / "root"
    root.mkdir()
    run(["mount", "-o", "loop", scratch / "root.part", root])
    run(["btrfs", "subvolume", "create", root / "rootfs"])
    run(["btrfs", "subvolume", "set-default", root / "rootfs"])
    run(["umount", root])
    run(["mount", "-o", "loop,noatime", scratch / "root.part", root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    shutil.copytree(scratch / "repositories", root / "srv/repositories")
    configure(root, _PACKAGE_MANAGER)
    # Nobody looks anything up here, and each file is read through an emulated disk
    shutil.rmtree(root / "var/lib/apt/lists")
    # As on an installed machine, the files of the kernel package are on the boot partition
    boot = scratch / "boot"
    boot.mkdir()
    run(["mount", "--bind", boot, root / "boot"])
    _install(root)
    run(["umount", root / "boot"])
    run(["umount", root])


def configure(root: Path, files: dict[str, str], unmasked: t.Collection[str] = ()) -> None:
    """Make the root one that boots quickly when emulated, with these files besides; ``unmasked``: units it needs."""
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    for name, text in {**_FILES, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "usr/local/sbin/vm-network").chmod(0o755)
    for name, place in {
        **_LINKS,
        **{f"etc/systemd/system/{unit}": "/dev/null" for unit in _MASKED if unit not in unmasked},
    }.items():
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(place)
    for stale in (root / "etc/ssh").glob("ssh_host_*"):
        stale.unlink()
    shutil.copy(ssh_key("host"), root / "etc/ssh/ssh_host_ed25519_key")
    (root / "etc/ssh/ssh_host_ed25519_key").chmod(0o600)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(ssh_key("controller").with_suffix(".pub"), root / "root/.ssh/authorized_keys")
    # Nobody looks anything up here, and each file is read through an emulated disk
    for bulk in ("usr/lib/x86_64-linux-gnu/gconv", "usr/lib/udev/hwdb.d", "usr/lib/udev/hwdb.bin"):
        path = root / bulk
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def devices(loops: dict[str, str]) -> None:
    """Give this namespace a /dev of its own, where the parts have the names that the machine will have for them.

    For a loop device update-grub writes a menu that looks for its file.
    """
    nodes, links = {"null": ("c", "1:3"), "zero": ("c", "1:5"), "urandom": ("c", "1:9")}, {}
    for name, loop in loops.items():
        nodes[name] = ("b", Path("/sys/block", loop.removeprefix("/dev/"), "dev").read_text().strip())
        links[run(["blkid", "-p", "-s", "UUID", "-o", "value", loop]).strip()] = name
    run(["mount", "-t", "tmpfs", "dev", "/dev"])
    for name, (kind, number) in nodes.items():
        run(["mknod", "-m666", f"/dev/{name}", kind, *number.split(":")])
    Path("/dev/disk/by-uuid").mkdir(parents=True)
    for uuid, name in links.items():
        Path("/dev/disk/by-uuid", uuid).symlink_to(f"../../{name}")


def _install(root: Path) -> None:
    for kind, place in (("proc", "proc"), ("tmpfs", "dev")):
        run(["mount", "-t", kind, kind, root / place])
    for name, minor in (("null", "3"), ("urandom", "9")):
        run(["mknod", "-m666", root / "dev" / name, "c", "1", minor])
    key = root / "etc/pki/rpm-gpg/RPM-GPG-KEY-vm"
    key.parent.mkdir(parents=True)
    key.write_text(public_key().read_text())
    run(["chroot", root, "rpm", "--import", "/etc/pki/rpm-gpg/RPM-GPG-KEY-vm"])
    names = ["vm-base", "vm-kernel", "vm-app", "vm-trouble"]
    run(["chroot", root, "dnf", "--quiet", "--assumeyes", "install", *names], stdin="")
    run(["chroot", root, "dnf", "--quiet", "clean", "all"], stdin="")
    for place in ("dev", "proc"):
        run(["umount", root / place])


if __name__ == "__main__":
    _fill(Path(sys.argv[1]), Path(sys.argv[2]))
