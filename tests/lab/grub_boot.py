# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From power-on to the root of a host whose menu is GRUB's own: what firmware, GRUB and initrd do to the disk."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import linux
from tests.lab.bootloader import Entry, Panicked
from tests.lab.deb_kernels import initrd_release
from tests.lab.grub_shell import Grub, Loaded, Volume
from tests.lab.layouts import Layout
from tests.lab.linux import MS_NOATIME, MS_RDONLY


@dataclass
class Firmware:
    """The two partitions of a disk, each mounted below ``view`` as soon as GRUB looks into it."""

    loop: str
    boot_uuid: str
    root_uuid: str
    view: Path
    relative: bool = False
    mounted: list[Path] = field(default_factory=list)

    def volumes(self) -> list[Volume]:
        # GRUB replays no journal: what only the journal has, it does not see
        whole = "" if self.relative else "subvolid=5,"
        return [
            Volume("hd0,gpt1", self.boot_uuid, lambda: self._look(1, "ext4", "noload"), True),
            Volume("hd0,gpt2", self.root_uuid, lambda: self._look(2, "btrfs", f"{whole}rescue=nologreplay"), False),
        ]

    def _look(self, number: int, kind: str, options: str) -> Path:
        place = self.view / f"{number}"
        if place not in self.mounted:
            place.mkdir(exist_ok=True)
            try:
                linux.mount(f"{self.loop}p{number}", place, kind, MS_RDONLY, options)
            except OSError as error:
                raise OSError(f"partition {number}: unknown filesystem ({error})") from error
            self.mounted.append(place)
        return place

    def look_away(self) -> None:
        while self.mounted:
            linux.umount(self.mounted.pop())

    def write(self, written: dict[tuple[str, str], bytes]) -> None:
        """In place, as GRUB does it: the same blocks, no journal, no new inode."""
        for (_volume, path), content in written.items():
            linux.mount(f"{self.loop}p1", self.view, "ext4")
            try:
                with (self.view / path.lstrip("/")).open("r+b") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
            finally:
                linux.umount(self.view)


def choose(
    firmware: Firmware, layout: Layout, picked: str | None, report: t.Callable[[Entry], None]
) -> tuple[Entry, str]:
    """What GRUB starts, and the kernel's release. What it wrote is on the disk, also where it starts nothing."""
    grub = Grub(firmware.volumes(), layout.prefix, layout.platform)
    try:
        loaded = grub.start(picked)
    finally:
        firmware.look_away()
        firmware.write(grub.written)
    entry = Entry(grub.number, grub.title, loaded.path, loaded.arguments, None)
    report(entry)
    check(loaded, firmware.root_uuid)
    return entry, loaded.release


def check(loaded: Loaded, root_uuid: str) -> None:
    """What happens between the boot loader and the root: the kernel cannot mount btrfs without the modules of its own initrd."""
    if loaded.initrd is None:
        raise Panicked(f"{loaded.path} was started without an initrd: it cannot mount its root")
    try:
        release = initrd_release(loaded.initrd)
    except ValueError as error:
        raise Panicked(f"the initrd {error}") from error
    if release != loaded.release:
        raise Panicked(f"the initrd is for the kernel {release}, not for {loaded.release}")
    roots = [word.removeprefix("root=UUID=") for word in loaded.arguments if word.startswith("root=")]
    if roots[-1:] != [root_uuid]:
        raise Panicked(f"there is no root {roots}")


def mount_others(root: Path, devices: dict[str, str]) -> None:
    """What fstab asks for besides the root; without udev systemd could not wait for the devices."""
    fstab = root / "etc/fstab"
    text = fstab.read_text(errors="replace") if fstab.is_file() else ""
    for line in text.splitlines():
        match = re.match(r"UUID=(\S+)\s+/(\S+)\s+(ext4|btrfs)\s+(\S+)", line)
        if match and match[1] in devices:
            subvolume = re.search(r"\bsubvol=[^,]+", match[4])
            with contextlib.suppress(OSError):  # systemd tries again, and says what is wrong
                linux.mount(
                    devices[match[1]], root / match[2], match[3], MS_NOATIME if match[3] == "btrfs" else 0,
                    subvolume[0] if subvolume else "",
                )  # fmt: skip


__all__ = ("Firmware", "check", "choose", "mount_others")
