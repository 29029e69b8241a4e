# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of one another compared by the trees of btrfs: what the walk finds, on ordinary and on hostile trees."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.compare import merge
from ansible_collections.overc.system.plugins.module_utils.compare.kin import KinFinder
from ansible_collections.overc.system.plugins.module_utils.compare.model import Comparison, Kin, Source
from ansible_collections.overc.system.plugins.module_utils.compare.relatives import compare as relatives
from ansible_collections.overc.system.plugins.module_utils.compare.relatives import reading, survey
from hypothesis import given
from hypothesis import strategies as st

from .conftest import clean
from .test_invariants import CALM
from .trees import Node, disturb, make, nodes
from .world import snapshot, subvolume


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relatives, "_FEW", -1)


@contextlib.contextmanager
def opened(container: Path, *sources: Path, ahead: int = 0) -> t.Iterator[tuple[int, list[Source]]]:
    """Their directories ``usr``, and how they are related; ``ahead``: by how many seconds the clock was, when they parted."""
    with contextlib.ExitStack() as stack:

        def open_(path: Path) -> int:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, fd)
            return fd

        finder = KinFinder(str(container))
        stack.callback(finder.close)

        def kin(path: Path) -> Kin | None:
            found = finder.of(open_(path))
            return None if found is None else Kin(found.generation, found.before + 1 + ahead, lambda: found.written)

        yield (
            open_(container / "usr"),
            [
                Source(open_(path / "usr"), layer=not number, one_filesystem=True, kin=kin(path))
                for number, path in enumerate(sources)
            ],
        )


def shown(comparison: Comparison) -> dict[str, t.Any]:
    """All but the order, and directories that need nothing."""
    totals = comparison.totals.as_dict()
    directories = {
        path: (plan.opaque, sorted(plan.keep), sorted(plan.white), plan.pick, plan.clone)
        for path, plan in comparison.directories.items()
        if plan.needed
    }
    return {"directories": directories, "links": comparison.links, "totals": totals, "refused": comparison.refused}


def both(container: Path, *sources: Path, jobs: int = 1, ahead: int = 0) -> tuple[dict[str, t.Any], Comparison]:
    """Asserts that the two ways say the same; what they say."""
    with opened(container, *sources, ahead=ahead) as (fd, given_sources):
        by_trees = relatives.compare(fd, given_sources, jobs=jobs)
        walked = merge.walked(fd, given_sources, jobs=1)
    assert by_trees is not None
    assert shown(by_trees) == shown(walked)
    return shown(by_trees), by_trees


@given(
    tree=nodes(3),
    relations=st.lists(st.sampled_from(["copy", "snapshot", "sibling"]), max_size=2),
    turned=st.booleans(),
    seeds=st.lists(st.integers(0, 10_000), min_size=4, max_size=4),
    share=st.sampled_from([0.0, 0.1, 0.6]),
    late=st.booleans(),
)
@CALM
def test_the_two_ways_say_the_same(
    btrfs: Path, tree: tuple[Node, ...], relations: list[str], turned: bool, seeds: list[int], share: float, late: bool
) -> None:
    clean(btrfs)
    container = subvolume(btrfs / "container")
    (container / "usr").mkdir()
    make(str(container / "usr"), tree)
    if late:  # what was changed in the second of a snapshot cannot be told by its change time
        time.sleep(1.1)
    sources: list[Path] = []
    for number, relation in enumerate(["snapshot", *relations]):
        path = btrfs / f"source{number}"
        if relation == "copy":
            subvolume(path)
            subprocess.run(["cp", "-a", f"{container}/usr", str(path)], check=True)
        else:
            snapshot(container if relation == "snapshot" else sources[-1], path)
        disturb(str(path / "usr"), seeds[number], share)
        sources.append(path)
    disturb(str(container / "usr"), seeds[3], share / 2)
    if late:  # what is only read is written, too
        for root in (container, *sources):
            subprocess.run(["find", str(root), "-type", "f", "-exec", "cat", "{}", "+"], check=True, stdout=-3)
    both(container, *sources)
    if turned:
        both(sources[0], container, *sources[1:])


