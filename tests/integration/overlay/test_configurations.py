# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's configuration means to us what it means to LXC: quotes, and roots that LXC mounts in a way of its own."""

from __future__ import annotations

import re
import subprocess
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay.lxc import monitor_listens

from .test_containers import Lxc, configure, lxc
from .test_flags_of_places import TRY
from .test_users import refused, who
from .world import World, view

__all__ = ("lxc",)


def quoted(text: str, quote: str) -> str:
    """Every value of a configuration in quotes, which LXC takes away."""
    return re.sub(r"= (.*)$", rf"= {quote}\1{quote}", text, flags=re.MULTILINE)


@pytest.mark.parametrize("how", ["entry", "included entry", "table", "included table"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_what_another_container_names_in_quotes(world: World, lxc: Lxc, how: str, quote: str) -> None:
    usr = world.containers / "c1/rootfs/usr"
    root = world.container("c0", of=world.host)
    configure(root)
    (root / "mnt").mkdir()
    line = f"{usr} mnt none bind 0 0"
    table = root.parent / "elsewhere"
    table.write_text(f"{line}\n" if "table" in how else "")
    key = f"lxc.mount.entry = {line}" if "entry" in how else f"lxc.mount.fstab = {table}"
    config = root.parent / "config"
    if "included" in how:
        (world.base / "more.conf").write_text(quoted(f"{key}\n", quote))
        key = f"lxc.include = {world.base}/more.conf"
    config.write_text(quoted(f"{config.read_text()}{key}\n", quote))
    with lxc.started("c0") as run:
        assert run("cat", "/mnt/share/d/f1") == "1" * 3000
    assert "container 'c0'" in who(refused(world))


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_container_that_has_its_words_in_quotes(world: World, lxc: Lxc, quote: str) -> None:
    root = world.containers / "c1/rootfs"
    config = root.parent / "config"
    config.write_text(quoted(f"{config.read_text()}lxc.rootfs.options = ro\n", quote))
    with lxc.started() as run:
        limited = run("sh", "-c", TRY + "; true")
    before = view(root / "usr")
    assert world.run()["changed"]
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        assert run("sh", "-c", TRY + "; true") == limited
    world.run("absent")
    assert view(root / "usr") == before
    assert world.leftovers() == []


MAP = "lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n"


@pytest.fixture
def seen_by_all(world: World, lxc: Lxc) -> t.Iterator[None]:  # noqa: ARG001 - which makes the container
    """Root in a user's namespace is nobody on the host, and has to come through to the container's directory."""
    closed = []
    path = world.containers / "c1"
    while str(path) != "/":
        if not path.stat().st_mode & 0o001:
            closed.append((path, path.stat().st_mode & 0o7777))
            path.chmod(closed[-1][1] | 0o711)
        path = path.parent
    yield
    for path, mode in closed:
        if path.exists():
            path.chmod(mode)


@pytest.mark.usefixtures("seen_by_all")
@pytest.mark.parametrize("when", ["before", "afterwards"])
def test_a_root_that_lxc_mounts_with_its_map(world: World, lxc: Lxc, when: str) -> None:
    """The kernel gives an overlay no map, so LXC does not start a container with one in such a root."""
    root = world.containers / "c1/rootfs"
    config = root.parent / "config"
    plain = config.read_text()
    mapped = f"{plain}{MAP}lxc.rootfs.options = nodev,idmap=container\n"
    config.write_text(mapped if when == "before" else plain + MAP)
    before = view(root / "usr")
    if when == "before":
        with lxc.started() as run:
            assert run("cat", "/usr/share/d/f1") == "1" * 3000
    else:
        world.run()
        config.write_text(mapped)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert caught.value.error_id == "overlay_unsupported"
        assert "idmap=container" in caught.value.message
    if when == "afterwards":
        (found,) = world.info()["overlays"]
        assert found["status"] == "broken"
        assert "idmap=container" in found["problems"][0]
        world.run("absent")
    assert world.leftovers() == []
    assert view(root / "usr") == before
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
    assert subprocess.run(["findmnt", str(root / "usr")], check=False, stdout=subprocess.DEVNULL).returncode


@pytest.mark.parametrize("length", [10, 120])
def test_the_monitor_is_seen_before_the_container_has_a_root(world: World, lxc: Lxc, length: int) -> None:
    """LXC holds its socket from before it reads the table of mounts on; a path that is too long for one is hashed."""
    containers = world.base / ("x" * length)
    world.containers.rename(containers)
    world.containers, lxc.path = containers, str(containers)
    configure(containers / "c1/rootfs")
    assert not monitor_listens(f"{containers}/c1")
    with lxc.started():
        assert monitor_listens(f"{containers}/c1")
        assert not monitor_listens(f"{containers}/c2")
    assert not monitor_listens(f"{containers}/c1")


@pytest.mark.parametrize("since", ["a line between", "a table of its own", "it is included"])
def test_what_somebody_wrote_behind_our_comment(world: World, lxc: Lxc, since: str) -> None:
    """Only our own line goes, and the table only when nobody names it: LXC starts nothing whose table is not there."""
    root = world.containers / "c1/rootfs"
    configure(root, fstab=False)
    config, own, more = root.parent / "config", world.base / "own", world.base / "more.conf"
    before = view(root / "usr")
    world.run()
    line = f"lxc.mount.fstab = {root.parent}/fstab\n"
    text = config.read_text()
    if since == "a line between":
        text = text.replace(line, f"lxc.start.auto = 0\n{line}")
    elif since == "it is included":
        more.write_text(line)
        text = f"lxc.include = {more}\n{text}"
    config.write_text(text)
    if since == "a table of its own":  # with all that ours has, and more
        own.write_text((root.parent / "fstab").read_text() + "proc mnt proc nodev 0 0\n")
        (root / "mnt").mkdir()
        config.write_text(text.replace(line, f"lxc.mount.fstab = {own}\n"))
    world.run("absent")
    assert view(root / "usr") == before
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        if since == "a table of its own":
            assert run("cat", "/mnt/version")
