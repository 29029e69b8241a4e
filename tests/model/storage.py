# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen and what a power cut may leave, write by write: the rules of btrfs, of ext4 and of FAT.

* btrfs commits everything up to a moment, at any moment. fsync makes one file durable, and nothing else.
* ext4 as Linux finds it after the replay of the journal: everything up to a moment. As GRUB reads it, which replays nothing:
  any part of that, until the file system was synced. fsync commits the journal and leaves GRUB where it was.
* FAT: any part of what was written. A rename over a file takes the old one away first, which is a write of its own.
"""

from __future__ import annotations

import itertools
import typing as t

from .world import EMPTY, TORN, Boot, Btrfs, World

BtrfsChange = t.Callable[[Btrfs], Btrfs]
BootChange = t.Callable[[Boot], Boot]


class Storage:
    """The two file systems while a command works. ``trace`` has every world in which a kill would leave the host."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.trace: list[World] = []

    def _now(self, world: World) -> None:
        if world != self.world:
            self.world = world
            self.trace.append(world)

    # -- btrfs ---------------------------------------------------------------------------------------------------------

    def change(self, change: BtrfsChange) -> None:
        """Seen at once, and on the disk with the next commit."""
        after = change(self.world.disk)
        if after != self.world.disk:
            self._now(self.world._replace(disks=(*self.world.disks, after)))

    def commit(self) -> None:
        """``btrfs filesystem sync``, syncfs: all that is seen is on the disk."""
        self._now(self.world._replace(disks=(self.world.disk,)))

    def fsync_file(self, change: BtrfsChange, *, told: bool = True) -> None:
        """One file is on the disk, whatever else is not: ``change`` says what it holds.

        ``told``: whether a kill right after it is any other than one right before.
        """
        disks = [change(disk) for disk in self.world.disks]
        after = self.world._replace(disks=tuple(disk for disk, _group in itertools.groupby(disks)))
        if told:
            self._now(after)
        else:
            self.world = after

    # -- the boot partition --------------------------------------------------------------------------------------------

    def change_boot(self, change: BootChange) -> None:
        """A change of names or of a small file: one write."""
        seen, left = self.world.boot, self.world.left
        after = change(seen)
        if self.world.boot_fs == "vfat":
            more = {(change(grub), change(linux)) for grub, linux in left}
        else:
            whole = {(grub, linux) for grub, linux in left if linux == seen}
            more = {pair for grub, _linux in whole for pair in ((grub, after), (change(grub), after))}
        self._now(self.world._replace(boot=after, left=left | more))

    def change_block(self, change: BootChange) -> None:
        """A write into a block that the file has already, such as GRUB's environment: no journal holds it."""
        more = {(change(grub), change(linux)) for grub, linux in self.world.left}
        self._now(self.world._replace(boot=change(self.world.boot), left=self.world.left | more))

    def change_firmware(self, change: BootChange) -> None:
        """One variable of the firmware: at once, and whatever of the partition a cut leaves."""
        left = frozenset((change(grub), change(linux)) for grub, linux in self.world.left)
        self._now(self.world._replace(boot=change(self.world.boot), left=left))

    def rename_boot(self, old: str, new: str) -> None:
        """Over what has the name. Whoever sees the new name before the file behind it finds it empty."""

        def renamed(boot: Boot) -> Boot:
            return boot.without(old).with_file(new, boot.file(old) or EMPTY)

        if self.world.boot_fs == "vfat" and self.world.boot.file(new) is not None:
            gone = {(grub.without(new), linux.without(new)) for grub, linux in self.world.left}
            self.world = self.world._replace(left=self.world.left | gone)
        self.change_boot(renamed)

    def write_boot_file(self, name: str, content: str, *, fsync: bool = True) -> None:
        """A new file: its name, what is in it, and the fsync."""
        self.change_boot(lambda boot: boot.with_file(name, TORN))
        self.change_boot(lambda boot: boot.with_file(name, content))
        if fsync:
            self.fsync_boot_file(name)

    def fsync_boot_file(self, name: str) -> None:
        seen = self.world.boot
        if self.world.boot_fs == "vfat":
            content = seen.file(name) or EMPTY
            left = frozenset(
                (grub.with_file(name, content), linux.with_file(name, content)) for grub, linux in self.world.left
            )
        else:
            left = frozenset((grub, seen) for grub, _linux in self.world.left)
        self._now(self.world._replace(left=left))

    def sync_boot(self) -> None:
        """``partition.sync``: on the disk, and where GRUB reads it."""
        seen = self.world.boot
        self._now(self.world._replace(left=frozenset(((seen, seen),))))


__all__ = ("BootChange", "BtrfsChange", "Storage")
