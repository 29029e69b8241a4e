# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container may not do on its root it may not do where it shares; and places that nobody can write into."""

from __future__ import annotations

import os
import stat
import subprocess
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import Lxc, lxc
from .world import World, view

__all__ = ("lxc",)

TRY = "cat /usr/share/zero 2>/dev/null | head -c 1 | wc -c; echo x 2>/dev/null > /usr/share/new && echo written"


@pytest.fixture
def limits(world: World) -> t.Iterator[t.Callable[[str], None]]:
    """Lets the place of the containers be mounted with other flags."""
    place = str(world.containers)
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        yield lambda flags: t.cast(
            "None", subprocess.run(["mount", "-o", f"remount,bind,{flags}", place], check=True) and None
        )
    finally:
        subprocess.run(["umount", place], check=True)


def test_an_overlay_has_the_flags_of_the_root(world: World, lxc: Lxc, limits: t.Callable[[str], None]) -> None:
    root = world.containers / "c1/rootfs"
    os.mknod(root / "usr/share/zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    before = view(root)
    limits("nodev,nosuid")
    with lxc.started() as run:
        assert run("sh", "-c", TRY) == "0\nwritten\n"
    (root / "usr/share/new").unlink()
    os.utime(root / "usr/share", ns=(1, before[0][b"usr/share"][3]))
    world.run()
    with lxc.started() as run:
        assert run("sh", "-c", TRY) == "0\nwritten\n"
        assert "nosuid,nodev" in run("sh", "-c", "grep ' /usr ' /proc/self/mountinfo")
    assert not world.run()["changed"]
    limits("dev,suid")
    assert "other flags" in world.run()["directories"][0]["reason"]
    with lxc.started() as run:
        assert run("sh", "-c", TRY) == "1\nwritten\n"


@pytest.mark.parametrize("where", ["configuration", "put back"])
def test_a_root_that_is_read_only_stays_so(world: World, lxc: Lxc, where: str) -> None:
    config = world.containers / "c1/config"
    table = (world.containers / "c1/fstab").read_text()
    config.write_text(f"{config.read_text()}lxc.rootfs.options = ro\n")
    world.run()
    if where == "put back":
        (world.containers / "c1/fstab").write_text(table)
        assert world.run()["repaired"]
    with lxc.started() as run:
        assert "written" not in run("sh", "-c", f"{TRY}; cat /usr/share/d/f1 >/dev/null && echo read")
    assert not world.run()["changed"]
    config.write_text(config.read_text().replace("lxc.rootfs.options = ro\n", ""))
    assert world.run()["directories"][0]["operation"] == "reshare"
    with lxc.started() as run:
        assert "written" in run("sh", "-c", TRY)


@pytest.mark.usefixtures("lxc")
def test_places_that_cannot_be_written_are_refused_before(world: World) -> None:
    places = [world.containers / name for name in ("c1", "c1/fstab", "c1/config")]
    for state in ("present", "absent"):
        for place in places:
            for flag in ("i", "a"):
                before = world.seen()
                subprocess.run(["chattr", f"+{flag}", str(place)], check=True)
                try:
                    for check in (True, False):
                        with pytest.raises(OvercError) as caught:
                            world.run(state, check=check)
                        assert caught.value.error_id == "overlay_unsupported"
                        assert f"chattr -ia {place}" in caught.value.message
                finally:
                    subprocess.run(["chattr", f"-{flag}", str(place)], check=True)
                assert world.seen() == before
        world.run(state)
    assert world.leftovers() == []


@pytest.mark.usefixtures("lxc")
@pytest.mark.parametrize("state", ["present", "absent"])
def test_work_that_waits_where_nothing_can_be_written(world: World, state: str) -> None:
    """Nor can it be taken back there, and check mode says so as well."""
    world.run(apply="boot")
    subprocess.run(["mount", "-o", "remount,ro", str(world.base)], check=True)
    try:
        for check in (True, False):
            with pytest.raises(OvercError) as caught:
                world.run(state, check=check)
            assert caught.value.error_id == "overlay_unsupported"
            assert "read-only file system" in caught.value.message
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(world.base)], check=True)
    assert world.info()["waiting"]
    assert world.run("absent")["changed"]
    assert world.leftovers() == []


@pytest.mark.usefixtures("lxc")
@pytest.mark.parametrize("flag", ["+i", "+a"])
@pytest.mark.parametrize(
    ("place", "directory"),
    [("containers/c1/rootfs", "/usr"), ("host", "/usr"), ("host/usr", "/usr"), ("host/usr", "/usr/share")],
)
def test_roots_that_cannot_be_written_are_no_matter(world: World, flag: str, place: str, directory: str) -> None:
    """A container may make its own root so; a snapshot of it is so as well, and could not be deleted."""
    before = view(world.containers / "c1/rootfs")
    locked = world.base / place
    subprocess.run(["chattr", flag, str(locked)], check=True)
    try:
        world.run(directories=(directory,))
        assert world.seen() == before
        assert not world.run(directories=(directory,))["changed"]
        world.run("absent", directories=(directory,))
        assert view(world.containers / "c1/rootfs") == before
        assert world.leftovers() == []
        flags = subprocess.run(["lsattr", "-d", str(locked)], check=True, capture_output=True, text=True).stdout
        assert flag[1] in flags.split()[0], "theirs stays as it was"
    finally:
        subprocess.run(["chattr", f"-{flag[1]}", str(locked)], check=True)
