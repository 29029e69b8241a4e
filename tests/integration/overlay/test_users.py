# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever else uses a directory or a layer is found before it is emptied or removed, by whatever name they call it."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import Lxc, configure, populate
from .test_original import share_as_the_original
from .world import World, view


@pytest.fixture
def two(world: World) -> World:
    """c0 and c1, alike."""
    populate(world.host)
    for name in ("c0", "c1"):
        configure(world.container(name, of=world.host))
        (world.containers / name / "fstab").write_text("")
    return world


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


@contextlib.contextmanager
def bound(source: Path, target: Path) -> t.Iterator[None]:
    target.mkdir(parents=True, exist_ok=True)
    mount("--bind", str(source), str(target))
    try:
        yield
    finally:
        subprocess.run(["umount", str(target)], check=True)


def refused(world: World, state: str = "present", **more: t.Any) -> list[dict[str, str]]:
    """By check and by the real run, and nothing was changed; who they say it is."""
    before = view(world.containers)
    found = []
    for check in (True, False):
        for apply in ("auto", "boot"):
            with pytest.raises(OvercError) as caught:
                world.run(state, check=check, apply=apply, **more)
            assert caught.value.error_id == "overlay_in_use", caught.value
            found.append(caught.value.facts["users"])
    assert view(world.containers) == before
    assert not Path(world.places.base).exists()
    assert found == [found[0]] * 4
    assert found[0]
    return t.cast("list[dict[str, str]]", found[0])


def who(users: list[dict[str, str]]) -> set[str]:
    return {user["who"] for user in users}


def other_names(world: World) -> dict[str, Path]:
    """What else the directory of containers can be called, without a mount."""
    (world.base / "link").symlink_to(world.containers)
    (world.base / "links").mkdir()
    (world.base / "links/deep").symlink_to("../link")
    return {"itself": world.containers, "link": world.base / "link", "two links": world.base / "links/deep"}


@pytest.mark.parametrize("name", ["itself", "link", "two links"])
@pytest.mark.parametrize("relative", [False, True])
def test_the_originals_overlay_of_another_container(two: World, name: str, relative: bool) -> None:
    place = other_names(two)[name]
    source = place / "c1/rootfs/usr"
    share_as_the_original(two, "c0", source, place=place, relative=relative)
    seen = two.seen("c0")
    assert who(refused(two)) == {"container 'c0'"}
    two.run("absent", container="c0")
    assert view(two.containers / "c0/rootfs/usr") == (
        {n.removeprefix(b"usr/") if n != b"usr" else b".": v for n, v in seen[0].items() if n[:4] in (b"usr", b"usr/")},
        seen[1] and [[n.removeprefix(b"usr/") for n in names] for names in seen[1] if names[0].startswith(b"usr/")],
    )
    two.run()


@pytest.mark.parametrize(
    "line",
    [
        "{c1}/usr mnt none bind,create=dir 0 0",
        "{c1}/usr/share/d mnt none ro,bind,create=dir 0 0",
        "{c1}/usr/share/d/f1 mnt none bind,create=file 0 0",
        "{c1} mnt none rbind,create=dir 0 0",
        "{c1}/./usr//share mnt none bind 0 0",
        "{link}/rootfs/usr mnt none bind 0 0",
        "none mnt overlay lowerdir={c1}/usr:/bin 0 0",
        "none mnt overlay lowerdir=/bin:{c1}/usr/share,upperdir=/u,workdir=/w 0 0",
        "none mnt overlay lowerdir={c1},upperdir=/u,workdir=/w 0 0",
        "none mnt overlay lowerdir={containers},upperdir=/u,workdir=/w 0 0",
        "none mnt overlay lowerdir=/bin,upperdir={c1}/usr/share,workdir=/w 0 0",
        "{c1}/usr/share/not/there/yet mnt none bind,optional 0 0",
        "{c1}/usr/share/d/f1 mnt ext4 loop 0 0",
        "{c1}/usr\\000/nothing mnt none bind 0 0",
    ],
)
@pytest.mark.parametrize("where", ["fstab", "config"])
def test_a_line_of_another_container(two: World, line: str, where: str) -> None:
    (two.base / "link").symlink_to(two.containers / "c1")
    c1 = two.containers / "c1/rootfs"
    text = line.format(c1=c1, link=two.base / "link", containers=two.containers)
    with (two.containers / "c0" / where).open("a") as file:
        file.write(text + "\n" if where == "fstab" else f"lxc.mount.entry = {text}\n")
    assert who(refused(two)) == {"container 'c0'"}


