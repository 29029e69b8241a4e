# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system that is really full, or a quota that is used up, at each step: nothing is lost, and the next run ends it."""

from __future__ import annotations

import errno
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from tests.sampling import rotating

from .test_crash import EVERYWHERE, prepare
from .world import World, told, view

SIZE: t.Final = 256 << 20


@pytest.fixture
def small(tmp_path: Path) -> t.Iterator[World]:
    """On a file system of its own that is filled in no time."""
    image, where = tmp_path / "image", tmp_path / "fs"
    with image.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True)
    where.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    try:
        yield World(where)
    finally:
        subprocess.run(["umount", str(where)], check=True)


def fill(where: Path) -> None:
    """Data to the last block, then metadata: small files that lie in it."""
    with (where / "filling").open("ab") as stream:
        size, end = 64 << 20, 0
        while size >= 4096:
            try:
                os.posix_fallocate(stream.fileno(), end, size)
                end += size
            except OSError as error:
                assert error.errno == errno.ENOSPC
                size //= 2
    (where / "fillings").mkdir(exist_ok=True)
    number = 0
    for size in (2000, 1):
        try:
            while True:
                (where / "fillings" / f"f{number}").write_bytes(b"m" * size)
                number += 1
        except OSError as error:
            assert error.errno == errno.ENOSPC
    os.sync()


def make_room(where: Path) -> None:
    (where / "filling").unlink()
    subprocess.run(["rm", "-rf", str(where / "fillings")], check=True)
    os.sync()


def use_up(world: World) -> None:
    """The quota of the container and of all that is kept beside it."""
    names = subprocess.check_output(["btrfs", "subvolume", "list", str(world.base)], text=True).splitlines()
    for line in names:
        number, path = line.split()[1], line.split()[-1]
        if path.startswith("containers/"):
            subprocess.run(["btrfs", "qgroup", "limit", "4K", f"0/{number}", str(world.base)], check=True)


def lift(world: World) -> None:
    subprocess.run(["btrfs", "quota", "disable", str(world.base)], check=True)


@pytest.mark.parametrize("what", ["disk", "quota"])
@pytest.mark.parametrize(("kind", "when", "step"), rotating(EVERYWHERE, 8))
def test_no_room_at_a_step(small: World, kind: str, when: str, step: str, what: str) -> None:
    root = prepare(small, kind)
    before = small.seen()
    state = "absent" if kind == "stop" else "present"
    done: list[str] = []
    if what == "quota":
        subprocess.run(["btrfs", "quota", "enable", str(small.base)], check=True)

    def observer(at: str, name: str) -> None:
        if (at, name) == (when, step) and not done:
            done.append(step)
            fill(small.base) if what == "disk" else use_up(small)

    failed = None
    try:
        small.run(state, observer=observer)
    except OvercError as error:
        failed = error
    assert done
    if failed is not None:
        assert failed.error_id == "no_space", told(failed)
        assert ("quota" in failed.message) == (what == "quota"), "what has to be done is another thing"
    make_room(small.base) if what == "disk" else lift(small)
    assert small.seen() == before, told(failed) if failed else ""
    small.run(state)
    assert small.seen() == before
    if kind != "stop":
        small.run("absent")
    assert view(root) == before
    assert small.leftovers() == []
