# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit that is there for good: what it does at boot, and that it goes without a trace."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import traceback
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay.at_boot import work
from ansible_collections.overc.system.plugins.module_utils.system.mount_unit import unit_name

from .test_containers import populate
from .world import World, boot


def install(
    world: World, state: str = "present", directories: t.Sequence[str] | None = None, *, check: bool = False
) -> dict[str, t.Any]:
    wanted = [str(world.containers)] if directories is None else directories
    return work.manage(state, wanted, check=check, places=world.places)


def everything(world: World) -> dict[str, bytes]:
    """What is on the host of ours, with its contents."""
    out = {}
    for place in (world.places.base, world.places.units):
        for path in Path(place).rglob("*"):
            out[str(path)] = path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b""
    return out


def test_installed_once_and_removed_without_a_trace(world: World) -> None:
    planned = install(world, check=True)
    assert planned["changed"]
    assert "ExecStart=/usr/bin/python3 -I" in planned["diff"]["after"]
    assert everything(world) == {}
    assert install(world) == planned
    before = everything(world)
    for check in (True, False):
        again = install(world, check=check)
        assert not again["changed"]
        assert again["diff"]["before"] == again["diff"]["after"]
    assert everything(world) == before
    assert boot(world) == 0
    assert everything(world) == before, "a boot with nothing to do leaves it there"
    assert install(world, "absent", check=True)["changed"]
    assert everything(world) == before
    assert install(world, "absent")["changed"]
    assert everything(world) == {}
    assert not install(world, "absent")["changed"]


def test_what_the_places_of_containers_lie_on_is_mounted_before(world: World) -> None:
    """The target of all local file systems waits for none that may fail, nor for any of the network."""
    (world.base / "link").symlink_to(world.containers)
    install(world, directories=["/srv/c-1/all", str(world.base / "link")])
    world.container("c1", of=world.host)
    (world.host / "usr").mkdir()
    (world.containers / "c1/rootfs/usr").mkdir()
    unit = Path(world.places.units) / work.UNIT

    def after() -> set[str]:
        return set(next(line for line in unit.read_text().split("\n") if line.startswith("After="))[6:].split())

    assert {"local-fs.target", "srv.mount", "srv-c\\x2d1.mount", "srv-c\\x2d1-all.mount"} <= after()
    assert {unit_name(str(world.containers)), unit_name(str(world.base / "link"))} <= after()
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], check=False, capture_output=True, text=True
    )
    assert (said.returncode, said.stderr) == (0, "")
    install(world, "absent", directories=["/srv/c-1/all", str(world.base / "link")])
    world.run(apply="boot")
    assert "srv.mount" not in after()
    assert unit_name(str(world.containers)) in after()


def test_two_places_of_containers_do_not_take_each_other_out(world: World) -> None:
    """The role runs once for each."""
    one, two = "/opt/container", "/var/lib/lxc"
    for directory, spelled in ((one, "/opt//container/"), (two, two)):
        planned = install(world, directories=[directory], check=True)
        assert planned["changed"]
        assert install(world, directories=[directory]) == planned
        assert not install(world, directories=[spelled])["changed"]
    assert not install(world, directories=[one])["changed"]
    assert not install(world, directories=[two, one])["changed"]
    assert work.installed(world.places) == [one, two]

    both = everything(world)
    assert not install(world, "absent", ["/elsewhere"])["changed"]
    assert everything(world) == both
    planned = install(world, "absent", ["/opt/./container"], check=True)
    assert "looks after: /var/lib/lxc" in planned["diff"]["after"]
    assert everything(world) == both
    assert install(world, "absent", [one]) == planned
    assert not install(world, "absent", [one])["changed"]
    assert work.installed(world.places) == [two]
    assert boot(world) == 0
    assert Path(world.places.wants).is_symlink()
    assert install(world, "absent", [two])["changed"]
    assert everything(world) == {}


def test_without_directories_all_of_them_go(world: World) -> None:
    install(world, directories=["/opt/container", "/var/lib/lxc"])
    assert work.manage("absent", None, check=False, places=world.places)["changed"]
    assert everything(world) == {}
    assert work.manage("present", None, check=False, places=world.places)["changed"]
    assert work.installed(world.places) == ["/opt/container"]