@pytest.mark.parametrize(
    "line",
    [
        "{c1}/usr2 mnt none bind 0 0",
        "{c1}/etc mnt none bind 0 0",
        "{c0}/usr mnt none bind 0 0",
        "{containers} mnt none bind 0 0",
        "/ mnt none bind,ro 0 0",
        "none mnt overlay lowerdir={c0}/usr,upperdir=/u,workdir=/w 0 0",
        "none mnt overlay lowerdir=/,upperdir=/u,workdir=/w 0 0",
        "proc proc proc nodev 0 0",
        "usr mnt none bind,relative 0 0",
        "# {c1}/usr mnt none bind 0 0",
        "\\000 \\000 overlay lowerdir=\\000,upperdir=/\\000,workdir=\\377 0 0",
    ],
)
def test_lines_of_another_container_that_are_no_matter(two: World, line: str) -> None:
    text = line.format(c1=two.containers / "c1/rootfs", c0=two.containers / "c0/rootfs", containers=two.containers)
    (two.containers / "c0/fstab").write_text(text + "\n")
    assert two.run()["changed"]


def test_a_line_of_the_container_itself(two: World) -> None:
    """It mounts a part of its own root elsewhere, from the host's point of view: empty afterwards."""
    c1 = two.containers / "c1/rootfs"
    (c1.parent / "fstab").write_text(f"{c1}/usr/share mnt none bind,create=dir 0 0\n")
    assert who(refused(two)) == {"container 'c1'"}


def test_a_container_with_the_same_root_and_one_in_another_place(two: World) -> None:
    c1 = two.containers / "c1/rootfs"
    other = two.base / "elsewhere/c9"
    other.mkdir(parents=True)
    (other / "config").write_text(f"lxc.rootfs.path = dir:{c1}\n")
    (two.containers / "c1/lxc_snapshots").write_text(f"{other.parent}\nc9\n")
    assert who(refused(two)) == {"container 'c9'"}


@pytest.mark.parametrize("how", [["-s", "-B", "overlay"], ["-s"]])
def test_a_clone_that_lxc_made(two: World, how: list[str]) -> None:
    """Its root is an overlay upon c1's root."""
    lxc = Lxc(two)
    root = two.containers / "c1/rootfs"
    plain = two.containers / "plain"
    subprocess.run(["cp", "-a", str(root), str(plain)], check=True)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(root)], check=True)
    plain.rename(root)  # LXC copies a subvolume by snapshot
    subprocess.run(["lxc-copy", "-P", lxc.path, "-n", "c1", "-N", "cl", *how], check=True)
    assert "overlay:" in (two.containers / "cl/config").read_text()
    assert who(refused(two)) == {"container 'cl'"}
    with lxc.started("cl") as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        (two.containers / "cl/config").rename(two.base / "config")  # what runs is seen without it
        try:
            assert any(user["where"] == "mounted at /" for user in refused(two))
        finally:
            (two.base / "config").rename(two.containers / "cl/config")
    subprocess.run(["lxc-destroy", "-P", lxc.path, "-n", "cl"], check=True)
    assert two.run()["changed"]


