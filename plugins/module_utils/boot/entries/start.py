# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which root GRUB itself begins, where /boot is in the root: that one must not go, whatever boots from its menu."""

from __future__ import annotations

import os
import re
import typing as t

from ...system.mount_table import mount_at
from ...system.presence import is_directory, text_of
from ...system.rooted_path import regular_file_in_root
from ..kernel import sha256_of

if t.TYPE_CHECKING:
    from ...system.mount_table import Mount

GRUB_DIRECTORIES: t.Final = ("grub", "grub2")
ESP_DIRECTORIES: t.Final = ("/boot/efi", "/efi", "/boot/EFI")
_PREFIX: t.Final = re.compile(r"prefix=\(\$root\)'?/(?P<subvolume>[^'\s]+)/boot/grub2?'?")


def named_by_stubs(mounts: t.Sequence[Mount]) -> frozenset[str]:
    """The subvolumes in which the files beside the boot loader on the EFI system partition let GRUB look for its menu."""
    found: set[str] = set()
    for esp in ESP_DIRECTORIES:
        above = os.path.join(esp, "EFI")
        if mount_at(mounts, esp) is None or not is_directory(above):
            continue
        for vendor in sorted(os.listdir(above)):
            text = text_of(os.path.join(above, vendor, "grub.cfg")) or ""
            found.update(match["subvolume"].lstrip("/") for match in _PREFIX.finditer(text))
    return frozenset(found)


def has_own_core(top: str, subvolume: str, first: str) -> bool:
    """Whether GRUB was installed from a root since it was made: its core is another one than that of the ``first`` root."""
    own, other = _cores(os.path.join(top, subvolume)), _cores(os.path.join(top, first))
    return any(other.get(name) != digest for name, digest in own.items())


def _cores(root: str) -> dict[str, str]:
    found = {}
    for directory in GRUB_DIRECTORIES:
        for platform in ("i386-pc", "i386-efi", "x86_64-efi", "arm64-efi", "powerpc-ieee1275"):
            for name in ("core.img", "core.efi"):
                path = f"boot/{directory}/{platform}/{name}"
                place = regular_file_in_root(root, path)
                if place is not None:
                    found[path] = sha256_of(place)
    return found


__all__ = ("ESP_DIRECTORIES", "GRUB_DIRECTORIES", "has_own_core", "named_by_stubs")
