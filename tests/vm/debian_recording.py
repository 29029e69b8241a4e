# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades of machines with Debian whose every write is recorded: as they are, and with a sync of ours taken out."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

from tests.lab.deb_kernels import META
from tests.vm.cuts import UPGRADE
from tests.vm.debian import NEW, OLD, DebianGuest
from tests.vm.disk_view import System
from tests.vm.machine import Saved
from tests.vm.recording import Recording

# Also where /boot is a partition the new root has its own kernels in its own /boot, below it
_DIGESTS: t.Final = """\
mkdir -p /run/vm-top && mount -o subvolid=5 /dev/vda3 /run/vm-top
sha256sum {boot}/vmlinuz-{release} {boot}/initrd.img-{release} | cut -c1-16
umount /run/vm-top
"""
_PLACE: t.Final = "ansible_collections/overc/system/plugins/module_utils"
# What a careless hand could take away, by firmware: module, and what is appended to it
_WITHOUT_SYNC: t.Final = {
    # /boot on ext4: what the journal has is not where GRUB reads it
    "bios": {"boot/partition.py": "\n\ndef sync(directory: str) -> None:\n    syscalls.fsync_directory(directory)\n"},
    # /boot in btrfs, and the menu on vfat
    "efi": {"boot/partition.py": "\n\ndef sync(directory: str) -> None:\n    return None\n"},
}


def without_sync(collections: Path, firmware: str, target: Path) -> Path:
    """A copy of the collection in which one function no longer waits for the disk; returns its collections path."""
    shutil.copytree(collections, target)
    for name, text in _WITHOUT_SYNC[firmware].items():
        with (target / _PLACE / name).open("a") as stream:
            stream.write(text)
    return target


def _system(guest: DebianGuest, name: str, version: str, boot: str) -> System:
    """``boot``: where its kernel and initrd are."""
    release = guest.kernels[int(version[0]) - 1]
    kernel, initrd = guest.machine.ssh(_DIGESTS.format(boot=boot, release=release)).split()
    return System(name, kernel, initrd, release, version, version, kernel_name=META)


def upgrade(directory: Path, saved: Saved, collections: Path, firmware: str, *, tried: bool = True) -> Recording:
    """An upgrade of an adopted machine: staged, and where it is ``tried`` booted and confirmed as well."""
    guest = DebianGuest(directory, saved, collections, firmware=firmware)
    try:
        guest.on(log=directory / "writes.log")
        guest.assert_system(OLD, guest.deployment(0))
        old = _system(guest, OLD, "1.0", "/boot")
        guest.offer("v2")
        guest.controller(UPGRADE, "-a", f"reboot={str(tried).lower()}")
        guest.machine.ssh("sync")
        if tried:
            guest.assert_system(NEW, guest.deployment(1))
        new = _system(guest, NEW, "2.0", f"/run/vm-top/{guest.deployment(1)}/boot")
    finally:
        guest.machine.close()
    return Recording(directory, saved.disk, directory / "writes.log", (old, new))


__all__ = ("upgrade", "without_sync")
