# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's table has lines of its administrator: they stay, they work, and they are told apart from ours. Real LXC."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import info as overlay_info

from .test_containers import Lxc, configure, populate
from .world import World, view


@pytest.fixture
def lxc(world: World) -> Lxc:
    """c1 with an empty table; and a volume of the administrator's."""
    populate(world.host)
    configure(world.container(of=world.host))
    (world.containers / "c1/fstab").write_text("")
    (world.base / "volume").mkdir()
    (world.base / "volume/data").write_text("of the volume")
    return Lxc(world)


def table(world: World) -> Path:
    return world.containers / "c1/fstab"


BELOW = [
    "{volume} usr/share/d none bind 0 0",
    "{volume} usr/share/ext none bind,create=dir 0 0",
    "{volume} usr/share/d none bind,optional 0 0",
    "{volume}/data usr/share/d/f1 none bind 0 0",
    "{root}/etc usr/share/d none bind 0 0\n{volume} usr/share/d none bind 0 0",
    "{volume} {root}/usr/share/d none bind 0 0",
    "{volume} /var/lib/lxc/c1/rootfs/usr/share/d none bind 0 0",
    "proc proc proc nodev 0 0\n{volume} ./usr//share/d none bind 0 0\nnone tmp tmpfs defaults 0 0",
]


@pytest.mark.parametrize("line", BELOW)
def test_mounts_within_a_shared_directory_still_work(world: World, lxc: Lxc, line: str) -> None:
    """The second of two lines that came in later, by the administrator's hand, too; and every time it is shared again."""
    root = world.containers / "c1/rootfs"
    own = line.format(volume=world.base / "volume", root=root) + "\n"
    table(world).write_text(own)
    command = ("sh", "-c", "find /usr | busybox sort; cat /usr/share/d/f1 /usr/share/d/data /usr/share/ext/data")
    command = ("sh", "-c", f"{command[2]} 2>&1; true")
    with lxc.started() as run:
        before = run(*command)
    tables = []
    for _again in range(2):
        world.run()
        tables.append(re.sub("[0-9a-f]{12}", "id", table(world).read_text()))
        with lxc.started() as run:
            assert run(*command) == before
            run("sh", "-c", "for f in /usr/share/d /usr/share/ext; do [ -d $f ] && echo new > $f/new; done; true")
            run("sh", "-c", "rm -f /usr/share/d/new /usr/share/ext/new")
        world.run("absent")
        assert table(world).read_text() == own
        with lxc.started() as run:
            assert run(*command) == before
    assert tables[0] == tables[1]


def test_a_line_that_came_before_ours_later(world: World, lxc: Lxc) -> None:
    world.run()
    table(world).write_text(f"{world.base}/volume usr/share/d none bind 0 0\n{table(world).read_text()}")
    world.run(sources=("essential",), directories=("/usr",))
    (world.host / "usr/share/d/f1").write_text("upgraded")
    assert world.run()["directories"][0]["operation"] == "reshare"
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/data") == "of the volume"


def test_a_source_within_the_container_is_taken_from_what_it_sees(world: World, lxc: Lxc) -> None:
    (world.containers / "c1/rootfs/mnt").mkdir()
    table(world).write_text("usr/share mnt none bind,relative 0 0\n")
    for _again in range(2):
        world.run()
        with lxc.started() as run:
            assert run("cat", "/mnt/d/f1") == "1" * 3000
        world.run("absent")


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("where", ["fstab", "config"])
@pytest.mark.parametrize(
    "line",
    [
        "{volume} usr none bind 0 0",
        "{volume} {root}/usr none bind 0 0",
        "{volume} usr/ none bind,optional 0 0",
        "none usr tmpfs defaults 0 0",
        "none . tmpfs defaults 0 0",
    ],
)
@pytest.mark.usefixtures("lxc")
def test_a_mount_over_the_directory_is_refused(world: World, line: str, where: str, check: bool) -> None:
    text = line.format(volume=world.base / "volume", root=world.containers / "c1/rootfs")
    with (world.containers / "c1" / where).open("a") as file:
        file.write(text + "\n" if where == "fstab" else f"lxc.mount.entry = {text}\n")
    before = view(world.containers)
    with pytest.raises(OvercError) as caught:
        world.run(check=check)
    assert caught.value.error_id == "overlay_unsupported"
    assert where in caught.value.message
    assert view(world.containers) == before


