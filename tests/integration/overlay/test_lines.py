# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of mounts that somebody puts back as they were: an old fstab, an old configuration, a host's root rolled back."""

from __future__ import annotations

import errno
import os
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay.site import Site
from ansible_collections.overc.system.plugins.module_utils.overlay.table import SystemdTable
from ansible_collections.overc.system.plugins.module_utils.system import overlayfs

from .test_containers import populate
from .world import World, view

KINDS = ("fstab", "no fstab", "config", "another table", "units")


@pytest.fixture
def world(world: World) -> World:
    """c1 is nearly the host, and has some of its files from c0."""
    populate(world.host)
    populate(world.container("c0"))
    (world.containers / "c0/rootfs/usr/share/of-c0").write_text("c0" * 5000)
    return world


def prepare(world: World, kind: str) -> tuple[Path, t.Callable[[], None]]:
    """A container, and what puts back its table of mounts as it is now."""
    root = world.container(of=world.host, lxc=kind != "units")
    shutil.copy2(world.containers / "c0/rootfs/usr/share/of-c0", root / "usr/share/of-c0")
    if kind == "config":
        (root.parent / "config").write_text(f"lxc.rootfs.path = dir:{root}\n")
        (root.parent / "fstab").unlink()
    places = [root.parent / name for name in ("fstab", "config") if (root.parent / name).exists()]
    before = {path: path.read_text() for path in places}

    def put_back() -> None:
        if kind == "units":
            shutil.rmtree(world.places.units)
        elif kind == "no fstab":
            (root.parent / "fstab").unlink()
        elif kind == "another table":
            (root.parent / "table").write_text("")
            text = before[root.parent / "config"].replace("/fstab\n", "/table\n")
            (root.parent / "config").write_text(text)
        else:
            for path, text in before.items():
                path.write_text(text)

    return root, put_back


def share(world: World, **more: t.Any) -> t.Any:
    result = world.run(sources=("essential", "c0"), **more)
    unmount(world)
    return result


def unmount(world: World) -> None:
    """What the host mounts for containers that are not LXC is gone, as after a reboot."""
    with Site(str(world.containers), "c1", units=world.places.units) as site:
        for found in site.host_mounts("/usr"):
            overlayfs.unmount(found.target)


def problems(world: World) -> list[str]:
    """But for what ``unmount`` did."""
    found = world.info()
    out = [*found["problems"], *(problem for overlay in found["overlays"] for problem in overlay["problems"])]
    return [problem for problem in out if "not mounted on the host" not in problem]


@pytest.mark.parametrize(
    ("kind", "state"),
    [*((kind, "present") for kind in KINDS), ("fstab", "everything"), ("units", "absent"), ("config", "absent")],
)
def test_a_line_that_is_gone_is_put_back(world: World, kind: str, state: str) -> None:
    root, put_back = prepare(world, kind)
    before = view(root)
    share(world)
    with world.started():
        (root / "usr/share/own").write_text("own")
        (root / "usr/share/d/f2").unlink()
    after = world.seen()
    assert after != before
    put_back()
    (found,) = world.info()["overlays"]
    assert found["status"] == "broken"
    assert "overc_overlay puts it back" in found["problems"][0]
    assert found["directory"] == "/usr"
    call: dict[str, t.Any] = {"sources": ("essential", "c0")} if state == "present" else {}
    if state == "everything":
        call = {"directories": (), "everything": True}
    state = "absent" if state == "everything" else state
    told = world.run(state, check=True, **call)
    done = world.run(state, **call)
    unmount(world)
    assert told["changed"]
    assert done["changed"]
    assert "back" in str(told["repaired"]) or "again" in str(told["repaired"])
    assert done["repaired"]
    for result in (told, done):
        assert [d["operation"] for d in result["directories"]] == ["none" if state == "present" else "stop"]
    if state == "present":
        assert world.seen() == after
        assert problems(world) == []
        world.run(sources=("essential", "c0"))  # mounts what was unmounted
        assert not world.run(sources=("essential", "c0"))["changed"]
        unmount(world)
        world.run("absent")
    assert view(root) == after
    assert world.leftovers() == []


