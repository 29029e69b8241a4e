# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.initrd import pins_of
from ansible_collections.overc.system.plugins.module_utils.boot.unpack import Unpacker
from ansible_collections.overc.system.plugins.module_utils.runner import Completed


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


# With options for the format that the kernel unpacks
_PROGRAMS: t.Final = {"zstd": ("-q", "-c"), "lz4": ("-l", "-q", "-c")}


class Programs:
    """Runs what it is told to. ``without``: programs that are not there."""

    def __init__(self, *without: str) -> None:
        self.without = without

    def find(self, program: str) -> str | None:
        return None if program in self.without else shutil.which(program)

    def run(
        self, argv: t.Sequence[str], *, env: t.Mapping[str, str] | None = None, pass_fds: t.Sequence[int] = ()
    ) -> Completed:
        done = subprocess.run(argv, env=env, pass_fds=pass_fds, capture_output=True, text=True, check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("early", [b"", EARLY])
@pytest.mark.parametrize("program", [name for name in _PROGRAMS if shutil.which(name)])
def test_packed_with_what_only_a_program_unpacks(tmp_path: Path, program: str, early: bytes) -> None:
    """As dracut does by itself: zstd on Fedora and openSUSE. The part before it, for the processor, is not packed."""
    path = tmp_path / "initrd"
    unpacker = Unpacker(Programs(), str(tmp_path))
    for content, pins in ((PINNED, ("subvolid=257", "subvol=/rootfs_upgrade.overc-new")), (CLEAN, ())):
        packed = subprocess.run([program, *_PROGRAMS[program]], input=content, capture_output=True, check=True).stdout
        path.write_bytes(early + packed)
        assert pins_of(str(path), unpacker) == (pins, None)
    path.write_bytes(early + packed[: len(packed) // 2])
    assert program in str(pins_of(str(path), unpacker)[1])
    path.write_bytes(early + packed)
    assert "not installed" in str(pins_of(str(path), Unpacker(Programs(program), str(tmp_path)))[1])
    small = Unpacker(Programs(), str(tmp_path), most=100)
    assert pins_of(str(path), small)[1] is not None, "an end is set to what it unpacks"
    assert [entry.name for entry in tmp_path.iterdir()] == ["initrd"], "nothing is left"