@pytest.mark.usefixtures("lxc")
def test_a_remount_covers_nothing(world: World) -> None:
    table(world).write_text("none usr none bind,remount,ro 0 0\n")
    assert world.run()["changed"]


@pytest.mark.parametrize(
    "options",
    ["lowerdir=/a:/b", "ro,lowerdir=/a", "lowerdir=/a,upperdir=/u,workdir=/w", "defaults", "lowerdir=,upperdir=/u"],
)
@pytest.mark.usefixtures("lxc")
def test_the_administrators_overlay_stays(world: World, options: str) -> None:
    line = f"overlay usr overlay {options} 0 0\n"
    table(world).write_text(line)
    found = world.info()["overlays"][0]
    assert (found["directory"], found["made_by"]) == ("/usr", "unknown")
    for state in ("present", "absent"):
        for check in (True, False):
            with pytest.raises(OvercError) as caught:
                world.run(state, check=check)
            assert caught.value.error_id == "inconsistent"
    assert table(world).read_text() == line


@pytest.mark.usefixtures("lxc")
def test_the_administrators_overlay_below_ours_stays(world: World) -> None:
    """A line of somebody else for the same directory, before ours: ours goes, that one stays."""
    world.run()
    line = "overlay usr overlay lowerdir=/bin:/etc 0 0\n"
    table(world).write_text(line + table(world).read_text())
    assert any("mounted over" in problem for problem in world.info()["overlays"][0]["problems"])
    world.run("absent")
    assert table(world).read_text() == line


@pytest.mark.parametrize("by", ["link", "bind"])
def test_the_same_directory_by_another_name(world: World, lxc: Lxc, by: str) -> None:
    """LXC was told another name of the place, and so does the line."""
    alias = world.base / "alias"
    seen = world.seen(below="usr")
    if by == "link":
        alias.symlink_to(world.containers)
    else:
        alias.mkdir()
        subprocess.run(["mount", "--bind", str(world.containers), str(alias)], check=True)
    try:
        configure(alias / "c1/rootfs")
        world.run()
        table(world).write_text(table(world).read_text().replace(" usr ", f" {alias}/c1/rootfs/usr "))
        lxc.path = str(alias)
        with lxc.started() as run:
            assert run("cat", "/usr/share/d/f1") == "1" * 3000
            assert world.info()["running"]
        for place in (world.containers, alias):
            original, world.containers = world.containers, place
            found = world.info()["overlays"]
            assert [(f["directory"], f["made_by"], f["problems"]) for f in found] == [("/usr", "overc_overlay", [])]
            assert not world.run()["changed"]
            world.containers = original
        world.run("absent")
        assert table(world).read_text() == ""
    finally:
        if by == "bind":
            subprocess.run(["umount", str(alias)], check=True)
    assert view(world.containers / "c1/rootfs/usr") == seen


@pytest.mark.usefixtures("lxc")
def test_a_line_for_another_container_is_not_this_ones(world: World) -> None:
    """LXC leaves such a line out."""
    line = f"overlay {world.base}/other/c1/rootfs/usr overlay lowerdir=/a,upperdir=/b_temp,workdir=/c 0 0\n"
    table(world).write_text(line)
    assert world.info()["overlays"] == []
    world.run()
    assert line in table(world).read_text()
    world.run("absent")
    assert table(world).read_text() == line