def test_a_running_container_whose_table_no_longer_says_so(two: World) -> None:
    table = two.containers / "c0/fstab"
    table.write_text(f"{two.containers}/c1/rootfs/usr/share mnt none bind,create=dir 0 0\n")
    with Lxc(two).started("c0"):
        table.write_text("")
        assert {user["where"] for user in refused(two)} == {"mounted at /mnt"}
    assert two.run()["changed"]


@pytest.mark.parametrize("what", ["usr", "usr/share/d", "."])
@pytest.mark.parametrize("namespace", ["ours", "another"])
def test_a_mount_on_the_host(two: World, what: str, namespace: str) -> None:
    source, target = two.containers / "c1/rootfs" / what, two.base / "mnt"
    if namespace == "ours":
        with bound(source, target):
            refused(two)
    else:
        target.mkdir()
        command = f"mount --bind '{source}' '{target}' && echo ready && read line"
        other = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
            assert not os.path.ismount(target)
            refused(two)
        finally:
            other.communicate("\n")
    assert two.run()["changed"]


def test_other_names_of_the_place_are_no_matter(two: World) -> None:
    """The directory of containers, mounted in a second place: the same containers, the same work."""
    with bound(two.containers, two.base / "alias"), bound(two.containers / "c1", two.base / "alias1"):
        share_as_the_original(two, "c0", two.base / "alias/c1/rootfs/usr", place=two.base / "alias")
        assert who(refused(two)) == {"container 'c0'"}
        two.run("absent", container="c0")
        assert two.run()["changed"]
        seen = two.seen()
        place, two.containers = two.containers, two.base / "alias"
        assert two.info()["overlays"][0]["made_by"] == "overc_overlay"
        assert not two.run()["changed"]
        two.run("absent")
        two.containers = place
    assert view(two.containers / "c1/rootfs") == seen


@pytest.mark.parametrize("option", ["lowerdir={c1}/usr/share:/bin", "lowerdir={c1}/usr/share,upperdir={u},workdir={w}"])
def test_an_overlay_on_the_host(two: World, option: str) -> None:
    for name in ("u", "w", "mnt"):
        (two.base / name).mkdir()
    text = option.format(c1=two.containers / "c1/rootfs", u=two.base / "u", w=two.base / "w")
    mount("-t", "overlay", "-o", text, "overlay", str(two.base / "mnt"))
    try:
        refused(two)
    finally:
        subprocess.run(["umount", str(two.base / "mnt")], check=True)
    assert two.run()["changed"]


@pytest.mark.parametrize(
    "text",
    [
        "[Mount]\nWhat={c1}/usr/share\nWhere=/srv/x\nType=none\nOptions=bind\n",
        "[Mount]\nWhat=overlay\nWhere=/srv/x\nType=overlay\nOptions=lowerdir=/bin:{c1}/usr\n",
        "[Mount]\nWhat=/dev/vdz\nWhere={c1}/usr/share/data\nType=ext4\n",
    ],
)
def test_a_mount_unit_of_the_host(two: World, text: str) -> None:
    units = Path(two.places.units)
    units.mkdir()
    (units / "x.mount").write_text(text.format(c1=two.containers / "c1/rootfs"))
    assert who(refused(two)) == {"the host"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.mount", "[Mount]\nWhat = {c1}/usr/share\n  Where =  /srv/x\nType = none\n"),
        ("x.mount", "[Mount]\nWhat=\\\n# within\n{c1}/usr/share\nWhere=/srv/x\n"),
        ("x.mount.d/o.conf", "[Mount]\nWhat={c1}/usr\n"),
        ("x.mount.d/o.conf", "[Mount]\nOptions=lowerdir=/bin:{c1}/usr,ro\n"),
        ("mount.d/o.conf", "[Mount]\nWhat={c1}/usr\n"),
        ("x.service", "[Service]\nBindReadOnlyPaths=/tmp -{c1}/usr:/srv/x\n"),
        ("x.service", '[Service]\nBindPaths="{c1}/usr/share:/srv/x:norbind"\n'),
        ("x@.service.d/o.conf", "[Service]\nBindPaths={c1}/usr\n"),
        ("x.service", "[Service]\nRootDirectory={c1}\n"),
        ("x.socket", "[Socket]\nRootDirectory=-{c1}/usr\n"),
        ("x.swap", "[Swap]\nWhat={c1}/usr/share/d/f1\n"),
        ("x.service", "[Service]\nExecStart=/usr/bin/systemd-nspawn --boot -D {c1}\n"),
        ("x.service", "[Service]\nExecStart=-/usr/bin/systemd-nspawn --bind-ro={c1}/usr:/mnt -M x\n"),
        ("x.service", "[Service]\nExecStartPre=/usr/bin/docker run -v {c1}/usr/share:/data:ro image\n"),
        ("x.service", "[Service]\nExecStart=podman run --mount type=bind,src={c1}/usr,dst=/x image\n"),
    ],
)
def test_any_unit_of_the_host(two: World, name: str, text: str) -> None:
    path = Path(two.places.units) / name
    path.parent.mkdir(parents=True)
    path.write_text(text.format(c1=two.containers / "c1/rootfs"))
    assert who(refused(two)) == {"the host"}
    path.write_text(text.format(c1=two.containers / "c0/rootfs"))
    assert two.run()["changed"]


