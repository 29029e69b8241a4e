# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel file that never runs: a valid x86 boot header, filler, and a digest that tells a torn one."""

from __future__ import annotations

import hashlib
import random
import struct

_VERSION_OFFSET = 0x1000
_SIZE = 1 << 20
_DIGEST = hashlib.sha256().digest_size


def make_kernel(release: str, build: str = "#1", size: int = _SIZE) -> bytes:
    """Two kernels with the same release and another build differ in every byte of their filler."""
    body = bytearray(random.Random(f"{release} {build}").randbytes(size - _DIGEST))
    body[0x1F1] = 0x1F  # setup sectors: the version text must lie inside them
    struct.pack_into("<I", body, 0x1F4, (size - (0x1F + 1) * 512) // 16)
    struct.pack_into("<H", body, 0x1FE, 0xAA55)
    body[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", body, 0x206, 0x020F)  # boot protocol version
    struct.pack_into("<H", body, 0x20E, _VERSION_OFFSET - 0x200)
    version = f"{release} (builder@lab) {build} SMP".encode() + b"\0"
    body[_VERSION_OFFSET : _VERSION_OFFSET + len(version)] = version
    return bytes(body) + hashlib.sha256(body).digest()


def kernel_release(data: bytes) -> str:
    """The release of a complete kernel; ValueError says what is wrong with any other file."""
    if len(data) < _VERSION_OFFSET or data[0x202:0x206] != b"HdrS":
        raise ValueError("has no valid kernel header")
    if hashlib.sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise ValueError("is torn: its checksum does not match")
    offset = struct.unpack_from("<H", data, 0x20E)[0] + 0x200
    return data[offset : data.index(b"\0", offset)].decode().split(" ")[0]
