# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A system call of the host fails: the answer has the id of what is wrong there, and tells what was done and what not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import assert_refused, call, kill_at, succeed, upgrade_to
from tests.integration.disk_facts import assert_no_leftovers, assert_runs
from tests.lab import Host

# ``fails(place, name, number, times, when)``: a call fails so often, as soon as ``when`` says so
_FAILS = """\
import errno, os, signal
from ansible_collections.overc.system.plugins.module_utils.boot.grub import environment
from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.host import transaction
from ansible_collections.overc.system.plugins.module_utils.system import syscalls
seen = []
transaction.step_hook = lambda when, step: seen.append((when, step))
def fails(place, name, number, times, when=lambda *args: True):
    whole, failed = getattr(place, name), []
    def instead(*args, **more):
        if len(failed) < times and when(*args):
            failed.append(name)
            raise OSError(number, os.strerror(number), args[0] if args and isinstance(args[0], str) else None)
        return whole(*args, **more)
    setattr(place, name, instead)
"""
_JOURNAL_GONE = """
ended = lambda path: ("after", "close") in seen or not os.path.exists(path + "/journal.jsonl") and seen
fails(syscalls, "fsync_directory", errno.EIO, {times}, lambda path: path.endswith("/.overc") and seen[-1:] == [{last!r}])
"""
_LAST = ("after", "drop_replaced")


def test_a_full_run_directory(host: Host) -> None:
    host.sh(
        "dd if=/dev/zero of=/run/filling bs=1M 2>/dev/null; dd if=/dev/zero of=/run/filling.2 bs=1k 2>/dev/null; true"
    )
    try:
        for command in ("info", "upgrade", "rollback", "confirm"):
            result = call(host, command)
            assert result.get("error_id") != "internal", result
            assert not result.get("failed") or result["error_id"] in ("no_space", "no_target"), result
            assert not result["changed"]
    finally:
        host.sh("rm -f /run/filling /run/filling.2")
    succeed(host, "info")


def test_one_failed_sync_of_the_end_is_tried_again(host: Host) -> None:
    host.release("v2")
    result = succeed(host, "upgrade", prelude=_FAILS + _JOURNAL_GONE.format(times=1, last=_LAST))
    assert result["state"] == "staged"
    assert_no_leftovers(host)


def test_a_sync_of_the_end_that_keeps_failing(host: Host) -> None:
    """The new deployment is staged: nobody is told that nothing was changed."""
    host.release("v2")
    failed = call(host, "upgrade", prelude=_FAILS + _JOURNAL_GONE.format(times=2, last=_LAST))
    assert_refused(failed, "io_error", "carried out to its end", changed=True)
    assert (failed["state"], failed["staged"]) == ("staged", "rootfs_upgrade")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


def test_a_host_that_cannot_be_looked_at_afterwards(host: Host) -> None:
    host.release("v2")
    prelude = _FAILS + f'fails(os, "statvfs", errno.EIO, 99, lambda path: seen[-1:] == [{_LAST!r}])\n'
    failed = call(host, "upgrade", prelude=prelude)
    assert_refused(failed, "io_error", "carried out to its end", "overc_host_info", changed=True)
    assert (failed["state"], failed["staged"], failed["reboot_required"]) == ("staged", "rootfs_upgrade", True)
    assert succeed(host, "info")["state"] == "staged"


@pytest.mark.parametrize("number", ["EIO", "EMFILE", "ENOMEM"])
def test_a_repair_that_cannot_read_does_not_decide(host: Host, number: str) -> None:
    """A subvolume that cannot be looked at is not gone: the committed upgrade was "undone" once, with the new root in place."""
    host.release("v2")
    kill_at(host, "upgrade", "after", "set_default")
    failed = call(host, "confirm", prelude=_FAILS + f'fails(subvolumes.fcntl, "ioctl", errno.{number}, 1)\n')
    assert_refused(failed, "io_error" if number == "EIO" else "no_resources")
    assert call(host, "confirm")["repaired"]
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


def test_a_person_stops_the_run(host: Host) -> None:
    host.release("v2")
    # Where the tests run behind an "&", SIGINT is ignored from the start
    hook = "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    hook += 'transaction.step_hook = lambda when, step: step == "place_root" and os.kill(os.getpid(), signal.SIGINT)\n'
    failed = call(host, "upgrade", prelude=_FAILS + hook)
    assert_refused(failed, "aborted", "SIGINT")
    assert failed["state"] == "clean"
    assert_no_leftovers(host)


def test_a_cancel_that_was_completed_is_not_asked_for_a_target(host: Host) -> None:
    upgrade_to(host, "v2")
    prelude = _FAILS + 'fails(subvolumes, "delete", errno.EIO, 1)\n'
    failed = call(host, "rollback", prelude=prelude)
    assert_refused(failed, "io_error", "so the cancel was completed", changed=True)
    again = succeed(host, "rollback")
    assert not again["changed"]
    assert "nothing to do" in again["msg"]


def test_a_confirmation_that_was_completed_says_so(make_host: Callable[..., Host]) -> None:
    host = make_host(automatic=True)
    upgrade_to(host, "v2")
    host.reboot()
    failed = call(host, "confirm", prelude=_FAILS + 'fails(environment, "_write_in_place", errno.EIO, 1)\n')
    assert_refused(failed, "boot_write_failed", "the running deployment is permanent", changed=True)
    assert failed["state"] == succeed(host, "info")["state"] == "clean"
    assert succeed(host, "confirm")["unfinished"] is None, "asked again, it notes that nothing is left to be done"
    assert not succeed(host, "confirm")["changed"]
