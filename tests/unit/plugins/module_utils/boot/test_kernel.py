# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel files: releases from real header formats, and which modules a root has."""

from __future__ import annotations

import gzip
import lzma
import struct
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot import kernel
from ansible_collections.overc.system.plugins.module_utils.boot.names import BootNames
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.boot_files import observe_boot_files
from hypothesis import given
from hypothesis import strategies as st


def x86(text: bytes, offset: int = 0x1000) -> bytes:
    image = bytearray(0x4000)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, offset)
    image[offset + 0x200 : offset + 0x200 + len(text)] = text
    return bytes(image)


@pytest.mark.parametrize(
    ("image", "release"),
    [
        (x86(b"6.1.0-28-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP\0"), "6.1.0-28-cloud-amd64"),
        (x86(b"5.10.7-yocto-standard+ (x@y) #1\0"), "5.10.7-yocto-standard+"),
        (struct.pack(">I", 0x27051956) + bytes(28) + b"Linux-4.19.0-arm\0".ljust(32, b"\0") + bytes(64), "4.19.0-arm"),
        (x86(b"../../etc (x) #1\0"), None),
        (x86(b"", 0), None),
        (b"", None),
        (b"\x1f\x8b" + bytes(1000), None),
    ],
)
def test_release(image: bytes, release: str | None) -> None:
    assert kernel.release_of(image) == release


@given(st.binary(max_size=0x800))
def test_release_survives_anything_and_is_a_file_name(image: bytes) -> None:
    for head in (image, image[:0x202].ljust(0x202, b"\0") + b"HdrS" + image):
        release = kernel.release_of(head)
        assert release is None or "/" not in release


def _sized(image: bytes, sectors: int, paragraphs: int) -> bytes:
    changed = bytearray(image)
    changed[0x1F1] = sectors
    struct.pack_into("<I", changed, 0x1F4, paragraphs)
    return bytes(changed)


X86 = _sized(x86(b"6.1.0 #1\0"), 31, 0x1000)
UIMAGE = struct.pack(">III", 0x27051956, 0, 0) + struct.pack(">I", 5000) + bytes(4096)


@pytest.mark.parametrize(
    ("head", "size", "said"),
    [
        (X86, 32 * 512 + 0x10000, None),
        (X86, 32 * 512 + 0x10000 + 2000, None),  # a signature follows
        (X86, 32 * 512 + 0x10000 - 1, "cut off"),
        (_sized(X86, 0, 0x10), 5 * 512 + 0x100, None),
        (_sized(X86, 0, 0x10), 5 * 512 + 0xFF, "cut off"),
        (UIMAGE, 5064, None),
        (UIMAGE, 5063, "cut off"),
        (b"", 0, "empty"),
        (bytes(4096), 1 << 20, "zeros"),
        (X86, (1 << 32) - 1, None),
        (X86, 1 << 32, "more than any boot loader loads"),
        (b"\x1f\x8b" + bytes(1000), 1002, None),  # a format that does not tell
        (b"M", 1, None),
    ],
)
def test_what_is_wrong_with_a_kernel(head: bytes, size: int, said: str | None) -> None:
    defect = kernel.defect_of(head, size)
    assert defect is None if said is None else said in (defect or "")


def test_the_defect_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "bzImage"
    path.touch()
    assert kernel.read_defect(str(path)) == "is empty"


def test_what_no_boot_loader_loads_is_not_read_to_its_end(tmp_path: Path) -> None:
    with open(tmp_path / "initrd.img", "wb") as stream:
        stream.write(X86)
        stream.truncate(1 << 42)
    path = str(tmp_path / "initrd.img")
    with pytest.raises(OvercError) as refused:
        kernel.sha256_of(path)
    assert refused.value.error_id == "kernel_broken"
    assert path in refused.value.message
    (found,) = observe_boot_files(str(tmp_path), BootNames("bzImage", "initrd.img"), digest=True).values()
    assert found.sha256 is None
    assert "more than any boot loader loads" in (found.defect or "")


def test_empty_directories_are_no_modules(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/modules/1.0/kernel").mkdir(parents=True)
    (tmp_path / "usr/lib/modules/2.0/kernel").mkdir(parents=True)
    (tmp_path / "usr/lib/modules/2.0/kernel/a.ko").touch()
    (tmp_path / "lib").symlink_to("usr/lib")
    assert kernel.module_releases(str(tmp_path)) == {"2.0"}
    assert kernel.modules_directory(str(tmp_path), "2.0") == "usr/lib/modules/2.0"


def test_modules_in_an_unmerged_lib(tmp_path: Path) -> None:
    (tmp_path / "lib/modules/1.0").mkdir(parents=True)
    (tmp_path / "lib/modules/1.0/modules.dep").touch()
    assert kernel.module_releases(str(tmp_path)) == {"1.0"}
    assert kernel.modules_directory(str(tmp_path), "1.0") == "lib/modules/1.0"
    assert kernel.modules_directory(str(tmp_path), "2.0") is None


def test_a_link_is_no_kernel(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="symbolic"):
        kernel.sha256_of(str(tmp_path / "link"))


def _module(root: Path, name: str, release: str, pack: t.Callable[[bytes], bytes] = bytes) -> Path:
    file = root / "usr/lib/modules/2.0" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pack(b"\x7fELF\0license=GPL\0vermagic=" + release.encode() + b" SMP preempt mod_unload \0"))
    return file


