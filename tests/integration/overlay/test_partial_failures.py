# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong half-way, or in one of several places: the rest is done, nothing is lost, and the truth is told."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import info
from ansible_collections.overc.system.plugins.module_utils.overlay.layers.remove import empty
from ansible_collections.overc.system.plugins.module_utils.overlay.table import LxcTable
from ansible_collections.overc.system.plugins.module_utils.system import safe_path

from .test_containers import populate
from .world import World, boot, snapshot, subvolume, told, view


@pytest.fixture
def container(world: World) -> Path:
    populate(world.host)
    (world.host / "opt").mkdir()
    (world.host / "opt/file").write_bytes(b"x" * 5000)
    return world.container(of=world.host)


# -- several directories -----------------------------------------------------------------------------------------------


def test_a_failure_tells_of_the_directories_before_it(world: World, container: Path) -> None:
    os.mknod(container / "opt/white", 0o020000, os.makedev(0, 0))
    before = view(container / "usr")
    with pytest.raises(OvercError) as caught:
        world.run(directories=("/usr", "/opt"))
    shown = told(caught.value)
    assert shown["error_id"] == "overlay_unrepresentable"
    assert shown["changed"], "the first directory is shared now"
    assert [(entry["directory"], entry["status"]) for entry in shown["directories"]] == [("/usr", "shared")]
    assert "Nothing was changed there." in shown["msg"]
    assert shown["msg"].endswith("Done before that: /usr: shared.")
    assert world.seen(below="usr") == before


def test_a_refusal_of_the_first_has_changed_nothing(world: World, container: Path) -> None:
    os.mknod(container / "usr/white", 0o020000, os.makedev(0, 0))
    with pytest.raises(OvercError) as caught:
        world.run(directories=("/usr", "/opt"))
    assert not told(caught.value)["changed"]
    assert world.leftovers() == []


def test_a_refusal_tells_of_the_repair_before_it(world: World, container: Path) -> None:
    world.run_killed("before", "sync")
    os.mknod(container / "usr/white", 0o020000, os.makedev(0, 0))
    with pytest.raises(OvercError) as caught:
        world.run()
    shown = told(caught.value)
    assert shown["changed"]
    assert "create of /usr" in shown["repaired"]


# -- at boot -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("container")
@pytest.mark.parametrize("damaged", ["pending/0.json", "installed.json"])
def test_a_list_in_trouble_does_not_stop_the_others(
    world: World, capfd: pytest.CaptureFixture[str], damaged: str
) -> None:
    world.run(apply="boot")
    path = Path(world.places.base) / damaged
    path.write_text("{")
    assert boot(world) == 1
    assert f"{path} cannot be read" in capfd.readouterr().err
    assert not world.run()["changed"], "the work that could be read was done"
    assert path.exists()


# -- a start at the moment of the switch -------------------------------------------------------------------------------


