# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that wants out: whatever it plants, nothing outside is read as if inside, changed or deleted."""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay.layers import remove
from ansible_collections.overc.system.plugins.module_utils.system import safe_path

from .world import World, subvolume, view

libc = ctypes.CDLL(None, use_errno=True)


def same(world: World, text: str = "same") -> Path:
    """A host with a few files, and a container that has the same."""
    for name in ("a", "d/b", "d/e/c"):
        path = world.host / "usr" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text * 2000)
    root = world.container()
    subprocess.run(["cp", "-a", f"{world.host}/usr", str(root)], check=True)
    return root


def refused(world: World, error_id: str, **kwargs: t.Any) -> OvercError:
    """Refused, in check mode too, and nothing touched."""

    def everything() -> t.Any:
        seen, links = view(world.base)
        # our directory was there for a moment, which moves the time of its parent
        seen.pop(os.fsencode("containers/c1"), None)
        return seen, links

    before = everything()
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check, **kwargs)
        assert caught.value.error_id == error_id, caught.value
    assert everything() == before
    return caught.value


def naive(container: Path, source: Path) -> None:
    """The walker of the original tool, in Python: what a test must see fail."""
    for path, _directories, files in os.walk(source):
        for name in files:
            other = container / os.path.relpath(path, source) / name
            if other.is_file() and other.read_bytes() == Path(path, name).read_bytes():
                other.unlink()


@pytest.mark.parametrize("depth", ["d", "d/e"])
def test_directory_that_is_a_link_to_the_host(world: World, depth: str) -> None:
    root = same(world)
    victim = world.base / "victim"
    subprocess.run(["cp", "-a", f"{world.host}/usr/{depth}", str(victim)], check=True)
    subprocess.run(["rm", "-r", f"{root}/usr/{depth}"], check=True)
    (root / "usr" / depth).symlink_to(victim)
    before, seen = view(victim), view(root)
    world.run()
    assert view(victim) == before
    assert world.seen() == seen
    world.run("absent")
    assert view(victim) == before
    assert view(root) == seen
    naive(root / "usr", world.host / "usr")
    assert view(victim) != before, "the attack does not work even on a naive walker"


def test_entry_point_that_is_a_link(world: World) -> None:
    root = same(world)
    subprocess.run(["mv", f"{root}/usr", f"{root}/real"], check=True)
    (root / "usr").symlink_to(world.host / "usr")
    refused(world, "bad_argument")


@pytest.mark.parametrize("directory", ["/usr/../../x", "/../host/usr", "usr", "/", "/proc", "/dev/shm"])
def test_directories_that_are_not_inside(world: World, directory: str) -> None:
    same(world)
    refused(world, "bad_argument", directories=(directory,))


@pytest.mark.parametrize("name", ["../c1", "..", ".", "", "c1/rootfs", "essential", ".hidden"])
def test_container_names_that_are_paths(world: World, name: str) -> None:
    same(world)
    refused(world, "bad_argument", container=name)


@pytest.mark.parametrize("source", ["../host", "", ".", "c1", "a/b"])
def test_source_names_that_are_paths(world: World, source: str) -> None:
    same(world)
    refused(world, "bad_argument", sources=(source,))


def test_source_that_is_a_link_inside_its_container(world: World) -> None:
    """A source container aims its /usr at the host's secrets: it has no /usr, then."""
    same(world)
    other = world.container("c2")
    (other / "usr").symlink_to(world.host / "usr")
    result = world.run(sources=("c2",))
    assert result["directories"][0]["sources_without"] == ["c2"]
    assert result["directories"][0]["entries_shared"] == 0


def test_whiteout_in_the_container(world: World) -> None:
    root = same(world)
    os.mknod(root / "usr/d/white", stat.S_IFCHR, os.makedev(0, 0))
    error = refused(world, "overlay_unrepresentable")
    assert error.facts["paths"][0]["path"] == "/usr/d/white"


@pytest.mark.parametrize("mark", ["opaque", "redirect", "metacopy", "origin"])
@pytest.mark.parametrize("where", ["d", "a", "own", "own/file", ""])
def test_overlay_mark_in_the_container(world: World, mark: str, where: str) -> None:
    root = same(world)
    (root / "usr/own").mkdir()
    (root / "usr/own/file").write_text("own")
    os.setxattr(root / "usr" / where, f"trusted.overlay.{mark}", b"y")
    refused(world, "overlay_unrepresentable")


