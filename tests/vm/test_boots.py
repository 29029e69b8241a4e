# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user does with one machine, end to end, over SSH; what runs is looked at inside it. One story each day."""

from __future__ import annotations

import typing as t

import pytest

from tests.sampling import rotating
from tests.vm import results
from tests.vm.conftest import MakeGuest
from tests.vm.guest import Guest, as_json
from tests.vm.states import States, choose_backup, protect

pytestmark = pytest.mark.vm


def _upgrade_and_rollback(states: States, filesystem: str, make_guest: MakeGuest) -> Guest:
    guest = make_guest(states, "host", filesystem)
    guest.assert_runs("old", root="rootfs")
    guest.release("v2")
    said = guest.controller("overc_host_upgrade", "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_runs("new", root="rootfs_upgrade")
    assert guest.info()["state"] == "clean"
    guest.machine.reboot()
    guest.assert_runs("new", root="rootfs_upgrade")
    said = guest.controller("overc_host_rollback", "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_runs("old", root="rootfs")
    return guest


def _backup_and_restore(states: States, filesystem: str, make_guest: MakeGuest) -> Guest:
    guest = make_guest(states, "upgraded", filesystem)
    choose_backup(guest)
    guest.assert_runs("old", root="rootfs_bakup", kernel="bzImage_bakup")
    assert guest.info()["state"] == "backup"
    said = guest.controller("overc_host_rollback", "-a", "reboot=true")
    assert said["state"] == "clean", said
    guest.assert_runs("old", kernel="bzImage")
    return guest


def _upgrade_on_uefi(states: States, filesystem: str, _make_guest: MakeGuest) -> Guest:
    guest = states.fresh(filesystem, firmware="efi")
    try:
        guest.on()
        protect(guest)
        guest.assert_runs("old", root="rootfs")
        guest.release("v2")
        said = guest.controller("overc_host_upgrade", "-a", "reboot=true")
        assert said["state"] == "clean", said
        guest.assert_runs("new", root="rootfs_upgrade")
    except BaseException:
        guest.machine.close()
        raise
    return guest


def _unhealthy_in_a_fleet(states: States, filesystem: str, make_guest: MakeGuest) -> Guest:
    guest = make_guest(states, "host", filesystem)
    guest.release("fault-unhealthy")
    health = {"commands": ["test ! -e /etc/vm-unhealthy"], "retries": 2, "delay": 1}
    options = as_json(target="vm", host_upgrade_health=health, fleet_report_dir=str(guest.machine.directory))
    answer = guest.controller.run("ansible-playbook", "overc.system.upgrade", "-e", options)
    assert answer.rc != 0, answer.stdout
    guest.assert_runs("old")
    info = guest.info()
    assert info["state"] == "clean", (info, answer.stdout)
    assert guest.controller.call("overc_host_upgrade")["error_id"] == "known_bad"
    return guest


_Story = t.Callable[[States, str, MakeGuest], Guest]
STORIES: t.Final[tuple[tuple[str, _Story, str, str], ...]] = (
    ("upgraded, confirmed, rebooted once more, rolled back", _upgrade_and_rollback, "ext4", "BIOS"),
    ("backup entry chosen in the menu, restored", _backup_and_restore, "vfat", "BIOS"),
    ("upgraded by the playbook, found unhealthy on trial, back by itself", _unhealthy_in_a_fleet, "ext4", "BIOS"),
    ("upgraded, confirmed", _upgrade_on_uefi, "vfat", "UEFI"),
    ("backup entry chosen in the menu, restored", _backup_and_restore, "ext4", "BIOS"),
    ("upgraded, confirmed, rebooted once more, rolled back", _upgrade_and_rollback, "vfat", "BIOS"),
)


@pytest.mark.parametrize(
    ("what", "story", "filesystem", "firmware"),
    [pytest.param(*story, id=f"{story[1].__name__[1:]}-{story[2]}") for story in rotating(STORIES, len(STORIES))],
)
def test_story(
    what: str, story: _Story, filesystem: str, firmware: str, automatic: States, make_guest: MakeGuest
) -> None:
    guest = story(automatic, filesystem, make_guest)
    try:
        assert guest.disk_defect_of_a_running_machine() is None
    finally:
        guest.machine.close()
    results.note("boot", what=what, filesystem=filesystem, firmware=firmware, protection=automatic.protection)
