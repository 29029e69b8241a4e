# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories above the shared one that somebody moves: what is compared, what is taken and what is asked later is one tree."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl, paths
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import sources

from .world import World, subvolume, view

_libc = ctypes.CDLL(None, use_errno=True)
_EXCHANGE = 2


def exchange(a: Path, b: Path) -> None:
    """In one step, as a hostile program would."""
    if _libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), _EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


def fill(directory: Path, word: bytes) -> None:
    """Files that differ in their bytes alone."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("f", "g"):
        (directory / name).write_bytes(word * 2000)
        os.utime(directory / name, (5, 1000))
    os.utime(directory, (5, 1000))


def two_trees(root: Path, way: str) -> tuple[Path, Path]:
    """What a source exchanges: above its directory ``opt/x/y``, or that itself. The first has other bytes than the container."""
    first, second = {
        "the one above": (root / "opt/x", root / "opt/other"),
        "two above": (root / "opt", root / "other"),
        "itself": (root / "opt/x/y", root / "opt/x/other"),
        "a subvolume": (root / "opt/x/y", root / "opt/x/other"),
        "a subvolume above": (root / "opt/x", root / "opt/other"),
    }[way]
    for path in (first, second):
        path.parent.mkdir(parents=True, exist_ok=True)
        if "subvolume" in way:
            subvolume(path)
    rest = os.path.relpath(root / "opt/x/y", first)
    fill(first / rest, b"other!!")
    fill(second / rest, b"honest!")
    return first, second


WAYS = ["the one above", "two above", "itself", "a subvolume", "a subvolume above"]
ONE, TWO = ("c0",), ("essential", "c0")  # a layer as it is, or files that are picked
WHERE: t.Final = ("/opt/x/y",)


@pytest.mark.parametrize(
    ("way", "back", "names"),
    [
        *((way, True, ONE) for way in WAYS),
        *((way, False, TWO) for way in ("two above", "itself", "a subvolume")),
        *((way, False, ONE) for way in ("the one above", "a subvolume above")),
    ],
)
def test_a_source_shows_another_tree_once_it_was_snapshotted(
    world: World, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], way: str, back: bool
) -> None:
    source = world.container("c0")
    first, second = two_trees(source, way)
    root = world.container()
    fill(root / "opt/x/y", b"honest!")
    (world.host / "opt/x/y").mkdir(parents=True)
    before = view(root)
    snapshots, proofs = ioctl.snapshot, paths.unchanged_since
    moved = list[Path]()

    def snapshot(fd: int, name: str, *more: t.Any, **options: t.Any) -> None:
        snapshots(fd, name, *more, **options)
        if os.path.realpath(f"/proc/self/fd/{fd}").startswith(str(source)) and not moved:
            exchange(first, second)
            moved.append(first)

    def unchanged(*arguments: t.Any, **options: t.Any) -> bool:
        if back and len(moved) == 1:
            exchange(first, second)
            moved.append(second)
        return proofs(*arguments, **options)

    monkeypatch.setattr(ioctl, "snapshot", snapshot)
    monkeypatch.setattr(sources, "unchanged_since", unchanged)
    world.run(directories=WHERE, sources=names)
    assert moved
    assert world.seen() == before
    monkeypatch.undo()
    world.run("absent", directories=WHERE)
    assert view(root) == before


def test_a_source_that_never_stops_moving(world: World) -> None:
    """A running container with two trees that it exchanges as fast as it can."""
    source = world.container("c0")
    first, second = two_trees(source, "two above")
    root = world.container()
    fill(root / "opt/x/y", b"honest!")
    before = view(root)
    pid = os.fork()
    if pid == 0:
        while True:
            _libc.renameat2(-100, os.fsencode(first), -100, os.fsencode(second), _EXCHANGE)
    try:
        for _turn in range(4):
            world.run(directories=WHERE, sources=("c0",))
            assert world.seen() == before
            world.run("absent", directories=WHERE)
            assert view(root) == before
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("way", "step"),
    [("the one above", "compare"), ("two above", "build_layers"), ("itself", "probe"), ("two above", "commit_mount")],
)
def test_the_containers_own_directory_is_another_one_before_the_switch(world: World, way: str, step: str) -> None:
    root = world.container()
    first, second = two_trees(root, way)
    fill(world.host / "opt/x/y", b"other!!")
    shown = (view(first), view(second))

    def observer(at: str, name: str) -> None:
        if (at, name) == ("before", step):
            exchange(first, second)

    with pytest.raises(OvercError) as caught:
        world.run(directories=WHERE, observer=observer)
    assert caught.value.error_id == "container_changed"
    assert "nothing was switched over" in caught.value.message
    assert (view(second), view(first)) == shown
    assert world.leftovers() == []
    assert world.run(directories=WHERE)["changed"]


def moved_away(source: Path) -> None:
    (source / "opt/x").rename(source / "opt/elsewhere")


def removed(source: Path) -> None:
    shutil.rmtree(source / "opt")


def replaced(source: Path) -> None:
    """As an application is whose versions are directories, the new one being there already."""
    (source / "opt").rename(source / "opt.old")
    (source / "new").rename(source / "opt")


def replaced_itself(source: Path) -> None:
    (source / "opt/x/y").rename(source / "opt/x/old")
    (source / "new/x/y").rename(source / "opt/x/y")


def a_link(source: Path) -> None:
    (source / "opt").rename(source / "versions")
    (source / "opt").symlink_to("versions")


@pytest.mark.parametrize(
    ("change", "names"),
    [(moved_away, TWO), (removed, ONE), (replaced, ONE), (replaced, TWO), (replaced_itself, TWO), (a_link, ONE)],
)
def test_a_source_that_has_another_tree_there_has_changed(
    world: World, change: t.Callable[[Path], None], names: tuple[str, ...]
) -> None:
    source = world.container("c0")
    fill(source / "opt/x/y", b"honest!")
    fill(source / "new/x/y", b"other!!")
    (world.host / "opt/x/y").mkdir(parents=True)
    root = world.container()
    fill(root / "opt/x/y", b"honest!")
    before = view(root)
    time.sleep(0.02)
    world.run(directories=WHERE, sources=names)
    (found,) = world.info()["overlays"]
    assert found["sources_changed"] == {}
    (source / "opt/unrelated").mkdir()
    assert world.info()["overlays"][0]["sources_changed"] == {}, "what lies beside it is no part of it"
    change(source)
    (found,) = world.info()["overlays"]
    assert found["sources_changed"] == {"c0": "changed"}
    again = world.run(directories=WHERE, sources=names)
    assert again["directories"][0]["operation"] == "reshare"
    assert world.seen() == before
    assert not world.run(directories=WHERE, sources=names)["changed"]
