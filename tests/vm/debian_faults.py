# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that break a machine with Debian: each is refused, or the machine comes back by itself, with nobody near it."""

from __future__ import annotations

import typing as t

from tests.vm.cuts import ROLLBACK, UPGRADE
from tests.vm.debian import OLD, DebianGuest
from tests.vm.faults import REFUSED, Fault

# What can be noticed before anything is tried
_REFUSALS: t.Final = frozenset({"kernel_broken", "kernel_modules_missing", "root_incomplete"})

# The longest time that a trial may have, and a boot
_PATIENCE: t.Final = 600.0


def suffer(guest: DebianGuest, fault: Fault) -> str:
    """Upgrade an adopted machine to it; returns how that ended, for the table."""
    guest.offer(fault.repository)
    mark = guest.machine.mark()
    # Where nothing looks whether the machine does its work, everything seems well: nobody confirms such a trial
    options = "reboot=true confirm=false" if fault.name == "unhealthy" else "reboot=true"
    said = guest.controller.call(UPGRADE, "-a", options)
    assert "Traceback" not in str(said)
    if fault.ends == REFUSED:
        assert said.get("error_id") in _REFUSALS, said
        assert guest.info()["state"] == "clean"
        guest.assert_system(OLD, guest.deployment(0))
        assert "reboot: Restarting" not in guest.machine.console_since(mark)
        return f"refused: {said['error_id']}"
    assert "reboot: Restarting" in guest.machine.console_since(mark), said
    _came_back(guest)
    # Named before the trial: the distribution's own menu may have been made anew in it
    guest.assert_system(OLD, guest.deployment(0), deployment="0", trial="")
    assert guest.info()["state"] == "fallback"
    assert guest.controller(ROLLBACK)["state"] == "clean"
    assert guest.controller.call(UPGRADE).get("error_id") == "known_bad"
    return "healed, given up, known bad"


def _came_back(guest: DebianGuest) -> None:
    """Until the default answers; the trial may answer as well, for as long as it may."""
    machine = guest.machine
    machine.forget_connection()
    machine.wait_ssh()
    before = machine.boot_id()
    if guest.seen().trial:
        machine.forget_connection()
        machine.wait_other_boot(before, _PATIENCE)
