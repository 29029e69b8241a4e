# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table, a root or a configuration that is of another time than the layers: put back, rolled back, or changed since."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_configurations import MAP
from .test_lines import prepare, share, snapshot_of, unmount, world
from .world import World, snapshot, view

__all__ = ("world",)

SOURCES = ("essential", "c0")


def both(world: World, state: str = "present") -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """What check mode says, and what comes of it."""
    sources = SOURCES if state == "present" else ()
    told = world.run(state, check=True, sources=sources)
    done = world.run(state, sources=sources)
    unmount(world)
    return told, done


def operations(result: dict[str, t.Any]) -> list[str]:
    return [report["operation"] for report in result["directories"]]


def in_order(world: World, root: Path, seen: t.Any) -> None:
    """It is shared as it should be, and goes without a trace."""
    assert world.seen() == seen
    world.run(sources=SOURCES)  # mounts on the host what the tests have unmounted
    assert world.info()["status"] == "ok"
    assert not world.run(sources=SOURCES)["changed"]
    unmount(world)
    world.run("absent")
    assert view(root) == seen
    assert world.leftovers() == []


@pytest.mark.parametrize("kind", ["fstab", "units"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_line_of_the_sharing_before(world: World, kind: str, state: str) -> None:
    """It was shared again since, and then the table of before was put back: its layers are gone, newer ones are there."""
    root, _put_back = prepare(world, kind)
    share(world)
    place = root.parent / "fstab" if kind == "fstab" else Path(world.places.units)
    kept = snapshot_of(place, world.base / "kept")
    (world.host / "usr/share/d/f7").write_text("upgraded")
    assert operations(share(world)) == ["reshare"]
    with world.started():
        (root / "usr/share/own").write_text("own")
    seen = world.seen()
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    snapshot_of(kept, place)
    (found,) = world.info()["overlays"]
    assert found["status"] == "broken"
    assert "overc_overlay puts it back" in found["problems"][0]
    for result in both(world, state):
        assert result["changed"]
        assert "back" in result["repaired"]
        assert operations(result) == ["none" if state == "present" else "stop"]
    if state == "present":
        in_order(world, root, seen)
    assert view(root) == seen
    assert world.leftovers() == []


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(("before", "after"), [("lxc", "map"), ("map", "lxc"), ("lxc", "none"), ("none", "lxc")])
def test_a_container_of_another_kind_since(world: World, before: str, after: str, state: str) -> None:
    """With a user map, or without a configuration, the host mounts for it; else LXC does: never both, nor none of them."""
    root, _put_back = prepare(world, "fstab")
    config = root.parent / "config"
    plain = config.read_text()

    def be(kind: str) -> None:
        if kind == "none":
            config.unlink()
        else:
            config.write_text(plain + (MAP if kind == "map" else ""))

    be(before)
    share(world)
    seen = world.seen()
    be(after)
    (found,) = world.info()["overlays"]
    assert found["status"] == "broken"
    assert any("overc_overlay puts it back" in problem for problem in found["problems"])
    for result in both(world, state):
        assert result["changed"]
        assert operations(result) == ["none" if state == "present" else "stop"]
    assert (".overc-overlay" in (root.parent / "fstab").read_text()) == (after == "lxc" and state == "present")
    units = list(Path(world.places.units).rglob("*.mount"))
    assert bool(units) == (after != "lxc" and state == "present")
    if state == "present":
        in_order(world, root, seen)
    assert view(root) == seen
    assert (root.parent / "fstab").read_text() == "proc proc proc nodev 0 0\n"
    assert not list(Path(world.places.units).rglob("*.mount"))


def test_a_kind_that_changed_between_its_two_writes(world: World) -> None:
    """Cut off after the new line was written: the old one is still there, and goes with the next run."""
    root, _put_back = prepare(world, "fstab")
    share(world)
    seen = world.seen()
    table = (root.parent / "fstab").read_text()
    config = root.parent / "config"
    config.write_text(config.read_text() + MAP)
    both(world)
    (root.parent / "fstab").write_text(table)
    assert world.info()["status"] == "broken"
    for result in both(world):
        assert "is mounted by" in result["repaired"]
    assert (root.parent / "fstab").read_text() == "proc proc proc nodev 0 0\n"
    in_order(world, root, seen)


@pytest.mark.parametrize("change", ["none", "a source", "stop"])
def test_a_root_that_was_rolled_back(world: World, change: str) -> None:
    """Its own files lie under the mount then, where the container does not see them: nobody knows which are meant."""
    root, _put_back = prepare(world, "fstab")
    before = view(root)
    kept = snapshot(root, world.base / "kept")
    share(world)
    seen = world.seen()
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(root)], check=True)
    snapshot(kept, root)
    (found,) = world.info()["overlays"]
    assert found["status"] == "broken"
    assert "lies under its mount" in found["problems"][0]
    if change == "a source":
        (world.host / "usr/share/d/f7").write_text("upgraded")
    whole = view(world.containers)
    layers = next(path for path in (root.parent / ".overc-overlay").iterdir() if path.is_dir())
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run("absent" if change == "stop" else "present", check=check, sources=SOURCES)
        assert caught.value.error_id == "inconsistent"
        assert str(layers) in caught.value.message
    assert view(world.containers) == whole
    if change == "none":  # what was shared
        for path in (root / "usr").iterdir():
            shutil.rmtree(path)
        in_order(world, root, seen)
    else:  # what it was rolled back to
        subprocess.run(["btrfs", "-q", "subvolume", "delete", str(layers)], check=True)
        world.run("absent")
        assert view(root) == before
        assert world.leftovers() == []


