# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that name one another as sources: each run would give the next one something new, for ever."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import populate
from .world import World, view


def furnish(world: World, *names: str) -> None:
    populate(world.host)
    for number, name in enumerate(names):
        root = world.container(name, of=world.host)
        (root / "usr/share/own").write_text(f"{number}")


def refused(world: World, ring: list[str], **asked: object) -> None:
    """By check mode, at once and for the next boot, and nothing is changed."""
    before = view(world.containers)
    for check, apply in ((True, "auto"), (False, "auto"), (True, "boot"), (False, "boot")):
        with pytest.raises(OvercError) as caught:
            world.run(check=check, apply=apply, **asked)  # type: ignore[arg-type]
        assert caught.value.error_id == "overlay_ring"
        assert caught.value.facts["ring"] == ring
        assert " shares with ".join(ring) in caught.value.message
        assert view(world.containers) == before


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_ring_is_refused_and_the_others_stay_as_they_are(world: World, length: int) -> None:
    names = [f"c{number}" for number in range(length)]
    furnish(world, *names)
    for source, name in itertools.pairwise(names):
        world.run(container=name, sources=("essential", source))
    assert not world.run(container=names[-1], sources=("essential", names[-2]))["changed"]
    refused(world, [names[0], *reversed(names)], container=names[0], sources=("essential", names[-1]))
    # The way that the message names
    world.run("absent", container=names[1])
    assert world.run(container=names[0], sources=("essential", names[-1]))["changed"]
    if length > 2:  # the next one in turn
        refused(world, [names[1], *names[:1], *reversed(names[1:])], container=names[1], sources=(names[0],))


@pytest.mark.parametrize(("mine", "theirs"), [("/usr", "/usr/share"), ("/usr/share", "/usr"), ("/usr/share/d", "/usr")])
def test_directories_that_lie_in_one_another(world: World, mine: str, theirs: str) -> None:
    furnish(world, "c0", "c1")
    world.run(container="c0", sources=("c1",), directories=(theirs,))
    refused(world, ["c1", "c0", "c1"], sources=("c0",), directories=(mine,))


def test_work_that_waits_for_the_next_boot(world: World) -> None:
    furnish(world, "c0", "c1")
    world.run(container="c0", sources=("c1",), apply="boot")
    refused(world, ["c1", "c0", "c1"], sources=("c0",))
    world.run("absent", container="c0")
    assert world.run(sources=("c0",))["changed"]


def test_a_container_whose_root_is_given_for_the_hosts(world: World) -> None:
    furnish(world, "c0", "c1")
    world.run(container="c0", sources=("c1",))
    world.host = world.containers / "c0/rootfs"
    refused(world, ["c1", "essential", "c1"], sources=("essential",))


def test_a_ring_of_before_is_refused_and_can_be_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.overc.system.plugins.module_utils.overlay import observe

    furnish(world, "c0", "c1")
    seen = {name: view(world.containers / name / "rootfs") for name in ("c0", "c1")}
    with monkeypatch.context() as before:
        before.setattr(observe, "ring", lambda *_asked: ())
        for name, source in (("c0", "c1"), ("c1", "c0"), ("c0", "c1"), ("c1", "c0")):
            assert world.run(container=name, sources=(source,))["changed"]
    refused(world, ["c0", "c1", "c0"], container="c0", sources=("c1",))
    refused(world, ["c1", "c0", "c1"], sources=("c0",))
    world.run(container="c0", sources=("essential",))
    world.run(sources=("c0",))
    for name, source in (("c0", "essential"), ("c1", "c0")):
        assert not world.run(container=name, sources=(source,))["changed"]
    for name, tree in seen.items():
        assert world.seen(name) == tree
        world.run("absent", container=name)
        assert view(world.containers / name / "rootfs") == tree
        assert world.leftovers(name) == []


def test_what_is_no_ring(world: World) -> None:
    """One that both share with, and another directory."""
    furnish(world, "c0", "c1", "c2")
    world.run(container="c2", sources=("essential",))
    world.run(container="c0", sources=("c2",))
    world.run(container="c1", sources=("c0", "c2"))
    for name, sources in (("c2", ("essential",)), ("c0", ("c2",)), ("c1", ("c0", "c2"))):
        assert not world.run(container=name, sources=sources)["changed"]
    world.run(container="c2", sources=("c1",), directories=("/bin",))
    assert not world.run(container="c2", sources=("c1",), directories=("/bin",))["changed"]
