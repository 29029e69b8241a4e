# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a disk's writes and flushes, as QEMU's blklogwrites keeps it."""

from __future__ import annotations

import struct
import typing as t
from dataclasses import dataclass
from pathlib import Path

# Source: the kernel's Documentation/admin-guide/device-mapper/log-writes.rst, whose format QEMU writes
_MAGIC: t.Final = 0x6A736677736872
_FLUSH: t.Final = 1
_DISCARD: t.Final = 4


@dataclass(frozen=True)
class Entry:
    """One request. ``offset`` and ``size`` are bytes of the disk, ``place`` is where its data is in the log."""

    offset: int
    size: int
    place: int
    flush: bool
    discard: bool

    @property
    def writes(self) -> bool:
        return self.size > 0 and not self.discard


class WriteLog:
    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")
        self.entries = list(self._read())

    def _read(self) -> t.Iterator[Entry]:
        magic, _version, _count, sector = struct.unpack("<QQQI", self._stream.read(28))
        if magic != _MAGIC:
            raise ValueError("this is no log of writes")
        # The count is brought up to date by flushes only, and the writes after the last one are wanted as well
        place, end = sector, self._stream.seek(0, 2)
        while place < end:
            self._stream.seek(place)
            start, length, flags, _data = struct.unpack("<QQQQ", self._stream.read(32))
            place += sector
            if not flags & _DISCARD and place + length * sector > end:
                return
            yield Entry(start * sector, length * sector, place, bool(flags & _FLUSH), bool(flags & _DISCARD))
            if not flags & _DISCARD:
                place += length * sector

    def data(self, entry: Entry) -> bytes:
        self._stream.seek(entry.place)
        return self._stream.read(entry.size)

    def close(self) -> None:
        self._stream.close()
