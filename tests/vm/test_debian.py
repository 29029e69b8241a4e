# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian 12 with its own GRUB and its own menu, end to end, over SSH: the judge of what the lab says of such hosts.

BIOS has /boot on ext4, UEFI has it in the root subvolume and GRUB's block on the ESP. And with systemd-boot instead of GRUB.
"""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

import pytest

from tests.conftest import REPORT_KEY
from tests.sampling import ALL, day, in_turn
from tests.vm import (
    debian_cuts,
    debian_faults,
    debian_recording,
    debian_release,
    debian_selinux,
    recording,
    results,
    selinux,
    turn,
)
from tests.vm.cuts import CONFIRM, ROLLBACK, UPGRADE, Cut
from tests.vm.cutting import run_to
from tests.vm.debian import FEDORA, FEDORA_SELINUX, LOADER, NEW, OLD, TIMES, DebianGuest, DebianStates
from tests.vm.debian_image import FIRMWARES, SELINUX
from tests.vm.debian_view import Debian
from tests.vm.faults import FAULTS, Fault
from tests.vm.sweep import Outcome

pytestmark = pytest.mark.vm

_BOOT: t.Final = {
    "bios": "ext4", "efi": "in btrfs, ESP vfat", LOADER: "in btrfs, ESP vfat", SELINUX: "ext4", FEDORA: "ext4, ESP vfat",
    FEDORA_SELINUX: "ext4, ESP vfat",
}  # fmt: skip
# Fedora's layout is for `make test-vm-full`: its image takes some minutes to make
_BOOTED_BY: t.Final = (*FIRMWARES, LOADER, *((FEDORA,) if ALL else ()))
_THEIRS: t.Final = (
    "cd /boot; ls -d grub*/grub.cfg loader/entries/[0-9a-f]*.conf efi/loader/loader.conf efi/loader/entries/[0-9a-f]*.conf "
    "2>/dev/null | xargs sha256sum"
)
# A run without this many points was not a whole one
_LEAST: t.Final = 300
_PROTECTION: t.Final = "automatic, an entry for each deployment"


class MakeDebian:
    """``make(state, firmware)``: a machine that goes on from a state, and ends with the test."""

    def __init__(self, states: DebianStates) -> None:
        self.states = states
        self.made: list[DebianGuest] = []

    def __call__(self, name: str, firmware: str) -> DebianGuest:
        self.made.append(self.states.guest(name, firmware))
        self.made[-1].on()
        return self.made[-1]


# A machine that the case leaves running, for a last look at its disk
_Case = t.Callable[[MakeDebian, str], "DebianGuest | None"]


def _there_and_back(make: MakeDebian, firmware: str) -> DebianGuest:
    """Adopted, upgraded with a new kernel, tried, confirmed, rolled back, given back."""
    guest = make("upgraded", firmware)
    menu = guest.machine.ssh(_THEIRS)
    assert menu
    assert guest.info()["state"] == "clean"
    guest.assert_system(NEW, guest.deployment(1), trial="1")
    guest.machine.reboot()
    guest.assert_system(NEW, guest.deployment(1), trial="", deployment="1")
    said = guest.controller(ROLLBACK, "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_system(OLD, guest.deployment(0), deployment="0")
    said = guest.controller("overc_bootloader", "-a", "state=absent")
    assert said["changed"], said
    assert guest.machine.ssh(_THEIRS) == menu
    guest.machine.reboot()
    guest.assert_system(OLD, guest.deployment(0), deployment="", trial="")
    return guest


def _given_back_later(make: MakeDebian, firmware: str) -> DebianGuest:
    """Given back while a later deployment runs: the distribution's own menu, made by its own tool, boots that."""
    guest = make("upgraded", firmware)
    said = guest.controller("overc_bootloader", "-a", "state=absent")
    assert said["changed"], said
    guest.machine.reboot()
    guest.assert_system(NEW, guest.deployment(1), deployment="", trial="")
    return guest


def _given_back_first(make: MakeDebian, firmware: str) -> DebianGuest:
    """GRUB begins in the root that was installed: from a later one it is refused, with a way; and the way leads there."""
    guest = make("upgraded", firmware)
    menu = guest.machine.ssh(_THEIRS)
    assert menu
    refused = guest.controller.call("overc_bootloader", "-a", "state=absent")
    assert refused["error_id"] == "layout_unsupported", refused
    assert "to: 0" in refused["msg"], refused
    assert guest.info()["state"] == "clean"
    guest.machine.reboot()
    guest.assert_system(NEW, guest.deployment(1), deployment="1", trial="")
    assert guest.controller(ROLLBACK, "-a", "to=0 reboot=true")["state"] == "clean"
    assert guest.controller("overc_bootloader", "-a", "state=absent")["changed"]
    assert guest.machine.ssh(_THEIRS) == menu
    guest.machine.reboot()
    guest.assert_system(OLD, guest.deployment(0), deployment="", trial="")
    return guest


