# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted: /proc/self/mountinfo, proc(5)."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Mount:
    """One mounted file system. ``root`` is the mounted directory within it: for btrfs, the subvolume.

    ``id`` names the mount, ``device`` the file system (for btrfs one for all its subvolumes); ``of_filesystem`` are the
    options of the latter, in order.
    """

    target: str
    root: str
    fstype: str
    source: str
    options: frozenset[str]
    id: str = ""
    device: str = ""
    of_filesystem: tuple[str, ...] = ()

    @property
    def read_only(self) -> bool:
        """Read-only as mounted here, or the whole file system."""
        return "ro" in self.options


def unescape(field: str) -> str:
    r"""Octal escapes of mountinfo and fstab: \040 \011 \012 \134 (and any other three octal digits)."""
    if "\\" not in field:
        return field
    raw, out, i = os.fsencode(field), bytearray(), 0
    while i < len(raw):
        digits = raw[i + 1 : i + 4]
        if raw[i] == 0x5C and len(digits) == 3 and all(0x30 <= d <= 0x37 for d in digits):
            out.append(int(digits, 8) & 0xFF)
            i += 4
        else:
            out.append(raw[i])
            i += 1
    return os.fsdecode(bytes(out))


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Mounts in the order of the kernel: where two have one target, the later one is visible."""
    found = []
    # Not splitlines(): a name may contain what Python takes for the end of a line.
    for line in text.split("\n"):
        before, separator, after = line.partition(" - ")
        fields, tail = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(tail) < 3:
            continue
        found.append(
            Mount(
                target=unescape(fields[4]),
                root=unescape(fields[3]),
                fstype=tail[0],
                source=unescape(tail[1]),
                options=frozenset(fields[5].split(",")) | frozenset(tail[2].split(",")) - {"rw"},
                id=fields[0],
                device=fields[2],
                of_filesystem=tuple(map(unescape, tail[2].split(","))),
            )
        )
    return tuple(found)


def mounts() -> tuple[Mount, ...]:
    """What this process sees."""
    return _mounts_of("self")


def mounts_of_the_host() -> tuple[Mount, ...]:
    """What the first process sees: also what was mounted since this one has a mount namespace of its own."""
    try:
        return _mounts_of("1")
    except (FileNotFoundError, PermissionError):  # a /proc that shows nobody else's
        return mounts()


def _mounts_of(process: str) -> tuple[Mount, ...]:
    with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return parse_mountinfo(file.read())


def mount_at(found: t.Sequence[Mount], target: str) -> Mount | None:
    """The visible mount on exactly this path, None if it is not a mount point."""
    there = [mount for mount in found if mount.target == target]
    return there[-1] if there else None


def is_below(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or in it; both absolute and without links."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def is_on_another(found: t.Sequence[Mount], path: str) -> bool:
    """Whether anything that ``path`` (absolute, without links) shows comes from another mount than the one on ``/``."""
    return any(
        mount.target != "/" and (is_below(path, mount.target) or is_below(mount.target, path)) for mount in found
    )


__all__ = (
    "Mount",
    "is_below",
    "is_on_another",
    "mount_at",
    "mounts",
    "mounts_of_the_host",
    "parse_mountinfo",
    "unescape",
)
