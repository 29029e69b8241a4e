# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that break the system they make: each is refused, or the machine comes back by itself, with nobody near it.

Healing is tried with ``automatic`` protection only; ``manual`` leaves it to a person. A run takes a part of the faults.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.vm import results, todays
from tests.vm.conftest import MakeGuest
from tests.vm.faults import FAULTS, HEALED, REFUSED, Fault
from tests.vm.guest import Guest
from tests.vm.image import BOOT_FILESYSTEMS, todays_filesystems
from tests.vm.states import States

pytestmark = pytest.mark.vm

# Some can be noticed before anything is tried, the others only by trying
_REFUSALS: t.Final = frozenset({"kernel_broken", "kernel_modules_missing", "root_incomplete"})


def _cases() -> list[t.Any]:
    every = [(fault, BOOT_FILESYSTEMS[number % 2]) for number, fault in enumerate(FAULTS)]
    possible = [case for case in every if case[1] in todays_filesystems()]
    return [pytest.param(fault, filesystem, id=f"{fault.name}-{filesystem}") for fault, filesystem in todays(possible)]


@pytest.mark.parametrize(("fault", "filesystem"), _cases())
def test_fault(fault: Fault, filesystem: str, automatic: States, make_guest: MakeGuest) -> None:
    guest = make_guest(automatic, "host", filesystem)
    guest.release(fault.repository)
    mark = guest.machine.mark()
    # Where nothing looks whether the machine does its work, everything seems well: nobody confirms such a trial
    options = "reboot=true confirm=false" if fault.name == "unhealthy" else "reboot=true"
    said = guest.controller.call("overc_host_upgrade", "-a", options)
    assert "Traceback" not in str(said)
    if fault.ends == REFUSED:
        assert said["error_id"] in _REFUSALS, said
        guest.assert_runs("old", root="rootfs")
        assert guest.info()["state"] == "clean"
        assert "reboot: Restarting" not in guest.machine.console_since(mark)
        results.note(
            "fault", name=fault.name, what=fault.what, filesystem=filesystem, ends=f"refused: {said['error_id']}"
        )
        return
    assert fault.ends == HEALED
    _came_back(guest)
    info = guest.info()
    assert info["state"] == "fallback", info
    said = guest.controller("overc_host_rollback", "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_runs("old", kernel="bzImage")
    again = guest.controller.call("overc_host_upgrade")
    assert again.get("error_id") == "known_bad", again
    assert guest.disk_defect_of_a_running_machine() is None
    results.note("fault", name=fault.name, what=fault.what, filesystem=filesystem, ends="healed, restored, known bad")


def _came_back(guest: Guest) -> None:
    """Until the backup entry answers; the trial may answer as well, for as long as it may."""
    machine = guest.machine
    machine.forget_connection()
    machine.wait_ssh()
    seen = guest.look()
    if seen.trial:
        machine.forget_connection()
        machine.wait_other_boot(seen.boot)
    guest.assert_runs("old", root="rootfs_bakup", kernel="bzImage_bakup")