@pytest.mark.parametrize("at", ["mount", "commit"])
def test_a_line_is_put_back_by_the_next_run_when_cut_off(
    world: World, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its line alone, until the next boot the container would see an empty directory."""
    root, put_back = prepare(world, "units")
    before = view(root)
    share(world)
    put_back()

    def cut(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        if at == "mount":
            patched.setattr(overlayfs, "mount", cut)
        else:
            patched.setattr(SystemdTable, "commit", cut)
        with pytest.raises((OvercError, OSError)):
            world.run(sources=("essential", "c0"))
    assert world.run(sources=("essential", "c0"))["repaired"]
    assert view(root) == before, "it is mounted"
    unmount(world)
    world.run("absent")
    assert world.leftovers() == []


def test_what_a_repair_could_not_mount_is_taken_up_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    root = world.container(of=world.host, lxc=False)
    before = view(root)
    world.run_killed("after", "commit_mount")

    def cut(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(overlayfs, "mount", cut)
        with pytest.raises((OvercError, OSError)):
            world.run()
    assert world.run()["repaired"]
    assert view(root) == before, "it is mounted"
    unmount(world)
    world.run("absent")
    assert world.leftovers() == []


@pytest.mark.parametrize(
    ("kind", "state", "remedy"),
    [
        ("fstab", "present", "move away"),
        ("units", "absent", "move away"),
        ("fstab", "absent", "delete the layers"),
        ("units", "present", "delete the layers"),
    ],
)
def test_what_lies_there_meanwhile_is_not_covered(world: World, kind: str, state: str, remedy: str) -> None:
    root, put_back = prepare(world, kind)
    share(world)
    shared = world.seen()
    put_back()
    (root / "usr/restored").write_text("restored")
    restored = view(root)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(state, check=check)
        assert caught.value.error_id == "inconsistent"
        assert "restored" in caught.value.message
    assert view(root) == restored
    assert world.info()["status"] == "broken"
    if remedy == "move away":
        (root / "usr/restored").unlink()
        world.run("absent")
        assert view(root / "usr")[0].keys() == {name[4:] or b"." for name in shared[0] if name[:4] in (b"usr/", b"usr")}
    else:
        home = root.parent / ".overc-overlay"
        fd = os.open(home, os.O_RDONLY)
        try:
            ioctl.delete_subvolume(next(path.name for path in home.iterdir() if path.is_dir()), fd)
        finally:
            os.close(fd)
        world.run(state)
        unmount(world)
        assert world.seen() == restored
        assert problems(world) == []


@pytest.mark.parametrize("kind", ["fstab", "units"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_line_that_names_nothing_any_more_goes(world: World, kind: str, state: str) -> None:
    """Sharing was stopped, and then the table of before was put back: its layers are gone, the files are there."""
    root, _put_back = prepare(world, kind)
    before = view(root)
    share(world)
    place = root.parent / "fstab" if kind == "fstab" else Path(world.places.units)
    kept = snapshot_of(place, world.base / "kept")
    world.run("absent")
    assert view(root) == before
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    snapshot_of(kept, place)
    assert world.info()["overlays"][0]["status"] == "broken"
    told, done = world.run(state, check=True), world.run(state)
    unmount(world)
    for result in (told, done):
        assert result["changed"]
        assert "whose layers are gone" in result["repaired"]
        assert [d["operation"] for d in result["directories"]] == ["none" if state == "absent" else "create"]
    assert world.seen() == before
    assert problems(world) == []
    world.run("absent")
    assert view(root) == before
    assert world.leftovers() == []


def snapshot_of(source: Path, target: Path) -> Path:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
    return target


@pytest.mark.parametrize("state", ["present", "absent"])
def test_layers_that_are_gone_are_not_guessed(world: World, state: str) -> None:
    root, _put_back = prepare(world, "fstab")
    share(world)
    home = root.parent / ".overc-overlay"
    kept = next(path for path in home.iterdir() if path.is_dir())
    kept.rename(world.base / "kept")
    before = view(world.containers)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(state, check=check)
        assert caught.value.error_id == "inconsistent"
        assert str(kept) in caught.value.message
    assert view(world.containers) == before
    (world.base / "kept").rename(kept)
    world.run("absent")
    assert world.leftovers() == []
