# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installations of the original tool, laid out as it lays them out: rootfs/DIR_temp, and DIR_mask and DIR_over beside rootfs."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import Lxc, configure, populate
from .world import World, view


def share_as_the_original(
    world: World, name: str, source: Path, *, directory: str = "/usr", place: Path | None = None, relative: bool = False
) -> Path:
    """What the original leaves: the directory renamed to its upper layer, a mask, a work directory, and a line.

    ``place``: what its scripts call the directory of containers.
    """
    container = (place or world.containers) / name
    root = container / "rootfs"
    os.rename(f"{root}{directory}", f"{root}{directory}_temp")
    os.mkdir(f"{root}{directory}")
    for suffix in ("_mask", "_over"):
        os.makedirs(f"{container}{directory}{suffix}")
    target = directory[1:] if relative else f"{root}{directory}"
    with (container / "fstab").open("a") as file:
        file.write(
            f"overlay {target} overlay lowerdir={container}{directory}_mask:{source},"
            f"upperdir={root}{directory}_temp,workdir={container}{directory}_over 0 0\n"
        )
    return root


def hide(world: World, name: str, entry: str) -> None:
    """An entry of the mask: of the source, but not of the container."""
    path = world.containers / name / entry
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, 0o020000, os.makedev(0, 0))


@pytest.fixture
def original(world: World) -> tuple[Path, t.Any]:
    """/usr of c1 shared with c0."""
    populate(world.host)
    other, root = world.container("c0", of=world.host), world.container("c1", plain=True)
    (root / "usr/share/d").mkdir(parents=True)
    (root / "usr/share/d/f1").write_text("own")
    share_as_the_original(world, "c1", other / "usr")
    hide(world, "c1", "usr_mask/share/d/f9")
    with world.started() as mounted:
        (mounted / "usr/share/d/f2").unlink()
        (mounted / "usr/new").write_text("new")
        seen = view(mounted / "usr")
    return root, seen


@pytest.mark.parametrize("alias", [False, True])
def test_the_originals_overlays_are_listed_and_stopped(world: World, original: tuple[Path, t.Any], alias: bool) -> None:
    root, seen = original
    if alias:  # OverC says /opt/container where its scripts write /var/lib/lxc
        (world.base / "lxc").symlink_to(world.containers)
        table = root.parent / "fstab"
        table.write_text(table.read_text().replace(str(world.containers), f"{world.base}/lxc"))
    info = world.info()["overlays"][0]
    assert (info["directory"], info["made_by"], info["status"]) == ("/usr", "original", "shared")
    with pytest.raises(OvercError) as caught:
        world.run()
    assert caught.value.error_id == "inconsistent"
    host = view(world.containers / "c0")
    result = world.run("absent")
    assert result["directories"][0]["operation"] == "stop_original"
    assert view(root / "usr") == seen
    assert not (root / "usr/share/d/f9").exists(), "a deleted file came back"
    assert not (root / "usr/share/d/f2").exists()
    assert sorted(os.listdir(root)) == ["usr"]
    assert sorted(os.listdir(root.parent)) == ["config", "fstab", "rootfs"]
    assert (root.parent / "fstab").read_text() == "proc proc proc nodev 0 0\n"
    assert view(world.containers / "c0") == host
    assert world.leftovers() == []


@pytest.mark.parametrize("kill", ["materialise", "commit_unmount", "remove_original"])
def test_cut_off_while_stopping_one(world: World, original: tuple[Path, t.Any], kill: str) -> None:
    root, seen = original
    pid = os.fork()
    if pid == 0:

        def observer(at: str, name: str) -> None:
            if (at, name) == ("after", kill):
                os._exit(9)

        world.run("absent", observer=observer)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    world.run("absent")
    assert view(root / "usr") == seen
    assert sorted(os.listdir(root.parent)) == ["config", "fstab", "rootfs"]