def test_work_that_waits_elsewhere_keeps_the_unit(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    install(world, directories=["/opt/container", str(world.containers)])
    world.run(apply="boot")
    assert install(world, "absent")["changed"]
    assert install(world, "absent", ["/opt/container"])["changed"]
    assert work.installed(world.places) is None
    assert boot(world) == 0
    assert everything(world) == {}
    assert not world.run()["changed"], "the work was done"


def test_what_was_tampered_with_is_mended(world: World) -> None:
    install(world)
    good = everything(world)
    Path(world.places.code).write_bytes(b"")
    Path(world.places.wants).unlink()
    assert install(world)["changed"]
    assert everything(world) == good


def test_the_file_needs_nothing_but_the_standard_library(world: World) -> None:
    install(world)
    with zipfile.ZipFile(world.places.code) as archive:
        names = archive.namelist()
        text = "".join(archive.read(name).decode() for name in names)
    assert any(name.endswith("/overlay/apply.py") for name in names)
    assert not any(name.endswith("/host_plan.py") for name in names), "only what is needed"
    imported = {
        line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    assert "ansible" not in imported
    assert boot(world) == 0


def test_it_stays_when_its_work_is_done(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    install(world)
    world.run(apply="boot")
    before = world.seen(below="usr")
    assert boot(world) == 0
    assert world.seen(below="usr") == before
    assert not world.run()["changed"]
    assert not install(world)["changed"]
    world.run("absent")
    assert install(world, "absent")["changed"]
    assert world.leftovers() == []


def test_removed_while_work_waits_it_goes_with_that_work(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    install(world)
    world.run(apply="boot")
    removed = install(world, "absent")
    assert removed["changed"]
    assert [entry["container"] for entry in removed["waiting"]] == ["c1"]
    assert not install(world, "absent")["changed"]
    assert boot(world) == 0
    assert everything(world) == {}
    assert not world.run()["changed"], "the work was done"


def test_work_is_found_without_the_list(world: World) -> None:
    """The root of the host was rolled back to one that knows nothing of it."""
    populate(world.host)
    world.container(of=world.host)
    world.run(apply="boot")
    work.forget(world.places, str(world.containers), "c1")
    assert everything(world) == {}
    install(world)
    assert boot(world) == 0
    assert not world.run()["changed"]


@pytest.mark.parametrize("lost", ["list", "unit", "code", "link", "all", "renamed"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_work_that_nobody_would_do_is_asked_for_again(world: World, lost: str, state: str) -> None:
    """It is on the record of the container, but not on the host: that was rolled back, or the container was renamed."""
    populate(world.host)
    root = world.container(of=world.host)
    if state == "absent":
        world.run()
    world.run(state, apply="boot")
    assert world.info()["status"] == "ok"
    name = "c1"
    if lost == "renamed":
        name = "c2"
        root.parent.rename(world.containers / name)
        config = world.containers / name / "config"
        config.write_text(config.read_text().replace("/c1/", f"/{name}/"))
        assert boot(world) == 0, "what was destroyed is forgotten"
    elif lost == "all":
        shutil.rmtree(world.places.base)
        shutil.rmtree(world.places.units)
    elif lost == "list":
        shutil.rmtree(world.places.pending)
    else:
        Path(
            {"unit": f"{world.places.units}/{work.UNIT}", "code": world.places.code, "link": world.places.wants}[lost]
        ).unlink()
    found = world.info(name)
    assert found["status"] == "broken"
    assert any("run overc_overlay for it again" in problem for problem in found["problems"])
    for check in (True, False):
        result = world.run(state, container=name, apply="boot", check=check)
        assert result["changed"]
        assert result["reboot_required"]
        assert [report["operation"] for report in result["directories"]] == ["queue"]
    assert world.info(name)["problems"] == []
    assert not world.run(state, container=name, apply="boot")["changed"]
    assert boot(world) == 0
    assert not world.run(state, container=name)["changed"]
    assert bool(world.info(name)["overlays"]) == (state == "present")


def test_work_that_was_cut_off_is_repaired_at_boot(world: World) -> None:
    populate(world.host)
    world.container(of=world.host)
    before = world.seen()
    install(world)

    world.run_killed("before", "sync")
    assert (world.containers / "c1/.overc-overlay/journal").exists()
    assert boot(world) == 0
    assert not (world.containers / "c1/.overc-overlay").exists()
    assert world.seen() == before


def test_a_container_in_trouble_does_not_stop_the_others(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    populate(world.host)
    for name in ("c1", "c2"):
        world.container(name, of=world.host)
        world.run(container=name, apply="boot")
    (world.containers / "c1/.overc-overlay/record.json").write_text("{")
    assert boot(world) == 1
    assert "c1: The record of shared directories cannot be read" in capfd.readouterr().err
    assert not world.run(container="c2")["changed"]
    assert [name for _dir, name in work.waiting(world.places)] == ["c1"]


def test_a_list_that_cannot_be_read_is_not_guessed(world: World) -> None:
    install(world)
    Path(world.places.installed).write_text("[]")
    with pytest.raises(OvercError) as caught:
        install(world)
    assert caught.value.error_id == "inconsistent"


@pytest.mark.parametrize("when", ["now", "at boot"])
def test_a_list_that_cannot_be_read_stops_no_work(world: World, when: str, capfd: pytest.CaptureFixture[str]) -> None:
    populate(world.host)
    world.container(of=world.host)
    install(world)
    world.run(apply="boot")
    Path(world.places.installed).write_text("damaged")
    if when == "now":
        assert world.run()["directories"][0]["status"] == "shared"
    else:
        assert boot(world) == 1, "it has to be told"
        assert capfd.readouterr().err.count("installed.json cannot be read") == 1
        assert world.info()["overlays"][0]["status"] == "shared"
    assert work.waiting(world.places) == []
    assert Path(world.places.wants).is_symlink()
    assert Path(world.places.installed).read_text() == "damaged"


def test_work_of_a_container_that_was_destroyed_is_forgotten(world: World) -> None:
    populate(world.host)
    root = world.container(of=world.host)
    world.run(apply="boot")
    away = world.base / "away"
    world.containers.rename(away)  # a file system that is not mounted: only its mount point is there
    world.containers.mkdir()
    assert boot(world) == 1
    assert Path(world.places.pending).exists()
    world.containers.rmdir()
    away.rename(world.containers)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", str(root)], check=True)
    shutil.rmtree(root.parent)
    assert boot(world) == 0
    assert not Path(world.places.base).exists()


def at_once(*calls: t.Callable[[], object]) -> list[int]:
    """Each in a process of its own, all at the same time; what each exits with."""
    gate, opener = os.pipe()
    pids = []
    for call in calls:
        pid = os.fork()
        if pid == 0:
            try:
                os.close(opener)
                os.read(gate, 1)  # until all are there
                call()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    os.close(gate)
    os.close(opener)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def test_runs_at_once_do_not_take_one_another_out(world: World) -> None:
    """A role for each place of containers, or a playbook with more forks than hosts."""
    places = [f"/place/{number}" for number in range(4)]
    assert at_once(*(lambda place=place: install(world, directories=[place]) for place in places)) == [0] * 4
    assert sorted(work.installed(world.places) or ()) == places
    assert at_once(*(lambda place=place: install(world, "absent", [place]) for place in places[1:])) == [0] * 3
    assert work.installed(world.places) == places[:1]


def test_the_list_loses_nobody_when_another_leaves_it(world: World) -> None:
    def come_and_go(name: str) -> None:
        for _round in range(4):
            work.remember(world.places, "/place", name)
            work.forget(world.places, "/place", name)
        work.remember(world.places, "/place", name)

    names = ["a", "b", "c"]
    assert at_once(*(lambda name=name: come_and_go(name) for name in names)) == [0] * 3
    assert sorted(name for _place, name in work.waiting(world.places)) == names
    assert Path(world.places.wants).is_symlink()
    assert Path(world.places.code).exists()
    assert at_once(*(lambda name=name: work.forget(world.places, "/place", name) for name in names)) == [0] * 3
    assert everything(world) == {}
