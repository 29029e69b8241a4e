# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bz2
import gzip
import lzma
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.initrd import pins_of


def cpio(files: dict[str, bytes]) -> bytes:
    """newc, as Documentation/driver-api/early-userspace/buffer-format.rst has it."""
    out = b""
    for name, content in {**files, "TRAILER!!!": b""}.items():
        raw = name.encode() + b"\0"
        fields = (1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % value for value in fields) + raw
        out += head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
    return out + bytes(-len(out) % 512)


PINNED = cpio(
    {
        "usr/bin/big": bytes(3 << 20),
        "etc/cmdline.d/95root-dev.conf": b" rootflags=rw,relatime,subvolid=257,subvol=/rootfs_upgrade.overc-new \n",
    }
)
CLEAN = cpio(
    {
        "etc/cmdline.d/10.conf": b" root=/dev/sda2 rootfstype=btrfs\n",
        "etc/fstab": b"/dev/x /sysroot/opt btrfs subvol=opt\n",
    }
)
EARLY = cpio({"kernel/x86/microcode/GenuineIntel.bin": bytes(5000)})
PACKERS: dict[str, t.Callable[[bytes], bytes]] = {
    "none": lambda data: data, "gzip": gzip.compress, "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE), "bzip2": bz2.compress,
}  # fmt: skip


@pytest.mark.parametrize("early", [b"", EARLY])
@pytest.mark.parametrize("packer", PACKERS)
def test_pins(tmp_path: Path, packer: str, early: bytes) -> None:
    path = tmp_path / "initrd"
    path.write_bytes(early + PACKERS[packer](PINNED))
    assert pins_of(str(path)) == (("subvolid=257", "subvol=/rootfs_upgrade.overc-new"), None)
    path.write_bytes(early + PACKERS[packer](CLEAN))
    assert pins_of(str(path)) == ((), None)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(100), "zstd"),
        (EARLY + b"\x02\x21\x4c\x18" + bytes(100), "lz4"),
        (b"something else", "not known"),
        (b"070701 no archive at all" + bytes(200), "damaged"),
        (gzip.compress(PINNED, mtime=0)[:20] + b"x" * 50, ""),
        (cpio({"a": bytes(5000)})[:1000], "cut off"),
    ],
)
def test_not_looked_into(tmp_path: Path, data: bytes, why: str) -> None:
    """That is said, and is no "nothing found"."""
    path = tmp_path / "initrd"
    path.write_bytes(data)
    found, problem = pins_of(str(path))
    assert found == ()
    assert problem is not None
    assert why in problem


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "initrd").write_bytes(b"")
    assert pins_of(str(tmp_path / "initrd")) == ((), None)
