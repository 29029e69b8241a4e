# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A quota on a container stays a quota: set before it is shared, or after."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import populate
from .world import World, told, view


class Quotas:
    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, *argv: str) -> None:
        subprocess.run(["btrfs", *argv, str(self.world.base)], check=True, capture_output=True)

    def assign(self, group: str, above: str) -> None:
        """``btrfs`` starts to count anew by itself afterwards, which fails as long as the count before is not done."""
        self("quota", "rescan", "-W")
        self("qgroup", "assign", group, above)

    def group(self, subvolume: Path) -> str:
        return f"0/{subprocess.check_output(['btrfs', 'inspect-internal', 'rootid', subvolume], text=True).strip()}"


@pytest.fixture
def quotas(world: World) -> t.Iterator[Quotas]:
    populate(world.host)
    world.container(of=world.host)
    quotas = Quotas(world)
    quotas("quota", "enable")
    yield quotas
    quotas("quota", "disable")


def limit(quotas: Quotas, root: Path, group: str, kind: str = "") -> str:
    """A limit on the container's own group, or on one above; its name."""
    own = quotas.group(root)
    name = own if group == "own" else "1/7"
    if group == "above":
        quotas("qgroup", "create", "1/7")
        quotas.assign(own, "1/7")
    quotas("qgroup", "limit", *([kind] if kind else []), "100M", name)
    return name


@pytest.mark.parametrize("group", ["own", "above"])
@pytest.mark.parametrize("kind", ["", "-e"])
def test_a_quota_is_not_bypassed(world: World, quotas: Quotas, group: str, kind: str) -> None:
    root = world.containers / "c1/rootfs"
    world.container("c2", of=world.host)
    assert world.run(check=True)["changed"], "a quota group without a limit limits nothing"
    name = limit(quotas, root, group, kind)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert caught.value.error_id == "overlay_unsupported"
        assert f"qgroup {name}" in caught.value.message
    assert world.leftovers() == []
    assert world.run(container="c2")["changed"]


@pytest.mark.parametrize("group", ["own", "above"])
def test_a_quota_that_came_later_is_told(world: World, quotas: Quotas, group: str) -> None:
    root = world.containers / "c1/rootfs"
    before = view(root)
    world.run()
    assert world.info()["status"] == "ok"
    name = limit(quotas, root, group)
    (found,) = world.info()["overlays"]
    assert (found["status"], len(found["problems"])) == ("broken", 1)
    assert f"qgroup {name}" in found["problems"][0]
    for upgraded in (False, True):
        if upgraded:
            (world.host / "usr/share/d/f1").write_text("upgraded")
        for check in (True, False):
            with pytest.raises(OvercError) as caught:
                world.run(check=check)
            assert (caught.value.error_id, told(caught.value)["changed"]) == ("overlay_unsupported", False)
            assert f"qgroup {name}" in caught.value.message
            assert "state=absent" in caught.value.message
    assert world.seen() == before
    assert world.run("absent")["changed"]
    assert view(root) == before
    assert world.leftovers() == []


def test_a_quota_for_a_container_and_its_layers_is_one(world: World, quotas: Quotas) -> None:
    root = world.containers / "c1/rootfs"
    world.run()
    limit(quotas, root, "above")
    (layers,) = (path for path in (root.parent / ".overc-overlay").iterdir() if path.is_dir())
    quotas.assign(quotas.group(layers), "1/7")
    assert world.info()["status"] == "ok"
    assert not world.run()["changed"]
    (world.host / "usr/share/d/f1").write_text("upgraded")
    with pytest.raises(OvercError) as caught:  # the new layers would be outside
        world.run()
    assert caught.value.error_id == "overlay_unsupported"
    assert world.run("absent")["changed"]