def _file(path: Path, data: bytes, when: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (5, when))
    return path


def _odd(root: Path, *, other: bool) -> None:
    """What a tree keeps in an unusual way; ``other``: the second of the two, where some differ in one thing."""
    usr = root / "usr"
    for number, size in enumerate((0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 131072, 131073, 2_000_000)):
        data = bytes([number + 1]) * size
        _file(usr / f"sizes/same{size}", data)
        _file(usr / f"sizes/last{size}", data[:-1] + b"#" if other and data else data)
    for name in ("x" * 255, "new\nline", "\udcff\udcfe", "back\\slash"):
        _file(usr / "names" / name, b"same" * 600)
    one = _file(usr / "links/one", b"l" * 5000)
    os.link(one, usr / "links/two")
    three = _file(usr / "links/three", b"m" * 5000)
    for number in range(400 if other else 0):  # more than fit into one item
        os.link(three, usr / f"links/{'y' * 200}{number}")
    for number in range(40):
        os.setxattr(one, f"user.k{number}", b"v" * 50)
    many = _file(usr / "attributes/many", b"q" * 3000)
    for number in range(40):
        os.setxattr(many, f"user.k{number}", b"v" * 50 if number or not other else b"w")
    for name, command in (("hole", "truncate -s 1M"), ("before", "fallocate -l 100000")):
        subprocess.run([*command.split(), str(usr / name)], check=True)
        os.utime(usr / name, (5, 1000))
    with (usr / "half").open("wb") as file:
        file.write(b"z" * 4096)
        file.truncate(300_000)
    os.utime(usr / "half", (5, 1000))
    for name in ("both", "one"):
        place = usr / f"compressed-{name}"
        place.mkdir()
        if name == "both" or other:
            subprocess.run(["btrfs", "property", "set", str(place), "compression", "zstd"], check=True)
        _file(place / "large", b"abcd" * 100_000)
        _file(place / "small", b"abcd" * 300)
    place = usr / "nocow"
    place.mkdir()
    subprocess.run(["chattr", "+C", str(place)], check=True)
    _file(place / "same", b"j" * 9000)
    _file(usr / "kind", b"x") if other else (usr / "kind").mkdir()
    _file(usr / f"only-{other}/deep/er", b"1" * 9000)
    os.mkfifo(usr / "fifo")
    os.mknod(usr / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for name, target in (("same", "target"), ("differs", f"target{other}")):
        os.symlink(target, usr / f"link-{name}")
        os.utime(usr / f"link-{name}", (5, 1000), follow_symlinks=False)
    for path, _directories, _files in os.walk(usr):
        os.utime(path, (5, 1000))


def test_what_is_kept_in_an_unusual_way(btrfs: Path) -> None:
    clean(btrfs)
    container, source = subvolume(btrfs / "container"), btrfs / "source"
    _odd(container, other=False)
    snapshot(container, source)
    odd = subvolume(btrfs / "odd")
    _odd(odd, other=True)
    for name in os.listdir(odd / "usr"):
        subprocess.run(["rm", "-rf", str(source / "usr" / name)], check=True)
        subprocess.run(["cp", "-a", "--reflink=never", str(odd / "usr" / name), str(source / "usr")], check=True)
    said, _comparison = both(container, source)
    assert said["totals"]["shared_entries"] > 10
    both(source, container)
    both(container, source, odd)


def _pair(btrfs: Path, count: int = 3) -> tuple[Path, Path]:
    """A container, and the snapshot of it that is its source; each file is larger than what the metadata holds."""
    clean(btrfs)
    container, source = subvolume(btrfs / "container"), btrfs / "source"
    for number in range(count):
        _file(container / f"usr/d/f{number}", b"x" * 9000)
    return container, snapshot(container, source)


def _written_anew(path: Path, data: bytes) -> None:
    """With new bytes of its own on disk, and the times of before."""
    path.unlink()
    _file(path, data)


def test_what_is_not_on_disk_yet(btrfs: Path) -> None:
    """What was overwritten has the extents of before in the tree until it is written out."""
    container, source = _pair(btrfs)
    os.sync()
    with (container / "usr/d/f1").open("r+b") as file:
        file.write(b"DIRTY")
    os.utime(container / "usr/d/f1", (5, 1000))
    said, _comparison = both(container, source)
    assert said["totals"]["shared_entries"] == 2
    assert said["directories"]["d"][1] == ["f1"]


def test_what_was_moved_is_another_thing(btrfs: Path) -> None:
    """A directory that nobody wrote, below one that was moved, has no counterpart, or another one."""
    container, source = _pair(btrfs)
    for name in ("a", "b", "c"):
        _file(container / f"usr/{name}/in/f", b"x" * 9000)
        _file(container / f"usr/{name}/in/{name}", b"y" * 9000)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(source)], check=True)
    snapshot(container, source)
    os.rename(container / "usr/a", container / "usr/moved")
    os.rename(container / "usr/b/in", container / "usr/c/other")
    os.rename(source / "usr/c/in", source / "usr/b/within")
    both(container, source)
    both(source, container)


