# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories nested deeper than any path can name: a container, or anybody on the host, makes them in no time."""

from __future__ import annotations

import os
import resource
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.changed_since import changed_since
from ansible_collections.overc.system.plugins.module_utils.host.observe.hidden import hidden_changes

from .test_containers import populate
from .world import World, snapshot


def nest(top: Path, depth: int, name: str = "d") -> None:
    here = os.open(top, os.O_RDONLY)
    for _level in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def assert_leaf(top: Path, depth: int, name: str = "d") -> None:
    here = os.open(top, os.O_RDONLY)
    for _level in range(depth):
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    assert os.listdir(here) == ["leaf"]
    os.close(here)


@pytest.fixture
def container(world: World) -> t.Iterator[Path]:
    """Shared, in a process with as many open files as one gets that asks for no more."""
    populate(world.host)
    root = world.container(of=world.host)
    world.run()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    yield root
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    # the only one that is not stopped by such paths
    subprocess.run(["rm", "-rf", str(world.containers), *map(str, world.host.iterdir())], check=False)


@pytest.mark.parametrize("depth", [1100, 2500])
def test_a_container_that_nested_deeply_can_be_shared_again_and_stopped(
    world: World, container: Path, depth: int
) -> None:
    with world.started():
        nest(container / "usr", depth)
    (world.host / "usr/share/d/f1").write_text("upgraded")
    planned = world.run(check=True)["directories"][0]
    done = world.run()["directories"][0]
    assert done["operation"] == "reshare"
    assert done["entries_kept"] == planned["entries_kept"]
    with world.started():
        assert_leaf(container / "usr", depth)
    assert not world.run()["changed"]
    assert world.run("absent")["changed"]
    assert world.leftovers() == []
    assert_leaf(container / "usr", depth)


def test_depth_does_not_cost_the_memory_of_the_host(world: World, container: Path) -> None:
    """All paths of such a chain take some four gigabytes."""
    depth, name = 6000, "d" * 250
    with world.started():
        nest(container / "usr", depth, name)
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        try:
            world.run("absent", jobs=2)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert world.info()["overlays"] == []
    assert_leaf(container / "usr", depth, name)


@pytest.mark.parametrize("whose", ["host", "source"])
def test_depth_at_a_source_does_not_end_the_list(world: World, container: Path, whose: str) -> None:
    """Any user of the host can nest so deeply somewhere on the subvolume of its root."""
    if whose == "source":
        world.container("c0", of=world.host)
        world.run(sources=("c0",))
    sources = ("essential",) if whose == "host" else ("c0",)
    top = world.host if whose == "host" else world.containers / "c0/rootfs"
    (top / "tmp").mkdir(exist_ok=True)
    nest(top / "tmp", 2500)
    assert world.info()["overlays"][0]["sources_changed"] == {}
    assert not world.run(sources=sources)["changed"]
    (top / "usr/deep").mkdir()
    nest(top / "usr/deep", 2500)
    assert world.info()["overlays"][0]["sources_changed"] == {sources[0]: "changed"}
    assert world.run(sources=sources)["changed"]
    assert not world.run(sources=sources)["changed"]
    assert world.run("absent")["changed"]
    assert container.exists()


def test_depth_on_the_root_does_not_stop_its_upgrade(world: World) -> None:
    """What looks at a root for an upgrade of the host goes by what changed in it, too."""
    (world.host / "home").mkdir()
    made = snapshot(world.host, world.base / "made")
    for root in (world.host, made):
        nest(root / "home", 2500)
        (root / "home/other").write_text(str(root))
    try:
        left = changed_since("host", str(world.host), "made", str(made))
        assert left.problem is None
        assert "/home/other" in {change.path for change in left.changes}
        assert any(change.path.endswith("/...") for change in left.changes)
        hidden = hidden_changes(str(world.host), str(made), ["/home"])
        assert all(found.mount == "/home" for found in hidden)
    finally:
        subprocess.run(["rm", "-rf", str(made), str(world.host / "home")], check=False)
