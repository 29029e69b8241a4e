# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host that have a file of a directory open, or mapped, for writing: what they write later would be lost.

So would be what goes through a fifo that they have open, and what they do in a directory that they work in, or have as root.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ..btrfs.paths import Paths
from ..errors import OvercError
from ..system.safe_path import printable
from .claimants import UNSEEN, name_of, namespaces
from .claims import Claim

_O_PATH: t.Final = 0o10000000
_KINDS: t.Final = frozenset((stat.S_IFREG, stat.S_IFIFO, stat.S_IFDIR))
# What a process holds besides its files, and what to say of it
_HELD: t.Final = {"root": "its root directory", "cwd": "its working directory"}


def _lines(path: str) -> list[str]:
    """Empty for a process that has ended, or that may not be looked at."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read().split("\n")
    except OSError as error:
        if error.errno in UNSEEN:
            return []
        raise OvercError("inconsistent", f"{path} cannot be read: {error.strerror}.") from error


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError as error:
        if error.errno in UNSEEN:
            return []
        raise OvercError("inconsistent", f"{path} cannot be listed: {error.strerror}.") from error


def _open_for_writing(pid: int, ids: t.Collection[str]) -> t.Iterator[str]:
    """The descriptors of a process on one of the mounts with these ids that can write, or belong to a fifo."""
    for name in _names(f"/proc/{pid}/fd"):
        info = dict(line.split(":", 1) for line in _lines(f"/proc/{pid}/fdinfo/{name}") if ":" in line)
        flags = int(info.get("flags", "0").strip() or "0", 8)
        # (Anything else is not asked what it is: a file of a server that is gone would never answer.)
        if flags & _O_PATH or info.get("mnt_id", "").strip() not in ids:
            continue
        path = f"/proc/{pid}/fd/{name}"
        if flags & os.O_ACCMODE or _is_fifo(path):
            yield path


def _is_fifo(path: str) -> bool:
    found = _status(path)
    return found is not None and stat.S_ISFIFO(found.st_mode)


def _status(path: str) -> os.stat_result | None:
    """None for a process that has ended, or that may not be looked at."""
    try:
        return os.stat(path)
    except OSError as error:
        if error.errno in UNSEEN:
            return None
        raise OvercError("inconsistent", f"{path} cannot be looked at: {error.strerror}.") from error


def _mapped_for_writing(pid: int, device: str) -> t.Iterator[str]:
    """The mappings of a process that write to a file of the file system ``device`` (as mountinfo has it)."""
    major, _colon, minor = device.partition(":")
    wanted = f"{int(major):02x}:{int(minor):02x}"
    for line in _lines(f"/proc/{pid}/maps"):
        fields = line.split(None, 5)
        if len(fields) > 4 and fields[1][1::2] == "ws" and fields[3] == wanted:
            first, _dash, last = fields[0].partition("-")
            yield f"/proc/{pid}/map_files/{int(first, 16):x}-{int(last, 16):x}"


def _within(path: str, fd: int, paths: Paths, top: bytes) -> bytes | None:
    """The path below the directory ``fd``, which is ``top`` in its subvolume, of what is open; None if it is not in there."""
    found = _status(path)
    if found is None or found.st_dev != os.fstat(fd).st_dev or stat.S_IFMT(found.st_mode) not in _KINDS:
        return None
    where = paths.within(found.st_ino, top)
    return None if where is None else where[len(top) :].lstrip(b"/")


def find(fd: int, device: str) -> list[Claim]:
    """Who can write into the directory ``fd``, which lies on the file system ``device`` (as mountinfo has it)."""
    paths = Paths(fd)
    top = paths.of(os.fstat(fd).st_ino) or b""
    ids = {mount.id for _pid, found in namespaces() for mount in found if mount.device == device}
    out: dict[tuple[int, bytes], Claim] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if pid == os.getpid():
            continue
        for path in (*_open_for_writing(pid, ids), *_mapped_for_writing(pid, device)):
            where = _within(path, fd, paths, top)
            if where is not None:
                shown = printable(os.fsdecode(where))
                out[pid, where] = Claim(shown, "writer", name_of(pid), "open for writing")
        for name, what in _HELD.items():
            where = _within(f"/proc/{pid}/{name}", fd, paths, top)
            if where is not None:
                out[pid, where] = Claim(printable(os.fsdecode(where)) or ".", "writer", name_of(pid), what)
    return list(out.values())


__all__ = ("find",)