def test_what_was_only_read_is_the_same(btrfs: Path) -> None:
    container, source = _pair(btrfs, count=50)
    time.sleep(2.1)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(source)], check=True)
    snapshot(container, source)
    for root in (container, source):
        for number in range(0, 50, 2 if root == container else 3):
            os.utime(root / f"usr/d/f{number}", (time.time(), 1000))  # which moves the change time, too
            (root / f"usr/d/f{number}").read_bytes()
    said, comparison = both(container, source)
    assert said["totals"]["shared_entries"] == 50
    assert comparison.totals.freed_bytes == 0, "all of it is stored once already"


def test_extents_of_compressed_files_are_proof(btrfs: Path) -> None:
    clean(btrfs)
    container, source = subvolume(btrfs / "container"), btrfs / "source"
    (container / "usr").mkdir()
    subprocess.run(["btrfs", "property", "set", str(container / "usr"), "compression", "zstd"], check=True)
    _file(container / "usr/f", b"abcd" * 100_000)
    snapshot(container, source)
    os.utime(source / "usr/f", (5, 999))
    os.utime(source / "usr/f", (5, 1000))
    said, comparison = both(container, source)
    assert said["totals"]["shared_entries"] == 1
    assert comparison.totals.freed_bytes == 0, "it is stored once already"


def test_what_a_tree_does_not_show_is_left_to_the_walk(btrfs: Path, tmp_path: Path) -> None:
    container, source = _pair(btrfs)
    usr = container / "usr"
    _file(usr / "e/f", b"x")

    def ours() -> Comparison | None:
        with opened(container, source) as (fd, sources):
            return relatives.compare(fd, sources, jobs=1)

    assert ours() is not None
    subprocess.run(["mount", "--bind", str(tmp_path), str(usr / "d")], check=True)
    try:
        assert ours() is None
    finally:
        subprocess.run(["umount", str(usr / "d")], check=True)
    within = subvolume(usr / "d/within")
    assert ours() is None
    within.rmdir()
    assert ours() is not None
    (source / "usr/e").mkdir()
    subvolume(source / "usr/e/within")
    assert ours() is not None, "what only the layer has is hidden as a whole"
    (usr / "e/within").mkdir()
    assert ours() is None


def test_the_place_of_a_subvolume_that_a_snapshot_does_not_have(btrfs: Path) -> None:
    container, _source = _pair(btrfs)
    subvolume(container / "usr/d/within")
    snapshot(container, btrfs / "later")
    with opened(container, btrfs / "later") as (fd, sources):
        assert relatives.compare(fd, sources, jobs=1) is None