def _released(make: MakeDebian, firmware: str) -> DebianGuest:
    """Debian 12 becomes Debian 13, with a new kernel as well, is confirmed, and is taken back."""
    guest = make.states.guest("installed", firmware)
    make.made.append(guest)
    debian_release.switch_on(guest, make.states.directory)
    debian_release.there(guest)
    guest.assert_system(NEW, guest.deployment(1), trial="1")
    assert guest.info()["state"] == "clean"
    debian_release.back(guest)
    guest.assert_system(OLD, guest.deployment(0), deployment="0")
    return guest


def _enforced(make: MakeDebian, firmware: str) -> DebianGuest:
    """A policy is enforced from the first boot on: there, on trial and back, and nothing of it is another one's business."""
    guest = make("installed", firmware)
    debian_selinux.adopt(guest)
    debian_selinux.assert_enforcing(guest)
    loaded = debian_selinux.loaded(guest)
    guest.offer(selinux.RELEASE)
    said = guest.controller("overc_host_upgrade", "-a", "full=true")
    assert "label" in [action["step"] for action in said["actions"]], said
    assert debian_selinux.loaded(guest) == loaded
    debian_selinux.assert_enforcing(guest)
    guest.machine.reboot()
    guest.assert_system(NEW, guest.deployment(1), trial="1")
    debian_selinux.assert_enforcing(guest)
    debian_selinux.assert_labelled(guest)
    guest.controller(CONFIRM)
    assert guest.info()["state"] == "clean"
    assert debian_selinux.differing(guest) == frozenset()
    guest.controller(ROLLBACK)
    guest.machine.reboot()
    guest.assert_system(OLD, guest.deployment(0))
    debian_selinux.assert_enforcing(guest)
    return guest


def _another_policy(make: MakeDebian, firmware: str) -> DebianGuest:
    """Refused where a file is to have a type that the running policy does not know; done where it was told of it first."""
    guest = make("installed", firmware)
    debian_selinux.adopt(guest)
    loaded = debian_selinux.loaded(guest)
    guest.offer(selinux.NEW_POLICY)
    refused = guest.controller.call("overc_host_upgrade")
    assert (refused.get("error_id"), guest.info()["state"]) == ("selinux_enforcing", "clean"), refused
    assert "Upgrade the packages of the policy in the running system first" in refused["msg"]
    guest.assert_system(OLD, guest.deployment(0))
    assert debian_selinux.loaded(guest) == loaded
    guest.machine.ssh(selinux.INSTALL_POLICY, timeout=900)
    assert debian_selinux.loaded(guest) > loaded
    guest.controller("overc_host_upgrade")
    guest.machine.reboot()
    guest.assert_system(NEW, guest.deployment(1), trial="1")
    debian_selinux.assert_enforcing(guest)
    told = guest.machine.ssh("find /usr/share/vm-app -type f -exec stat -c %C '{}' + | cut -d: -f3 | sort -u").split()
    assert told == [selinux.NEW_TYPE]
    guest.controller(CONFIRM)
    return guest


# Writes while the system goes down, and tells what it found when it came up
_LAST_WORDS: t.Final = """\
mkdir -p /srv/app && echo first >/srv/app/words && cat >/etc/systemd/system/last-words.service <<'END'
[Unit]
DefaultDependencies=no
After=local-fs.target
Conflicts=shutdown.target
Before=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cp /srv/app/words /run/first-words'
ExecStop=/bin/sh -c 'echo last of %v >/srv/app/words'
[Install]
WantedBy=sysinit.target
END
systemctl enable --now last-words.service && sync
"""


def _last_words(make: MakeDebian, firmware: str) -> DebianGuest:
    """What is written while the system goes down is in the next one before anything starts, there and back."""
    guest = make("adopted", firmware)
    old, new = guest.kernels
    guest.machine.ssh(_LAST_WORDS)
    guest.offer("v2")
    late = '{"carry_late": ["/srv/app"], "reboot": true}'
    said = guest.controller("overc_host_upgrade", "-a", late)
    assert said["state"] == "clean", said
    guest.assert_system(NEW, guest.deployment(1))
    assert guest.machine.ssh("cat /run/first-words").strip() == f"last of {old}"
    assert guest.info()["carry_late"]["status"] == "done"
    said = guest.controller(ROLLBACK, "-a", late)
    assert said["state"] == "clean", said
    guest.assert_system(OLD, guest.deployment(0))
    assert guest.machine.ssh("cat /run/first-words").strip() == f"last of {new}"
    assert guest.machine.ssh("cat /srv/app.overc-replaced/words").strip() == f"last of {old}"
    assert guest.machine.ssh("find / -xdev -name '*late-carry*'").strip() == ""
    return guest


