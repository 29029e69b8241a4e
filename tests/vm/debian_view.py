# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine with Debian and its own GRUB would boot from a disk: its real menus, on files that GRUB's own reader reads."""

from __future__ import annotations

import re
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import DEFAULT, ID_ARGUMENT, TRY

from tests.lab.bootloader import BootFailed, Entry, parse_environment
from tests.lab.deb_kernels import META
from tests.lab.grub_shell import Grub, Loaded, Volume
from tests.lab.process import run
from tests.vm.disk_view import LOADABLE, BootView, RootView, digest_of, grub_reads, look_at_root

if t.TYPE_CHECKING:
    from tests.vm.sweep import Disk

# Where each firmware finds GRUB's first file
_PREFIX: t.Final = {"bios": "(hd0,gpt2)/grub", "efi": "(hd0,gpt2)/EFI/debian"}
_PLATFORM: t.Final = {"bios": "pc", "efi": "efi"}
_TRIAL: t.Final = "overc.trial=1"
_ASKED: t.Final = ("vm-app", META)


def uuid_of(part: Path) -> str:
    """Of the file system in this file."""
    return run(["blkid", "-p", "-s", "UUID", "-o", "value", part]).strip()


class _Reading(Grub):
    """GRUB at work on partitions in files. What counts for the choice is whether it would take a kernel."""

    def __init__(self, parts: dict[str, tuple[Path, str]], firmware: str) -> None:
        volumes = [Volume(name, uuid, Path, name == "hd0,gpt2") for name, (_part, uuid) in parts.items()]
        super().__init__(volumes, _PREFIX[firmware], _PLATFORM[firmware])
        self._parts = {name: part for name, (part, _uuid) in parts.items()}
        self._known: dict[tuple[str, str], bytes | None] = {}

    def content(self, name: str) -> bytes | None:
        """As it is on the disk; None where GRUB cannot read it."""
        volume, path = self._place(name)
        place = (volume.name, path)
        if place in self.written:
            return self.written[place]
        if place not in self._known:
            self._known[place] = grub_reads(self._parts[volume.name], path)
        return self._known[place]

    def read(self, name: str) -> bytes:
        data = self.content(name)
        if data is None:
            raise OSError(f"file `{name}' not found")
        return LOADABLE if data[0x202:0x206] == b"HdrS" else data

    def kind(self, name: str) -> tuple[bool, bool, int]:
        try:
            data = self.content(name)
        except OSError:
            data = None
        return data is not None, False, len(data or b"")


class Debian:
    """Its layouts: BIOS with /boot on ext4, UEFI with /boot in the root subvolume and GRUB's block on the ESP."""

    def __init__(self, firmware: str) -> None:
        self.firmware = firmware
        self.reads_root = firmware == "efi"
        self._uuids: tuple[str, str] | None = None

    def boot(self, disk: Disk, _scratch: Path, at_the_menu: int | None = None) -> BootView:
        """With nobody at the menu, ever: ``at_the_menu`` is for other protections."""
        assert at_the_menu is None
        # They never change, and half a superblock has none
        self._uuids = self._uuids or (uuid_of(disk.boot), uuid_of(disk.root))
        parts = {"hd0,gpt2": (disk.boot, self._uuids[0]), "hd0,gpt3": (disk.root, self._uuids[1])}
        return self._started(parts, {})

    def _started(self, parts: dict[str, tuple[Path, str]], written: dict[tuple[str, str], bytes]) -> BootView:
        grub = _Reading(parts, self.firmware)
        grub.written.update(written)
        chosen = _chosen(grub)
        try:
            loaded = grub.start()
        except BootFailed as error:
            return BootView(None, None, None, str(error))
        number = _word(loaded, ID_ARGUMENT)
        if chosen != number:
            return BootView(None, None, None, f"the block names {chosen or 'none'}, and GRUB starts {number or 'none'}")
        initrd = None if loaded.initrd is None else digest_of(loaded.initrd)
        entry = Entry(grub.number, grub.title, loaded.path, loaded.arguments, "" if initrd is None else "initrd")
        then = None
        if _TRIAL in loaded.arguments:
            if written:
                return BootView(None, None, None, "a trial after the trial: it would never end")
            then = self._started(parts, grub.written)
        return BootView(entry, digest_of(grub.content(_whole(grub, loaded.path))), initrd, then=then)

    def root(self, part: Path, rootflags: str, mountpoint: Path) -> RootView:
        return look_at_root(part, rootflags, mountpoint, lambda root: _root_view(root, rootflags))


def _whole(grub: Grub, path: str) -> str:
    """With the device that was the root when its entry was carried out."""
    return path if path.startswith("(") else f"({grub.variables['root']}){path}"


def _word(loaded: Loaded, begin: str) -> str:
    return next((word.removeprefix(begin) for word in loaded.arguments if word.startswith(begin)), "")


def _chosen(grub: _Reading) -> str:
    """The deployment that the block names; empty where the distribution's menu decides."""
    values = parse_environment(grub.content("(hd0,gpt2)/overc/env") or b"")
    return values.get(TRY) or values.get(DEFAULT) or ""


def _root_view(root: Path, rootflags: str) -> RootView:
    try:
        app = (root / "usr/share/vm-app/version").read_text().strip()
        data = [path.read_text() for path in sorted((root / "usr/share/vm-app/data").iterdir())]
        named = re.findall(r"^\S+ / .*\b(subvol=[^,\s]+)", (root / "etc/fstab").read_text(), re.MULTILINE)
    except OSError as error:
        return RootView(problem=str(error))
    database = f"--admindir={root}/var/lib/dpkg"
    query = ["dpkg-query", database, "-W", "-f", "${Package}=${Version}=${db:Status-Abbrev}\n", *_ASKED]
    queried = subprocess.run(query, capture_output=True, text=True, check=False)
    audit = subprocess.run(["dpkg", database, "--audit"], capture_output=True, text=True, check=False)
    lines = [line.split("=") for line in queried.stdout.splitlines()]
    problems = [] if all(status.strip() == "ii" for *_rest, status in lines) else [f"packages: {queried.stdout}"]
    problems += [f"dpkg --audit: {audit.stdout}{audit.stderr}"[:200]] if audit.returncode or audit.stdout else []
    problems += [f"its fstab names {named}, {rootflags} is mounted"] if named != [rootflags] else []
    problems += [] if (root / "usr/lib/systemd/systemd").is_file() else ["no init"]
    return RootView(
        app,
        sum(text.startswith(f"{app} ") for text in data),
        tuple(sorted((name, version) for name, version, _status in lines)),
        frozenset(path.parent.name for path in (root / "usr/lib/modules").glob("*/modules.dep")),
        "; ".join(problems),
    )
