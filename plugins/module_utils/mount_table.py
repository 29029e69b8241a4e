# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure parsers of the kernel's mount table (proc(5), /proc/self/mountinfo) and of fstab(5)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mounted file system. ``root`` is the mounted directory within it: for btrfs, the subvolume."""

    target: str
    root: str
    fstype: str
    source: str
    options: frozenset[str]

    @property
    def read_only(self) -> bool:
        """Read-only as mounted here, or the whole file system."""
        return "ro" in self.options


@dataclass(frozen=True)
class FstabEntry:
    """One line of fstab, unescaped."""

    source: str
    target: str
    fstype: str
    options: tuple[str, ...]


def unescape(field: str) -> str:
    r"""Undo the octal escapes (``\040`` for a space) of mountinfo and fstab."""
    raw = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), field)
    # The escapes are bytes; characters above 127 come as UTF-8 sequences of them.
    try:
        return raw.encode("latin-1").decode("utf-8", "surrogateescape") if _OCTAL.search(field) else raw
    except UnicodeEncodeError:
        return raw


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Mounts in the order of the kernel: where two have one target, the later one is visible."""
    mounts = []
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields, tail = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(tail) < 3:
            continue
        mounts.append(
            Mount(
                target=unescape(fields[4]),
                root=unescape(fields[3]),
                fstype=tail[0],
                source=unescape(tail[1]),
                options=frozenset(fields[5].split(",")) | frozenset(tail[2].split(",")) - {"rw"},
            )
        )
    return tuple(mounts)


def mount_at(mounts: t.Sequence[Mount], target: str) -> Mount | None:
    """The visible mount on exactly this path, None if it is not a mount point."""
    found = [mount for mount in mounts if mount.target == target]
    return found[-1] if found else None


def parse_fstab(text: str) -> tuple[FstabEntry, ...]:
    """Entries of an fstab; comments and short lines are left out."""
    entries = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[0].startswith("#"):
            continue
        source, target, fstype, options = (unescape(field) for field in fields[:4])
        entries.append(FstabEntry(source, target, fstype, tuple(options.split(","))))
    return tuple(entries)


def subvolume_pins(options: t.Iterable[str]) -> tuple[str, ...]:
    """The options among ``options`` that override btrfs' default subvolume."""
    return tuple(option for option in options if option.startswith(("subvol=", "subvolid=")))


__all__ = ("FstabEntry", "Mount", "mount_at", "parse_fstab", "parse_mountinfo", "subvolume_pins", "unescape")
