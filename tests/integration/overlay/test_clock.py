# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that was set back: what is written then looks older than the sharing, and is a change of the source all the same."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
from pathlib import Path

import pytest

from .test_containers import populate
from .world import World

_DAY = 86_400 * 10**9  # nanoseconds


@pytest.fixture
def container(world: World) -> Path:
    populate(world.host)
    return world.container(of=world.host)


def shared_in_the_future(world: World) -> None:
    """The record says so: that is what is left of a clock that was ahead."""
    record = world.containers / "c1/.overc-overlay/record.json"
    found = json.loads(record.read_text())
    for overlay in found["overlays"].values():
        for origin in overlay["origins"]:
            origin["time"] += _DAY
    record.write_text(json.dumps(found))


def state(world: World) -> dict[str, str]:
    found: dict[str, str] = world.info()["overlays"][0]["sources_changed"]
    return found


@pytest.mark.parametrize("what", ["write", "remove", "touch"])
def test_what_is_written_while_the_clock_is_behind(world: World, container: Path, what: str) -> None:
    assert container.is_dir()
    world.run()
    shared_in_the_future(world)
    assert state(world) == {}, "nothing was written"
    file = next(path for path in sorted((world.host / "usr").rglob("*")) if path.is_file() and not path.is_symlink())
    if what == "write":
        file.write_bytes(b"another content")
    elif what == "remove":
        file.unlink()
    else:
        file.chmod(0o640)
    assert state(world) == {"essential": "changed"}
    assert world.run()["changed"]
    assert state(world) == {}


def test_reading_is_no_change(world: World, container: Path) -> None:
    """An access time that is written is later than the sharing."""
    assert container.is_dir()
    world.run()
    for path in sorted((world.host / "usr").rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.read_bytes()
    assert state(world) == {}
    assert not world.run()["changed"]


@pytest.mark.parametrize("picked", [True, False])
def test_only_some_of_a_source_is_shared(world: World, container: Path, picked: bool) -> None:
    """Of a plain directory what is alike is copied: another content of that is a change, whatever clock it was written with."""
    source = world.container("c2", plain=True)
    (source / "usr").mkdir()
    for name, content in (("alike", b"A" * 9000), ("other", b"B" * 9000)):
        (source / "usr" / name).write_bytes(content)
    shutil.copy2(source / "usr/alike", container / "usr/alike")
    world.run(sources=("c2",))
    shared_in_the_future(world)
    assert state(world) == {}
    with (source / "usr" / ("alike" if picked else "other")).open("r+b") as file:
        file.write(b"another")
    assert state(world) == ({"c2": "changed"} if picked else {}), "what nothing was taken of changes nothing"
    (source / "usr/new").write_bytes(b"new")
    assert state(world) == {"c2": "changed"}


def test_data_that_is_only_stored_elsewhere_is_no_change(world: World, container: Path) -> None:
    """Deduplication and defragmentation write an inode without any of its times; what is in the file stays."""
    assert container.is_dir()
    first, second = world.host / "usr/alike-1", world.host / "usr/alike-2"
    for file in (first, second):
        file.write_bytes(b"A" * 65536)
    world.run()
    assert state(world) == {}
    with first.open("rb") as source, second.open("r+b") as target:
        # struct file_dedupe_range with one struct file_dedupe_range_info, linux/fs.h
        request = bytearray(struct.pack("=QQHHIqQQiI", 0, 65536, 1, 0, 0, target.fileno(), 0, 0, 0, 0))
        fcntl.ioctl(source.fileno(), 0xC0189436, request, True)
        assert struct.unpack_from("=Qi", request, 40) == (65536, 0), "nothing was deduplicated"
    os.sync()
    assert state(world) == {}
    assert not world.run()["changed"]
