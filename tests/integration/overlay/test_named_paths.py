# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a configuration names within the directory that would be emptied is somebody's, who is told of before."""

from __future__ import annotations

import contextlib
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import claimants

from .test_containers import configure, populate
from .test_users import refused, who
from .world import World

LINES = {
    "hook": "lxc.hook.pre-start = {usr}/share/hook",
    "hook with arguments": "lxc.hook.mount = /bin/sh -c '{usr}/share/hook x'",
    "table": "lxc.mount.fstab = {usr}/share/fstab",
    "include": "lxc.include = {usr}/share/included",
    "directory of includes": "lxc.include = {usr}/share/d",
    "profile": "lxc.seccomp.profile = {usr}/share/profile",
    "network": "lxc.net.0.script.up = {usr}/share/up",
    "log": "lxc.console.logfile = {usr}/share/log",
}
UNITS = {
    "x.service": "[Service]\nExecStart=/usr/bin/python3 '{usr}/share/hook'\n",
    "y.service": "[Service]\nWorkingDirectory={usr}\n",
    "z@.service": "[Service]\nReadWritePaths=/tmp -{usr}/share\n",
    "x.path": "[Path]\nPathChanged={usr}/share/d\n",
    "x.automount": "[Automount]\nWhere={usr}/share/d\n",
}


@pytest.fixture
def two(world: World) -> World:
    populate(world.host)
    for name in ("hook", "profile", "up", "log", "fstab", "included", "d/x.conf"):
        (world.host / "usr/share" / name).write_text("")
    for name in ("c0", "c1"):
        configure(world.container(name, of=world.host))
        (world.containers / name / "fstab").write_text("")
    return world


def usr(world: World, container: str = "c1") -> Path:
    return world.containers / container / "rootfs/usr"


def named(world: World) -> set[str]:
    with pytest.raises(OvercError) as caught:
        world.run(check=True)
    assert caught.value.error_id == "overlay_in_use"
    return {user["who"] for user in caught.value.facts["users"]}


def test_a_configuration_of_lxc(two: World) -> None:
    for whose in ("c0", "c1"):
        config = two.containers / whose / "config"
        before = config.read_text()
        for what, line in LINES.items():
            config.write_text(f"{before}{line}\n".format(usr=usr(two)))
            assert named(two) == {f"container {whose!r}"}, what
        others = [line.replace("{usr}", "/usr") for what, line in LINES.items() if what != "table"]
        config.write_text("\n".join([before, *others, ""]))
    assert two.run()["changed"]


def test_what_an_included_file_includes(two: World) -> None:
    outer = two.base / "outer.conf"
    outer.write_text(f"lxc.include = {usr(two)}/share/included\n")
    config = two.containers / "c0/config"
    config.write_text(f"{config.read_text()}lxc.include = {outer}\n")
    assert who(refused(two)) == {"container 'c0'"}


def test_a_container_of_a_user(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no privileges keeps containers at home, and may mount what everybody can read."""
    home = two.base / "home"
    place = home / ".local/share/lxc/mine"
    (place / "rootfs").mkdir(parents=True)
    (place / "config").write_text(f"lxc.mount.entry = {usr(two)}/share opt none bind,ro 0 0\n")
    read = claimants._read

    def of_users(path: str, **more: t.Any) -> str:
        return f"u:x:1:1::{home}:/bin/sh\n" if path == "/etc/passwd" else read(path, **more)

    monkeypatch.setattr(claimants, "_read", of_users)
    assert who(refused(two)) == {"container 'mine'"}


def test_a_unit_that_names_something_within(two: World) -> None:
    units = Path(two.places.units)
    units.mkdir()
    for name, text in UNITS.items():
        (units / name).write_text(text.format(usr=usr(two)))
        assert named(two) == {"the host"}, name
        (units / name).write_text(text.format(usr=usr(two, "c0")) + f"# {usr(two)}\nDescription=mounts {usr(two)}\n")
    assert two.run()["changed"]


def test_a_socket_that_somebody_has_bound(two: World) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
        (two.base / "s").symlink_to(usr(two) / "share")  # such a name is short
        bound.bind(f"{two.base}/s/x")
        bound.listen()
        assert who(refused(two)) == {"a program of the host"}
    assert two.run()["changed"], "nobody has it any more"
