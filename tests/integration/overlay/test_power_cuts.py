# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before anything that changes the disk, in every operation, queued ones too; then what the rest of the day brings:
the next command, a power cut, or the next command at once and then a power cut.
"""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.overlay import manage

from .disk import Disk, killed_at, of_the_day, places, quiet
from .test_crash import populate
from .test_original import share_as_the_original
from .world import World, view

WAYS = ("next", "power cut", "next, power cut")
KINDS = ("create", "reshare", "stop", "stop_original", "stop_copied")
# What is removed by a process of its own, which is killed in its turn
LATER = ("later create", "later reshare")
QUEUED = ("queue create", "queue stop", "unqueue", "boot create", "boot reshare", "boot stop")


@pytest.fixture
def disk(tmp_path: Path) -> t.Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.off()


def unmounted(world: World) -> None:
    """What the host mounted for a container that LXC does not start: as before its next boot."""
    for target in (world.containers / "c1/rootfs").rglob("usr"):
        while os.path.ismount(target):
            os.system(f"umount {target}")  # noqa: S605 - a path of this test


class Case:
    """An operation: a world in which it is to be done, how it is asked for, and what has to be true then."""

    def __init__(self, disk: Disk, kind: str, *, lxc: bool = True) -> None:
        self.disk, self.world = disk, World(disk.where)
        self.when, _space, last = kind.rpartition(" ")
        self.kind, self.lxc = last, lxc
        self.stopping = last.startswith("stop")
        world = self.world
        populate(world.host)
        self.root = world.container(of=world.host, lxc=lxc)
        (self.root / "usr/d3/mine").write_bytes(b"mine")
        (self.root / "usr/d4/f4").unlink()
        getattr(self, f"_{last}", self._shared)()
        if self.when == "boot" or last == "unqueue":
            self.asked(apply="boot")
        self._off()
        disk.save("prepared")
        self.before = self._seen()

    name = "c1"

    def _seen(self) -> t.Any:
        """The original tool's layers lie in the container's root, and go from there."""
        return self.world.seen(self.name, below="usr" if self.kind == "stop_original" else "")

    def _own(self) -> t.Any:
        return view(self.root / "usr" if self.kind == "stop_original" else self.root)

    def _create(self) -> None:
        pass

    def _unqueue(self) -> None:
        self.stopping = False

    def _shared(self) -> None:
        self.world.run()
        self._off()
        with self.world.started():
            (self.root / "usr/d5/written").write_bytes(b"w")
            (self.root / "usr/d6/f6").unlink()

    def _reshare(self) -> None:
        self._shared()
        (self.world.host / "usr/d1/f8").write_bytes(b"upgraded")

    def _stop_original(self) -> None:
        share_as_the_original(self.world, "c1", self.world.host / "usr")

    def _stop_copied(self) -> None:
        self._shared()
        c1, c2 = self.world.containers / "c1", self.world.containers / "c2"
        c2.mkdir()
        shutil.copytree(self.root, c2 / "rootfs", symlinks=True)
        (c2 / "config").write_text((c1 / "config").read_text().replace("/c1", "/c2"))
        shutil.copy2(c1 / "fstab", c2 / "fstab")
        self.name, self.root = "c2", c2 / "rootfs"

    def _off(self) -> None:
        if not self.lxc:
            unmounted(self.world)

    def asked(self, **more: t.Any) -> dict[str, t.Any]:
        return self.world.run("absent" if self.stopping else "present", container=self.name, jobs=1, **more)

    def call(self) -> object:
        if self.when == "later":
            return self.asked(wait=False)
        if self.when == "boot":
            return manage.run_waiting(self.world.places)
        if self.when == "queue":
            return self.asked(apply="boot")
        if self.kind == "unqueue":
            return self.world.run("absent", jobs=1)
        return self.asked()

    def _is_done(self) -> None:
        """It stays done, whatever happens, and nothing is left over."""
        self._off()
        assert self._seen() == self.before
        if self.kind == "unqueue" or self.stopping:
            assert self._own() == self.before
            self._nothing_is_left()
            assert sorted(os.listdir(self.root.parent)) == [*(["config", "fstab"] if self.lxc else []), "rootfs"]
        else:
            home = self.root.parent / ".overc-overlay"
            assert len(list(home.iterdir())) == 2, "only the record and one overlay stay"

    def check(self, way: str) -> None:
        """After it was killed."""
        quiet(self.root.parent)
        self.ended()
        if way == "power cut":
            self.disk.cut()
            self._off()
            assert self._seen() == self.before
        self._finish()
        if way == "next, power cut":
            self.disk.cut()
        self._is_done()
        self.disk.cut()
        self._is_done()
        if not self.stopping and self.kind != "unqueue":
            if not self.lxc:
                self.asked()  # mounts it, as its unit would at boot
            assert not self.asked()["changed"]
            self._off()
            self.stopping = True
            assert self.asked()["changed"]
            self.stopping = False
            self.disk.cut()
            self._off()
            assert self._own() == self.before
            self._nothing_is_left()

    def _nothing_is_left(self) -> None:
        """But for directories of systemd, which every host has things in."""
        left = [path for path in self.world.leftovers(self.name) if not path.endswith((".wants", ".requires"))]
        assert left == []

    def ended(self) -> None:
        """Whatever goes on in a process of its own."""
        for snapshot in self.root.parent.glob(".overc-overlay/*.own"):
            quiet(snapshot)

    def _finish(self) -> None:
        if self.when == "queue":
            self.asked(apply="boot")
            self._off()
            assert self._seen() == self.before
            self.disk.cut()
        if self.when == "later":
            self.asked()
        elif self.when:
            assert manage.run_waiting(self.world.places) == 0
            if self.when == "boot":
                self.asked()  # killed before the record, it was asked for no more
        else:
            self.call()


def sweep(disk: Disk, kind: str, way: str, **more: t.Any) -> None:
    case = Case(disk, kind, **more)
    numbers = places(case.call, case.ended)
    assert len(numbers) > 5
    for number in of_the_day(numbers):
        disk.restore("prepared")
        killed_at(number, case.call)
        try:
            case.check(way)
        except BaseException as error:
            raise AssertionError(f"{kind}, {way}, killed before change {number} of {numbers}: {error}") from error


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [*KINDS, *QUEUED, *LATER])
def test_killed_before_any_change(disk: Disk, kind: str, way: str) -> None:
    sweep(disk, kind, way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["create", "reshare", "stop"])
def test_killed_where_the_host_mounts(disk: Disk, kind: str, way: str) -> None:
    """A container that is not LXC: a mount unit, mounted when the work is done."""
    sweep(disk, kind, way, lxc=False)