def test_a_directory_in_a_directory_whose_mask_could_not_be_made(world: World, original: tuple[Path, t.Any]) -> None:
    """Its mkdir failed for want of the directory above: the container does not start, and must have a way back."""
    root, _seen = original
    table = root.parent / "fstab"
    line = table.read_text().replace("usr_mask", "var/lib_mask").replace("usr_over", "var/lib_over")
    table.write_text(line.replace("rootfs/usr", "rootfs/var/lib").replace("c0/rootfs/var/lib", "c0/rootfs/usr"))
    (root / "var").mkdir()
    (root / "usr_temp").rename(root / "var/lib_temp")
    (root / "usr").rename(root / "var/lib")
    with pytest.raises(OvercError) as caught:
        world.run("absent", directories=("/var/lib",))
    assert caught.value.error_id == "inconsistent"
    assert f"{root.parent}/var/lib_mask" in caught.value.message
    assert "make an empty directory" in caught.value.message
    (root.parent / "var/lib_mask").mkdir(parents=True)
    world.run("absent", directories=("/var/lib",))
    assert (root / "var/lib/share/d/f1").read_text() == "own"
    assert (root / "var/lib/share/d/f3").read_bytes() == b"3" * 3000
    assert os.listdir(root / "var") == ["lib"]


def chained(world: World) -> tuple[Path, Path]:
    """The original made c2 from c1 and then c1 from c0, and rewrote c2's line to what c1's directory is called now."""
    populate(world.host)
    world.container("c0", of=world.host)
    c1, c2 = world.container("c1", plain=True), world.container("c2", plain=True)
    (c1 / "usr").mkdir()
    (c1 / "usr/of1").write_text("of c1")
    (c2 / "usr").mkdir()
    (c2 / "usr/of2").write_text("of c2")
    share_as_the_original(world, "c2", c1 / "usr")
    share_as_the_original(world, "c1", world.containers / "c0/rootfs/usr")
    table = world.containers / "c2/fstab"
    table.write_text(table.read_text().replace(f"{c1}/usr,", f"{c1}/usr_temp,"))
    return c1, c2


@pytest.mark.parametrize("check", [False, True])
def test_an_overlay_that_another_stands_on_is_not_stopped_before_it(world: World, check: bool) -> None:
    c1, c2 = chained(world)
    seen1, seen2 = world.seen("c1", below="usr"), world.seen("c2", below="usr")
    before = view(world.containers)
    with pytest.raises(OvercError) as caught:
        world.run("absent", check=check)
    assert caught.value.error_id == "overlay_in_use"
    assert [user["who"] for user in caught.value.facts["users"]] == ["container 'c2'"]
    assert view(world.containers) == before
    world.run("absent", container="c2")
    assert view(c2 / "usr") == seen2
    world.run("absent")
    assert view(c1 / "usr") == seen1


def test_the_real_lxc_starts_what_is_left_after_stopping(world: World) -> None:
    populate(world.host)
    world.container("c0", of=world.host)
    root = world.container(
        "c1", plain=True
    )  # with a subvolume the original's overlays cannot delete: work is beside it
    populate(root)
    configure(root)
    (root.parent / "fstab").write_text("")
    share_as_the_original(world, "c1", world.containers / "c0/rootfs/usr")
    lxc = Lxc(world)
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        run("rm", "/usr/share/d/f2")
    world.run("absent")
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        assert "f2" not in run("ls", "/usr/share/d").split()
    world.run()
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000


@pytest.mark.parametrize("line", ["c1 usr\n", "c0:/usr\nc1:/usr\n", "CONTAINERS/c1/rootfs/usr\n"])
def test_a_restore_that_the_original_is_asked_for(world: World, line: str) -> None:
    """At the next boot it removes the directory: whatever is done until then would be lost with it."""
    populate(world.host)
    configure(world.container("c1", of=world.host))
    configure(world.container("c12", of=world.host))
    requests = world.containers / "overlayrestore"
    requests.write_text(line.replace("CONTAINERS", str(world.containers)))
    before = view(world.containers)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert caught.value.error_id == "inconsistent"
        assert "overlayrestore" in caught.value.message
    assert view(world.containers) == before
    told = world.info("c1")
    assert told["status"] == "broken"
    assert "overlayrestore" in told["problems"][0]
    assert world.run(container="c12")["changed"]
    requests.write_text("")
    assert world.run()["changed"]
