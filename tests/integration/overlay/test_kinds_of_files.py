# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags, holes and hard links: there and back without a loss, in bounded time, with true numbers."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import re
import signal
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.compare import merge
from ansible_collections.overc.system.plugins.module_utils.compare.model import Comparison, Source
from ansible_collections.overc.system.plugins.module_utils.compare.relatives import compare as relatives
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.system import xattrs

from .test_containers import populate
from .world import World, subvolume, told, view

# What chattr(1) sets on btrfs: c, i, a, d, A, m, C
KEPT = 0x4 | 0x10 | 0x20 | 0x40 | 0x80 | 0x400 | 0x800000


def flags_of(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY)
    try:
        return xattrs.flags(fd)
    finally:
        os.close(fd)


def chattr(flags: str, *paths: Path) -> None:
    subprocess.run(["chattr", flags, *map(str, paths)], check=True)


def compared(container: Path, *sources: Path) -> Comparison:
    fds = [os.open(path, os.O_RDONLY) for path in (container, *sources)]
    try:
        return merge.compare(fds[0], [Source(fd, one_filesystem=True) for fd in fds[1:]], jobs=1)
    finally:
        for fd in fds:
            os.close(fd)


@contextlib.contextmanager
def within(seconds: int) -> t.Iterator[None]:
    """A failure, and no endless test, if what is done takes longer."""

    def late(*_args: object) -> t.NoReturn:
        raise AssertionError(f"longer than {seconds} seconds")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


# -- flags -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["+i", "+a", "+ai"])
def test_flags_that_the_container_sets_stay(world: World, flags: str) -> None:
    populate(world.host)
    root = world.container(of=world.host)
    file, made = "usr/share/d/f0", "usr/share/made"
    world.run()
    with world.started():
        (root / made).mkdir()
        chattr(flags, root / file, root / made)
        wanted = {name: flags_of(root / name) & xattrs.LOCKED for name in (file, made)}
        assert all(wanted.values())
    (world.host / "usr/share/d/f1").write_text("upgraded")
    assert world.run()["changed"]
    with world.started():
        assert {name: flags_of(root / name) & xattrs.LOCKED for name in wanted} == wanted
    world.run("absent")
    assert {name: flags_of(root / name) & xattrs.LOCKED for name in wanted} == wanted


@pytest.mark.parametrize("flag", ["+i", "+a"])
@pytest.mark.parametrize("kind", ["snapshot", "copy"])
def test_everything_below_locked_directories_is_seen(world: World, flag: str, kind: str) -> None:
    (world.host / "usr/d/e/g").mkdir(parents=True)
    for place in ("usr/f", "usr/d/f", "usr/d/e/f", "usr/d/e/g/f"):
        (world.host / place).write_bytes(b"f" * 5000)
    root = world.container(of=world.host if kind == "snapshot" else None)
    if kind == "copy":
        subprocess.run(["cp", "-a", "--reflink=never", str(world.host / "usr"), str(root)], check=True)
    (root / "usr/d/e/own").write_text("own")
    chattr(flag, root / "usr/d/e/g", root / "usr/d/e", root / "usr/d")
    before = view(root)
    world.run()
    assert world.seen() == before
    world.run("absent")
    assert view(root) == before
    assert flags_of(root / "usr/d/e") & xattrs.LOCKED


def test_a_locked_directory_is_not_shared_itself(world: World) -> None:
    populate(world.host)
    root = world.container(of=world.host)
    chattr("+i", root / "usr")
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert (caught.value.error_id, told(caught.value)["changed"]) == ("overlay_unrepresentable", False)
    chattr("-i", root / "usr")
    assert world.leftovers() == []


@pytest.mark.parametrize("size", [0, 1000, 100_000, 300_000])
@pytest.mark.parametrize("flag", ["C", "m"])
@pytest.mark.parametrize("whose", ["container", "source"])
def test_flags_of_storage_are_part_of_equal(world: World, size: int, flag: str, whose: str) -> None:
    """No copy on write, no compression: of what is filled later they are all that there is."""
    for root in (world.host, world.container()):
        (root / "usr/d").mkdir(parents=True)
        file = root / "usr/d/disk"
        file.touch()
        if whose == ("source" if root is world.host else "container"):
            chattr(f"+{flag}", file, root / "usr/d")
        file.write_bytes(b"d" * size)
        os.utime(file, (1, 1))
    root = world.containers / "c1/rootfs"
    paths = [root / "usr/d/disk", root / "usr/d"]
    before = [flags_of(path) & KEPT for path in paths]
    assert bool(before[0]) == (whose == "container")
    world.run()
    with world.started():
        assert [flags_of(path) & KEPT for path in paths] == before
    world.run("absent")
    assert [flags_of(path) & KEPT for path in paths] == before


