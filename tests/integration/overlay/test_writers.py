# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of the host that can write into a file which would be removed is found before it is: its writes would be lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import Lxc, configure, populate
from .test_users import refused, who
from .world import World

PROGRAMS = {
    "open": "f = open(p, 'r+b')",
    "append": "f = open(p, 'ab')",
    "mapped": "import mmap; f = open(p, 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()",
    "mapped within a thread": "import mmap, threading; f = open(p, 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()",
    "in a namespace of its own": "import ctypes; ctypes.CDLL(None).unshare(0x20000); f = open(p, 'r+b')",
}
# What they do there, without a file of it open for writing
THERE = {
    "reads from a fifo": "os.mkfifo(p + '.fifo'); f = os.open(p + '.fifo', os.O_RDONLY | os.O_NONBLOCK)",
    "works there": "os.chdir(os.path.dirname(p))",
    "has its root there": "os.chroot(os.path.dirname(p)); os.chdir('/')",
}
HARMLESS = {
    "reads": "f = open(p, 'rb')",
    "mapped to read": "import mmap; f = open(p, 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)",
    "a copy of its own": "import mmap; f = open(p, 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)",
    "no file yet": "f = os.open(os.path.dirname(p), os.O_RDWR | os.O_TMPFILE)",
    "no file any more": "f = open(p + '.gone', 'wb'); os.unlink(p + '.gone')",
    "only its place": "f = os.open(p, os.O_PATH | os.O_RDWR)",
    "elsewhere": "f = open(p.replace('/usr/', '/etc/'), 'wb')",
}


@contextlib.contextmanager
def program(code: str, path: Path) -> t.Iterator[subprocess.Popen[str]]:
    script = f"import os, sys; p = sys.argv[1]; {code}; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate("")


@pytest.fixture
def file(world: World) -> Path:
    populate(world.host)
    (world.host / "etc/share/d").mkdir(parents=True)
    root = world.container(of=world.host)
    configure(root)
    return root / "usr/share/d/f\udcff"


@pytest.mark.parametrize("kind", sorted(PROGRAMS))
def test_who_can_write_is_named(world: World, file: Path, kind: str) -> None:
    file.write_bytes(b"x" * 5000)
    with program(PROGRAMS[kind], file) as process:
        users = refused(world)
        assert [user["path"] for user in users] == ["share/d/f\\xff"]
        assert [str(process.pid) in name for name in who(users)] == [True]
    assert world.run()["changed"]


@pytest.mark.parametrize("kind", sorted(THERE))
def test_who_is_there_is_named(world: World, file: Path, kind: str) -> None:
    with program(THERE[kind], file) as process:
        users = refused(world)
    assert [user["who"].startswith(f"process {process.pid} ") for user in users] == [True]
    assert users[0]["path"] == ("share/d/f\\xff.fifo" if "fifo" in kind else "share/d")
    assert world.run()["changed"]


@pytest.mark.parametrize("kind", sorted(HARMLESS))
def test_who_cannot_write_is_no_matter(world: World, file: Path, kind: str) -> None:
    file.write_bytes(b"x" * 5000)
    with program(HARMLESS[kind], file):
        assert world.run()["changed"]


def test_who_writes_to_layers_is_named_before_they_go(world: World, file: Path) -> None:
    world.run()
    with world.started() as root:
        (root / "usr/share/own").write_bytes(b"x")
    (upper,) = file.parents[4].glob(".overc-overlay/*/.overc-*/upper/share/own")
    with program(PROGRAMS["open"], upper):
        assert len(refused(world, "absent")) == 1
    assert world.run("absent")["changed"]


def test_who_comes_before_the_switch_is_seen(world: World, file: Path) -> None:
    file.write_bytes(b"x" * 5000)
    with contextlib.ExitStack() as stack:

        def observer(at: str, step: str) -> None:
            if (at, step) == ("before", "commit_mount"):
                stack.enter_context(program(PROGRAMS["open"], file))

        with pytest.raises(OvercError) as caught:
            world.run(observer=observer)
        assert caught.value.error_id == "overlay_in_use"
    assert world.leftovers() == []


def unmount(path: Path) -> None:
    while os.path.ismount(path):
        subprocess.run(["umount", str(path)], check=True)


_AFTER_THE_SWITCH = ("empty_directory", "trim_layer", "drop_snapshots", "mount")


@pytest.mark.parametrize(
    ("when", "step"), [("before", "empty_directory"), *(("after", step) for step in _AFTER_THE_SWITCH)]
)
def test_what_came_after_a_kill_stays(world: World, file: Path, when: str, step: str) -> None:
    """By the snapshot it is known what may go; when that is gone, all of it went before."""
    if step == "mount":
        (file.parents[4] / "config").unlink()  # no LXC, so the host mounts
    pid = os.fork()
    if pid == 0:

        def observer(at: str, name: str) -> None:
            if (at, name) == (when, step):
                os.kill(os.getpid(), signal.SIGKILL)

        with contextlib.suppress(BaseException):
            world.run(observer=observer)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "the step was not reached"
    usr = file.parents[2]
    unmount(usr)
    mine = usr / "share" / "mine"
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    if step == "mount":
        world.run()  # mounts it over that, so that nobody sees it
        unmount(usr)
    with pytest.raises(OvercError) as caught:
        world.run()
    assert caught.value.error_id in ("container_changed", "inconsistent")
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    with contextlib.suppress(FileNotFoundError):
        mine.parent.rmdir()
    world.run()
    assert not world.run()["changed"]
    unmount(usr)


def test_the_programs_of_the_container_itself_wait_for_the_boot(world: World, file: Path) -> None:
    with Lxc(world).started("c1") as run:
        run("sh", "-c", "(exec 3>>/usr/share/d/f1; sleep 1000) >/dev/null 2>&1 &")
        assert world.run()["reboot_required"]
    assert os.path.isdir(file.parent)