@pytest.mark.parametrize("mark", ["opaque", "redirect", "metacopy"])
@pytest.mark.parametrize("where", ["d", "a", "d/e", ""])
def test_overlay_mark_in_a_source(world: World, mark: str, where: str) -> None:
    root = same(world)
    (world.host / "usr/other").mkdir()
    (world.host / "usr/other/secret").write_text("secret")
    os.setxattr(world.host / "usr" / where, f"trusted.overlay.{mark}", b"/other" if mark == "redirect" else b"y")
    before = view(root)
    world.run()
    assert world.seen() == before
    assert not world.run()["changed"]
    world.run("absent")
    assert view(root) == before


def test_whiteout_in_a_source(world: World) -> None:
    root = same(world)
    (world.host / "usr/a").unlink()
    os.mknod(world.host / "usr/a", stat.S_IFCHR, os.makedev(0, 0))
    os.mknod(world.host / "usr/only", stat.S_IFCHR, os.makedev(0, 0))
    before = view(root)
    world.run()
    assert world.seen() == before


def test_opaque_directory_of_the_upper_layer(world: World) -> None:
    """The container removes a shared directory and makes it again: nothing of the old one may come back."""
    root = same(world)
    world.run()
    with world.started():
        subprocess.run(["rm", "-r", f"{root}/usr/d"], check=True)
        (root / "usr/d").mkdir()
        (root / "usr/d/new").write_text("new")
        after = view(root)
    upper = next((world.containers / "c1/.overc-overlay").glob("*/.overc-*/upper/d"))
    assert os.getxattr(upper, "trusted.overlay.opaque") == b"y"
    (world.host / "usr/a").write_text("upgraded")
    world.run()
    assert world.seen() == after
    world.run("absent")
    assert view(root) == after


def test_opaque_directory_made_when_nothing_is_shared_in_it(world: World) -> None:
    root = same(world)
    subprocess.run(["rm", "-r", f"{root}/usr/d/e"], check=True)
    (root / "usr/d/e").mkdir()
    (root / "usr/d/e/own").write_text("own")
    before = view(root)
    assert world.run()["directories"][0]["opaque_directories"] == 1
    assert world.seen() == before
    world.run("absent")
    assert view(root) == before


def mounted(source: Path, target: Path, kind: str) -> None:
    argv = ["mount", "--bind", str(source)] if kind == "bind" else ["mount", "-t", "tmpfs", "x"]
    argv.append(str(target))
    subprocess.run(argv, check=True)


PLACES = [("bind", "usr"), ("bind", "usr/d"), ("bind", "usr/a"), ("tmpfs", "usr"), ("tmpfs", "usr/d")]


@pytest.mark.parametrize(("kind", "where"), PLACES)
def test_mount_in_the_container(world: World, kind: str, where: str) -> None:
    root = same(world)
    victim = world.base / "victim"
    if where == "usr/a":
        victim.write_text("victim")
    else:
        subprocess.run(["cp", "-a", f"{world.host}/{where}", str(victim)], check=True)
    mounted(victim, root / where, kind)
    try:
        with pytest.raises(OvercError) as caught:
            world.run()
        assert caught.value.error_id in ("overlay_unsupported", "bad_argument")
    finally:
        subprocess.run(["umount", str(root / where)], check=True)
    assert victim.exists()
    assert world.leftovers() == []


def test_mount_in_a_source_is_not_part_of_it(world: World) -> None:
    """What is mounted on the host's /usr/d is invisible through a layer, so it must not count as shared."""
    root = same(world)
    subprocess.run(["rm", "-r", f"{world.host}/usr/d"], check=True)
    (world.host / "usr/d").mkdir()
    elsewhere = world.base / "elsewhere"
    subprocess.run(["cp", "-a", f"{root}/usr/d", elsewhere], check=True)
    mounted(elsewhere, world.host / "usr/d", "bind")
    try:
        before = view(root)
        planned = world.run(check=True)["directories"][0]
        done = world.run()["directories"][0]
        assert planned["entries_shared"] == done["entries_shared"] == 1
        assert world.seen() == before
    finally:
        subprocess.run(["umount", str(world.host / "usr/d")], check=True)


def test_subvolume_in_the_container(world: World) -> None:
    root = same(world)
    subvolume(root / "usr/nested")
    refused(world, "overlay_unrepresentable")


def test_subvolume_in_a_source(world: World) -> None:
    """A snapshot shows it empty."""
    root = same(world)
    subprocess.run(["rm", "-r", f"{world.host}/usr/d"], check=True)
    subvolume(world.host / "usr/d")
    subprocess.run(["cp", "-a", f"{root}/usr/d/.", f"{world.host}/usr/d"], check=True)
    before = view(root)
    world.run()
    assert world.seen() == before


def test_links_that_leave_the_directory(world: World) -> None:
    root = same(world)
    os.link(root / "usr/a", root / "elsewhere")
    refused(world, "overlay_unrepresentable")


