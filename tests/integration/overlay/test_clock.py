# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that was set back: what is written then looks older than the sharing, and is a change of the source all the same."""

from __future__ import annotations

import json
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
