# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EFI binaries that a root carries in /boot/EFI/BOOT, and their place on the boot partition.

As in the original tool, ``*.efi`` travels with an upgrade; grub.cfg and startup.nsh never do.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ..system.presence import is_directory, is_plain_file
from ..system.rooted_path import regular_file_in_root, resolve_in_root
from . import partition
from .kernel import sha256_of

_DIRECTORY: t.Final = "EFI/BOOT"


def efi_binaries(root: str) -> dict[str, str]:
    """File name -> sha256 of the EFI binaries in a root's own /boot."""
    directory = resolve_in_root(root, f"boot/{_DIRECTORY}")
    if directory is None or not is_directory(directory):
        return {}
    names = sorted(name for name in os.listdir(directory) if name.lower().endswith(".efi"))
    paths = {name: regular_file_in_root(root, f"boot/{_DIRECTORY}/{name}") for name in names}
    return {name: sha256_of(path) for name, path in paths.items() if path}


def outdated(boot_dir: str, root: str, before: t.Mapping[str, str]) -> dict[str, str]:
    """The binaries (name -> sha256) of ``root`` that are not those of ``before``, and not on the boot partition yet.

    None where the boot partition has no such directory: on a host without EFI there is nothing to keep up to date.
    """
    directory = os.path.join(boot_dir, _DIRECTORY)
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            return {}
    except FileNotFoundError:
        return {}
    return {
        name: digest
        for name, digest in efi_binaries(root).items()
        if before.get(name) != digest and not _has(os.path.join(directory, name), digest)
    }


def _has(path: str, digest: str) -> bool:
    return is_plain_file(path) and sha256_of(path) == digest


def space_for(root: str, names: t.Iterable[str]) -> int:
    """The bytes that these binaries of a root need beside those that are there."""
    paths = (regular_file_in_root(root, f"boot/{_DIRECTORY}/{name}") for name in names)
    return sum(os.lstat(path).st_size for path in paths if path)


def install_efi(boot_dir: str, root: str, before: t.Mapping[str, str]) -> bool:
    """Put the ``outdated`` binaries in place; True if there were any."""
    directory = os.path.join(boot_dir, _DIRECTORY)
    changed = []
    for name, digest in outdated(boot_dir, root, before).items():
        source = regular_file_in_root(root, f"boot/{_DIRECTORY}/{name}")
        if source is not None:
            partition.write_beside(source, directory, name, digest)
            changed.append(name)
    if changed:
        partition.swap_in(directory, changed)
    return bool(changed)


__all__ = ("efi_binaries", "install_efi", "outdated", "space_for")