def test_device_nodes_are_not_opened(world: World) -> None:
    root = same(world)
    for number, kind in enumerate((stat.S_IFCHR, stat.S_IFBLK)):
        os.mknod(root / "usr" / f"n{number}", kind | 0o600, os.makedev(10, 130))  # a watchdog: opening arms it
        os.mknod(world.host / "usr" / f"n{number}", kind | 0o600, os.makedev(10, 130))
    os.mkfifo(root / "usr/fifo")
    os.mkfifo(world.host / "usr/fifo")
    before = view(root)

    def alarm(*_args: object) -> None:
        raise AssertionError("blocked on a fifo")

    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(20)
    try:
        world.run()
    finally:
        signal.alarm(0)
    assert world.seen() == before


def test_every_byte_in_names(world: World) -> None:
    root = same(world)
    for byte in range(1, 256):
        if byte != 0x2F:
            name = b"x" + bytes([byte])
            for top in (root, world.host):
                with open(os.path.join(os.fsencode(top / "usr"), name), "wb") as file:
                    file.write(b"same" * 1000)
                os.utime(os.path.join(os.fsencode(top / "usr"), name), (1, 1))
    os.mkdir(os.path.join(os.fsencode(root / "usr"), b"\xff\n"))
    before = view(root)
    result = world.run()
    assert result["directories"][0]["entries_shared"] >= 254
    import json

    json.dumps(result).encode("utf-8")
    assert world.seen() == before
    world.run("absent")
    assert view(root) == before


@pytest.mark.parametrize("name", ["a:b,c\\d e", "t\tn\nl", "ü\udcff", "#x", "q\"'"])
def test_hostile_paths_of_the_directory_itself(world: World, name: str) -> None:
    for top in (world.host, world.container()):
        (top / name).mkdir()
        (top / name / "f").write_text("same" * 1000)
        os.utime(top / name / "f", (1, 1))
    root = world.containers / "c1/rootfs"
    before = view(root)
    assert world.run(directories=(f"/{name}",))["directories"][0]["entries_shared"] == 1
    assert world.seen() == before
    world.run("absent", directories=(f"/{name}",))
    assert view(root) == before


def test_very_deep_tree(world: World) -> None:
    """Far deeper than a path can name: refused, not crashed."""
    root = same(world)
    fd = os.open(root / "usr", os.O_RDONLY)
    for _level in range(80):
        os.mkdir("x" * 250, dir_fd=fd)
        deeper = os.open("x" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert caught.value.error_id == "overlay_unrepresentable"
    fd = os.open(root / "usr", os.O_RDONLY)
    remove.empty(fd)
    os.close(fd)
    assert list((root / "usr").iterdir()) == []


def test_very_wide_tree(world: World) -> None:
    """More directories in one than a process may open."""
    root = same(world)
    for top in (root, world.host):
        for number in range(9000):
            (top / "usr" / f"w{number}").mkdir()
    before = view(root)
    world.run()
    assert world.seen() == before


def test_directory_swapped_for_a_link_while_we_walk(world: World) -> None:
    """A race, run against everything that walks: nothing outside may be touched, however it ends."""
    root = same(world)
    for number in range(300):
        (root / f"usr/d/r{number}").mkdir()
        (root / f"usr/d/r{number}/f").write_text("x")
    victim = world.base / "victim"
    subprocess.run(["cp", "-a", f"{root}/usr/d", str(victim)], check=True)
    before = view(victim)
    stop = threading.Event()

    def swap() -> None:
        here, link = os.fsencode(root / "usr/d"), os.fsencode(root / "usr/link")
        os.symlink(victim, link)
        while not stop.is_set():
            # RENAME_EXCHANGE: the directory is a link to the host, and back, thousands of times a second
            libc.renameat2(-100, here, -100, link, 2)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _attempt in range(15):
            try:
                world.run(check=True)
            except OvercError as error:
                assert error.error_id in ("overlay_unrepresentable", "overlay_failed"), error
        fd = os.open(root / "usr", os.O_RDONLY)
        try:
            remove.empty(fd, jobs=1)
        except OvercError:
            pass
        finally:
            os.close(fd)
    finally:
        stop.set()
        thread.join()
    assert view(victim) == before


def test_opening_refuses_links_and_mounts(world: World) -> None:
    root = same(world)
    (root / "link").symlink_to("usr")
    fd = os.open(root, os.O_RDONLY)
    try:
        for name in ("link", "..", "usr/d", ".", ""):
            with pytest.raises(OSError):
                safe_path.open_dir(name, fd)
    finally:
        os.close(fd)
