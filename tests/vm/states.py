# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines in the states that tests begin with, each made once and kept running: to go on from it takes a second."""

from __future__ import annotations

import itertools
import typing as t
from pathlib import Path

from tests.vm.controller import Answer
from tests.vm.guest import Guest
from tests.vm.image import image
from tests.vm.machine import Saved

PROTECTIONS: t.Final = ("manual", "automatic")
# Shorter than anybody would choose them, longer than an emulated boot takes
BOOTLOADER_OPTIONS: t.Final = {
    "bootloader_panic_timeout": 3,
    "bootloader_boot_timeout": 120,
    "bootloader_confirm_deadline": 300,
}
PLAYBOOK: t.Final = """\
- hosts: all
  gather_facts: false
  become: false
  tasks:
    - ansible.builtin.include_role:
        name: overc.system.bootloader
"""
# Right after the last step that works on the new root alone: from here on a cut could matter
PACKAGED: t.Final = "before-create_backup"


def run_role(guest: Guest, **variables: t.Any) -> Answer:
    """The role ``bootloader`` as a user runs it."""
    import json

    playbook = guest.machine.directory / "bootloader.yml"
    playbook.write_text(PLAYBOOK)
    return guest.controller.run(
        "ansible-playbook", str(playbook), "-e", json.dumps({**BOOTLOADER_OPTIONS, **variables})
    )


def protect(guest: Guest) -> None:
    """Give the machine ``automatic`` protection, and boot what that changed."""
    answer = run_role(guest)
    assert answer.rc == 0, answer.stdout + answer.stderr
    guest.machine.reboot()
    info = guest.info()
    assert info["protection"] == "automatic", info


class States:
    """``directory`` must have a short name: sockets lie below it."""

    def __init__(self, directory: Path, collections: Path, protection: str) -> None:
        self.directory = directory
        self.collections = collections
        self.protection = protection
        self._made: dict[tuple[str, str], Saved] = {}
        self._numbers = itertools.count()

    def get(self, name: str, filesystem: str) -> Saved:
        key = (name, filesystem)
        if key not in self._made:
            self._made[key] = getattr(self, f"_{name}")(filesystem)
        return self._made[key]

    def guest(self, name: str, filesystem: str) -> Guest:
        """A machine of one's own in this state; it is still off."""
        return Guest(self._new_directory(), self.get(name, filesystem), self.collections)

    def fresh(self, filesystem: str, firmware: str = "bios") -> Guest:
        """One that was never switched on."""
        return Guest(self._new_directory(), image(filesystem), self.collections, firmware=firmware)

    def _new_directory(self) -> Path:
        return self.directory / f"m{next(self._numbers)}"

    def _keep(self, guest: Guest, name: str, filesystem: str) -> Saved:
        return guest.save(self.directory / f"{name}-{filesystem}")

    def _host(self, filesystem: str) -> Saved:
        """As it was installed, with the protection of these states."""
        with self.fresh(filesystem) as guest:
            if self.protection == "automatic":
                protect(guest)
            return self._keep(guest, "host", filesystem)

    def _packaged(self, filesystem: str) -> Saved:
        """In the middle of an upgrade: the packages are in the new root, which is all that was made."""
        with self.guest("host", filesystem) as guest:
            guest.release("v2")
            guest.run_to(PACKAGED, "overc_host_upgrade")
            kept = self._keep(guest, "packaged", filesystem)
            guest.abandon()
            return kept

    def _staged(self, filesystem: str) -> Saved:
        with self.guest("host", filesystem) as guest:
            guest.release("v2")
            guest.controller("overc_host_upgrade")
            return self._keep(guest, "staged", filesystem)

    def _trial(self, filesystem: str) -> Saved:
        """The new system was booted and answers, nobody confirmed it yet."""
        with self.guest("staged", filesystem) as guest:
            guest.controller("overc_host_upgrade", "-a", "reboot=true confirm=false")
            return self._keep(guest, "trial", filesystem)

    def _upgraded(self, filesystem: str) -> Saved:
        with self.guest("staged", filesystem) as guest:
            guest.controller("overc_host_upgrade", "-a", "reboot=true")
            guest.assert_runs("new", root="rootfs_upgrade")
            return self._keep(guest, "upgraded", filesystem)

    def _backup(self, filesystem: str) -> Saved:
        """The backup entry was chosen after an upgrade."""
        with self.guest("upgraded", filesystem) as guest:
            choose_backup(guest)
            return self._keep(guest, "backup", filesystem)


def choose_backup(guest: Guest) -> None:
    """Reboot, and be the person at the boot menu who picks its second entry."""
    machine = guest.machine
    before, mark = machine.boot_id(), machine.mark()
    machine.ssh("systemctl reboot", check=False)
    machine.forget_connection()
    machine.wait_console("OverC backup", mark)
    machine.press(b"\x1b[B")  # cursor down: the countdown ends
    machine.press(b"\r")
    machine.wait_other_boot(before)