def _forgotten(make: MakeDebian, firmware: str) -> DebianGuest:
    """What was confirmed is not what boots any more: that is told, and what is chosen in the menu stays."""
    guest = make("upgraded", firmware)
    name = "/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    guest.machine.ssh(f"chattr -i {name}; rm {name}")
    guest.machine.reboot()
    guest.assert_system(OLD, guest.deployment(0), deployment="")
    assert guest.info()["state"] == "unsupported"
    assert guest.controller.call(UPGRADE)["error_id"] == "layout_unsupported"
    guest.machine.ssh("bootctl set-oneshot overc-1.conf")
    guest.machine.reboot()
    assert guest.controller("overc_bootloader", "-a", TIMES)["changed"]
    guest.machine.reboot()
    guest.assert_system(NEW, guest.deployment(1), deployment="1", trial="")
    assert guest.info()["state"] == "clean"
    return guest


STORIES: t.Final[tuple[tuple[str, _Case, str], ...]] = (
    ("adopted, upgraded with a new kernel, confirmed, rolled back, given back", _there_and_back, "bios"),
    ("given back from a later deployment", _given_back_later, "bios"),
    ("data of the last second brought over, there and back", _last_words, "bios"),
    ("adopted, upgraded with a new kernel, confirmed, rolled back, given back", _there_and_back, "efi"),
    ("refused to be given back from a later deployment, given back by way of the first", _given_back_first, "efi"),
    ("adopted, upgraded with a new kernel, confirmed, rolled back, given back", _there_and_back, LOADER),
    ("data of the last second brought over, there and back", _last_words, LOADER),
    ("the firmware forgets its variables", _forgotten, LOADER),
)
# Takes most of an hour, so no day of `make test` has it. Not with /boot on ext4: what needs so much memory has caches dropped,
# and then that kernel crashes, see Guest.save
LONG: t.Final = (
    ("from Debian 12 to Debian 13, confirmed, rolled back", _released, "efi"),
    ("adopted, upgraded with a new kernel, confirmed, rolled back, given back", _there_and_back, FEDORA),
    ("given back from a later deployment", _given_back_later, FEDORA),
    ("data of the last second brought over, there and back", _last_words, FEDORA),
    ("an SELinux policy enforced all the time: upgraded with a new kernel, confirmed, rolled back", _enforced, SELINUX),
    ("an enforced policy that does not know a type of the new one: refused, then upgraded", _another_policy, SELINUX),
    (
        "an SELinux policy enforced all the time: upgraded with a new kernel, confirmed, rolled back",
        _enforced,
        FEDORA_SELINUX,
    ),
)


@pytest.fixture
def make(debian: DebianStates, request: pytest.FixtureRequest) -> t.Iterator[MakeDebian]:
    make = MakeDebian(debian)
    yield make
    report = request.node.stash.get(REPORT_KEY, {}).get("call")
    for guest in make.made:
        if report is not None and report.failed:
            print(f"--- console of {guest.machine.directory}\n{guest.machine.console[-6000:]}")
        guest.machine.close()
        guest.abandon()


# --- power cuts -------------------------------------------------------------------------------------------------------


def _cut(cut: Cut, make: MakeDebian, firmware: str) -> DebianGuest:
    """What boots is the old or the new system, whole; the next commands bring the machine to order."""
    guest = make(cut.start, firmware)
    kernels = guest.kernels
    run_to(guest, cut, guest.offer)
    guest.cut()
    assert guest.disk_defect() is None
    guest.on()
    seen = guest.seen()
    assert seen.defects == []
    version = seen.version(kernels)
    assert version in cut.boots, seen
    booted = seen.deployment or "the distribution's entry"
    results.note(
        "debian-cut", point=cut.name, firmware=firmware, boots=version, deployment=booted, ends=_settled(guest)
    )
    return guest


