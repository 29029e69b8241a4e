# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden disk image: the golden root on a disk with the layout that the documentation asks for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.lab import disk
from tests.lab.packages import all_packages
from tests.lab.process import LabError, locked, run, say
from tests.lab.rootfs import rootfs_tarball, smart_files
from tests.lab.rpms import repositories
from tests.lab.settings import (
    GATEWAY,
    HTTP_PORT,
    MIB,
    PACKAGE,
    REPOSITORY,
    DiskSize,
    cache_directory,
    digest,
    scratch_directory,
)
from tests.lab.signing import public_key

GRUB_CFG = """\
set default="0"
set timeout="5"

menuentry "OverC" {{
    linux /bzImage root=UUID={root} rootwait
}}

menuentry "OverC backup" {{
    linux /bzImage_bakup rootflags=subvol=rootfs_bakup root=UUID={root} rootwait
}}
"""

_FILES = {
    # Debian's rpm keeps its database in the home directory unless told otherwise
    "etc/rpm/macros": "%_dbpath /var/lib/rpm\n",
    "etc/dnf/dnf.conf": "[main]\ngpgcheck=1\ninstall_weak_deps=False\nmetadata_expire=0\nkeepcache=0\nplugins=1\n",
    "etc/dnf/vars/labrel": "v1\n",
    "etc/yum.repos.d/lab.repo": (f"[lab]\nname=lab\nbaseurl=http://{GATEWAY}:{HTTP_PORT}/$labrel/\nenabled=1\n"),
    "etc/ssh/sshd_config.d/lab.conf": (
        "UsePAM no\nUseDNS no\nPermitRootLogin prohibit-password\nMaxSessions 100\nMaxStartups 100:30:200\n"
    ),
    # Before each start sshd would read all of its configuration once more
    "etc/systemd/system/ssh.service.d/lab.conf": "[Service]\nExecStartPre=\n",
    # The build machine's name server is not reachable from a lab: every look-up would cost ten seconds
    "etc/resolv.conf": "nameserver 127.0.0.1\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/hostname": "golden\n",
}

_PACKAGE_KEY = "etc/pki/rpm-gpg/RPM-GPG-KEY-lab"
_FORGET_AFTER = 3 * 3600

# Not needed here, and each costs boot time or writes to the disk behind a test's back.
_MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "console-getty.service", "dev-hugepages.mount",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty.target",
    "getty@tty1.service", "sys-fs-fuse-connections.mount", "systemd-firstboot.service", "systemd-networkd.service",
    "systemd-resolved.service", "systemd-sysctl.service", "systemd-sysusers.service", "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer", "systemd-update-utmp-runlevel.service", "systemd-update-utmp.service",
)  # fmt: skip
# The others look for disks, consoles and init scripts that no lab host has, each in a process of its own
_GENERATORS = frozenset({"systemd-fstab-generator"})