def test_what_cannot_be_read_is_not_taken_for_nobody(two: World) -> None:
    (two.containers / "c0/fstab").unlink()
    os.mkfifo(two.containers / "c0/fstab")
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            two.run(check=check)
        assert caught.value.error_id == "inconsistent"
        assert f"{two.containers}/c0/fstab" in caught.value.message


def test_a_loop_device_that_goes_while_it_is_looked_at_is_no_matter(
    two: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    attached = subprocess.run(
        ["losetup", "--show", "--find", str(image)], check=True, capture_output=True, text=True
    ).stdout.strip()
    wanted = f"/sys/block/{Path(attached).name}/loop/backing_file"
    real = os.fstat
    answers: list[int | None] = []

    def detach() -> None:
        if Path(wanted).exists() and Path(wanted).read_text().strip() == str(image):
            subprocess.run(["losetup", "--detach", attached], check=True)

    def fstat(fd: int) -> os.stat_result:  # between opening and reading
        if not answers and os.readlink(f"/proc/self/fd/{fd}").endswith(wanted.removeprefix("/sys/block")):
            detach()
            with pytest.raises(OSError) as caught:
                os.pread(fd, 1, 0)
            answers.append(caught.value.errno)
        return real(fd)

    monkeypatch.setattr(os, "fstat", fstat)
    try:
        assert two.run()["changed"]
    finally:
        detach()
    assert answers == [errno.ENODEV]


def test_who_comes_while_we_work_is_seen_before_the_switch(two: World) -> None:
    before = view(two.containers / "c1/rootfs")
    table = two.containers / "c0/fstab"

    def observer(when: str, step: str) -> None:
        if (when, step) == ("before", "commit_mount"):
            table.write_text(f"{two.containers}/c1/rootfs/usr mnt none bind 0 0\n")

    with pytest.raises(OvercError) as caught:
        two.run(observer=observer)
    assert caught.value.error_id == "overlay_in_use"
    assert view(two.containers / "c1/rootfs") == before
    assert two.leftovers() == []


@pytest.mark.parametrize("state", ["absent", "present"])
def test_layers_that_another_container_uses_are_not_removed(two: World, state: str) -> None:
    """LXC copies the table of a container with it."""
    two.run()
    subprocess.run(["lxc-copy", "-P", str(two.containers), "-n", "c1", "-N", "c2"], check=True)
    assert "/c1/.overc-overlay/" in (two.containers / "c2/fstab").read_text()
    sources = ("essential",) if state == "absent" else ("essential", "c0")
    assert who(refused(two, state, sources=sources)) == {"container 'c2'"}
    (two.containers / "c2/fstab").write_text("")
    assert two.run(state, sources=sources)["changed"]
