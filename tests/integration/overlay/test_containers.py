# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real containers started by LXC, work that waits for a boot, mount units, and the original tool's installations."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.system.mount_unit import unit_name

from .world import PlainRunner, World, boot, subvolume, view

APPLETS = ("sh", "sleep", "cat", "ls", "md5sum", "find", "rm", "mv", "stat", "mkdir")


def populate(root: Path) -> None:
    """The least that runs: busybox, and something to share below /usr."""
    for name in ("bin", "usr/bin", "usr/share/d", "etc", "proc", "sys", "dev", "tmp", "run"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/usr/bin/busybox", root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    for number in range(50):
        path = root / f"usr/share/d/f{number}"
        path.write_bytes(b"%d" % number * 3000)
        os.utime(path, (1, 1))
    os.utime(root / "usr/share/d", (1, 1))


class Lxc:
    """The lxc-* commands for the containers of a world."""

    def __init__(self, world: World) -> None:
        self.path = str(world.containers)

    def _call(self, program: str, *arguments: str, name: str = "c1", check: bool = True) -> str:
        argv = [program, "-P", self.path, "-n", name, *arguments]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        log = Path(self.path, name, "log")
        assert not check or done.returncode == 0, (argv, done.stderr, log.read_text() if log.exists() else "")
        return done.stdout

    @contextlib.contextmanager
    def started(self, name: str = "c1") -> t.Iterator[t.Callable[..., str]]:
        log = f"{self.path}/{name}/log"
        try:
            self._call("lxc-start", "-l", "DEBUG", "-o", log, name=name)
            yield lambda *command: self._call("lxc-attach", "--", *command, name=name)
        finally:
            self._call("lxc-stop", "-k", name=name, check=False)
            Path(log).unlink(missing_ok=True)


def configure(root: Path, *, fstab: bool = True) -> None:
    lines = [
        "lxc.uts.name = c1",
        f"lxc.rootfs.path = dir:{root}",
        "lxc.net.0.type = empty",
        "lxc.mount.auto = proc:mixed",
        "lxc.apparmor.profile = unconfined",
        "lxc.init.cmd = /bin/sleep 1000",
    ]
    if fstab:
        lines.append(f"lxc.mount.fstab = {root.parent}/fstab")
    else:
        (root.parent / "fstab").unlink()
    (root.parent / "config").write_text("\n".join(lines) + "\n")


@pytest.fixture
def lxc(world: World) -> Lxc:
    if shutil.which("lxc-start") is None:
        pytest.fail("LXC is not installed; the containers of these tests are real")
    populate(world.host)
    configure(world.container(of=world.host))
    return Lxc(world)


SUMS = (
    "sh",
    "-c",
    (
        "cd /usr && find . -type f -exec md5sum {} + | busybox sort"
        " && find . -exec stat -c '%n %a %u %g %Y' {} + | busybox sort"
    ),
)


def test_a_container_starts_and_sees_the_same(world: World, lxc: Lxc) -> None:
    root = world.containers / "c1/rootfs"
    (root / "usr/share/d/own").write_text("own")
    before = view(root)
    with lxc.started() as run:
        sums = run(*SUMS)
    result = world.run()
    assert result["directories"][0]["entries_shared"] == 50
    assert list((root / "usr").iterdir()) == []
    with lxc.started() as run:
        assert run(*SUMS) == sums
        run("sh", "-c", "echo new > /usr/share/d/new; echo more >> /usr/share/d/f1; rm /usr/share/d/f2")
        run("sh", "-c", "mv /usr/share/d/f3 /usr/share/d/moved; mkdir /usr/own; echo x > /usr/own/x")
        after = run(*SUMS)
        assert after != sums
    with lxc.started() as run:  # restarted
        assert run(*SUMS) == after
    assert view(world.host / "usr/share/d")[0] == {
        name: value for name, value in view(world.host / "usr/share/d")[0].items() if b"new" not in name
    }
    world.run("absent")
    assert not (root / "usr/share/d/f2").exists()
    assert (root / "usr/share/d/moved").read_bytes() == b"3" * 3000
    with lxc.started() as run:
        assert run(*SUMS) == after
    assert world.leftovers() == []
    assert before[0][b"usr/share/d/f9"] == view(root)[0][b"usr/share/d/f9"]


def test_a_container_without_a_table_gets_one_and_loses_it(world: World, lxc: Lxc) -> None:
    root = world.containers / "c1/rootfs"
    configure(root, fstab=False)
    config = (root.parent / "config").read_text()
    world.run()
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
    world.run("absent")
    assert (root.parent / "config").read_text() == config
    assert sorted(os.listdir(root.parent)) == ["config", "rootfs"]


@pytest.mark.parametrize("name", ["with blank", "co:lon", "back\\slash", "ta\tb", "quo'te\"", "ha#sh"])
def test_hostile_paths_through_lxc(world: World, lxc: Lxc, name: str) -> None:
    """The layers' paths go through the fstab, LXC's splitting of options and the kernel's."""
    containers = world.base / f"{name} x"
    world.containers.rename(containers)
    world.containers = containers
    lxc.path = str(containers)
    root = containers / "c1/rootfs"
    configure(root)
    world.run()
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        run("sh", "-c", "echo y > /usr/share/d/f1")
    world.run("absent")
    assert (root / "usr/share/d/f1").read_text() == "y\n"


@pytest.mark.usefixtures("lxc")
def test_a_comma_is_refused_because_lxc_splits_there(world: World) -> None:
    containers = world.base / "com,ma"
    world.containers.rename(containers)
    world.containers = containers
    configure(containers / "c1/rootfs")
    with pytest.raises(OvercError) as caught:
        world.run()
    assert caught.value.error_id == "bad_argument"
    assert world.leftovers() == []


def test_a_running_container_waits_for_the_boot(world: World, lxc: Lxc) -> None:
    root = world.containers / "c1/rootfs"
    before = view(root / "usr")
    with lxc.started() as run:
        with pytest.raises(OvercError) as caught:
            world.run(apply="now")
        assert caught.value.error_id == "container_running"
        assert world.leftovers() == []
        result = world.run()
        assert result["reboot_required"]
        assert result["directories"][0]["status"] == "waits_for_boot"
        assert result["directories"][0]["entries_shared"] == 50
        again = world.run()
        assert not again["changed"]
        assert again["reboot_required"]
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        info = world.info()
        assert info["running"]
        assert info["waiting"] == [{"state": "present", "directories": ["/usr"], "sources": ["essential"]}]
    assert view(root / "usr") == before
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2):  # the boot service dies half-way
        boot(world, kill_after=delay)
        if not Path(world.places.base).exists():
            break
        assert world.seen(below="usr") == before
    else:
        assert boot(world) == 0
    assert world.seen(below="usr") == before
    assert not Path(world.places.base).exists()
    assert list(Path(world.places.units).rglob("*.service")) == []
    assert not world.run()["changed"]
    with lxc.started() as run:
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
        stopping = world.run("absent")
        assert stopping["reboot_required"]
        assert run("cat", "/usr/share/d/f1") == "1" * 3000
    assert boot(world) == 0
    assert view(root / "usr") == before
    assert world.leftovers() == []