def ssh_key(kind: str) -> Path:
    """``controller`` logs in; ``host`` is the one host key of all lab hosts. Made once per checkout."""
    key = cache_directory() / "keys" / kind
    with locked(cache_directory() / "keys.lock"):
        if not key.exists():
            key.parent.mkdir(parents=True, exist_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{kind}", "-f", key])
    return key


def golden_image(size: DiskSize) -> Path:
    """The image every host of this size starts from."""
    tarball, repository = rootfs_tarball(), repositories()
    inputs = [PACKAGE / "image.py", PACKAGE / "disk.py", ssh_key("controller"), ssh_key("host"), *smart_files()]
    inputs.append(public_key())
    key = digest(tarball.name, repository.name, f"{size}", *inputs)
    image = cache_directory() / f"golden-{size.disk_mib}-{size.boot_mib}-{key}.img"
    with locked(cache_directory() / "golden.lock"):
        if image.exists():
            os.utime(image)
            return image
        _forget_old_images()
        say(f"building the golden image ({size.disk_mib} MiB disk, {size.boot_mib} MiB /boot) ...")
        unfinished = image.with_suffix(".part")
        with tempfile.TemporaryDirectory(prefix="overc-img-", dir=scratch_directory(700 * MIB)) as scratch:
            working = Path(scratch) / "golden.img"
            _build_in_private_namespace(working, size, tarball, repository)
            run(["cp", "--sparse=always", working, unfinished])
        unfinished.replace(image)
    return image


def _forget_old_images() -> None:
    """Each weighs some 300 MB, and whoever works on the lab makes a new one every few minutes."""
    for old in cache_directory().glob("golden-*.img"):
        if old.stat().st_mtime < time.time() - _FORGET_AFTER:
            old.unlink()


def _build_in_private_namespace(image: Path, size: DiskSize, tarball: Path, repository: Path) -> None:
    """In mount and pid namespaces of its own: whatever happens, its mounts and processes end with it."""
    # The disk is attached out here: a loop device attached in there could not be found again by its image's path
    loop = disk.make_filesystems(image, size)
    argv = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--kill-child"]
    argv += [sys.executable, "-m", "tests.lab.image", loop, str(image.parent), str(tarball), str(repository)]
    try:
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    finally:
        disk.detach(image)
    if done.returncode != 0:
        raise LabError(f"the golden image could not be built:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")


def _fill(loop: str, scratch: Path, tarball: Path, repository: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
    device = disk.partition(loop, 2)
    run(["mount", "-t", "btrfs", device, root])
    run(["btrfs", "subvolume", "create", root / "rootfs"])
    run(["btrfs", "subvolume", "set-default", root / "rootfs"])
    run(["umount", root])
    run(["mount", "-t", "btrfs", "-o", "noatime", device, root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    run(["mount", "-t", "ext4", disk.partition(loop, 1), root / "boot"])
    _configure(root, disk.identity(loop))
    _install(root, repository)
    run(["umount", root / "boot"])
    run(["umount", root])


def _configure(root: Path, identity: disk.Identity) -> None:
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    switch = root / "etc/nsswitch.conf"
    lines = switch.read_text().splitlines() if switch.exists() else []
    switch.write_text("\n".join([*(x for x in lines if not x.startswith("hosts:")), "hosts: files", ""]))
    # Without udev a unit that waits for its device would wait for ninety seconds
    boot_options = "defaults,nofail,x-systemd.device-timeout=1"
    (root / "etc/fstab").write_text(
        f"UUID={identity.root_uuid} / btrfs defaults 0 0\nUUID={identity.boot_uuid} /boot ext4 {boot_options} 0 0\n"
    )
    (root / "etc/machine-id").write_text("")
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for generator in (root / "usr/lib/systemd/system-generators").iterdir():
        if generator.name not in _GENERATORS:
            generator.unlink()
    for stale in (root / "etc/ssh").glob("ssh_host_*"):
        stale.unlink()
    shutil.copy(ssh_key("host"), root / "etc/ssh/ssh_host_ed25519_key")
    (root / "etc/ssh/ssh_host_ed25519_key").chmod(0o600)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(ssh_key("controller").with_suffix(".pub"), root / "root/.ssh/authorized_keys")
    grub = root / "boot/grub"
    grub.mkdir()
    (grub / "grub.cfg").write_text(GRUB_CFG.format(root=identity.root_uuid))
    for source in smart_files():
        if source.name == "smart":
            (root / "usr/bin/smart").write_text(f"#!/usr/bin/python3\n{source.read_text()}")
            (root / "usr/bin/smart").chmod(0o755)


def _install(root: Path, repository: Path) -> None:
    """Everything of version 1.0, by dnf itself, so that the package database is what dnf would have made."""
    names = sorted({p.name for p in all_packages(big_mib=0) if p.version == "1.0" and p.preinstalled})
    packages = root / "run/packages"
    packages.mkdir(parents=True)
    run(["mount", "--bind", repository / "v1", packages])
    for kind, place in (("proc", "proc"), ("tmpfs", "dev")):
        run(["mount", "-t", kind, kind, root / place])
    run(["mknod", "-m666", root / "dev/null", "c", "1", "3"])
    run(["mknod", "-m666", root / "dev/urandom", "c", "1", "9"])
    key = root / _PACKAGE_KEY
    key.parent.mkdir(parents=True)
    shutil.copy(public_key(), key)
    run(["chroot", root, "rpm", "--import", f"/{_PACKAGE_KEY}"])
    source = ["--repofrompath=l,file:///run/packages", "--repo=l", "--releasever=1"]
    run(["chroot", root, "dnf", "--quiet", "--assumeyes", *source, "install", *names], stdin="")
    run(["chroot", root, "dnf", "--quiet", "clean", "all"], stdin="")
    for place in ("dev", "proc"):
        run(["umount", root / place])
    run(["umount", packages])
    packages.rmdir()


if __name__ == "__main__":
    _loop, _scratch, _tarball, _repository = sys.argv[1:]
    _fill(_loop, Path(_scratch), Path(_tarball), Path(_repository))
