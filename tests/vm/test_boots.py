# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user does with one machine, end to end, over SSH; what runs is looked at inside it."""

from __future__ import annotations

import pytest

from tests.vm import results
from tests.vm.conftest import MakeGuest
from tests.vm.guest import Guest
from tests.vm.states import States, choose_backup, has_role

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("boots")]


@pytest.fixture(scope="session")
def states(manual: States, automatic: States) -> States:
    return automatic if has_role() else manual


def _note(what: str, filesystem: str, firmware: str, states: States) -> None:
    results.note("boot", what=what, filesystem=filesystem, firmware=firmware, protection=states.protection)


@pytest.mark.parametrize("filesystem", ["ext4", "vfat"])
def test_upgrade_and_rollback(filesystem: str, states: States, make_guest: MakeGuest) -> None:
    guest = make_guest(states, "host", filesystem)
    guest.assert_runs("old", root="rootfs")
    guest.release("v2")
    said = guest.controller("overc_host_upgrade", "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_runs("new", root="rootfs_upgrade")
    assert guest.info()["state"] == "clean"
    guest.machine.reboot()
    guest.assert_runs("new", root="rootfs_upgrade")
    _note("upgrade, confirmed, rebooted once more", filesystem, "bios", states)
    said = guest.controller("overc_host_rollback", "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_runs("old", root="rootfs")
    assert guest.disk_defect_of_a_running_machine() is None
    _note("rollback", filesystem, "bios", states)


@pytest.mark.parametrize("filesystem", ["vfat", "ext4"])
def test_backup_from_the_menu_and_restore(filesystem: str, states: States, make_guest: MakeGuest) -> None:
    guest = make_guest(states, "upgraded", filesystem)
    choose_backup(guest)
    guest.assert_runs("old", root="rootfs_bakup", kernel="bzImage_bakup")
    assert guest.info()["state"] == "backup"
    said = guest.controller("overc_host_rollback", "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_runs("old", kernel="bzImage")
    assert guest.disk_defect_of_a_running_machine() is None
    _note("backup entry chosen in the menu, restored", filesystem, "bios", states)


@pytest.mark.slow
def test_upgrade_on_uefi(manual: States) -> None:
    with manual.fresh("vfat", firmware="efi") as guest:
        _upgrade_on_uefi(guest)
    _note("upgrade", "vfat", "uefi", manual)


def _upgrade_on_uefi(guest: Guest) -> None:
    guest.assert_runs("old", root="rootfs")
    guest.release("v2")
    guest.controller("overc_host_upgrade", "-a", "reboot=true")
    guest.assert_runs("new", root="rootfs_upgrade")
    assert guest.disk_defect_of_a_running_machine() is None