def test_a_mount_point_that_is_gone_is_told(world: World) -> None:
    root, _put_back = prepare(world, "fstab")
    share(world)
    (root / "usr").rmdir()
    (found,) = world.info()["overlays"]
    assert found["status"] == "broken"
    assert "No such file or directory" in found["problems"][0]


def test_what_the_host_should_have_mounted(world: World) -> None:
    """The unit is there, its mount is not: whoever starts the container otherwise than by its service finds it empty."""
    root, _put_back = prepare(world, "units")
    share(world)
    seen = world.seen()
    (found,) = world.info()["overlays"]
    assert found["status"] == "broken"
    assert "not mounted" in found["problems"][0]
    told = world.run(check=True, sources=SOURCES)
    assert os.listdir(root / "usr") == []
    done = world.run(sources=SOURCES)
    try:
        assert view(root) == seen
        for result in (told, done):
            assert result["changed"]
            assert operations(result) == ["none"]
            assert "mounted on the host" in result["repaired"]
        assert world.info()["overlays"][0]["status"] == "mounted"
        assert not world.run(sources=SOURCES)["changed"]
    finally:
        unmount(world)
    told = world.run("absent")
    assert told["repaired"] is None
    assert view(root) == seen


def test_layers_that_came_back_read_only(world: World) -> None:
    """As ``btrfs receive`` makes them: the container could not write."""
    root, _put_back = prepare(world, "fstab")
    share(world)
    seen = world.seen()
    layers = next(path for path in (root.parent / ".overc-overlay").iterdir() if path.is_dir())
    subprocess.run(["btrfs", "property", "set", str(layers), "ro", "true"], check=True)
    (found,) = world.info()["overlays"]
    assert found["status"] == "broken"
    assert "read-only" in found["problems"][0]
    for result in both(world):
        assert result["changed"]
        assert operations(result) == ["reshare"]
    in_order(world, root, seen)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_a_run_that_was_cut_off_left_is_no_such_file(world: World, state: str) -> None:
    """It was giving the files back, to share them again: the next run takes that up, and nobody is told to delete layers."""
    root, _put_back = prepare(world, "fstab")
    world.run()
    (world.host / "usr/share/d/f7").write_text("upgraded")
    world.run_killed("after", "materialise")
    assert os.listdir(root / "usr")
    found = world.info()
    assert found["interrupted"]
    assert found["overlays"][0]["problems"] == []
    assert world.run(state, check=True)["repaired"]
    assert world.run(state)["repaired"]