def test_waiting_work_can_be_taken_back(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    assert world.run(apply="boot")["directories"][0]["operation"] == "queue"
    assert world.run("absent")["directories"][0]["operation"] == "unqueue"
    assert world.leftovers() == []


def test_sources_in_order_and_sources_that_share_themselves(world: World) -> None:
    """Three containers; c0 shares with the host, c1 with c0 and the host, and then c0 stops."""
    populate(world.host)
    c0, c1 = world.container("c0", of=world.host), world.container("c1", plain=True)
    (c0 / "usr/share/d/only0").write_bytes(b"only in c0" * 1000)
    os.utime(c0 / "usr/share/d/only0", (1, 1))
    subprocess.run(["cp", "-a", f"{c0}/usr", str(c1)], check=True)
    (c1 / "usr/share/d/only1").write_bytes(b"only in c1" * 1000)
    seen0, seen1 = view(c0), view(c1)
    world.run(container="c0")
    result = world.run(container="c1", sources=("essential", "c0"))["directories"][0]
    assert result["entries_shared"] == 51
    assert len(result["layers"]) == 2
    assert world.seen("c0") == seen0
    assert world.seen("c1") == seen1
    again = world.run(container="c1", sources=("essential", "c0"))
    assert not again["changed"], again["directories"][0]["reason"]
    world.run("absent", container="c0")
    assert world.seen("c1") == seen1
    shutil.rmtree(c0)
    info = world.info()
    assert info["overlays"][0]["status"] == "shared"
    assert world.seen("c1") == seen1
    with pytest.raises(OvercError) as caught:
        world.run(container="c1", sources=("essential", "c0"))
    assert caught.value.error_id == "source_unknown"
    world.run("absent", container="c1")
    assert view(c1) == seen1


def test_all_that_is_shared_is_stopped_and_nothing_else(world: World) -> None:
    """An empty list is nothing, not everything: it may be what is left of a variable."""
    populate(world.host)
    root = world.container(of=world.host)
    for name in ("theirs", "u", "w", "l"):
        (root / name).mkdir()
    table = root.parent / "fstab"
    before, lines = view(root), table.read_text()
    world.run(directories=("/usr/share", "/bin"))
    line = f"none theirs overlay lowerdir={root}/l,upperdir={root}/u,workdir={root}/w 0 0\n"
    table.write_text(table.read_text() + line)
    for state, everything in (("absent", False), ("present", True)):
        with pytest.raises(OvercError, match="Name at least one directory"):
            world.run(state, directories=(), everything=everything)
    planned = world.run("absent", directories=(), everything=True, check=True)
    done = world.run("absent", directories=(), everything=True)
    for answer in (planned, done):
        assert [entry["directory"] for entry in answer["directories"]] == ["/bin", "/usr/share"]
    assert (view(root), table.read_text()) == (before, lines + line)
    again = world.run("absent", directories=(), everything=True)
    assert (again["changed"], again["directories"]) == (False, [])


def test_what_waits_for_the_boot_is_stopped_with_all_else(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    world.run(directories=("/usr/share",), apply="boot")
    done = world.run("absent", directories=(), everything=True)
    assert [entry["operation"] for entry in done["directories"]] == ["unqueue"]
    assert world.info()["waiting"] == []


def test_not_lxc_gets_mount_units(world: World) -> None:
    populate(world.host)
    root = world.container(lxc=False, of=world.host)
    before = view(root)
    result = world.run()
    assert result["directories"][0]["steps"][-2]["step"] == "mount"
    unit = Path(world.places.units) / unit_name(f"{root}/usr")
    text = unit.read_text()
    assert f"Where={root}/usr\n" in text
    assert "Before=lxc@c1.service systemd-nspawn@c1.service" in text
    assert (Path(world.places.units) / "systemd-nspawn@c1.service.requires" / unit.name).is_symlink()
    assert view(root)[0][b"usr/share/d/f1"] == before[0][b"usr/share/d/f1"]  # it is mounted now
    assert not world.run()["changed"]
    (root / "usr/share/d/f1").write_text("written")
    (world.host / "usr/share/d/f5").write_text("upgraded")
    after = view(root)
    assert world.run()["directories"][0]["operation"] == "reshare"
    assert view(root) == after
    world.run("absent")
    assert view(root) == after
    assert world.leftovers() == []


def test_unit_names() -> None:
    assert unit_name("/opt/container/c-1/rootfs/usr") == "opt-container-c\\x2d1-rootfs-usr.mount"
    assert unit_name("/a/.b c") == "a-.b\\x20c.mount"


@pytest.mark.parametrize("directory", ["/usr/share/d", "/usr"])
def test_stopping_a_directory_within_or_above_a_shared_one_is_refused(world: World, directory: str) -> None:
    populate(world.host)
    world.container(of=world.host)
    world.run(directories=("/usr/share",))
    seen = world.seen()
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run("absent", directories=(directory,), check=check)
        assert caught.value.error_id == "bad_argument"
        assert "'/usr/share'" in caught.value.message
    assert world.seen() == seen
    assert not world.run("absent", directories=("/bin",))["changed"]


def test_somebody_elses_overlay_is_left_alone(world: World) -> None:
    root = world.container()
    for name in ("usr", "u", "w", "l"):
        (root / name).mkdir()
    line = f"none usr overlay lowerdir={root}/l,upperdir={root}/u,workdir={root}/w 0 0\n"
    (root.parent / "fstab").write_text(line)
    for state in ("present", "absent"):
        with pytest.raises(OvercError) as caught:
            world.run(state)
        assert caught.value.error_id == "inconsistent"
    assert (root.parent / "fstab").read_text() == line


def test_what_lies_under_the_mount_is_not_deleted(world: World) -> None:
    """Somebody put files where the overlay mounts: they are not ours."""
    populate(world.host)
    root = world.container(of=world.host)
    world.run()
    (root / "usr/precious").write_text("precious")
    with pytest.raises(OvercError) as caught:
        world.run("absent")
    assert caught.value.error_id == "inconsistent"
    assert (root / "usr/precious").read_text() == "precious"
    (root / "usr/precious").unlink()
    world.run("absent")


def test_no_space_changes_nothing(world: World) -> None:
    populate(world.host)
    root = world.container()
    subprocess.run(["cp", "-a", f"{world.host}/usr", str(root)], check=True)
    before = view(root)

    def observer(when: str, step: str) -> None:
        if (when, step) == ("before", "sync"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OvercError):
        world.run(observer=observer)
    assert view(root) == before
    assert world.leftovers() == []


def listed(world: World, **more: t.Any) -> dict[str, t.Any]:
    (found,) = world.info(**more)["overlays"]
    return t.cast("dict[str, t.Any]", found)


def test_layers_that_are_not_what_they_were_are_broken(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    world.run()
    assert (listed(world)["status"], listed(world)["problems"]) == ("shared", [])
    with world.started() as root:  # what the container does is in the upper layer
        (root / "usr/share/d/f1").write_text("own")
        (root / "usr/share/d/f2").unlink()
        assert listed(world)["status"] == "mounted"
    assert listed(world)["status"] == "shared"
    lower = Path(listed(world)["layers"]["lower"][0])
    seen = (lower / "share/d/f3").stat().st_atime_ns
    (lower / "share/d/f3").read_bytes()
    assert (lower / "share/d/f3").stat().st_atime_ns > seen
    assert listed(world)["status"] == "shared", "to be read is no change"
    (lower / "share/d/f3").write_text("changed on the host")
    assert listed(world)["status"] == "broken"
    assert "changed underneath" in listed(world)["problems"][0]
    shutil.rmtree(lower)
    assert listed(world)["problems"] == [f"layer {lower} is gone"]


def test_what_snapshots_hold_on_to_is_measured(world: World) -> None:
    populate(world.host)
    (world.host / "usr/big").write_bytes(os.urandom(1 << 20))
    world.container(of=world.host)
    world.run()
    subprocess.run(["sync", "-f", world.host], check=True)
    runner = PlainRunner()
    before = listed(world, runner=runner)["bytes_pinned"]
    assert before < 1 << 20
    (world.host / "usr/big").unlink()
    subprocess.run(["rm", world.containers / "c1/rootfs/usr/big"], check=False)
    subprocess.run(["sync", "-f", world.host], check=True)
    found = listed(world, runner=runner)
    assert found["bytes_pinned"] >= before + (1 << 20)
    assert found["sources_changed"] == {"essential": "changed"}


@pytest.mark.parametrize("how", ["nested", "mounted"])
@pytest.mark.parametrize("where", ["usr", "usr/share"])
def test_a_source_whose_directory_is_a_subvolume_of_its_own(world: World, how: str, where: str) -> None:
    """The host's /usr as a mount, or as a subvolume inside the root: a snapshot of the root has nothing there."""
    populate(world.host)
    root = world.container(of=world.host)
    own = subvolume(world.base / "own")
    place = world.host / where
    subprocess.run(["cp", "-a", f"{place}/.", str(own)], check=True)
    shutil.rmtree(place)
    if how == "nested":
        own.rename(place)
    else:
        place.mkdir()
        subprocess.run(["mount", "--bind", str(own), str(place)], check=True)
    try:
        before = view(root)
        planned = world.run(check=True, directories=("/usr/share",))["directories"][0]
        done = world.run(directories=("/usr/share",))["directories"][0]
        assert planned["entries_shared"] == done["entries_shared"] == 50
        assert world.seen() == before
        assert not world.run(directories=("/usr/share",))["changed"]
    finally:
        if how == "mounted":
            subprocess.run(["umount", str(place)], check=True)