def test_who_is_no_relative_and_who_is_small_is_left_to_the_walk(btrfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container, source = _pair(btrfs)
    other = subvolume(btrfs / "other")
    subprocess.run(["cp", "-a", f"{container}/usr", str(other)], check=True)
    with opened(container, other) as (fd, sources):
        assert relatives.compare(fd, sources) is None
        assert merge.compare(fd, sources).totals.shared_entries == 3
    monkeypatch.setattr(relatives, "_FEW", 30)
    with opened(container, source) as (fd, sources):
        assert relatives.compare(fd, sources) is None, "a few files are walked through faster than a tree is read"


def test_a_file_that_goes_meanwhile_is_left_to_the_walk(btrfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container, source = _pair(btrfs)
    _written_anew(source / "usr/d/f1", b"x" * 9000)
    opens = reading.open_inode

    def late(tree: t.Any, inode: int) -> int:
        (source / "usr/d/f1").unlink(missing_ok=True)
        return int(opens(tree, inode))

    monkeypatch.setattr(reading, "open_inode", late)
    with opened(container, source) as (fd, sources):
        assert relatives.compare(fd, sources, jobs=1) is None
        assert merge.compare(fd, sources, jobs=1).totals.shared_entries == 2


def test_no_access_time_is_written(btrfs: Path) -> None:
    container, source = _pair(btrfs)
    _written_anew(source / "usr/d/f1", b"x" * 9000)

    def times() -> list[int]:
        return [os.lstat(root / "usr/d/f1").st_atime_ns for root in (container, source)]

    before = times()
    with opened(container, source) as (fd, sources):
        found = relatives.compare(fd, sources, jobs=1)
    assert found is not None
    assert found.totals.shared_entries == 3
    assert times() == before


def test_many_processes_say_the_same(btrfs: Path) -> None:
    container, source = _pair(btrfs, count=300)
    for number in range(0, 300, 3):
        _written_anew(source / f"usr/d/f{number}", b"y" * 9000 if number % 2 else b"x" * 9000)
    several, _comparison = both(container, source, jobs=3)
    assert several["totals"]["shared_entries"] == 250


def test_relatives_over_generations(btrfs: Path) -> None:
    """Each wrote a file of its own before the next was made of it, and one of them is gone."""
    container, first = _pair(btrfs, count=12)
    line = [first, *(btrfs / f"later{number}" for number in range(4))]
    for number, younger in enumerate(line[1:]):
        _written_anew(line[number] / f"usr/d/f{number}", b"y" * 9000)
        snapshot(line[number], younger)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", "--commit-after", str(line[2])], check=True)
    subprocess.run(
        ["btrfs", "-q", "subvolume", "sync", str(btrfs)], check=True
    )  # until then it is known what that was made of
    _written_anew(container / "usr/d/f8", b"z" * 9000)
    for relative, own in ((line[1], 3), (first, 2)):
        said, comparison = both(container, relative)
        assert said["totals"]["kept_entries"] == own
        assert comparison.totals.freed_bytes == 0, "all that is shared is stored once"
    said, _comparison = both(line[4], line[3])
    assert said["totals"]["kept_entries"] == 0
    with opened(container, line[3]) as (fd, sources):
        assert sources[0].kin is None, "nobody knows what the one that is gone was made of"
        assert relatives.compare(fd, sources) is None


def _overwritten(path: Path, first: bytes) -> None:
    with path.open("r+b") as file:
        file.write(first)
    os.utime(path, (5, 1000))


def _with_long_names(place: Path, data: bytes) -> tuple[Path, Path]:
    """A file with the only name that it has left in an item of another kind, and one with some of each."""
    one, several = _file(place / "one", data), _file(place / "several", data)
    names = {path: [place / f"{'y' * 200}{path.name}{number}" for number in range(400)] for path in (one, several)}
    for path, all_of_it in names.items():
        for name in all_of_it:
            os.link(path, name)
    for name in (one, *names[one][:-1], *names[several][1:-1]):
        name.unlink()
    return names[one][-1], several


@pytest.mark.parametrize("one_by_one", [0, 2000])
@pytest.mark.parametrize("where", ["container", "source", "both"])
def test_what_was_written_while_the_clock_was_behind(
    btrfs: Path, monkeypatch: pytest.MonkeyPatch, where: str, one_by_one: int
) -> None:
    """Its times say that it is as it was before the snapshot; whatever the names of a file look like."""
    monkeypatch.setattr(survey, "_ONE_BY_ONE", one_by_one)
    container, source = _pair(btrfs, count=6)
    files = [container / "usr/d/f1", *_with_long_names(container / "usr/long", b"x" * 9000)]
    os.symlink("here", container / "usr/d/link")
    (container / "usr/d/below").mkdir()
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(source)], check=True)
    snapshot(container, source)
    for number, root in enumerate((container, source)):
        if where not in (root.name, "both"):
            continue
        for path in files:
            _overwritten(root / path.relative_to(container), b"%d" % number)
        os.chown(root / "usr/d/link", number + 1, 1, follow_symlinks=False)
        (root / "usr/d/below").chmod(0o700 + number)
        (root / "usr/d/f2").read_bytes()
        (root / f"usr/d/f{3 + number}").unlink()
        time.sleep(0.1)  # longer than a tick of the kernel's clock, which a change time has the granularity of
    said, _comparison = both(container, source, ahead=86_400)
    assert "f1" in said["directories"]["d"][1]
    assert [name for name in said["directories"]["long"][1] if "one" in name], "its bytes are not the source's"
    both(source, container, ahead=86_400)