class Started:
    """A process whose root is the container's, from the moment on at which the table was replaced."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        commit = LxcTable.commit

        def and_start(table: LxcTable, directory: str, options: str | None) -> None:
            if self.process is None:
                self.process = subprocess.Popen(["chroot", root, "/bin/sleep", "1000"])
                while os.stat(f"/proc/{self.process.pid}/root").st_ino != os.stat(root).st_ino:
                    os.sched_yield()
            commit(table, directory, options)

        monkeypatch.setattr(LxcTable, "commit", and_start)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_container_started_at_the_switch_keeps_both_trees(
    world: World, container: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = view(container / "usr")
    if state == "absent":
        world.run()
    started = Started(container, monkeypatch)
    try:
        with pytest.raises(OvercError) as caught:
            world.run(state)
        assert caught.value.error_id == "container_running"
        assert view(container / "usr") == before, "what the container may be using is there"
        if state == "absent":
            assert len(list((container.parent / ".overc-overlay").glob("*/.overc-*/upper"))) == 1
        with pytest.raises(OvercError) as caught:
            world.run(state)
        assert caught.value.error_id == "container_running"
        assert view(container / "usr") == before
    finally:
        started.stop()
    assert world.run(state)["repaired"]
    assert world.seen(below="usr") == before
    if state == "absent":
        assert world.leftovers() == []


# -- what a configuration says -----------------------------------------------------------------------------------------


def refused(world: World, state: str = "present") -> str:
    with pytest.raises(OvercError) as caught:
        world.run(state)
    assert caught.value.error_id == "overlay_unsupported"
    assert world.leftovers() == []
    return caught.value.message


def test_a_root_that_is_another_directory(world: World, container: Path) -> None:
    config = container.parent / "config"
    text = config.read_text()
    for root in (f"dir:{world.host}", f"{world.host}", f"overlay:{container}:{world.base}/delta"):
        config.write_text(f"{text}lxc.rootfs.path = {root}\n")
        assert "has its root at" in refused(world)
    config.write_text(f"{text}lxc.rootfs.path = btrfs:{container}\n")
    assert world.run()["changed"]


def test_a_table_from_an_included_file(world: World, container: Path) -> None:
    common = world.base / "common.d"
    common.mkdir()
    (common / "a.conf").write_text("lxc.mount.fstab = /etc/fstab.all\n")
    config = container.parent / "config"
    config.write_text(f"lxc.rootfs.path = {container}\nlxc.include = {common}\n")
    assert "includes" in refused(world)
    (common / "a.conf").write_text("lxc.idmap = u 0 100000 65536\n")
    assert world.run(apply="boot")["directories"][0]["operation"] == "queue"
    assert world.info()["overlays"] == []


def test_a_table_of_two_containers(world: World, container: Path) -> None:
    other = world.container("c2")
    table = container.parent / "fstab"
    (other.parent / "config").write_text(f"lxc.rootfs.path = {other}\nlxc.mount.fstab = {table}\n")
    text = table.read_text()
    assert "for both" in refused(world)
    assert table.read_text() == text


# -- what is not ours to remove ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["", "deeper/still"])
def test_a_subvolume_is_never_emptied(world: World, depth: str) -> None:
    top = world.base / "ours"
    inner = subvolume(top / depth / "sub")
    (inner / "data").write_text("theirs")
    (top / "file").write_text("ours")
    fd = os.open(top, os.O_RDONLY)
    try:
        with pytest.raises(OvercError):
            empty(fd, jobs=1)
    finally:
        os.close(fd)
    assert (inner / "data").read_text() == "theirs"


@pytest.mark.parametrize("depth", ["", "deeper/still"])
def test_what_a_snapshot_shows_for_a_subvolume_is_not_one(world: World, depth: str) -> None:
    top, copy = subvolume(world.base / "top"), world.base / "copy"
    inner = subvolume(top / depth / "sub")
    (inner / "data").write_text("theirs")
    snapshot(top, copy)
    fd = os.open(copy, os.O_RDONLY)
    try:
        empty(fd, jobs=1)
    finally:
        os.close(fd)
    assert list(copy.iterdir()) == []
    assert (inner / "data").read_text() == "theirs"


def test_another_file_system_is_never_emptied(world: World, ext4: Path) -> None:
    """Its top has the number that btrfs gives to the places of subvolumes in a snapshot."""
    (ext4 / "data").write_text("theirs")
    assert ext4.stat().st_ino == 2
    top = world.base / "ours"
    (top / "mounted").mkdir(parents=True)
    subprocess.run(["mount", "--bind", ext4, top / "mounted"], check=True)
    fd = os.open(top, os.O_RDONLY)
    try:
        with pytest.raises(OvercError):
            empty(fd, jobs=1)
        assert (ext4 / "data").read_text() == "theirs"
    finally:
        os.close(fd)
        subprocess.run(["umount", top / "mounted"], check=True)
        (ext4 / "data").unlink()


def test_containers_within_the_root_that_they_share_with(world: World) -> None:
    """The usual place: every snapshot of the host's root then shows where the layers of the others are."""
    populate(world.host)
    world.containers = world.host / "opt/container"
    before = {}
    for name in ("c1", "c2", "c3"):
        root = world.container(name, plain=True)
        subprocess.run(["cp", "-a", "--reflink=never", world.host / "usr", root], check=True)
        before[name] = view(root / "usr")
    for name in before:
        assert world.run(container=name)["changed"], name
        assert not world.run(container=name)["changed"], name
    for name, seen in before.items():
        assert world.seen(name, below="usr") == seen
        assert world.info(name)["overlays"][0]["problems"] == []
        assert world.run("absent", container=name)["changed"]
        assert view(world.containers / name / "rootfs/usr") == seen
        assert world.leftovers(name) == []


def test_a_mount_is_never_entered_by_an_old_kernel(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_path, "_openat2_works", lambda: False)
    top, data = world.base / "ours", world.base / "data"
    for path in (top / "mounted", data):
        path.mkdir(parents=True)
    (data / "file").write_text("theirs")
    subprocess.run(["mount", "--bind", data, top / "mounted"], check=True)
    fd = os.open(top, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="mounted") as caught:
            safe_path.open_dir("mounted", fd)
        assert caught.value.errno == errno.EXDEV
        with pytest.raises(OvercError):
            empty(fd, jobs=1)
        assert (data / "file").read_text() == "theirs"
    finally:
        os.close(fd)
        subprocess.run(["umount", top / "mounted"], check=True)


