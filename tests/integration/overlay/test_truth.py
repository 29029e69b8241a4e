# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever writes into the container's directory while we work loses nothing, and whatever fails tells what was reached."""

from __future__ import annotations

import errno
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import apply
from ansible_collections.overc.system.plugins.module_utils.overlay.table import LxcTable
from ansible_collections.overc.system.plugins.module_utils.system import syscalls

from .test_containers import populate
from .world import World, told, view

AFTER_THE_SWITCH = ("empty_directory", "trim_layer", "drop_snapshots", "record")


@pytest.fixture
def container(world: World) -> Path:
    populate(world.host)
    return world.container(of=world.host)


def write_new(usr: Path) -> Path:
    (usr / "late").write_text("late")
    return usr / "late"


def write_deep(usr: Path) -> Path:
    (usr / "d/new/er").mkdir(parents=True)
    (usr / "d/new/er/late").write_text("late")
    return usr / "d/new/er/late"


def overwrite(usr: Path) -> Path:
    path = next(path for path in sorted(usr.rglob("*")) if path.is_file() and not path.is_symlink())
    before = path.stat()
    path.write_bytes(b"#" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


def replace(usr: Path) -> Path:
    path = next(path for path in sorted(usr.rglob("*")) if path.is_file() and not path.is_symlink())
    path.with_name("fresh").write_text("late")
    path.with_name("fresh").rename(path)
    return path


WRITERS = (write_new, write_deep, overwrite, replace)


@pytest.mark.parametrize("when", ["snapshot_sources", "compare", "build_layers", "probe"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_before_the_switch_stops_it(
    world: World, container: Path, writer: t.Callable[[Path], Path], when: str
) -> None:
    written: list[tuple[Path, bytes]] = []

    def observer(at: str, step: str) -> None:
        if (at, step) == ("after", when):
            path = writer(container / "usr")
            written.append((path, path.read_bytes()))

    with pytest.raises(OvercError) as caught:
        world.run(observer=observer)
    shown = told(caught.value)
    assert (shown["error_id"], shown["changed"]) == ("container_changed", False)
    assert written[0][0].read_bytes() == written[0][1]
    assert world.leftovers() == []
    before = view(container)
    world.run()
    assert world.seen() == before


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_written_after_the_switch_stays(
    world: World, container: Path, writer: t.Callable[[Path], Path], jobs: int
) -> None:
    written: list[tuple[Path, bytes]] = []

    def observer(at: str, step: str) -> None:
        if (at, step) == ("before", "empty_directory"):
            path = writer(container / "usr")
            written.append((path, path.read_bytes()))

    before = view(container)
    with pytest.raises(OvercError) as caught:
        world.run(observer=observer, jobs=jobs)
    shown = told(caught.value)
    path, content = written[0]
    assert (shown["error_id"], shown["changed"]) == ("container_changed", True)
    assert [str(path).startswith(place) for place in shown["paths"]] == [True]
    assert path.read_bytes() == content
    for state in ("present", "absent"):
        with pytest.raises(OvercError) as caught:
            world.run(state)
        assert caught.value.error_id == "container_changed"
        assert path.read_bytes() == content
    path.unlink()
    if writer is write_deep:
        subprocess.run(["rm", "-r", shown["paths"][0]], check=True)
    assert world.run()["repaired"]
    assert world.seen() == before
    world.run("absent")
    assert view(container) == before
    assert world.leftovers() == []


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("state", ["absent", "present"])
def test_what_is_written_while_the_way_back_is_undone_stays(
    world: World, container: Path, writer: t.Callable[[Path], Path], state: str, jobs: int
) -> None:
    """What was made below the mount goes again, and only that."""
    before = view(container)
    world.run()
    (world.host / "usr/share/d/f1").write_text("upgraded")
    written: list[tuple[Path, bytes]] = []

    def observer(at: str, step: str) -> None:
        if (at, step) == ("after", "materialise"):
            path = writer(container / "usr")
            written.append((path, path.read_bytes()))
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(OvercError) as caught:
        world.run(state, observer=observer, jobs=jobs)
    path, content = written[0]
    shown = told(caught.value)
    assert not shown["changed"]
    assert "Somebody wrote" in shown["repair"]
    assert path.read_bytes() == content
    with pytest.raises(OvercError) as caught:
        world.run(state)
    assert caught.value.error_id == "container_changed"
    assert path.read_bytes() == content
    left = [Path(name) for name in told(caught.value)["paths"]]
    assert len(left) == 1
    subprocess.run(["rm", "-r", str(left[0])], check=True)
    assert world.run(state)["changed"]
    assert (view(container) if state == "absent" else world.seen()) == before


@pytest.mark.parametrize("step", AFTER_THE_SWITCH)
def test_a_failure_after_the_switch_says_changed(
    world: World, container: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = view(container)

    def fails(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(apply.Work, f"_{step}", fails)
    with pytest.raises(OvercError) as caught:
        world.run()
    shown = told(caught.value)
    assert shown["changed"]
    assert "switched" in shown["msg"]
    monkeypatch.undo()
    world.run()
    assert world.seen() == before


@pytest.mark.parametrize("step", ["remove_old_layers", "record"])
def test_a_failure_after_the_way_back_says_changed(
    world: World, container: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = view(container)
    world.run()

    def fails(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(apply.Work, f"_{step}", fails)
    with pytest.raises(OvercError) as caught:
        world.run("absent")
    assert told(caught.value)["changed"]
    assert view(container) == before
    monkeypatch.undo()
    assert not world.run("absent")["changed"]
    assert world.leftovers() == []


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("check", [False, True])
def test_a_read_only_container_is_refused_before(world: World, container: Path, state: str, check: bool) -> None:
    if state == "absent":
        world.run()
    seen = world.seen()
    subprocess.run(["btrfs", "property", "set", str(container), "ro", "true"], check=True)
    try:
        with pytest.raises(OvercError) as caught:
            world.run(state, check=check)
        shown = told(caught.value)
        assert (shown["error_id"], shown["changed"]) == ("overlay_unsupported", False)
        assert "read-only" in shown["msg"]
    finally:
        subprocess.run(["btrfs", "property", "set", str(container), "ro", "false"], check=True)
    assert world.seen() == seen
    assert world.run(state)["changed"]


@pytest.mark.parametrize(("check", "apply"), [(True, "auto"), (False, "auto"), (True, "boot"), (False, "boot")])
def test_a_kernel_without_overlays_is_seen_before(
    world: World, container: Path, monkeypatch: pytest.MonkeyPatch, check: bool, apply: str
) -> None:
    def mount(source: str, target: str, fstype: str, *args: t.Any, **more: t.Any) -> None:
        if fstype == "overlay":
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        real(source, target, fstype, *args, **more)

    before, real = view(container), syscalls.mount
    monkeypatch.setattr(syscalls, "mount", mount)
    with pytest.raises(OvercError) as caught:
        world.run(check=check, apply=apply)
    assert (caught.value.error_id, told(caught.value)["changed"]) == ("overlay_unsupported", False)
    assert "No such device" in caught.value.message
    assert view(container) == before
    assert world.leftovers() == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_switch_that_is_not_on_disk_yet_removes_nothing(
    world: World, container: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Cut off between the rename of the table and its sync, the next run sees the new table, but perhaps only in memory."""
    before = view(container)
    if state == "absent":
        world.run()
    order: list[str] = []

    def not_durable(self: t.Any) -> None:  # noqa: ARG001 - of the table
        order.append("sync")
        raise OSError(errno.EIO, "Input/output error")

    class Cut(BaseException):
        pass

    def cut(when: str, step: str) -> None:
        if when == "after" and step.startswith("commit"):
            raise Cut

    with pytest.raises(Cut):
        world.run(state, observer=cut)
    under = view(container)
    layers = sorted(path.name for path in (container.parent / ".overc-overlay").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(LxcTable, "make_durable", not_durable)
        with pytest.raises((OvercError, OSError)):
            world.run(state)
    assert order == ["sync"]
    assert view(container) == under
    assert sorted(path.name for path in (container.parent / ".overc-overlay").iterdir()) == layers
    assert world.run(state)["repaired"]
    assert world.seen() == before
