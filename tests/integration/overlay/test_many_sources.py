# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As many sources as fit in the options of one mount, and one more. Real LXC."""

from __future__ import annotations

import os

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.system import overlayfs

from .test_containers import Lxc, configure, populate
from .world import World, boot, view


def size(world: World, name: str, picked: int) -> int:
    """The bytes of the mount options with layers from so many sources besides the host; 0 when they are too many."""
    base = f"{world.containers}/{name}/.overc-overlay/{'0' * 12}/.overc-{'0' * 12}"
    lower = (*(f"{base}/pick{number}" for number in range(1, picked + 1)), f"{base}/lower")
    layers = overlayfs.Layers(lower, f"{base}/upper", f"{base}/work")
    try:
        return len(overlayfs.options(layers, overlayfs.supported_safety()))
    except OvercError:
        return 0


def fitting(world: World) -> tuple[str, int]:
    """A name and a number of sources with which the options just fit."""
    pairs = (("c" * length, picked) for length in range(1, 60) for picked in range(8, 60))
    return max(pairs, key=lambda pair: size(world, *pair))


def furnish(world: World, name: str, picked: int) -> tuple[str, ...]:
    """The container, and sources of which each has one file of it that nobody else has."""
    populate(world.host)
    root = world.container(name, of=world.host)
    configure(root)
    for number in range(1, picked + 1):
        source = world.container(f"s{number}", plain=True, lxc=False)
        for place in (root, source):
            path = place / f"usr/share/own{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{number}")
            os.utime(path, (1, 1))
    return ("essential", *(f"s{number}" for number in range(1, picked + 1)))


def refusals(world: World, name: str, sources: tuple[str, ...]) -> set[str]:
    """What every way to ask for it answers: check mode, at once, at boot."""
    root = world.containers / name / "rootfs"
    before, table = view(root), (root.parent / "fstab").read_text()
    messages = set()
    for check, apply in ((True, "auto"), (False, "auto"), (True, "boot"), (False, "boot")):
        with pytest.raises(OvercError) as caught:
            world.run(container=name, sources=sources, check=check, apply=apply)
        assert caught.value.error_id == "bad_argument"
        messages.add(caught.value.message)
        assert view(root) == before
        assert (root.parent / "fstab").read_text() == table
        assert world.leftovers(name) == []
    return messages


def test_the_longest_that_fits_starts(world: World) -> None:
    name, picked = fitting(world)
    assert size(world, name, picked) > 4080, "the line in the table is longer than a page"
    sources = furnish(world, name, picked)
    before = view(world.containers / name / "rootfs/usr")
    planned = world.run(container=name, sources=sources, check=True)["directories"][0]
    done = world.run(container=name, sources=sources)["directories"][0]
    assert done["entries_shared"] == planned["entries_shared"] == 50 + picked
    with Lxc(world).started(name) as run:
        assert run("cat", f"/usr/share/own{picked}") == f"{picked}"
    world.run("absent", container=name)
    assert view(world.containers / name / "rootfs/usr") == before


def test_options_that_no_mount_call_takes_are_refused_everywhere(world: World) -> None:
    name = "c" * 60
    (message,) = refusals(world, name, sources := furnish(world, name, 40))
    assert "fewer sources" in message
    assert world.run(container=name, sources=sources[:10])["changed"]
    table = (world.containers / name / "fstab").read_text()
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(container=name, sources=sources, check=check)
        assert caught.value.error_id == "bad_argument"
        assert "fewer sources" in caught.value.message
        assert (world.containers / name / "fstab").read_text() == table


def test_sources_that_nothing_is_taken_from_take_no_room(world: World) -> None:
    name = "c" * 60
    sources = furnish(world, name, 40)
    for number in range(5, 41):
        (world.containers / f"s{number}/rootfs/usr/share/own{number}").unlink()
    assert world.run(container=name, sources=sources, check=True)["changed"]
    assert world.run(container=name, sources=sources, apply="boot")["reboot_required"]
    assert boot(world) == 0
    assert not world.run(container=name, sources=sources)["changed"]