def _settled(guest: DebianGuest) -> str:
    """From whatever it is to a state that an upgrade can begin in: by the commands that its answers name."""
    story = [guest.info()["state"]]
    for _turn in range(4):
        if story[-1] == "clean":
            return f"clean, {guest.seen().version(guest.kernels)}"
        # Each command repairs first, and then does what it is called for: after what was cut off, no way back is wanted
        command = CONFIRM if story[-1] in ("trial", "interrupted") else ROLLBACK
        said = guest.controller.call(command)
        assert "Traceback" not in str(said)
        story += [f"{command}: {said.get('error_id') or 'done'}", guest.info()["state"]]
        if story[-1] == "staged" and not said.get("changed") and command == ROLLBACK:
            guest.machine.reboot()  # a way back that the repair has completed: nothing is left to do but to go it
            story += ["reboot", guest.info()["state"]]
    raise AssertionError(story)


# --- broken upgrades --------------------------------------------------------------------------------------------------


def _fault(fault: Fault, make: MakeDebian, firmware: str) -> DebianGuest:
    guest = make("adopted", firmware)
    results.note(
        "debian-fault", name=fault.name, what=fault.what, firmware=firmware, ends=debian_faults.suffer(guest, fault)
    )
    return guest


# --- recorded writes --------------------------------------------------------------------------------------------------


def _swept(name: str, make: MakeDebian, firmware: str, collections: Path, *, tried: bool) -> Outcome:
    saved = make.states.saved("adopted", firmware)
    directory = make.states.directory / f"{name.replace(' ', '-')}-{firmware}"
    recorded = debian_recording.upgrade(directory, saved, collections, firmware, tried=tried)
    outcome = recording.sweep(recorded, window=False, seed=day(), eyes=Debian(firmware))
    print(f"{name}: {outcome.points} points, looked {outcome.looked} times: {outcome.story} {outcome.bad[:9]}")
    results.note(
        "debian-sweep", run=name, firmware=firmware, prefixes=dict(outcome.prefixes), variants=dict(outcome.variants)
    )
    return outcome


def _every_cut(make: MakeDebian, firmware: str) -> None:
    """Old; once armed the new one, once; old until it is confirmed; new. Whatever was not flushed may be lost."""
    outcome = _swept("upgrade", make, firmware, make.states.collections, tried=True)
    assert outcome.bad == []
    assert outcome.points >= _LEAST
    assert [name for _moment, name in outcome.story] == [OLD, f"{NEW}, then {OLD}", OLD, NEW]


def _missing_sync(make: MakeDebian, firmware: str) -> None:
    """The same look finds an upgrade that does not wait for the disk in one place."""
    place = make.states.directory / f"careless-{firmware}"
    careless = debian_recording.without_sync(make.states.collections, firmware, place)
    outcome = _swept("without a sync", make, firmware, careless, tried=False)
    assert outcome.bad != []
    assert outcome.story[0][1] == OLD


SWEEPS: t.Final[tuple[_Case, ...]] = (_every_cut, _missing_sync)


# --- which of them ----------------------------------------------------------------------------------------------------


def _story(what: str, story: _Case, make: MakeDebian, firmware: str) -> DebianGuest | None:
    guest = story(make, firmware)
    named = {
        LOADER: "UEFI, systemd-boot",
        FEDORA: "UEFI, Fedora's layout",
        FEDORA_SELINUX: "UEFI, Fedora's layout",
        SELINUX: "BIOS",
    }.get(firmware, firmware.upper())
    results.note("boot", what=what, filesystem=_BOOT[firmware], firmware=named, protection=_PROTECTION)
    return guest


def _cases() -> list[t.Any]:
    stories = [
        pytest.param(functools.partial(_story, what, story), firmware, id=f"{story.__name__[1:]}-{firmware}")
        for what, story, firmware in (*STORIES, *(LONG if ALL else ()))
    ]
    cuts = [
        pytest.param(functools.partial(_cut, cut), firmware, id=f"{cut.name}-{firmware}")
        for firmware in _BOOTED_BY
        for cut in debian_cuts.every()
        # systemd-boot says nothing on the console, and Fedora's entries have other titles
        if firmware in FIRMWARES or cut.name != "trial:boot-loader"
    ]
    sweeps = [
        pytest.param(sweep, firmware, id=f"{sweep.__name__[1:]}-{firmware}")
        for sweep in SWEEPS
        for firmware in FIRMWARES
    ]
    faults = [
        pytest.param(functools.partial(_fault, fault), firmware, id=f"{fault.name}-{firmware}")
        for fault in FAULTS
        for firmware in _BOOTED_BY
    ]
    return in_turn([*stories, *sweeps], cuts, faults, turn=turn())


@pytest.mark.parametrize(("case", "firmware"), _cases())
def test_debian(case: _Case, firmware: str, make: MakeDebian) -> None:
    guest = case(make, firmware)
    if guest is not None:
        assert guest.disk_defect_of_a_running_machine() is None
