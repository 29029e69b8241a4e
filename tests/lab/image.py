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

from tests.lab import debian, disk, fedora_kernels, opensuse_kernels, system, zypper
from tests.lab.layouts import DNF5, FEDORA, LAYOUTS, OPENSUSE, OVERC, ZYPPER
from tests.lab.packages import all_packages
from tests.lab.process import LabError, locked, run, say
from tests.lab.rootfs import NEXT_PACKAGES, NEXT_SUITE, rootfs_tarball, smart_files
from tests.lab.rpms import add_repositories, repositories
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
from tests.lab.system import ssh_key

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
    **system.FILES,
}

# It fails after every transaction on a host without createrepo_c
DNF5_FILES = {**_FILES, "etc/dnf/libdnf5-plugins/local.conf": "[main]\nname=local\nenabled=0\n"}
_PACKAGE_KEY = "etc/pki/rpm-gpg/RPM-GPG-KEY-lab"
_FORGET_AFTER = 3 * 3600


def golden_image(size: DiskSize, flavour: str = OVERC) -> Path:
    """The image every host of this size and flavour starts from."""
    layout = LAYOUTS.get(flavour)
    tarball = _root_of(flavour)
    inputs = [PACKAGE / f"{name}.py" for name in ("image", "disk", "system")]
    inputs += [ssh_key("controller"), ssh_key("host"), public_key()]
    inputs += smart_files() if layout is None else [PACKAGE / f"{name}.py" for name in debian.INGREDIENTS]
    inputs += [PACKAGE / "zypper.py"] if flavour == ZYPPER else []
    own = ["tests.lab.image", flavour, str(repositories())]
    builder = own if layout is None else ["tests.lab.debian", flavour]
    if flavour == FEDORA:
        inputs += [PACKAGE / f"{name}.py" for name in ("fedora", "fedora_kernels", "debian", "kernel", "layouts")]
        add_repositories([fedora_kernels.kernel(version) for version in fedora_kernels.VERSIONS], room_mib=16)
        builder = ["tests.lab.fedora", str(repositories())]
    if flavour == OPENSUSE:
        names = ("opensuse", "opensuse_kernels", "fedora_kernels", "zypper", "kernel", "layouts")
        inputs += [PACKAGE / f"{name}.py" for name in names]
        add_repositories([opensuse_kernels.kernel(version) for version in opensuse_kernels.VERSIONS], room_mib=16)
        builder = ["tests.lab.opensuse", str(repositories())]
    key = digest(tarball.name, *builder, f"{size}", *inputs)
    image = cache_directory() / f"golden-{flavour}-{size.disk_mib}-{size.boot_mib}-{key}.img"
    with locked(cache_directory() / "golden.lock"):
        if image.exists():
            os.utime(image)
            return image
        _forget_old_images()
        say(f"building the golden image ({flavour}, {size.disk_mib} MiB disk, {size.boot_mib} MiB /boot) ...")
        unfinished = image.with_suffix(".part")
        with tempfile.TemporaryDirectory(prefix="overc-img-", dir=scratch_directory(700 * MIB)) as scratch:
            working = Path(scratch) / "golden.img"
            _build_in_private_namespace(working, size, tarball, *builder)
            run(["cp", "--sparse=always", working, unfinished])
        unfinished.replace(image)
    return image


def _root_of(flavour: str) -> Path:
    if flavour in (DNF5, FEDORA):
        return rootfs_tarball(NEXT_SUITE, NEXT_PACKAGES)
    if flavour == ZYPPER:
        return rootfs_tarball(zypper.SUITE, zypper.PACKAGES)
    if flavour == OPENSUSE:
        return rootfs_tarball(zypper.SUITE, (*zypper.PACKAGES, "snapper"))
    layout = LAYOUTS.get(flavour)
    return rootfs_tarball() if layout is None else rootfs_tarball(layout.suite, debian.PACKAGES)


def _forget_old_images() -> None:
    """Each weighs some 300 MB, and whoever works on the lab makes a new one every few minutes."""
    for old in cache_directory().glob("golden-*.img"):
        if old.stat().st_mtime < time.time() - _FORGET_AFTER:
            old.unlink()


def _build_in_private_namespace(image: Path, size: DiskSize, tarball: Path, program: str, *what: str) -> None:
    """In mount and pid namespaces of its own: whatever happens, its mounts and processes end with it."""
    # The disk is attached out here: a loop device attached in there could not be found again by its image's path
    loop = disk.make_filesystems(image, size)
    argv = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--kill-child"]
    argv += [sys.executable, "-m", program, loop, str(image.parent), str(tarball), *what]
    try:
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    finally:
        disk.detach(image)
    if done.returncode != 0:
        raise LabError(f"the golden image could not be built:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")


def _fill(loop: str, scratch: Path, tarball: Path, flavour: str, repository: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
    device = disk.partition(loop, 2)
    run(["mount", "-t", "btrfs", device, root])
    run(["btrfs", "subvolume", "create", root / "rootfs"])
    run(["btrfs", "subvolume", "set-default", root / "rootfs"])
    run(["umount", root])
    run(["mount", "-t", "btrfs", "-o", "noatime", device, root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    run(["mount", "-t", "ext4", disk.partition(loop, 1), root / "boot"])
    _configure(root, disk.identity(loop), flavour)
    if flavour == ZYPPER:
        zypper.install(root, repository)
    else:
        names = {p.name for p in all_packages(big_mib=0) if p.version == "1.0" and p.preinstalled}
        install_by_dnf(root, repository / "v1", sorted(names))
    run(["umount", root / "boot"])
    run(["umount", root])


def _configure(root: Path, identity: disk.Identity, flavour: str) -> None:
    own = {DNF5: DNF5_FILES, ZYPPER: zypper.FILES}
    system.configure(root, own.get(flavour, _FILES))
    if flavour == DNF5:
        (root / "usr/bin/dnf").symlink_to("dnf5")
    # Without udev a unit that waits for its device would wait for ninety seconds
    boot_options = "defaults,nofail,x-systemd.device-timeout=1"
    (root / "etc/fstab").write_text(
        f"UUID={identity.root_uuid} / btrfs defaults 0 0\nUUID={identity.boot_uuid} /boot ext4 {boot_options} 0 0\n"
    )
    grub = root / "boot/grub"
    grub.mkdir()
    (grub / "grub.cfg").write_text(GRUB_CFG.format(root=identity.root_uuid))
    for source in smart_files():
        if source.name == "smart":
            (root / "usr/bin/smart").write_text(f"#!/usr/bin/python3\n{source.read_text()}")
            (root / "usr/bin/smart").chmod(0o755)


def install_by_dnf(root: Path, repository: Path, names: list[str]) -> None:
    """Packages, by dnf itself, so that the package database is what dnf would have made."""
    packages = root / "run/packages"
    packages.mkdir(parents=True)
    run(["mount", "--bind", repository, packages])
    for kind, place in (("proc", "proc"), ("tmpfs", "dev")):
        run(["mount", "-t", kind, kind, root / place])
    run(["mknod", "-m666", root / "dev/null", "c", "1", "3"])
    run(["mknod", "-m666", root / "dev/urandom", "c", "1", "9"])
    key = root / _PACKAGE_KEY
    key.parent.mkdir(parents=True, exist_ok=True)
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
    _loop, _scratch, _tarball, _flavour, _repository = sys.argv[1:]
    _fill(_loop, Path(_scratch), Path(_tarball), _flavour, Path(_repository))