def test_the_originals_layers_are_not_followed_by_another_name(world: World) -> None:
    """The line names the containers by a link on the host, and the source container made a link of its /usr."""
    populate(world.host)
    other, root = world.container("c0", of=world.host), world.container("c1")
    for name in ("usr", "usr_temp", "usr_over"):
        (root / name).mkdir()
    link = world.base / "by-link"
    link.symlink_to(world.containers)
    secret = world.base / "secret"
    secret.mkdir()
    (secret / "key").write_text("the host's")
    (root.parent / "fstab").write_text(
        f"overlay usr overlay lowerdir={link}/c0/rootfs/usr,upperdir={root}/usr_temp,workdir={root}/usr_over 0 0\n"
    )
    (other / "usr").rename(other / "moved")
    (other / "usr").symlink_to(secret)
    with pytest.raises(OvercError) as caught:
        world.run("absent")
    assert caught.value.error_id == "inconsistent"
    assert not (root / "usr/key").exists()


def test_no_space_has_its_own_id(world: World, container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is met between the steps that several processes do."""

    def full(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = view(container / "usr")
    monkeypatch.setattr(LxcTable, "commit", full)
    with pytest.raises(OvercError) as caught:
        world.run()
    assert caught.value.error_id == "no_space"
    assert "no room for metadata" in caught.value.message, "deleting a big file does not give btrfs that"
    assert view(container / "usr") == before
    assert world.leftovers() == []


def test_containers_within_the_directory_that_they_share(world: World) -> None:
    """/opt with /opt/container in it: what is written for a container there is no change of the source."""
    (world.host / "opt/tool").mkdir(parents=True)
    (world.host / "opt/tool/data").write_bytes(b"data" * 5000)
    world.containers = world.host / "opt/container"
    for name in ("c1", "c2"):
        root = world.container(name, plain=True)
        (root / "opt").mkdir()
        subprocess.run(["cp", "-a", "--reflink=never", world.host / "opt/tool", root / "opt"], check=True)
    more: dict[str, t.Any] = {"directories": ("/opt",), "sources": ("essential", "c2")}
    before = view(world.containers / "c1/rootfs/opt")
    assert world.run(**more)["changed"]
    assert world.run(container="c2", directories=("/opt",))["changed"]
    assert not world.run(container="c2", directories=("/opt",))["changed"]
    again = world.run(**more)["directories"][0]
    assert again["reason"] == "the sources have other trees now", "c2 is another tree since it shares itself"
    for _time in range(2):
        assert not world.run(**more)["changed"]
    assert world.info()["overlays"][0]["sources_changed"] == {}
    assert world.seen(below="opt") == before

    (world.containers / "c2/rootfs/other").write_text("in the place of the containers, but not in what is shared")
    assert not world.run(**more)["changed"]
    (world.host / "opt/tool/new").write_text("new")
    assert world.info()["overlays"][0]["sources_changed"] == {"essential": "changed"}
    assert world.run(**more)["changed"]
    assert not world.run(**more)["changed"]
    world.run("absent", directories=("/opt",))
    assert view(world.containers / "c1/rootfs/opt") == before


# -- what we wrote ourselves -------------------------------------------------------------------------------------------


def test_a_record_of_an_earlier_version_is_read(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    before = world.seen(below="usr")
    world.run()
    record = world.containers / "c1/.overc-overlay/record.json"
    content = json.loads(record.read_text())
    assert "empty" not in content["overlays"]["/usr"]
    content["overlays"]["/usr"]["empty"] = True
    record.write_text(json.dumps(content))
    assert not world.run()["changed"]
    assert world.info()["overlays"][0]["problems"] == []
    world.run("absent")
    assert world.seen(below="usr") == before
    assert world.leftovers() == []


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"origins": 1}', '{"origins": [{}]}'])
def test_notes_that_cannot_be_read_are_not_guessed(world: World, damage: str) -> None:
    populate(world.host)
    world.container(of=world.host)

    world.run_killed("after", "commit_mount")
    (notes,) = (world.containers / "c1/.overc-overlay").glob("*/.overc-*/overlay.json")
    whole = notes.read_text()
    notes.write_text(damage)
    with pytest.raises(OvercError, match="notes of overlay") as caught:
        world.run()
    assert caught.value.error_id == "inconsistent"
    notes.write_text(whole)
    assert world.run()["repaired"]


def test_notes_that_are_gone_break_one_overlay_and_no_list(world: World) -> None:
    populate(world.host)
    for name in ("c1", "c2"):
        world.container(name, of=world.host)
        world.run(container=name)
    (notes,) = (world.containers / "c1/.overc-overlay").glob("*/.overc-*/overlay.json")
    notes.unlink()
    listed = info.information(str(world.containers), None, places=world.places)
    overlays = {entry["container"]: entry["overlays"][0] for entry in listed}
    assert (overlays["c1"]["status"], overlays["c2"]["status"]) == ("broken", "shared")
    assert "overlay.json is gone" in overlays["c1"]["problems"][0]


@pytest.mark.parametrize("where", ["\0", "/opt/a\0b", "", "opt/container", "/opt/../etc"])
@pytest.mark.parametrize("container", [None, "c1"])
def test_a_place_that_is_none_is_refused(where: str, container: str | None) -> None:
    with pytest.raises(OvercError) as caught:
        info.information(where, container)
    assert caught.value.error_id == "bad_argument"