@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".xz", lzma.compress), (".gz", gzip.compress)], ids=["plain", "xz", "gz"]
)
@pytest.mark.parametrize(("release", "said"), [("2.0", None), ("1.0", "1.0"), ("2.0-other", "2.0-other")])
def test_modules_of_another_kernel(
    suffix: str, pack: t.Callable[[bytes], bytes], release: str, said: str | None, tmp_path: Path
) -> None:
    _module(tmp_path, f"kernel/net/a.ko{suffix}", release, pack)
    assert kernel.foreign_modules(str(tmp_path), "2.0") == said


def test_what_says_nothing_about_modules(tmp_path: Path) -> None:
    assert kernel.foreign_modules(str(tmp_path), "2.0") is None
    _module(tmp_path, "weak-updates/kept.ko", "1.0")
    outside = _module(tmp_path, "extra/own.ko", "1.0")
    assert kernel.foreign_modules(str(tmp_path), "2.0") is None
    directory = tmp_path / "usr/lib/modules/2.0/kernel"
    directory.mkdir()
    (directory / "a.ko").symlink_to(outside)
    (directory / "b.ko.xz").write_bytes(b"no archive")
    (directory / "c.ko.gz").write_bytes(gzip.compress(b"cut off")[:-9])
    assert kernel.foreign_modules(str(tmp_path), "2.0") is None


def test_one_package_does_not_speak_for_the_kernel(tmp_path: Path) -> None:
    """It has put modules for a compatible kernel below kernel/, where they sort first; by far the most are the kernel's own."""
    for name in ("3rdparty/a.ko", "3rdparty/b.ko"):
        _module(tmp_path, f"kernel/{name}", "1.9")
    for number in range(40):
        _module(tmp_path, f"kernel/net/{number}.ko.xz", "2.0", lzma.compress)
    assert kernel.foreign_modules(str(tmp_path), "2.0") is None


def test_few_that_can_be_read_do_not_speak_for_the_rest(tmp_path: Path) -> None:
    """Nothing in the standard library of most hosts unpacks .zst."""
    _module(tmp_path, "kernel/3rdparty/a.ko", "1.9")
    for name in ("b", "c"):
        _module(tmp_path, f"kernel/net/{name}.ko.zst", "2.0")
    assert kernel.foreign_modules(str(tmp_path), "2.0") is None
    for name in ("d", "e"):
        _module(tmp_path, f"kernel/net/{name}.ko", "1.0")
    assert kernel.foreign_modules(str(tmp_path), "2.0") == "1.0"


def test_modules_elsewhere_are_not_those_of_a_root(tmp_path: Path) -> None:
    """A package makes a link of the directory, or of one above it: for the root itself it leads nowhere."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "modules/1.0").mkdir(parents=True)
    (elsewhere / "modules/1.0/modules.dep").touch()
    for number, link in enumerate(("usr/lib/modules", "usr/lib", "lib/modules")):
        root = tmp_path / str(number)
        (root / link).parent.mkdir(parents=True)
        (root / link).symlink_to(elsewhere / ("modules" if link.endswith("modules") else ""))
        assert kernel.module_releases(str(root)) == frozenset()
        assert kernel.modules_directory(str(root), "1.0") is None
        assert kernel.foreign_modules(str(root), "1.0") is None


def test_modules_behind_a_link_of_the_root_itself(tmp_path: Path) -> None:
    (tmp_path / "srv/modules/1.0").mkdir(parents=True)
    (tmp_path / "srv/modules/1.0/modules.dep").touch()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/modules").symlink_to("/srv/modules")
    assert kernel.module_releases(str(tmp_path)) == {"1.0"}
    assert kernel.modules_directory(str(tmp_path), "1.0") == "srv/modules/1.0"


def test_a_link_out_of_the_new_root_is_not_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    _module(elsewhere, "kernel/a.ko", "1.0")
    modules = root / "usr/lib/modules/2.0"
    modules.mkdir(parents=True)
    (modules / "kernel").symlink_to(elsewhere / "usr/lib/modules/2.0/kernel")
    assert kernel.foreign_modules(str(root), "2.0") is None
