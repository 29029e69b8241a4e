# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an initrd says about the root that it mounts: dracut writes options of its own into it, a subvolume's name included.

Documentation/driver-api/early-userspace/buffer-format.rst: archives in the format newc one after the other, packed or not,
with zeros between them.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import re
import typing as t
import zlib

from ..errors import certain

if t.TYPE_CHECKING:
    from .unpack import Unpacker

    # method, place in the file -> what is there, unpacked
    Unpack = t.Callable[[str, int], t.BinaryIO]

_HEADER: t.Final = 110
_WANTED: t.Final = re.compile(rb"(?:\./|/)?etc/(?:cmdline\.d/[^/]+\.conf|cmdline|fstab)")
_PIN: t.Final = re.compile(r"\bsubvol(?:id)?=[^\s,\"']+")
_CHUNK: t.Final = 128 << 10
_WHOLE: t.Final = 1 << 20  # bytes; no file of options is larger
_MOST: t.Final = 1 << 30  # bytes, unpacked
_OTHERS: t.Final = {b"\x28\xb5\x2f\xfd": "zstd", b"\x02\x21\x4c\x18": "lz4", b"\x89LZO": "lzo"}


class _Unreadable(Exception):
    pass


class _Source:
    """Reads bytes of a file, unpacked from where it was told to."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream
        self._unpack: t.Callable[[bytes], bytes] = lambda data: data
        self._buffer, self._at = b"", 0
        self._ended = False
        self.is_plain = True
        self.taken = 0

    def look(self, size: int) -> bytes:
        if len(self._buffer) - self._at < size:
            parts = [self._buffer[self._at :]]
            have = len(parts[0])
            while have < size and not self._ended:
                data = self._stream.read(_CHUNK)
                self._ended = not data
                parts.append(self._unpack(data) if data else b"")
                have += len(parts[-1])
            self._buffer, self._at = b"".join(parts), 0
        return self._buffer[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        found = self.look(size)
        self._at += len(found)
        self.taken += len(found)
        if self.taken > _MOST:
            raise _Unreadable("it is larger than anybody's")
        return found

    def unpacked_by(self, unpack: t.Callable[[bytes], bytes]) -> None:
        self._buffer, self._at = unpack(self._buffer[self._at :]), 0
        self._unpack = unpack
        self.is_plain = False

    @property
    def place(self) -> int:
        """Bytes from the start of the file, as long as nothing of it was unpacked."""
        return self._stream.tell() - (len(self._buffer) - self._at)

    def replaced_by(self, stream: t.BinaryIO) -> None:
        """What follows comes from there."""
        self._stream, self._buffer, self._at, self._ended, self.is_plain = stream, b"", 0, False, False


def _method(magic: bytes) -> str | None:
    return next((name for start, name in _OTHERS.items() if magic.startswith(start)), None)


def _unpacker(magic: bytes) -> t.Callable[[bytes], bytes]:
    packed: t.Any
    if magic.startswith(b"\x1f\x8b"):
        packed = zlib.decompressobj(31)
    elif magic.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        packed = lzma.LZMADecompressor()
    elif magic.startswith(b"BZh"):
        packed = bz2.BZ2Decompressor()
    else:
        name = _method(magic)
        raise _Unreadable(f"it is packed with {name}" if name else "its format is not known")
    return lambda data: b"" if packed.eof else packed.decompress(data)  # what is behind the end is padding


def _members(source: _Source, unpack: Unpack | None) -> t.Iterator[tuple[bytes, bytes]]:
    """(name, content) of the files that are wanted."""
    complete = True
    while True:
        head = source.look(6)
        if not head:
            if not complete:
                raise _Unreadable("its archive is cut off")
            return
        if head[:1] == b"\0":
            source.take(1)
            continue
        complete = False
        if head in (b"070701", b"070702"):
            fields = source.take(_HEADER)
            try:
                size, name_size = int(fields[54:62], 16), int(fields[94:102], 16)
            except ValueError:
                raise _Unreadable("its archive is damaged") from None
            name = source.take(name_size + (-(_HEADER + name_size)) % 4)[: max(name_size - 1, 0)]
            complete = name == b"TRAILER!!!"
            padded = size + (-size) % 4
            if _WANTED.fullmatch(name) and size <= _WHOLE:
                yield name, source.take(padded)[:size]
                continue
            while padded:
                gone = len(source.take(min(padded, _CHUNK)))
                if not gone:
                    raise _Unreadable("its archive is cut off")
                padded -= gone
        elif unpack is not None and source.is_plain and (method := _method(head)) is not None:
            source.replaced_by(unpack(method, source.place))
        else:
            source.unpacked_by(_unpacker(head))


def pins_of(path: str, unpacker: Unpacker | None = None) -> tuple[tuple[str, ...], str | None]:
    """The options in an initrd that name a subvolume for the root, and why it was not, or not all, looked into.

    ``unpacker``: for what Python's library cannot unpack. Raises OSError.
    """
    found: dict[str, None] = {}
    try:
        with contextlib.ExitStack() as opened:
            stream = opened.enter_context(open(path, "rb"))

            def unpack(method: str, start: int) -> t.BinaryIO:
                return opened.enter_context(certain(unpacker, "the unpacker").open(method, path, start))

            for name, content in _members(_Source(stream), unpack if unpacker is not None else None):
                text = content.decode("utf-8", "replace")
                lines = text.splitlines()
                if name.endswith(b"fstab"):
                    lines = [line for line in lines if line.split()[1:2] in (["/"], ["/sysroot"])]
                found.update(dict.fromkeys(pin for line in lines for pin in _PIN.findall(line)))
    except (_Unreadable, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        return tuple(found), str(error)
    return tuple(found), None


__all__ = ("pins_of",)