@pytest.mark.parametrize("flag", ["C", "m", "d", "A", "c"])
def test_flags_that_the_container_gives_its_own_files_stay(world: World, flag: str) -> None:
    populate(world.host)
    root = world.container(of=world.host)
    world.run()
    with world.started():
        (root / "usr/share/made").mkdir()
        (root / "usr/share/made/file").touch()
        paths = [root / "usr/share/made", root / "usr/share/made/file"]
        chattr(f"+{flag}", *paths)
        (root / "usr/share/made/file").write_bytes(b"x" * 5000)
        before = [flags_of(path) & KEPT for path in paths]
        assert all(before)
    (world.host / "usr/share/d/f1").write_text("upgraded")
    assert world.run()["changed"]
    with world.started():
        assert [flags_of(path) & KEPT for path in paths] == before
    world.run("absent")
    assert [flags_of(path) & KEPT for path in paths] == before


# -- holes -------------------------------------------------------------------------------------------------------------


def sparse(path: Path, size: int, *data: tuple[int, bytes]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for offset, content in data:
            file.seek(offset)
            file.write(content)
        file.truncate(size)
    os.utime(path, (1, 1))


@pytest.mark.parametrize("size", [1 << 20, 1 << 40, (1 << 63) - 4096])
def test_holes_are_not_read(world: World, size: int) -> None:
    data = ((0, b"a" * 4096), (size // 8192 * 4096, b"b" * 200_000)) if size > 1 << 20 else ((1 << 19, b"a" * 9000),)
    a, b, c = (subvolume(world.base / name) for name in "abc")
    for place in (a, b):
        sparse(place / "usr/file", size, *data)
    sparse(c / "usr/file", size, *data[:-1], (data[-1][0], b"!" + data[-1][1][1:]))
    with within(5):
        assert compared(a / "usr", b / "usr").totals.shared_entries == 1
        assert compared(a / "usr", c / "usr").totals.shared_entries == 0


def test_claims_of_many_references_are_not_read_for_days(world: World) -> None:
    """One megabyte, referred to again and again: more than the file system holds."""
    a, b = (subvolume(world.base / name) for name in "ab")
    for place in (a, b):
        (place / "usr").mkdir()
        file = place / "usr/file"
        file.write_bytes(b"x" * (1 << 20))
        for _time in range(14):
            size = file.stat().st_size
            clone_behind(file, size)
        os.utime(file, (1, 1))
    with within(5):
        assert compared(a / "usr", b / "usr").totals.shared_entries == 0


def clone_behind(path: Path, size: int) -> None:
    import fcntl
    import struct

    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.ioctl(fd, 0x4020940D, struct.pack("=qQQQ", fd, 0, size, size))  # FICLONERANGE
    finally:
        os.close(fd)


@pytest.mark.parametrize("container_has_holes", [True, False])
def test_holes_are_neither_lost_nor_made(world: World, container_has_holes: bool) -> None:
    root = world.container()
    for place, holes in ((world.host, not container_has_holes), (root, container_has_holes)):
        sparse(place / "usr/swap", 1 << 20, *(() if holes else ((0, bytes(1 << 20)),)))
    before = view(root)
    world.run()
    assert world.seen() == before
    world.run("absent")
    assert view(root) == before


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [2, 100])
def test_bytes_are_counted_once_for_all_names(world: World, names: int) -> None:
    root = world.container()
    for place in (world.host, root):
        (place / "usr").mkdir()
        (place / "usr/0").write_bytes(b"x" * 5000)
        for number in range(1, names):
            os.link(place / "usr/0", place / f"usr/{number}")
    planned, done = (world.run(check=check)["directories"][0] for check in (True, False))
    for report in (planned, done):
        assert (report["entries_kept"], report["bytes_kept"]) == (names, 5000)
        assert report["bytes_freed"] == 8192


def test_space_that_was_allocated_for_later_is_freed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty file may have some: small trees are compared by the walk, large ones by the trees of btrfs."""
    for name in ("empty", "short"):
        path = world.host / "usr" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 8192 if name == "short" else b"")
        os.utime(path, (5, 1000))
    root = world.container(of=world.host)
    for name in ("empty", "short"):
        subprocess.run(["fallocate", "-n", "-o", "8192", "-l", "102400", str(root / "usr" / name)], check=True)
        os.utime(root / "usr" / name, (5, 1000))
    os.sync()
    for few in (-1, 2000):
        monkeypatch.setattr(relatives, "_FEW", few)
        report = world.run(check=True)["directories"][0]
        assert (report["entries_shared"], report["bytes_freed"]) == (2, 2 * 102400)
    before = used(world)
    assert world.run()["directories"][0]["bytes_freed"] == 2 * 102400
    assert before - used(world) == 2 * 102400


# -- compression -------------------------------------------------------------------------------------------------------


def test_the_kind_of_compression_stays(world: World) -> None:
    root = world.container()
    for name in ("usr/d/zstd", "usr/d/lzo"):
        (root / name).mkdir(parents=True)
        (root / name / "file").touch()
        for path in (root / name, root / name / "file"):
            subprocess.run(["btrfs", "property", "set", path, "compression", name.rpartition("/")[2]], check=True)
        (root / name / "file").write_bytes(b"x" * 50_000)
    before = view(root)
    world.run()
    assert world.seen() == before
    world.run("absent")
    assert view(root) == before


_ENABLE_VERITY: t.Final = 0x40806685  # linux/fsverity.h, FS_IOC_ENABLE_VERITY


@pytest.mark.parametrize("of_both", [False, True], ids=["the container's own", "both have it"])
def test_a_file_with_fs_verity(world: World, of_both: bool) -> None:
    """It belongs to the inode; a shared or a restored copy would be without, and nobody would be told."""
    populate(world.host)
    file = Path("usr/share/d/f1")
    root = world.container("c1", of=world.host) if not of_both else world.host
    fd = os.open(root / file, os.O_RDONLY)
    try:
        # version 1, SHA-256, blocks of 4096 bytes, no salt, no signature
        fcntl.ioctl(fd, _ENABLE_VERITY, struct.pack("=IIIIQIIQ88x", 1, 1, 4096, 0, 0, 0, 0, 0))
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY):
            pytest.skip("this kernel has no fs-verity for btrfs")
        raise
    finally:
        os.close(fd)
    if of_both:
        world.container("c1", of=world.host)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert caught.value.error_id == "overlay_unrepresentable"
        assert "fs-verity" in caught.value.message


def used(world: World) -> int:
    """Bytes of data that the file system has on disk."""
    for command in (("sync",), ("subvolume", "sync"), ("sync",)):
        argv = ["btrfs", *(("filesystem",) if len(command) == 1 else ()), *command, str(world.base)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run(
        ["btrfs", "filesystem", "usage", "-b", str(world.base)], check=True, capture_output=True, text=True
    ).stdout
    return sum(int(found) for found in re.findall(r"^Data,.*Used:(\d+)", told, re.MULTILINE))


@pytest.mark.parametrize("kind", ["plain", "compressed", "compressed reflink", "half a reflink", "reserved"])
@pytest.mark.parametrize("touched", [False, True])
def test_what_is_freed_is_what_the_disk_gets_back(world: World, kind: str, touched: bool) -> None:
    """Not what the files say of themselves; ``touched``: the file stays, and only its bytes are stored once."""
    root = world.container()
    mine, theirs = root / "usr/f", world.host / "usr/f"
    for path in (mine, theirs):
        path.parent.mkdir()
        path.write_bytes(b"")
        if "compressed" in kind:
            subprocess.run(["btrfs", "property", "set", str(path), "compression", "zstd"], check=True)
    data = b"the same line\n" * 200_000 if "compressed" in kind else random.Random(1).randbytes(2 << 20)
    with theirs.open("r+b") as file:
        file.write(data)
        if kind == "reserved":
            os.posix_fallocate(file.fileno(), len(data), 1 << 20)
    os.sync()
    if "reflink" in kind:
        subprocess.run(["cp", "--reflink=always", str(theirs), str(mine)], check=True)
    if kind == "half a reflink":
        with mine.open("r+b") as file:
            file.write(data[: 1 << 20])
    elif kind != "compressed reflink":
        with mine.open("r+b") as file:
            file.write(theirs.read_bytes() if kind != "reserved" else data)
            if kind == "reserved":
                os.posix_fallocate(file.fileno(), len(data), 1 << 20)
    for path in (mine, theirs):
        os.utime(path, (5, 5 + (touched and path == mine)))
    before = used(world)
    told, done = world.run(check=True), world.run()
    assert [r["directories"][0]["entries_shared"] for r in (told, done)] == [int(not touched)] * 2
    freed = done["directories"][0]["bytes_freed"]
    assert told["directories"][0]["bytes_freed"] == freed
    assert freed == before - used(world)
    assert (freed > 0) == (kind != "compressed reflink")


def test_what_sharing_again_frees_is_known_before(world: World) -> None:
    """Check mode sees the container through its overlay, which tells of no extents."""
    root = world.container()
    for place in (root, world.host):
        (place / "usr").mkdir()
        (place / "usr/f").write_bytes(b"")
        subprocess.run(["btrfs", "property", "set", str(place / "usr/f"), "compression", "zstd"], check=True)
    data = b"the same line\n" * 200_000
    (root / "usr/f").write_bytes(data)
    (world.host / "usr/f").write_bytes(data[::-1])
    assert world.run()["directories"][0]["bytes_freed"] == 0
    (world.host / "usr/f").write_bytes(data)
    for place in (root.parent / ".overc-overlay", world.host):
        for path in place.rglob("f"):
            os.utime(path, (5, 5))
    told, done = world.run(check=True)["directories"][0], world.run()["directories"][0]
    assert told["operation"] == done["operation"] == "reshare"
    assert told["entries_shared"] == done["entries_shared"] == 1
    assert 0 < told["bytes_freed"] == done["bytes_freed"] < len(data) // 4
