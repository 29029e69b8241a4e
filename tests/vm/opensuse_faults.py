# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that break a machine in openSUSE's layout. Nothing is tried there, so that nothing comes back by itself."""

from __future__ import annotations

import typing as t

import pytest

from tests.vm.cuts import ROLLBACK, UPGRADE
from tests.vm.debian import OLD
from tests.vm.faults import REFUSED, Fault
from tests.vm.guest import as_json
from tests.vm.machine import Off
from tests.vm.opensuse import SuseGuest, place
from tests.vm.opensuse_loader import SAYS

_REFUSALS: t.Final = frozenset({"kernel_broken", "kernel_modules_missing", "root_incomplete"})
# By which one knows, at the console, that nobody will log in any more
_SEEN: t.Final = {
    "initrd-broken": "Kernel panic",
    "root-panics": "Kernel panic",
    "login-denied": "VM-USERSPACE",
    "hang": "VM-USERSPACE",
    "emergency": "emergency mode",
}
_DOWN, _END, _BOOT = b"\x0e", b"\x05", b"\x18"
# The line `linux` of an entry in the editor: after setparams, an empty line, and seven commands
_LINE: t.Final = 9


def suffer(guest: SuseGuest, fault: Fault) -> str:
    """Upgrade an adopted machine to it; returns how that ended, for the table."""
    guest.offer(fault.repository)
    if fault.ends == REFUSED:
        return _refused(guest)
    if fault.name == "unhealthy":
        return _by_the_playbook(guest)
    assert guest.kernels  # asked for while somebody answers
    said = guest.controller(UPGRADE)
    assert said["staged"] == place(2), said
    mark = guest.machine.mark()
    guest.machine.ssh("systemctl reboot", check=False)
    guest.machine.forget_connection()
    guest.machine.wait_console(f"{SAYS} begins in {place(2)}", mark)
    guest.machine.wait_console(_SEEN[fault.name], mark)
    if fault.name == "login-denied":
        _nobody_logs_in(guest)
    at_the_console(guest, place(1))
    guest.assert_system(OLD, place(1))
    assert guest.default == place(2)
    state = guest.info()["state"]
    # One that ended before anything of it came to the disk seems to wait for its first boot
    assert state in ("elsewhere", "staged")
    if state == "elsewhere":
        assert guest.controller.call(UPGRADE).get("error_id") == "not_default"
    said = guest.controller(ROLLBACK)
    assert (said["state"], guest.default) == ("clean", place(1)), said
    guest.machine.reboot()
    guest.assert_system(OLD, place(1))
    assert "rootflags" not in guest.machine.ssh("cat /proc/cmdline")
    assert guest.info()["state"] == "clean"
    return f"does not come up; back by hand at the console, {state} there, then clean"


def _refused(guest: SuseGuest) -> str:
    before = guest.machine.boot_id()
    said = guest.controller.call(UPGRADE, "-a", "reboot=true")
    assert "Traceback" not in str(said)
    assert said.get("error_id") in _REFUSALS, said
    assert guest.info()["state"] == "clean"
    guest.assert_system(OLD, place(1))
    assert (guest.default, list(guest.snapshots()), guest.machine.boot_id()) == (place(1), [1], before)
    return f"refused: {said['error_id']}"


def _by_the_playbook(guest: SuseGuest) -> str:
    """It answers, so that the playbook can ask whether it works, and go back."""
    health = {"commands": ["test ! -e /etc/vm-unhealthy"], "retries": 2, "delay": 1}
    options = as_json(target="vm", host_upgrade_health=health, fleet_report_dir=str(guest.machine.directory))
    answer = guest.controller.run("ansible-playbook", "overc.system.upgrade", "-e", options, timeout=1800)
    assert answer.rc != 0, answer.stdout
    guest.assert_system(OLD, place(1))
    info = guest.info()
    assert (info["state"], guest.default) == ("clean", place(1)), (info, answer.stdout)
    again = guest.controller.call(UPGRADE)
    return f"found unhealthy by the playbook, rolled back by it; again: {again.get('error_id') or again.get('state')}"


def _nobody_logs_in(guest: SuseGuest) -> None:
    guest.machine.wait_ssh()
    with pytest.raises(Off):
        guest.machine.ssh("true")


def at_the_console(guest: SuseGuest, root: str) -> None:
    """Off and on; and be the person who takes the older kernel in the menu, and tells it this root (key e)."""
    machine = guest.machine
    guest.cut()
    mark = machine.mark()
    machine.start()
    machine.wait_console("Advanced options", mark)
    machine.press(_DOWN + b"\r")
    machine.wait_console("), with", mark)  # as much of the titles as fits into a line
    machine.press(_DOWN + b"e")
    machine.wait_console("setparams", mark)
    machine.press(_DOWN * _LINE + _END + f" rootflags=subvol={root}".encode() + _BOOT)
    machine.wait_ssh()
