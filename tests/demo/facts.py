# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is really on the host, read from its disk and not from what the modules say about themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Host, disk
from tests.lab.kernel import kernel_release

PACKAGES = ("lab-app", "lab-lib", "lab-tool")


@dataclass(frozen=True)
class Deployment:
    """A root subvolume and the kernel that would run with it."""

    subvolume: str
    kernel: str
    packages: tuple[str, ...]

    @property
    def versions(self) -> set[str]:
        return set(self.packages)


@dataclass(frozen=True)
class Facts:
    """``running`` was seen when it booted, ``next_boot`` and ``backup`` are what the two boot entries would boot."""

    running: Deployment
    next_boot: Deployment
    backup: Deployment | None
    subvolumes: tuple[str, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """A table, with its header."""
        columns = [self.running, self.next_boot, self.backup]

        def row(name: str, values: list[str]) -> tuple[str, ...]:
            return (name, *values)

        return [
            ("", "running", "next boot", "backup entry"),
            row("root subvolume", [c.subvolume if c else "-" for c in columns]),
            row("kernel", [c.kernel if c else "-" for c in columns]),
            *(row(name, [c.packages[n] if c else "-" for c in columns]) for n, name in enumerate(PACKAGES)),
        ]


class Observer:
    """Remembers which kernel was loaded at the last boot: afterwards the file may be another one."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._boot = 0
        self._kernel = ""

    def look(self) -> Facts:
        with self._host.top() as top, self._host.boot_partition() as boot:
            if self._host.boots != self._boot:
                image = re.search(r"BOOT_IMAGE=/(\S+)", self._host.sh("cat /proc/cmdline"))
                self._boot, self._kernel = self._host.boots, _release(boot / (image[1] if image else "bzImage"))
            running = self._host.sh("findmnt -no FSROOT /").lstrip("/")
            default = disk.default_subvolume(top)
            has_backup = (top / "rootfs_bakup").is_dir()
            return Facts(
                running=_deployment(top, running, self._kernel),
                next_boot=_deployment(top, default, _release(boot / "bzImage")),
                backup=_deployment(top, "rootfs_bakup", _release(boot / "bzImage_bakup")) if has_backup else None,
                subvolumes=tuple(sorted(path.name for path in top.iterdir() if path.stat().st_ino == 256)),
            )


def _release(kernel: Path) -> str:
    return kernel_release(kernel.read_bytes())


def _deployment(top: Path, subvolume: str, kernel: str) -> Deployment:
    return Deployment(subvolume, kernel, tuple(_version(top / subvolume, name) for name in PACKAGES))


def _version(root: Path, package: str) -> str:
    return (root / "usr/share" / package / "version").read_text().strip()
