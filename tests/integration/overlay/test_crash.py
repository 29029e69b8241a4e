# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any step, or at any moment: the container sees the tree before or after, and the next run ends it."""

from __future__ import annotations

import os
import signal
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.overlay.plan import DirectoryFacts, plan_directory

from .world import World, view

PRESENT = ("essential",)


def steps(kind: str) -> list[tuple[str, str]]:
    """Every place to be killed at, from the plan itself, so that a new step is tested without being named here."""
    facts = {
        "create": (DirectoryFacts("/usr"), "present"),
        "reshare": (DirectoryFacts("/usr", "ours", PRESENT, "changed"), "present"),
        "stop": (DirectoryFacts("/usr", "ours", PRESENT), "absent"),
    }[kind]
    operation = plan_directory(facts[0], facts[1], PRESENT, later=False)
    assert operation.kind == kind
    return [(when, step) for step in operation.steps for when in ("before", "after")]


def populate(root: Path) -> None:
    for number in range(60):
        directory = root / "usr" / f"d{number % 7}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"f{number}").write_bytes(b"%d" % number * 2000)
    os.link(root / "usr/d1/f1", root / "usr/d2/linked")
    (root / "etc").mkdir()
    (root / "etc/own").write_bytes(b"x")


def prepare(world: World, kind: str) -> Path:
    populate(world.host)
    root = world.container(of=world.host)
    (root / "usr/d3/mine").write_bytes(b"mine")
    (root / "usr/d4/f4").unlink()
    if kind != "create":
        world.run(sources=PRESENT)
        with world.started():
            (root / "usr/d5/written").write_bytes(b"w")
            (root / "usr/d6/f6").unlink()
    if kind == "reshare":
        (world.host / "usr/d1/f8").write_bytes(b"upgraded")
    return root


def killed(world: World, kind: str, observer: t.Any, after: float | None = None) -> int:
    """Run the operation in a child that is killed; returns how the child ended."""
    pid = os.fork()
    if pid == 0:
        try:
            world.run("absent" if kind == "stop" else "present", observer=observer)
        except BaseException:
            os._exit(3)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def finish(world: World, kind: str, before: t.Any, root: Path) -> None:
    assert world.seen() == before, "between: not the tree of before"
    world.run("absent" if kind == "stop" else "present")
    assert world.seen() == before
    if kind != "stop":
        assert not world.run()["changed"]
        home = world.containers / "c1" / ".overc-overlay"
        assert len(list(home.iterdir())) == 2, "only the record and one overlay stay"
        world.run("absent")
    assert view(root) == before
    assert world.leftovers() == []


EVERYWHERE = [(kind, *at) for kind in ("create", "reshare", "stop") for at in steps(kind)]


@pytest.mark.parametrize(("kind", "when", "step"), EVERYWHERE)
def test_killed_at_a_step(world: World, kind: str, when: str, step: str) -> None:
    root = prepare(world, kind)
    before = world.seen()

    def observer(at: str, name: str) -> None:
        if (at, name) == (when, step):
            os.kill(os.getpid(), signal.SIGKILL)

    status = killed(world, kind, observer)
    assert os.WIFSIGNALED(status), "the step was not reached"
    finish(world, kind, before, root)


@pytest.mark.parametrize("kind", ["create", "reshare", "stop"])
def test_killed_at_any_moment(world: World, kind: str) -> None:
    root = prepare(world, kind)
    before = world.seen()
    interrupted = 0
    for attempt in range(25):
        status = killed(world, kind, None, after=attempt * 0.003)
        interrupted += os.WIFSIGNALED(status)
        assert world.seen() == before
    assert interrupted, "nothing was interrupted"
    finish(world, kind, before, root)


def test_killed_while_it_repairs(world: World) -> None:
    """A repair is cut off too, again and again."""
    root = prepare(world, "create")
    before = world.seen()

    def observer(at: str, name: str) -> None:
        if (at, name) == ("after", "commit_mount"):
            os.kill(os.getpid(), signal.SIGKILL)

    killed(world, "create", observer)
    for delay in (0.0, 0.002, 0.004, 0.006, 0.01, 0.02):
        killed(world, "stop", None, after=delay)
        assert world.seen() == before
    world.run("absent")
    assert view(root) == before
    assert world.leftovers() == []


def test_two_runs_at_once(world: World) -> None:
    import fcntl

    from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

    prepare(world, "create")
    fd = os.open(world.containers / "c1", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        with pytest.raises(OvercError) as caught:
            world.run()
        assert caught.value.error_id == "locked"
    finally:
        os.close(fd)
