# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel and its companions are called on the boot partition, the backup's ones included. No file is looked at."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

# Looked for in the boot directory; the first five are what OverC hosts use.
KERNEL_NAMES: t.Final = ("bzImage", "uImage", "zImage", "fitImage", "kernel7.img", "vmlinuz")
INITRD_NAMES: t.Final = ("initrd", "initrd.img", "initramfs", "initramfs.img")
SIGNATURE_SUFFIX: t.Final = ".p7b"
BACKUP_SUFFIX: t.Final = "_bakup"
# The parts of a deployment that live on the boot partition.
FILE_ROLES: t.Final = ("kernel", "signature", "initrd")


def backup_of(name: str) -> str:
    """What the backup's file of this name is called."""
    return name + BACKUP_SUFFIX


@dataclass(frozen=True)
class BootNames:
    """The names on one host. ``initrd`` is None where kernels need none."""

    kernel: str
    initrd: str | None = None

    @property
    def backup_kernel(self) -> str:
        return backup_of(self.kernel)

    def of(self, role: str, *, backup: bool = False) -> str | None:
        """The file name of a role: bzImage_bakup.p7b, initrd, ...; None for an initrd that there is not."""
        if role == "initrd":
            name = self.initrd
            return backup_of(name) if name and backup else name or None
        kernel = self.backup_kernel if backup else self.kernel
        return kernel + SIGNATURE_SUFFIX if role == "signature" else kernel


__all__ = ("BACKUP_SUFFIX", "FILE_ROLES", "INITRD_NAMES", "KERNEL_NAMES", "SIGNATURE_SUFFIX", "BootNames", "backup_of")