@pytest.mark.parametrize("name", ["fstab", "config"])
@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
@pytest.mark.usefixtures("lxc")
def test_a_table_that_is_no_file_is_named(world: World, name: str, kind: str) -> None:
    path = world.containers / "c1" / name
    path.rename(world.base / name)
    if kind == "link":
        path.symlink_to(world.base / name)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    for state in ("present", "absent"):
        with pytest.raises(OvercError) as caught:
            world.run(state)
        assert caught.value.error_id == "inconsistent"
        assert str(path) in caught.value.message
    with pytest.raises(OvercError) as caught:
        world.info()
    assert str(path) in caught.value.message


@pytest.mark.parametrize("name", ["fstab", "config", ".overc-overlay", "rootfs"])
@pytest.mark.parametrize("kind", ["link", "fifo", "file"])
@pytest.mark.usefixtures("lxc")
def test_one_container_in_trouble_does_not_end_the_list(world: World, name: str, kind: str) -> None:
    world.container("c0", of=world.host)
    world.container("c2", of=world.host)
    world.run(container="c2")
    path = world.containers / "c1" / name
    if path.exists():
        path.rename(world.base / f"{name}-away")
    else:
        (world.base / f"{name}-away").mkdir()
    if kind == "link":
        path.symlink_to(world.base / f"{name}-away")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"\xff" if name.startswith(".") else b"")
    listed = overlay_info.information(str(world.containers), None, places=world.places)
    found = {entry["container"]: entry for entry in listed}
    assert set(found) - {"c1"} == {"c0", "c2"}
    assert [found[name]["status"] for name in ("c0", "c2")] == ["ok", "ok"]
    assert [entry["status"] for entry in found["c2"]["overlays"]] == ["shared"]
    assert all(set(entry) == set(found["c2"]) for entry in listed)
    if name == "rootfs" and kind != "link":
        assert "c1" not in found, "no container has such a root"
    elif name in ("fstab", "config") and kind == "file":
        assert found["c1"]["status"] == "ok"
    else:
        assert found["c1"]["status"] == "broken"
        assert "c1" in "".join(found["c1"]["problems"])
        assert found["c1"]["overlays"] == []
        with pytest.raises((OvercError, OSError)):
            world.info()
    json.dumps(listed)


@pytest.fixture
def _soon() -> t.Iterator[None]:
    """Whoever waits for what never comes is woken."""

    def wake(_signal: int, _frame: object) -> None:
        raise AssertionError("waited for a fifo")

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("lxc", "_soon")
def test_a_fifo_of_another_container_is_not_waited_for(world: World) -> None:
    root = world.container("c2", of=world.host)
    (root.parent / "config").unlink()
    os.mkfifo(root.parent / "config")
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert caught.value.error_id == "inconsistent"
        assert f"{root.parent}/config" in caught.value.message


@pytest.mark.usefixtures("_soon")
def test_a_fifo_among_the_units_is_not_waited_for(world: World) -> None:
    populate(world.host)
    world.container(lxc=False, of=world.host)
    world.run()
    os.mkfifo(f"{world.places.units}/a.mount")
    assert [entry["status"] for entry in world.info()["overlays"]] == ["mounted"]
    listed = overlay_info.information(str(world.containers), None, places=world.places)
    assert [entry["status"] for entry in listed] == ["ok"]
    world.run("absent")


def test_a_unit_of_somebody_else_is_not_replaced(world: World) -> None:
    populate(world.host)
    root = world.container(lxc=False, of=world.host)
    world.run()
    (unit,) = Path(world.places.units).glob("*.mount")
    world.run("absent")
    for text in ("[Mount]\nWhat=tmpfs\nWhere=/elsewhere\nType=tmpfs\n", None):
        unit.unlink(missing_ok=True)
        unit.write_text(text) if text else unit.symlink_to("/dev/null")
        before = view(root)
        with pytest.raises(OvercError) as caught:
            world.run()
        assert caught.value.error_id == "overlay_unsupported"
        assert str(unit) in caught.value.message
        assert view(root) == before
        assert unit.read_text() == (text or "")
    unit.unlink()
