# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a virtual machine, looked at from outside while the machine is off."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import run

SECTOR: t.Final = 512
MIB: t.Final = 1 << 20
DISK_MIB: t.Final = 3072
BOOT_MIB: t.Final = 160


@dataclass(frozen=True)
class Extent:
    """A part of the disk, in bytes."""

    start: int
    size: int


# The layout of every disk here, aligned to a mebibyte; the backup of the partition table takes the last one.
BIOS_BOOT: t.Final = Extent(1 * MIB, 1 * MIB)
BOOT: t.Final = Extent(2 * MIB, BOOT_MIB * MIB)
ROOT: t.Final = Extent((2 + BOOT_MIB) * MIB, (DISK_MIB - BOOT_MIB - 3) * MIB)
PARTITION_TABLE: t.Final = (
    "label: gpt\nfirst-lba: 2048\n"
    f"start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\n"
    f"start=2MiB, size={BOOT_MIB}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n"
    f"start={2 + BOOT_MIB}MiB, size={DISK_MIB - BOOT_MIB - 3}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n"
)


def overlay(base: Path, disk: Path) -> None:
    """A disk that begins as ``base`` and keeps its changes in a file of its own."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base.resolve(), disk])


def extract(disk: Path, part: Extent, target: Path) -> None:
    """One partition as a sparse file."""
    node = f"driver=raw,offset={part.start},size={part.size},file.driver=qcow2,file.file.filename={disk}"
    run(["qemu-img", "convert", "--image-opts", node, "-O", "raw", target])


def btrfs_check(disk: Path, scratch: Path, root: Extent = ROOT) -> str | None:
    """What ``btrfs check`` has against the root file system; None if it is clean."""
    part = scratch / "root.part"
    try:
        extract(disk, root, part)
        return check_btrfs(part)
    finally:
        part.unlink(missing_ok=True)


def check_btrfs(part: Path) -> str | None:
    import subprocess

    done = subprocess.run(["btrfs", "check", "--readonly", part], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stdout + done.stderr)[-2000:]
