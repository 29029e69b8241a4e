# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's disk: an image file, its loop device and its two partitions.

A loop device is always looked up by its image, never remembered by number: numbers are reused at once by others.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import typing as t
import uuid
from pathlib import Path

from tests.lab.linux import detached_mount
from tests.lab.process import LabError, locked, run, wait_for
from tests.lab.settings import RUN_DIRECTORY, DiskSize

BOOT_TYPE = "BC13C2FF-59E6-4262-A352-B275FD6F7172"
ROOT_TYPE = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"


def loop_of(image: Path) -> str | None:
    """The loop device this image is attached to. Read from sysfs: a hundred times cheaper than starting losetup."""
    wanted = os.fspath(image.resolve())
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if entry.read_text().rstrip("\n") == wanted:
                return f"/dev/{entry.parent.parent.name}"
    return None


def loops_below(directory: Path) -> list[str]:
    """Loop devices of all images below a directory, deleted ones included."""
    prefix = os.fspath(directory.resolve()) + "/"
    found = []
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if entry.read_text().startswith(prefix):
                found.append(f"/dev/{entry.parent.parent.name}")
    return found


def attach(image: Path) -> str:
    """Attach the image, with its partitions, and return the loop device."""
    with locked(RUN_DIRECTORY / "loop.lock"):
        loop = loop_of(image) or run(["losetup", "--show", "--find", "--partscan", image]).strip()
        if not Path(f"{loop}p2").exists():
            # A kernel without partition table parsers still takes partitions that a program tells it
            run(["partx", "--add", loop], check=False)
            _make_nodes(loop)
    return loop


def _make_nodes(loop: str) -> None:
    """In a container /dev is a plain directory, where new devices do not appear by themselves."""
    for name, (major, minor) in device_numbers(loop).items():
        node = Path("/dev", name)
        if not node.exists():
            os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(major, minor))


def detach(image: Path) -> None:
    """Detach and wait until it is really gone; whoever still has it open gets a moment to let go."""

    def gone() -> bool:
        loop = loop_of(image)
        if loop is not None:
            run(["losetup", "--detach", loop], check=False)
        return loop_of(image) is None

    wait_for(gone, f"the loop device of {image} to be free", timeout=15)


def partition(loop: str, number: int) -> str:
    return f"{loop}p{number}"


def device_numbers(loop: str) -> dict[str, tuple[int, int]]:
    """Name -> (major, minor) of the whole disk and its partitions."""
    name = loop.removeprefix("/dev/")
    files = {
        name: Path(f"/sys/block/{name}/dev"),
        **{f"{name}p{n}": Path(f"/sys/block/{name}/{name}p{n}/dev") for n in (1, 2)},
    }
    numbers = {}
    for device, file in files.items():
        major, minor = file.read_text().split(":")
        numbers[device] = (int(major), int(minor))
    return numbers


def make_filesystems(image: Path, size: DiskSize) -> str:
    """An empty disk with the documented layout; returns its loop device."""
    with image.open("wb") as handle:
        handle.truncate(size.disk_mib << 20)
    table = f"label: gpt\nname=boot, size={size.boot_mib}MiB, type={BOOT_TYPE}\nname=root, type={ROOT_TYPE}\n"
    run(["sfdisk", "--quiet", image], stdin=table)
    loop = attach(image)
    # With a checksummed superblock tune2fs cannot change the UUID of a clone offline
    run(["mkfs.ext4", "-q", "-m0", "-O", "^metadata_csum", "-L", "boot", partition(loop, 1)])
    run(["mkfs.btrfs", "-q", "-m", "single", "-d", "single", "-L", "root", partition(loop, 2)])
    return loop


# Where the superblocks have it, in bytes from the start of the partition
_EXT4_UUID, _BTRFS_UUID = 1024 + 0x68, 65536 + 0x20


class Identity(t.NamedTuple):
    root_uuid: str
    boot_uuid: str


def identity(loop: str) -> Identity:
    """Straight from the device, at each boot: a program would know more places to look, and take its time."""

    def read(number: int, place: int) -> str:
        with Path(partition(loop, number)).open("rb", buffering=0) as device:
            device.seek(place)
            return str(uuid.UUID(bytes=device.read(16)))

    return Identity(read(2, _BTRFS_UUID), read(1, _EXT4_UUID))


def renew_identity(loop: str) -> Identity:
    """New filesystem UUIDs: the kernel tells btrfs filesystems apart by nothing else."""
    new = Identity(str(uuid.uuid4()), str(uuid.uuid4()))
    run(["btrfstune", "-f", "-U", new.root_uuid, partition(loop, 2)])
    run(["tune2fs", "-U", new.boot_uuid, partition(loop, 1)])
    return new


@contextlib.contextmanager
def top_level(loop: str) -> t.Iterator[Path]:
    """The tree that holds all subvolumes (subvolid=5), mounted nowhere."""
    with detached_mount("btrfs", partition(loop, 2), subvolid="5") as path:
        yield path


@contextlib.contextmanager
def boot_partition(loop: str) -> t.Iterator[Path]:
    with detached_mount("ext4", partition(loop, 1)) as path:
        yield path


def default_subvolume(top: Path) -> str:
    """Path of the default subvolume below the top level."""
    answer = run(["btrfs", "subvolume", "get-default", top])
    match = re.search(r" path (.+)$", answer.strip())
    if not match:
        raise LabError(f"the default subvolume is not a named one: {answer.strip()}")
    return match[1]


# Where openSUSE's roots are
_SNAPSHOTS = "@/.snapshots/*/snapshot"


def personalise(loop: str, name: str, old: Identity, new: Identity) -> None:
    """Make a clone a machine of its own: names and UUIDs in every root subvolume and in the boot menu."""
    machine = os.urandom(16).hex()
    swaps = {old.root_uuid: new.root_uuid, old.boot_uuid: new.boot_uuid}

    def replace(path: Path) -> None:
        if path.is_file():
            text = path.read_text()
            for before, after in swaps.items():
                text = text.replace(before, after)
            path.write_text(text)

    with top_level(loop) as top:
        for fstab in (*top.glob("*/etc/fstab"), *top.glob(f"{_SNAPSHOTS}/etc/fstab")):
            etc = fstab.parent
            before = (etc / "machine-id").read_text().strip()
            # Golden disks without names of a machine on them have none
            swaps.update({before: machine} if before else {})
            replace(fstab)
            (etc / "hostname").write_text(f"{name}\n")
            (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
            (etc / "machine-id").write_text(f"{machine}\n")
            replace(etc / "kernel/cmdline")
        for menu in (*top.glob("*/boot/grub/grub.cfg"), *top.glob(f"{_SNAPSHOTS}/boot/grub2/grub.cfg")):
            replace(menu)
    with boot_partition(loop) as boot:
        for file in ("grub/grub.cfg", "grub2/grub.cfg", "grub2/grubenv"):
            replace(boot / file)
        for text in (*boot.glob("EFI/*/grub.cfg"), *boot.glob("loader/entries/*.conf")):
            replace(text)
        for named in (*boot.glob("*-0-rescue-*"), *boot.glob("loader/entries/*.conf")):
            for before, after in swaps.items():
                if before in named.name:
                    named.rename(named.with_name(named.name.replace(before, after)))
