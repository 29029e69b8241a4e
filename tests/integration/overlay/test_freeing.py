# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With ``wait: false`` the container may start when its overlay is on the record; the copies under the mount go meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import freeing, manage

from .disk import quiet
from .test_crash import prepare
from .world import World, snapshot, told, view

COPIES = 60


class Remover:
    """The process that removes, held up until it is let go, or killed."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self._gate, self._pid = world.base / "gate", world.base / "pid"
        real = freeing._remove

        def held_up(*arguments: t.Any) -> None:
            new = self._pid.with_suffix(".new")
            new.write_text(str(os.getpid()))
            new.rename(self._pid)
            while not self._gate.exists():
                time.sleep(0.01)
            real(*arguments)

        monkeypatch.setattr(freeing, "_remove", held_up)

    @property
    def pid(self) -> int:
        while not self._pid.exists():
            time.sleep(0.01)
        return int(self._pid.read_text())

    def let_go(self) -> None:
        self._gate.touch()

    def ended(self) -> None:
        self.let_go()
        settled(self.world)
        for path in (self._gate, self._pid):
            path.unlink(missing_ok=True)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        settled(self.world)
        self._pid.unlink()


def settled(world: World) -> None:
    """When nobody removes anything any more."""
    for own in snapshots(world):
        with contextlib.suppress(FileNotFoundError):
            quiet(own)


def snapshots(world: World) -> list[Path]:
    return list(world.containers.glob("c1/.overc-overlay/*.own"))


@pytest.fixture
def remover(world: World, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Remover]:
    made = Remover(world, monkeypatch)
    yield made
    made.ended()


def waits_for_a_lock(pid: int) -> bool:
    """proc(5): the fields of who waits are moved by an arrow."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(fields[1] == "->" and fields[5] == str(pid) for fields in lines)


def copies(root: Path) -> int:
    return sum(1 for path in (root / "usr").rglob("*") if path.is_file())


def report(result: dict[str, t.Any]) -> dict[str, t.Any]:
    (found,) = result["directories"]
    return t.cast("dict[str, t.Any]", found)


def gone(world: World, root: Path, before: t.Any) -> None:
    """All of it is as if it had been waited for; and it goes without a trace."""
    assert os.listdir(root / "usr") == []
    assert snapshots(world) == []
    assert world.seen() == before
    assert world.info()["status"] == "ok"
    assert not world.info()["overlays"][0]["freeing"]
    assert not world.run()["changed"]
    assert not world.run(wait=False)["changed"]
    world.run("absent", wait=False)
    assert view(root) == before
    assert world.leftovers() == []


@pytest.mark.parametrize("kind", ["create", "reshare"])
def test_the_container_may_start_while_they_go(world: World, remover: Remover, kind: str) -> None:
    root = prepare(world, kind)
    before = world.seen()
    planned = report(world.run(check=True, wait=False))
    result = world.run(wait=False)
    assert report(result)["operation"] == planned["operation"] == kind
    assert (report(result)["status"], report(result)["freeing"], planned["freeing"]) == ("shared", True, True)
    assert copies(root) >= COPIES - 2
    assert world.info()["overlays"][0]["freeing"]
    assert world.info()["status"] == "ok"
    assert world.info()["interrupted"] is None
    assert world.seen() == before
    remover.ended()
    gone(world, root, before)


def test_waited_for_it_is_as_ever(world: World) -> None:
    root = prepare(world, "create")
    before = world.seen()
    result = report(world.run())
    assert not result["freeing"]
    assert "empty_later" not in str(result["steps"])
    gone(world, root, before)


def test_what_the_container_writes_meanwhile_stays(world: World, remover: Remover) -> None:
    """Also where it has the name of a copy."""
    root = prepare(world, "create")
    world.run(wait=False)
    with world.started() as started:
        for number in range(20):
            (started / f"usr/d{number % 7}/f{number}").write_bytes(b"written %d" % number)
            (started / f"usr/d{number % 7}/new{number}").write_bytes(b"new")
        (started / "usr/d0/f21").unlink()
        remover.let_go()
        settled(world)
        seen = view(started)
        assert (started / "usr/d3/f3").read_bytes() == b"written 3"
    gone(world, root, seen)


