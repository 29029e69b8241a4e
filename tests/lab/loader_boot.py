# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for systemd-boot and the variables of its firmware: entries, their order, the default, and what is tried once.

A directory of the host's own on this machine stands for the firmware's memory: one file for a variable, as in efivarfs, which
cannot be mounted in a namespace. It outlives every power cut, and a host has it at /sys/firmware/efi/efivars. The partition of
the entries has ext4 here where a real one has vfat: this machine's kernel need not know vfat.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.bootloader import BootFailed, Entry
from tests.lab.grub_boot import Firmware, check
from tests.lab.grub_shell import Loaded
from tests.lab.kernel import kernel_release

if t.TYPE_CHECKING:
    from tests.lab.host import Host

DIRECTORY: t.Final = "efivars"
PARTITION: t.Final = "0f0e0d0c-0b0a-4909-8807-060504030201"
MACHINE_ID: t.Final = "0123456789abcdef0123456789abcdef"
_VENDOR: t.Final = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_PIECE = re.compile(r"(\d+)")


def variable(firmware: Path, name: str) -> str | None:
    """Of the loader, None where it is not set."""
    path = firmware / f"{name}-{_VENDOR}"
    return path.read_bytes()[4:].decode("utf-16-le").rstrip("\0") if path.exists() else None


def set_variable(firmware: Path, name: str, value: str | None) -> None:
    path = firmware / f"{name}-{_VENDOR}"
    if value is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(b"\7\0\0\0" + f"{value}\0".encode("utf-16-le"))


@dataclass(frozen=True)
class _Item:
    id: str
    values: dict[str, str]

    def key(self) -> tuple[t.Any, ...]:
        """systemd-boot 252: with a sort-key before those without; then by it, and the newest version or the last name first."""
        sort_key = self.values.get("sort-key", "")
        return (
            not sort_key,
            sort_key,
            _Descending(self.values.get("version", "") if sort_key else ""),
            _Descending(self.id),
        )


class _Descending:
    def __init__(self, text: str) -> None:
        # Numbers by their value; a number comes after anything else, so first
        self.pieces = [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in _PIECE.split(text) if piece]

    def __lt__(self, other: _Descending) -> bool:
        return self.pieces > other.pieces

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.pieces == other.pieces

    __hash__ = None  # type: ignore[assignment]


def _values(text: str) -> dict[str, str]:
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {words[0]: words[1].strip() for words in lines if len(words) == 2}


def _items(esp: Path) -> list[_Item]:
    there = sorted((esp / "loader/entries").glob("*.conf"))
    items = [_Item(path.name.lower(), _values(path.read_text(errors="replace"))) for path in there]
    # What is no entry of a kernel, torn for instance, is passed over
    return sorted((item for item in items if "linux" in item.values), key=_Item.key)


def _decide(esp: Path, items: list[_Item], firmware: Path, picked: str | None) -> _Item:
    if picked is not None:
        return next(item for item in items if item.id == picked)
    once, default = variable(firmware, "LoaderEntryOneShot"), variable(firmware, "LoaderEntryDefault")
    set_variable(firmware, "LoaderEntryOneShot", None)
    conf = esp / "loader/loader.conf"
    patterns = (once, default, _values(conf.read_text() if conf.exists() else "").get("default"))
    for pattern in filter(None, patterns):
        found = next((item for item in items if fnmatch.fnmatchcase(item.id, pattern.lower())), None)
        if found is not None:
            return found
    if not items:
        raise BootFailed("systemd-boot finds no entry")
    return items[0]


def choose(disk: Firmware, firmware: Path, picked: str | None, report: t.Callable[[Entry], None]) -> tuple[Entry, str]:
    """What systemd-boot starts, and the kernel's release. A kernel that cannot be loaded ends in the firmware."""
    esp = disk.volumes()[0].root()
    try:
        set_variable(firmware, "LoaderInfo", "systemd-boot 252 (lab)")
        set_variable(firmware, "LoaderDevicePartUUID", PARTITION.upper())
        item = _decide(esp, _items(esp), firmware, picked)
        set_variable(firmware, "LoaderEntrySelected", item.id)
        words = tuple(shlex.split(item.values.get("options", "")))
        entry = Entry(0, item.values.get("title", item.id), item.values["linux"], words, item.values.get("initrd"))
        report(entry)
        loaded = Loaded(entry.kernel, words, *_load(esp, entry))
    finally:
        disk.look_away()
    check(loaded, disk.root_uuid)
    return entry, loaded.release


def _load(esp: Path, entry: Entry) -> tuple[str, bytes | None]:
    try:
        release = kernel_release((esp / entry.kernel.lstrip("/")).read_bytes())
        initrd = (esp / entry.initrd.lstrip("/")).read_bytes() if entry.initrd else None
    except (OSError, ValueError) as error:
        raise BootFailed(f"systemd-boot cannot load {entry.title}: {error}") from error
    return release, initrd


def convert(host: Host, *, keep_grub: bool = False) -> None:
    """Make a host with an ESP, which is on, one that systemd-boot starts: GRUB goes, Debian's kernel-install makes the entry."""
    if not keep_grub:
        host.sh("rm -rf /boot/grub /boot/efi/EFI")
    firmware = host.directory / DIRECTORY
    host.sh(
        "set -e; mkdir -p /boot/efi/EFI/systemd /boot/efi/loader/entries /etc/kernel\n"
        "echo type1 >/boot/efi/loader/entries.srel; echo '#timeout 3' >/boot/efi/loader/loader.conf\n"
        "tr ' ' '\\n' </proc/cmdline | grep -v -e BOOT_IMAGE | tr '\\n' ' ' >/etc/kernel/cmdline\n"
        f"for kernel in /boot/vmlinuz-*; do r=${{kernel#/boot/vmlinuz-}}; MACHINE_ID={MACHINE_ID} "
        "kernel-install add $r $kernel /boot/initrd.img-$r; done; sync"
    )
    firmware.mkdir()
    host.reboot()


__all__ = ("DIRECTORY", "PARTITION", "choose", "convert", "set_variable", "variable")
