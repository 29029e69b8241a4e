# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""openSUSE's layout, booted: real kernels, initrds of dracut, a menu in each root, and a default subvolume that decides.

What stands for openSUSE's GRUB is said in opensuse_loader.py. Nothing is tried on such a machine: what boots stays, and from
what does not answer a person at the console goes back.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.conftest import REPORT_KEY
from tests.vm import opensuse_faults, results
from tests.vm.cuts import CONFIRM, ROLLBACK, UPGRADE, Cut
from tests.vm.cutting import run_to
from tests.vm.debian import NEW, OLD
from tests.vm.faults import FAULTS, Fault
from tests.vm.opensuse import SuseGuest, SuseStates, cuts, place

pytestmark = pytest.mark.vm

_MENU: t.Final = "cat /boot/grub2/grub.cfg | sha256sum"


class MakeSuse:
    """``make(state)``: a machine that goes on from a state, and ends with the test."""

    def __init__(self, states: SuseStates) -> None:
        self.states = states
        self.made: list[SuseGuest] = []

    def __call__(self, name: str) -> SuseGuest:
        self.made.append(self.states.guest(name))
        self.made[-1].on()
        return self.made[-1]


@pytest.fixture(scope="module")
def states(vm_directory: Path, collections: Path) -> SuseStates:
    return SuseStates(vm_directory / "suse", collections)


@pytest.fixture
def make(states: SuseStates, request: pytest.FixtureRequest) -> t.Iterator[MakeSuse]:
    make = MakeSuse(states)
    yield make
    report = request.node.stash.get(REPORT_KEY, {}).get("call")
    for guest in make.made:
        if report is not None and report.failed:
            print(f"--- console of {guest.machine.directory}\n{guest.machine.console[-6000:]}")
        guest.machine.close()
        guest.abandon()


# --- stories ----------------------------------------------------------------------------------------------------------


def _there_and_back(make: MakeSuse) -> SuseGuest:
    """Set up, upgraded with a new kernel, confirmed, rolled back, given back; snapper knows what is there all the time."""
    guest = make("upgraded")
    menu = guest.machine.ssh(_MENU)
    words = guest.machine.ssh("cat /proc/cmdline").split()
    assert not [word for word in words if "subvol" in word]
    assert words[0] == f"BOOT_IMAGE=/boot/vmlinuz-{guest.kernels[1]}"
    found = guest.snapshots()
    assert list(found) == [1, 2]
    assert (found[2]["userdata"], found[2]["cleanup"]) == ("overc.system=deployment", ""), found
    assert (found[2]["default"], found[2]["active"], found[1]["active"]) == ("yes", "yes", "no"), found
    assert guest.info()["state"] == "clean"
    said = guest.controller(CONFIRM)
    assert (said["state"], said["unfinished"]) == ("clean", None), said
    assert guest.controller(UPGRADE)["changed"] is False
    guest.machine.reboot()
    guest.assert_system(NEW, place(2))
    assert guest.machine.ssh(_MENU) == menu
    said = guest.controller(ROLLBACK, "-a", "reboot=true")
    assert (said["state"], said["booted"]) == ("clean", place(1)), said
    guest.assert_system(OLD, place(1))
    found = guest.snapshots()
    assert (list(found), found[1]["default"], found[2]["active"]) == ([1, 2], "yes", "no"), found
    said = guest.controller("overc_bootloader", "-a", "state=absent")
    assert (said["changed"], said["left"]) == (True, [place(2)]), said
    guest.machine.reboot()
    guest.assert_system(OLD, place(1))
    guest.machine.ssh("snapper delete --sync 2")
    assert list(guest.snapshots()) == [1]
    return guest


def _with_reboot(make: MakeSuse) -> SuseGuest:
    """As the page for administrators has it: one command, which reboots and waits."""
    guest = make("adopted")
    guest.offer("v2")
    said = guest.controller(UPGRADE, "-a", "reboot=true")
    assert (said["state"], said["booted"]) == ("clean", place(2)), said
    guest.assert_system(NEW, place(2))
    return guest


_Story = t.Callable[[MakeSuse], SuseGuest]
STORIES: t.Final[tuple[tuple[str, _Story], ...]] = (
    ("set up, upgraded with a new kernel, confirmed, rolled back, given back", _there_and_back),
    ("upgraded with a new kernel by one command that reboots", _with_reboot),
)


@pytest.mark.parametrize(("what", "story"), [pytest.param(*each, id=each[1].__name__[1:]) for each in STORIES])
def test_story(what: str, story: _Story, make: MakeSuse) -> None:
    guest = story(make)
    assert guest.disk_defect_of_a_running_machine() is None
    results.note(
        "boot",
        what=what,
        filesystem="in btrfs",
        firmware="BIOS, openSUSE's layout",
        protection="manual, numbers of snapper",
    )


# --- broken upgrades --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault, make: MakeSuse) -> None:
    """Refused, or found by the playbook; where nothing answers, gone back from by a person at the console."""
    guest = make("adopted")
    ends = opensuse_faults.suffer(guest, fault)
    assert guest.disk_defect_of_a_running_machine() is None
    results.note("suse-fault", name=fault.name, what=fault.what, ends=ends)


# --- power cuts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", cuts(), ids=lambda cut: cut.name)
def test_cut(cut: Cut, make: MakeSuse) -> None:
    """What boots is the old or the new system, whole; the next commands bring the machine to order."""
    guest = make(cut.start)
    kernels = guest.kernels
    run_to(guest, cut, guest.offer)
    guest.cut()
    assert guest.disk_defect() is None
    guest.on()
    seen = guest.seen()
    assert seen.defects == []
    version = seen.version(kernels)
    assert version in cut.boots, seen
    assert (seen.root, guest.default) == (place(1 if version == OLD else 2),) * 2
    ends = _settled(guest)
    assert "overc-new" not in guest.machine.ssh("btrfs subvolume list /; ls -R /.snapshots --ignore=snapshot")
    numbers = guest.machine.ssh("ls /.snapshots").split()
    assert sorted(map(int, numbers)) == sorted(guest.snapshots()), "no directory without a snapshot"
    assert guest.disk_defect_of_a_running_machine() is None
    results.note("suse-cut", point=cut.name, boots=version, ends=ends)


def _settled(guest: SuseGuest) -> str:
    """From whatever it is to a state that an upgrade can begin in, by commands that repair first."""
    story = [guest.info()["state"]]
    for _turn in range(4):
        if story[-1] == "clean":
            return f"clean, {guest.seen().version(guest.kernels)}"
        if story[-1] == "staged":  # whole: nothing is left to do but to go there
            guest.machine.reboot()
            story.append("reboot")
        else:
            said = guest.controller.call("overc_host_update")
            assert "Traceback" not in str(said)
            story.append(f"update: {said.get('error_id') or 'done'}")
        story.append(guest.info()["state"])
    raise AssertionError(story)
