# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs whose every write is recorded, for the sweep: an upgrade of this collection, and one in the original tool's order."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.vm.disk_view import System
from tests.vm.guest import Guest
from tests.vm.machine import Saved
from tests.vm.sweep import Eyes, Outcome, Sweep, with_pool

# What the original tool does once the packages are in: no step waits for the one before to be on the disk, the kernel is
# overwritten where it is, and nothing but the order of two writes ties it to the root.
_ORIGINAL = """\
set -e
mkdir -p /sysroot
mount -o subvolid=5 /dev/vda3 /sysroot
cd /sysroot
btrfs -q subvolume snapshot rootfs rootfs_bakup
cp /boot/bzImage /boot/bzImage_bakup
cp /boot/initrd /boot/initrd_bakup
mv rootfs_upgrade.overc-new rootfs_upgrade
sync; sleep 1
cp rootfs_upgrade/boot/bzImage /boot/bzImage
cp rootfs_upgrade/boot/initrd /boot/initrd
btrfs subvolume set-default $(btrfs inspect-internal rootid rootfs_upgrade) .
sleep 6
sync
"""
_DIGESTS = "sha256sum /boot/bzImage /boot/initrd | cut -c1-16"


@dataclass(frozen=True)
class Recording:
    """``base`` is the disk when the log began."""

    directory: Path
    base: Path
    log: Path
    systems: tuple[System, System]


def _digests(guest: Guest) -> tuple[str, str]:
    kernel, initrd = guest.machine.ssh(_DIGESTS).split()
    return kernel, initrd


def _systems(guest: Guest, old: tuple[str, str], new: tuple[str, str]) -> tuple[System, System]:
    releases = guest.releases
    return (
        System("old", *old, release=releases[0], app="1.0", kernel_package="1.0"),
        System("new", *new, release=releases[1], app="2.0", kernel_package="2.0"),
    )


def upgrade(directory: Path, saved: Saved, collections: Path) -> Recording:
    """A whole upgrade: staged, booted, and what makes it permanent where that is needed."""
    guest = Guest(directory, saved, collections)
    try:
        guest.on(log=directory / "writes.log")
        old = _digests(guest)
        guest.release("v2")
        guest.controller("overc_host_upgrade", "-a", "reboot=true")
        guest.machine.ssh("sync")
        assert guest.look().version(guest.releases) == "new"
        systems = _systems(guest, old, _digests(guest))
    finally:
        guest.machine.close()
    return Recording(directory, saved.disk, directory / "writes.log", systems)


def original(directory: Path, packaged: Saved, collections: Path) -> Recording:
    """The switch in the original tool's order, from a machine whose packages are in the new root already."""
    guest = Guest(directory, packaged, collections)
    try:
        guest.on(log=directory / "writes.log")
        old = _digests(guest)
        guest.machine.ssh(_ORIGINAL)
        systems = _systems(guest, old, _digests(guest))
    finally:
        guest.machine.close()
    return Recording(directory, packaged.disk, directory / "writes.log", systems)


def sweep(recording: Recording, *, window: bool, seed: int = 0, eyes: Eyes | None = None) -> Outcome:
    """``window``: whether an old kernel may meet the new root in the middle of the switch."""

    def work(pool: Path) -> Outcome:
        made = Sweep(pool, recording.base, recording.log, recording.systems, window=window, seed=seed, eyes=eyes)
        return made.run()

    return with_pool(recording.directory, work)


__all__: t.Final = ("Recording", "original", "sweep", "upgrade")