def test_bytes_that_came_later_than_their_change_time(btrfs: Path) -> None:
    """What was written while a snapshot was made: it has the time of the call, and not the bytes, if its commit takes long."""
    container, source = _pair(btrfs)
    for _attempt in range(1000):
        for root in (container, source):
            _overwritten(root / "usr/d/f1", root.name[:1].encode())
        if len({os.stat(root / "usr/d/f1").st_ctime_ns for root in (container, source)}) == 1:
            break
    else:
        pytest.fail("never in the same tick of the kernel's clock")
    said, _comparison = both(container, source, ahead=30)
    assert said["directories"]["d"][1] == ["f1"]
    with opened(container, source, ahead=86_400) as (fd, sources):
        by_trees = relatives.compare(fd, sources, jobs=1)
    assert by_trees is not None
    assert by_trees.directories["d"].keep == ["f1"], (
        "however long the commit took, the trees tell when bytes were written"
    )


def test_what_is_not_to_be_cloned_for_nothing(btrfs: Path) -> None:
    """What another owner has, with bytes that take no place of their own: in the metadata, or none at all."""
    clean(btrfs)
    container, source = subvolume(btrfs / "container"), btrfs / "source"
    (container / "usr").mkdir()
    subprocess.run(["btrfs", "property", "set", str(container / "usr"), "compression", "zstd"], check=True)
    files = [_file(container / "usr" / f"f{size}", b"a" * size) for size in (2049, 3000, 4096, 9000)]
    files.append(container / "usr/hole")
    subprocess.run(["truncate", "-s", "1M", str(files[-1])], check=True)
    snapshot(container, source)
    anew = subvolume(btrfs / "anew")
    (anew / "usr").mkdir()
    subprocess.run(["cp", "-a", "--reflink=never", *map(str, files), str(anew / "usr")], check=True)
    for root in (source, anew):
        for file in files:
            os.chown(root / file.relative_to(container), 7, 7)
    both(container, source)
    both(container, source, anew)


def _seal(path: Path) -> None:
    """With fs-verity."""
    with path.open("rb") as file:
        fcntl.ioctl(file, 0x40806685, struct.pack("=IIII", 1, 1, 4096, 0) + bytes(112))


def test_what_nobody_wrote_and_has_fs_verity(btrfs: Path) -> None:
    container, source = _pair(btrfs)
    try:
        _seal(container / "usr/d/f1")
    except OSError as error:
        assert error.errno in (errno.EOPNOTSUPP, errno.ENOTTY)
        pytest.skip("this kernel has no fs-verity for btrfs")
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(source)], check=True)
    snapshot(container, source)
    said, _comparison = both(container, source)
    assert [path for path, _reason in said["refused"]] == ["d/f1"]
