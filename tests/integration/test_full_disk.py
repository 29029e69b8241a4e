# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root's file system is full to the last block: what was begun is undone or repaired all the same, without room."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import assert_refused, call, succeed, upgrade_to
from tests.integration.disk_facts import assert_no_leftovers, assert_runs, in_top
from tests.lab import Host
from tests.lab.layouts import OVERC, ZYPPER

FILL = """\
import errno, os
def fill(top):
    with open(os.path.join(top, "filling"), "ab") as stream:
        os.fchmod(stream.fileno(), 0o600)
        size, end = 256 << 20, 0
        while size >= 4096:
            try:
                os.posix_fallocate(stream.fileno(), end, size)
                end += size
            except OSError as error:
                assert error.errno == errno.ENOSPC
                size //= 2
        os.fsync(stream.fileno())
"""
# The disk becomes full right before a step's work, and then the run is killed or goes on by itself
_FULL_BEFORE = (
    FILL
    + """
import signal
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def hook(when, step):
    if (when, step) == ("before", {step!r}) and not os.path.exists("/run/overc-system/top/filling"):
        fill("/run/overc-system/top")
        if {kill!r}:
            os.kill(os.getpid(), signal.SIGKILL)
transaction.step_hook = hook
"""
)


def make_room(host: Host) -> None:
    in_top(host, "rm filling && sync -f .")


@pytest.mark.parametrize("step", ["create_backup", "place_root"])
def test_an_upgrade_is_undone(host: Host, step: str) -> None:
    host.release("v2")
    failed = call(host, "upgrade", prelude=_FULL_BEFORE.format(step=step, kill=False))
    assert_refused(failed, "no_space", "No space left on device")
    assert failed["undone"], failed
    assert failed["state"] == succeed(host, "info")["state"] == "clean"
    assert_no_leftovers(host)
    make_room(host)
    upgrade_to(host, "v2")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


@pytest.mark.parametrize("flavour", [OVERC, ZYPPER])
def test_the_room_ran_out_while_packages_were_installed(make_host: Callable[..., Host], flavour: str) -> None:
    """rpm's database has "disk I/O error" for it, and it is not the package that is to be mended."""
    host = make_host(flavour=flavour)
    host.release("v2")
    _is_told(host, {}, _FULL_BEFORE.format(step="run_packages", kill=False))


def test_a_command_takes_all_the_room(host: Host) -> None:
    _is_told(host, {"run": [["dd", "if=/dev/zero", "of=/own", "bs=1M"]]}, "")


def _is_told(host: Host, options: dict[str, object], prelude: str) -> None:
    failed = call(host, "upgrade", options, prelude=prelude)
    assert_refused(failed, "no_space", "is full", "Free some space")
    assert "end the" not in failed["msg"]
    assert failed["state"] == succeed(host, "info")["state"] == "clean"
    assert_no_leftovers(host)


def test_an_upgrade_that_has_switched_is_completed(host: Host) -> None:
    host.release("v2")
    failed = call(host, "upgrade", prelude=_FULL_BEFORE.format(step="set_default", kill=False))
    assert_refused(failed, "no_space", "so the upgrade was completed", changed=True)
    assert failed["state"] == succeed(host, "info")["state"] == "staged"
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert_no_leftovers(host)


@pytest.mark.parametrize(("step", "state"), [("place_root", "clean"), ("swap_kernel", "staged")])
def test_a_killed_upgrade_is_repaired(host: Host, step: str, state: str) -> None:
    host.release("v2")
    killed = host.module_start("overc_host_upgrade", prelude=_FULL_BEFORE.format(step=step, kill=True))
    killed.process.communicate()
    repaired = call(host, "confirm")
    assert repaired.get("error_id") == ("not_booted" if state == "staged" else None), repaired
    assert repaired["repaired"]
    assert succeed(host, "info")["state"] == state
    assert_no_leftovers(host)
    host.reboot()
    assert_runs(host, *(("rootfs", "1.0") if state == "clean" else ("rootfs_upgrade", "2.0")))


def test_the_way_back_needs_no_room(host: Host) -> None:
    """An upgrade whose programs fill the disk is what one returns from."""
    upgrade_to(host, "v2")
    host.reboot()
    in_top(host, "true")
    host.write("/run/fill.py", FILL + "import sys\nfill(sys.argv[1])\n")
    in_top(host, "python3 /run/fill.py .")
    result = succeed(host, "rollback")
    assert result["state"] == "staged"
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert_no_leftovers(host)