def test_nothing_of_the_caller_is_held(world: World, remover: Remover) -> None:
    """Neither its connection, which would not end, nor its terminal, nor the lock of the container."""
    prepare(world, "create")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    world.run(wait=False)
    os.close(writing)
    pid = remover.pid
    assert os.getsid(pid) not in (os.getsid(0), pid), "no terminal can become its own"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    opened = {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    container = str(world.containers / "c1")
    assert {path for path in opened if path.startswith(("pipe", "socket"))} == set()
    assert container not in opened
    assert os.read(reading, 1) == b""
    os.close(reading)
    os.kill(pid, signal.SIGHUP)
    quiet(world.containers / "c1")
    assert os.path.exists(f"/proc/{pid}")


def test_the_same_again_changes_nothing_and_waits_where_asked(world: World, remover: Remover) -> None:
    root = prepare(world, "create")
    before = world.seen()
    world.run(wait=False)
    again = world.run(wait=False)
    assert (again["changed"], report(again)["operation"], report(again)["freeing"]) == (False, "none", True)
    assert report(world.run(check=True, wait=False))["freeing"]
    threading.Timer(0.5, remover.let_go).start()
    waited = world.run()
    assert (waited["changed"], report(waited)["freeing"]) == (False, False)
    gone(world, root, before)


@pytest.mark.parametrize("what", ["absent", "reshare"])
def test_whoever_takes_it_away_waits(world: World, remover: Remover, what: str) -> None:
    root = prepare(world, "create")
    before = world.seen()
    world.run(wait=False)
    if what == "reshare":
        (world.host / "usr/d1/f8").write_bytes(b"upgraded")
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            result = world.run("absent" if what == "absent" else "present", wait=False)
            code = 0 if report(result)["operation"] == ("stop" if what == "absent" else "reshare") else 4
        finally:
            os._exit(code)
    while not waits_for_a_lock(pid):
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it did not wait"
    remover.let_go()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    remover.ended()
    if what == "reshare":
        gone(world, root, before)
    assert view(root) == before
    assert world.leftovers() == []


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_killed_it_is_finished_by_the_next_run(world: World, remover: Remover, state: str, wait: bool) -> None:
    root = prepare(world, "create")
    before = world.seen()
    world.run(wait=False)
    remover.kill()
    assert world.info()["interrupted"] == {"operation": "freeing", "directory": "/usr"}
    foretold = world.run(state, check=True, wait=wait)
    assert foretold["repaired"] == "removing the copies under /usr, cut off in an earlier run, would be finished"
    assert copies(root) >= COPIES - 2
    result = world.run(state, wait=wait)
    assert result["changed"]
    assert result["repaired"] == "removing the copies under /usr, cut off in an earlier run, was finished"
    if state == "present":
        gone(world, root, before)
    assert view(root) == before
    assert world.leftovers() == []


def test_the_boot_finishes_it(world: World, remover: Remover) -> None:
    from ansible_collections.overc.system.plugins.module_utils.overlay.at_boot import work

    root = prepare(world, "create")
    before = world.seen()
    work.manage("present", [str(world.containers)], check=False, places=world.places)
    world.run(wait=False)
    remover.kill()
    assert manage.run_waiting(world.places) == 0
    work.manage("absent", None, check=False, places=world.places)
    gone(world, root, before)


def test_what_somebody_else_writes_there_stays_and_is_told(world: World, remover: Remover) -> None:
    root = prepare(world, "create")
    before = world.seen()
    world.run(wait=False)
    (root / "usr/d2/theirs").write_bytes(b"theirs")
    (root / "usr/d1/f8").write_bytes(b"changed")
    remover.let_go()
    settled(world)
    assert copies(root) == 2
    for state in ("present", "absent"):
        with pytest.raises(OvercError) as caught:
            world.run(state, wait=False)
        assert caught.value.error_id == "container_changed"
        assert (root / "usr/d2/theirs").read_bytes() == b"theirs"
    (root / "usr/d2/theirs").unlink()
    (root / "usr/d1/f8").unlink()
    assert world.run()["repaired"]
    gone(world, root, before)


@pytest.mark.parametrize("when", ["before it is cut off", "while it removes"])
def test_a_root_that_was_put_back_is_left_alone(world: World, remover: Remover, when: str) -> None:
    """It has the same inodes and times, but nobody asked for its files to go."""
    root = prepare(world, "create")
    kept = snapshot(root, world.base / "kept")
    world.run(wait=False)
    if when == "before it is cut off":
        remover.kill()
    root.rename(world.base / "old")
    snapshot(kept, root)
    there = view(root)
    if when == "while it removes":
        remover.ended()
    for state in ("present", "absent"):
        with pytest.raises(OvercError) as caught:
            world.run(state)
        assert caught.value.error_id == "inconsistent"
        assert "put back as it was once" in str(caught.value)
        assert view(root) == there


def test_a_line_that_is_lost_meanwhile_is_put_back(world: World, remover: Remover) -> None:
    """Without it the container would see what is left of the copies, which nobody may take for its files."""
    root = prepare(world, "create")
    before = world.seen()
    table = root.parent / "fstab"
    old = table.read_text()
    world.run(wait=False)
    remover.kill()
    table.write_text(old)
    assert "would be put back" in world.run(check=True)["repaired"]
    assert "put back" in world.run()["repaired"]
    gone(world, root, before)


def test_layers_that_are_gone_meanwhile(world: World, remover: Remover) -> None:
    """The copies are no whole tree any more, so they are not taken for one; the snapshot is, and is named."""
    root = prepare(world, "create")
    world.run(wait=False)
    remover.kill()
    (own,) = snapshots(world)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(own.with_suffix(""))], check=True)
    for state in ("present", "absent"):
        with pytest.raises(OvercError) as caught:
            world.run(state)
        assert told(caught.value)["error_id"] == "inconsistent"
        assert str(own) in str(caught.value)
        assert copies(root) >= COPIES - 2
        assert own.exists()


