# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a deployment that a boot loader reads: on the boot partition, and in a root's own tree."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ...boot import kernel
from ...boot.names import FILE_ROLES, BootNames
from ...system.rooted_path import regular_file_in_root


@dataclass(frozen=True)
class BootFile:
    """A file of the boot partition, or of a root's own /boot. ``sha256`` is None where it was not asked for, or the file is
    larger than what boots; ``defect`` is what shows that it cannot boot.
    """

    path: str
    size: int
    release: str | None = None
    sha256: str | None = None
    defect: str | None = None


def _boot_file(path: str, role: str, *, digest: bool) -> BootFile | None:
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            return None
        too_large = kernel.is_too_large(path)
        return BootFile(
            path=path,
            size=found.st_size,
            release=kernel.read_release(path),
            sha256=kernel.sha256_of(path) if digest and not too_large else None,
            defect=kernel.read_defect(path) if role == "kernel" or too_large else None,
        )
    except (FileNotFoundError, NotADirectoryError):  # or gone since: who only looks takes no lock
        return None


def observe_boot_files(directory: str, names: BootNames, *, digest: bool) -> dict[str, BootFile]:
    """The parts of the default and of the backup deployment on the boot partition, by file name."""
    found: dict[str, BootFile] = {}
    for role in FILE_ROLES:
        for backup in (False, True):
            name = names.of(role, backup=backup)
            entry = _boot_file(os.path.join(directory, name), role, digest=digest) if name else None
            if name and entry:
                found[name] = entry
    return found


def carried_files(root: str, names: BootNames, *, digest: bool) -> dict[str, BootFile]:
    """The boot files in a root's own tree, by role; links (bzImage -> bzImage-5.10) are resolved inside that root."""
    found: dict[str, BootFile] = {}
    for role in FILE_ROLES:
        name = names.of(role)
        path = regular_file_in_root(root, f"boot/{name}") if name else None
        entry = _boot_file(path, role, digest=digest) if path else None
        if entry:
            found[role] = entry
    return found


__all__ = ("BootFile", "carried_files", "observe_boot_files")
