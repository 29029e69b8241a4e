# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are copied or moved while they are shared. Real LXC."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import Lxc, configure, populate
from .world import World, boot, view


@pytest.fixture
def lxc(world: World) -> Lxc:
    """c1, whose /usr is shared, and which has changed something of it."""
    populate(world.host)
    configure(world.container(of=world.host))
    world.run()
    with world.started() as root:
        (root / "usr/share/d/own").write_text("own")
        (root / "usr/share/d/f2").unlink()
    return Lxc(world)


def copy(world: World, how: str) -> Path:
    """c2, a copy of c1 as LXC makes it, or as people do."""
    c1, c2 = world.containers / "c1", world.containers / "c2"
    if how == "lxc-copy":
        text = (c1 / "config").read_text()  # as a subvolume it is copied whole
        (c1 / "config").write_text(text.replace("= dir:", "= btrfs:"))
        subprocess.run(["lxc-copy", "-P", str(world.containers), "-n", "c1", "-N", "c2"], check=True)
        assert "overlay:" not in (c2 / "config").read_text()
    else:
        subprocess.run(["cp", "-a", str(c1), str(c2)], check=True)
        text = (c1 / "config").read_text()
        (c2 / "config").write_text(text.replace("/c1", "/c2"))
    return c2 / "rootfs"


def problems(world: World, name: str) -> list[str]:
    (found,) = world.info(name)["overlays"]
    return [*found["problems"], *(["status"] if found["status"] != "broken" else [])]


@pytest.mark.parametrize("how", ["lxc-copy", "cp"])
def test_a_copy_gets_files_of_its_own(world: World, lxc: Lxc, how: str) -> None:
    seen = world.seen(below="usr")
    c2 = copy(world, how)
    assert any("belongs to" in problem and "/c1" in problem for problem in problems(world, "c2"))
    assert any("container 'c2'" in problem for problem in problems(world, "c1"))
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run("absent", check=check)
        assert caught.value.error_id == "overlay_in_use"
        with pytest.raises(OvercError) as caught:
            world.run(container="c2", check=check)
        assert caught.value.error_id == "inconsistent"
    planned = world.run("absent", container="c2", check=True)
    done = world.run("absent", container="c2")
    assert [r["directories"][0]["operation"] for r in (planned, done)] == ["stop_copied"] * 2
    assert [r["directories"][0]["status"] for r in (planned, done)] == ["own"] * 2
    assert view(c2 / "usr") == seen
    assert world.seen(below="usr") == seen, "the first one has what it had"
    assert (c2.parent / "fstab").read_text().count("overlay") == 0
    assert world.info()["overlays"][0]["problems"] == []
    with lxc.started() as first, lxc.started("c2") as second:
        second("sh", "-c", "echo 2 > /usr/share/d/own")
        assert first("cat", "/usr/share/d/own") == "own"
        assert second("cat", "/usr/share/d/own") == "2\n"
    left = c2.parent / ".overc-overlay"
    assert left.exists() == (how == "cp"), "what docs/overlay.md says of plain copies of the layers"
    assert world.info("c2")["overlays"] == []
    if how == "cp":
        shutil.rmtree(left)
    world.run(container="c2")
    world.run("absent")
    assert view(world.containers / "c1/rootfs/usr") == seen


def test_a_clone_upon_a_shared_container_has_a_way_back(world: World, lxc: Lxc) -> None:
    """LXC's default for a plain directory: the root of c2 is an overlay upon c1's, and its table names c1's layers."""
    seen = world.seen(below="usr")
    subprocess.run(["lxc-copy", "-P", lxc.path, "-n", "c1", "-N", "c2"], check=True)
    assert "overlay:" in (world.containers / "c2/config").read_text()
    assert any("belongs to" in problem for problem in problems(world, "c2"))
    with pytest.raises(OvercError) as caught:
        world.run("absent")
    assert caught.value.error_id == "overlay_in_use"
    with pytest.raises(OvercError) as caught:
        world.run("absent", container="c2")
    assert caught.value.error_id == "overlay_unsupported"
    assert "remove the line" in caught.value.message
    (world.containers / "c2/fstab").write_text("")
    world.run("absent")
    assert view(world.containers / "c1/rootfs/usr") == seen
    with lxc.started("c2") as run:
        assert run("cat", "/usr/share/d/own") == "own"
        assert "f2" not in run("ls", "/usr/share/d").split()


def test_a_copy_of_one_that_runs_waits(world: World, lxc: Lxc) -> None:
    c2 = copy(world, "lxc-copy")
    with lxc.started():
        with pytest.raises(OvercError) as caught:
            world.run("absent", container="c2", apply="now")
        assert caught.value.error_id == "container_running"
        assert world.run("absent", container="c2")["reboot_required"]
    assert boot(world) == 0
    assert (c2 / "usr/share/d/own").read_text() == "own"


@pytest.mark.parametrize("step", ["materialise", "commit_unmount", "record"])
@pytest.mark.usefixtures("lxc")
def test_cut_off_while_a_copy_gets_its_own(world: World, step: str) -> None:
    seen = world.seen(below="usr")
    c2 = copy(world, "lxc-copy")

    def observer(at: str, name: str) -> None:
        if (at, name) == ("before", step):
            raise OSError(28, "No space left on device")

    with pytest.raises(OvercError):
        world.run("absent", container="c2", observer=observer)
    assert world.seen(below="usr") == seen
    world.run("absent", container="c2")
    assert view(c2 / "usr") == seen
    assert world.seen(below="usr") == seen


@pytest.mark.parametrize("how", ["mv", "mv place", "cp to another place"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_container_that_was_moved(world: World, lxc: Lxc, how: str, state: str) -> None:
    seen = world.seen(below="usr")
    old, name = world.containers / "c1", "c9" if how == "mv" else "c1"
    if how == "mv":
        old.rename(world.containers / name)
    elif how == "mv place":
        world.containers.rename(world.base / "moved")
        world.containers = world.base / "moved"
    else:
        world.containers = world.base / "moved"
        world.containers.mkdir()
        subprocess.run(["cp", "-a", str(old), str(world.containers)], check=True)
        for subvolume in [*(old / ".overc-overlay").glob("????????????"), old / "rootfs"]:
            subprocess.run(["btrfs", "-q", "subvolume", "delete", str(subvolume)], check=True)
        shutil.rmtree(old)
    lxc.path = str(world.containers)
    new = world.containers / name
    (new / "config").write_text((new / "config").read_text().replace(str(old), str(new)))
    assert any("moved" in problem for problem in problems(world, name))
    result = world.run(state, container=name)["directories"][0]
    assert result["operation"] == ("reshare" if state == "present" else "stop")
    assert world.seen(name, below="usr") == seen
    with lxc.started(name) as run:
        assert run("cat", "/usr/share/d/own") == "own"
    if state == "present":
        assert world.info(name)["overlays"][0]["problems"] == []
        world.run("absent", container=name)
    assert view(new / "rootfs/usr") == seen
    assert world.leftovers(name) == []
