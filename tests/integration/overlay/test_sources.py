# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that cannot be snapshotted, and sources of which something else has become."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import populate
from .world import World, subvolume, view


@contextlib.contextmanager
def swapping(path: Path) -> t.Iterator[None]:
    path.touch(0o600)
    subprocess.run(["chattr", "+C", str(path)], check=True)
    path.write_bytes(bytes(1 << 20))
    path.chmod(0o600)
    subprocess.run(["mkswap", "-q", str(path)], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["swapon", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["swapoff", str(path)], check=True)


@pytest.mark.parametrize("whose", ["the container", "the host", "another source"])
def test_an_active_swap_file(world: World, whose: str) -> None:
    """No snapshot is taken of a subvolume with one: check mode says so, too, and before anything is begun."""
    populate(world.host)
    places = {
        "the container": world.container(of=world.host),
        "the host": world.host,
        "another source": world.container("c0", of=world.host),
    }
    before = view(places["the container"] / "usr")
    with swapping(places[whose] / "swap file"):
        for check in (True, False):
            for apply in ("auto", "boot"):
                with pytest.raises(OvercError) as caught:
                    world.run(sources=("essential", "c0"), check=check, apply=apply)
                assert caught.value.error_id == "in_use"
                assert caught.value.facts["paths"] == [str(places[whose] / "swap file")]
        assert world.leftovers() == []
    assert view(places["the container"] / "usr") == before
    beside = subvolume(places[whose] / "swap")
    with swapping(beside / "file"):
        assert world.run(sources=("essential", "c0"))["changed"]
        assert not world.run(sources=("essential", "c0"))["changed"]
        world.run("absent")
    assert view(places["the container"] / "usr") == before


@pytest.mark.parametrize("now", ["its own files", "other layers", "no more"])
def test_a_source_that_shared_itself(world: World, now: str) -> None:
    """It is gone when it is no more, and has only changed when it has its files elsewhere."""
    populate(world.host)
    for name in ("c0", "c1"):
        world.container(name, of=world.host)
    world.run(container="c0")
    world.run(sources=("c0",))
    seen = world.seen()
    assert world.info()["overlays"][0]["sources_changed"] == {}
    if now == "other layers":
        (world.host / "usr/share/d/f7").write_text("upgraded")
        world.run(container="c0")
    else:
        world.run("absent", container="c0")
    if now == "no more":
        subprocess.run(["btrfs", "-q", "subvolume", "delete", str(world.containers / "c0/rootfs")], check=True)
        shutil.rmtree(world.containers / "c0")
    found = world.info()
    assert found["status"] == "ok"
    assert found["overlays"][0]["sources_changed"] == {"c0": "gone" if now == "no more" else "changed"}
    assert world.seen() == seen
    world.run("absent")
    assert view(world.containers / "c1/rootfs") == seen
