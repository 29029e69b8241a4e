# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of ours that somebody changed, or put there twice, and layers of which something is gone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_lines import prepare, problems, share, unmount, world
from .world import World, snapshot, subvolume, view

__all__ = ("world",)

SOURCES = ("essential", "c0")


def line(text: str) -> str:
    (found,) = (line for line in text.split("\n") if re.search(r"^overlay |^Options=", line))
    return found


CHANGES: dict[str, t.Callable[[World, str], str]] = {
    "a layer less": lambda _world, text: re.sub("lowerdir=[^:,]*:", "lowerdir=", text),
    "no lower layers": lambda _world, text: re.sub("lowerdir=[^,]*,", "", text),
    "another order": lambda _world, text: re.sub("lowerdir=([^:,]*):([^,]*)", r"lowerdir=\2:\1", text),
    "a layer of somebody else": lambda world, text: re.sub("lowerdir=[^,]*", f"lowerdir={world.host}/usr", text),
    "no work directory": lambda _world, text: re.sub(",workdir=[^, \n]*", "", text),
}


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("kind", ["fstab", "units"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_line_that_was_changed(world: World, change: str, kind: str, state: str) -> None:
    """What its layers have is what the container has, and not what a damaged line shows of it."""
    root, _put_back = prepare(world, kind)
    share(world)
    with world.started():
        (root / "usr/share/own").write_text("own")
    seen = world.seen()
    (path,) = Path(world.places.units).glob("*.mount") if kind == "units" else [root.parent / "fstab"]
    text = path.read_text()
    path.write_text(CHANGES[change](world, text))
    assert path.read_text() != text
    assert any("overc_overlay puts that right" in problem for problem in problems(world))
    sources = SOURCES if state == "present" else ()
    for check in (True, False):
        result = world.run(state, sources=sources, check=check)
        unmount(world)
        assert result["changed"]
        assert "put right" in result["repaired"]
        assert [report["operation"] for report in result["directories"]] == ["none" if state == "present" else "stop"]
    if state == "present":
        assert path.read_text() == text
        assert world.seen() == seen
        assert problems(world) == []
        world.run("absent")
    assert view(root) == seen
    assert world.leftovers() == []


def of_before(world: World, root: Path) -> str:
    """The line of an earlier sharing, whose layers are gone."""
    share(world)
    dead = line((root.parent / "fstab").read_text())
    world.run("absent")
    share(world)
    return dead


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_two_lines_for_one_directory(world: World, state: str, first: bool) -> None:
    """LXC starts nothing with a line whose layers are gone, whichever comes after it."""
    root, _put_back = prepare(world, "fstab")
    dead, table = of_before(world, root), root.parent / "fstab"
    seen, text = world.seen(), table.read_text()
    table.write_text(text.replace("overlay usr", f"{dead}\noverlay usr") if first else f"{text}{dead}\n")
    assert problems(world)
    for check in (True, False):
        result = world.run(state, sources=SOURCES, check=check)
        assert result["changed"]
        assert result["repaired"]
    assert table.read_text().count("overlay usr") == (state == "present")
    assert problems(world) == []
    world.run("absent")
    assert view(root) == seen
    assert world.leftovers() == []


@pytest.mark.parametrize("also", [True, False])
@pytest.mark.parametrize("everything", [True, False])
def test_a_line_for_another_directory(world: World, also: bool, everything: bool) -> None:
    """The layers of /usr at /opt, too, or there alone."""
    root, _put_back = prepare(world, "fstab")
    (root / "opt").mkdir(exist_ok=True)
    share(world)
    seen, table = world.seen(), root.parent / "fstab"
    text = table.read_text()
    table.write_text((text if also else "proc proc proc nodev 0 0\n") + line(text).replace(" usr ", " opt ") + "\n")
    assert problems(world)
    for check in (True, False):
        result = world.run(sources=SOURCES, check=check)
        assert "/opt" in result["repaired"]
    assert table.read_text() == text
    assert problems(world) == []
    if everything:
        world.run("absent", directories=(), everything=True)
    else:
        world.run("absent")
    assert view(root) == seen
    assert world.leftovers() == []


def layer(root: Path, name: str) -> Path:
    (found,) = (root.parent / ".overc-overlay").glob(f"*/.overc-*/{name}")
    return found


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("kind", ["fstab", "units"])
def test_a_work_directory_that_is_gone_is_made(world: World, kind: str, state: str) -> None:
    """Programs for backups leave empty directories out; without it the container does not start."""
    root, _put_back = prepare(world, kind)
    share(world)
    seen = world.seen()
    shutil.rmtree(layer(root, "work"))
    assert problems(world)
    for check in (True, False):
        assert "put right" in world.run(state, sources=SOURCES, check=check)["repaired"]
        unmount(world)
    if state == "present":
        assert problems(world) == []
        assert world.seen() == seen
        world.run("absent")
    assert view(root) == seen
    assert world.leftovers() == []


@pytest.mark.parametrize("name", ["upper", "lower", "pick1"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_layer_that_is_gone_is_told_with_a_way_on(world: World, name: str, state: str) -> None:
    root, _put_back = prepare(world, "fstab")
    share(world)
    table = (root.parent / "fstab").read_text()
    place = layer(root, name)
    kept = place.rename(place.parent / "kept")
    for check in (True, False):
        with pytest.raises(OvercError, match="Put it back") as caught:
            world.run(state, sources=SOURCES, check=check)
        assert caught.value.error_id == "inconsistent"
        assert (root.parent / "fstab").read_text() == table
    kept.rename(place)
    world.run("absent")
    assert world.leftovers() == []


def test_a_snapshot_of_the_containers_directory_has_no_layers(world: World) -> None:
    """It was put back as a whole: of a subvolume within, a snapshot has only the name."""
    place = subvolume(world.containers / "c1")
    root = place / "rootfs"
    subprocess.run(["cp", "-a", str(world.host), str(root)], check=True)
    (place / "config").write_text(f"lxc.rootfs.path = dir:{root}\nlxc.mount.fstab = {place}/fstab\n")
    (place / "fstab").write_text("")
    world.run()
    seen = world.seen()
    snapshot(place, world.containers / "put-back")
    place.rename(world.base / "old")
    (world.containers / "put-back").rename(place)
    for state in ("present", "absent"):
        for check in (True, False):
            with pytest.raises(OvercError, match="Put back") as caught:
                world.run(state, check=check)
            assert caught.value.error_id == "inconsistent"
    assert any("is gone" in problem for problem in problems(world))
    # The files themselves, as the message has it
    os.rmdir(root / "usr")
    subprocess.run(["cp", "-a", str(world.host / "usr"), str(root / "usr")], check=True)
    assert "whose layers are gone" in world.run("absent")["repaired"]
    assert view(root)[0].keys() == seen[0].keys()
    assert world.leftovers() == []
