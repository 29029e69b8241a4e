# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with more names than one: locked ones, and names that lie where nobody looks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl

from .test_containers import populate
from .world import World, view


@pytest.fixture
def container(world: World) -> Path:
    populate(world.host)
    return world.container(of=world.host)


@pytest.mark.parametrize("flag", ["+i", "+a"])
@pytest.mark.parametrize("names", ["share/y", "a/y"])
def test_locked_files_with_several_names(world: World, container: Path, flag: str, names: str) -> None:
    first = container / "usr/h/x"
    first.parent.mkdir()
    (container / "usr/a").mkdir()
    first.write_text("x" * 5000)
    os.link(first, container / "usr" / names)
    subprocess.run(["chattr", flag, str(first)], check=True)
    before = view(container)
    world.run()
    assert world.seen() == before
    (world.host / "usr/bin/new").write_text("upgraded")
    world.run()
    assert world.seen() == before
    world.run("absent")
    assert view(container) == before
    assert world.leftovers() == []


def names_elsewhere(world: World, count: int = 1) -> tuple[Path, Path]:
    """A file of the host in /usr, and another name of it in a younger directory elsewhere, which the kernel tells first."""
    source = world.host / "usr/share/x"
    source.write_bytes(b"A" * 9000)
    other = world.host / "younger/x"
    other.parent.mkdir()
    os.link(source, other)
    for number in range(1, count):
        os.link(source, other.with_name(f"{number:0200}"))
    return source, other


@pytest.mark.parametrize("count", [1, 600])
def test_a_source_that_is_written_by_a_name_elsewhere(world: World, container: Path, count: int) -> None:
    """Its bytes are the container's only since the snapshot was taken: they are not what the snapshot has."""
    _source, other = names_elsewhere(world, count)
    (container / "usr/share/x").write_bytes(b"B" * 9000)
    before = view(container)

    def write(when: str, step: str) -> None:
        if (when, step) == ("after", "snapshot_sources"):
            with other.open("r+b") as file:
                file.write(b"B" * 9000)

    world.run(observer=write)
    assert world.seen() == before


@pytest.mark.parametrize("count", [1, 600])
def test_a_source_that_was_written_by_a_name_elsewhere_has_changed(world: World, container: Path, count: int) -> None:
    _source, other = names_elsewhere(world, count)
    world.run()
    assert world.info()["overlays"][0]["sources_changed"] == {}
    with other.open("r+b") as file:
        file.write(b"B")
    assert world.info()["overlays"][0]["sources_changed"] == {"essential": "changed"}
    assert container.is_dir()


def test_all_names_are_told(world: World) -> None:
    """Up to some number btrfs keeps them in one item for each directory, then in others."""
    (world.host / "d").mkdir()
    (world.host / "e").mkdir()
    first = world.host / "d/x"
    first.write_text("x")
    wanted = {b"x"}
    for number in range(400):
        name = f"{number:0100}"
        os.link(first, world.host / ("d", "e")[number % 2] / name)
        wanted.add(name.encode())
    fd = os.open(world.host, os.O_RDONLY)
    try:
        ioctl.sync(fd)
        found = list(ioctl.names_of(fd, first.stat().st_ino))
    finally:
        os.close(fd)
    assert {name for _directory, name in found} == wanted
    assert {directory for directory, _name in found} == {(world.host / name).stat().st_ino for name in ("d", "e")}