def test_what_the_host_mounts_is_waited_for(world: World) -> None:
    prepare(world, "create")
    (world.containers / "c1/config").unlink()
    result = world.run(wait=False)
    assert not report(result)["freeing"]
    assert snapshots(world) == []
    subprocess.run(["umount", str(world.containers / "c1/rootfs/usr")], check=True)
    assert os.listdir(world.containers / "c1/rootfs/usr") == []


def test_two_directories_of_which_the_second_fails(world: World, remover: Remover) -> None:
    root = prepare(world, "create")
    (root / "opt").mkdir()
    (root / "opt/f").write_bytes(b"x")
    before = world.seen()

    def observer(at: str, step: str) -> None:
        if (at, step) == ("before", "commit_mount") and snapshots(world)[1:]:
            (root / "opt/late").write_bytes(b"late")

    with pytest.raises(OvercError) as caught:
        world.run(directories=("/usr", "/opt"), wait=False, observer=observer)
    assert caught.value.error_id == "container_changed"
    (root / "opt/late").unlink()
    os.utime(root / "opt", ns=(before[0][b"opt"][3],) * 2)
    remover.ended()
    gone(world, root, before)


def test_two_directories(world: World, remover: Remover) -> None:
    root = prepare(world, "create")
    (root / "opt").mkdir()
    for number in range(20):
        (root / f"opt/f{number}").write_bytes(b"%d" % number * 3000)
    subprocess.run(["cp", "-a", f"{root}/opt", str(world.host)], check=True)
    before = world.seen()
    result = world.run(directories=("/usr", "/opt"), wait=False)
    assert [found["freeing"] for found in result["directories"]] == [True, True]
    assert len(snapshots(world)) == 2
    remover.ended()
    assert snapshots(world) == []
    assert os.listdir(root / "opt") == os.listdir(root / "usr") == []
    assert world.seen() == before
    assert world.run("absent", directories=("/usr", "/opt"))["changed"]
    assert view(root) == before


def test_as_a_module(world: World) -> None:
    """It ends, and its output with it, while the other process goes on; and what that needs is loaded by then."""
    root = prepare(world, "create")
    before = world.seen()
    script = (
        "import json, sys\n"
        "sys.argv[1:] = []\n"
        "from ansible.module_utils import basic\n"
        "from ansible_collections.overc.system.plugins.modules import overc_overlay\n"
        "basic._ANSIBLE_ARGS = json.dumps({'ANSIBLE_MODULE_ARGS': json.load(sys.stdin)}).encode()\n"
        "basic._ANSIBLE_PROFILE = 'legacy'\n"
        "overc_overlay.main()\n"
    )
    asked = {
        "container": "c1",
        "containers_dir": str(world.containers),
        "directories": ["/usr"],
        "sources": ["essential"],
        "essential_root": str(world.host),
        "wait": False,
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert report(json.loads(done.stdout))["freeing"]
    settled(world)
    gone(world, root, before)
