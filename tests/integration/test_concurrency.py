# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty commands at once on one host: one at a time does its work, the others say who is at it, nothing is lost."""

from __future__ import annotations

import typing as t
from collections import Counter

from tests.integration.commands import Result, assert_refused, call, succeed
from tests.integration.disk_facts import assert_no_leftovers, assert_runs, snapshot_of_disk
from tests.lab import Host
from tests.lab.process import wait_for

# Of every kind, in turn; what they do depends on who comes first
MIXED: t.Final[tuple[tuple[str, dict[str, t.Any], bool], ...]] = (
    ("upgrade", {}, False),
    ("rollback", {}, False),
    ("upgrade", {"force": True}, False),
    ("confirm", {}, False),
    ("update", {}, False),
    ("upgrade", {}, True),
    ("info", {}, False),
    ("rollback", {}, True),
    ("upgrade", {"packages": ["lab-app"]}, False),
    ("upgrade", {"exclude": ["lab-kernel"]}, False),
)
# What a command may be told that found the host in the hands, or in the state, of another one
EXPECTED: t.Final = {"locked", "no_target", "not_booted"}


_PAUSE: t.Final = """\
import os, time
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def pause(when, step):
    if (when, step) == ("before", {step!r}):
        open("/run/reached", "w").close()
        while not os.path.exists("/run/go-on"):
            time.sleep(0.05)
transaction.step_hook = pause
"""


def all_at_once(host: Host, commands: t.Sequence[tuple[str, dict[str, t.Any], bool]]) -> list[tuple[str, Result]]:
    started = [(name, host.module_start(f"overc_host_{name}", args, check=check)) for name, args, check in commands]
    return [(name, run.wait(300)) for name, run in started]


def test_twenty_commands_at_once(host: Host) -> None:
    host.release("v2")
    succeed(host, "update")
    mine = host.sh("echo kept > /srv/mine; cat /srv/mine")
    results = all_at_once(host, MIXED * 2)
    said = Counter(result.get("error_id", "ok") for _name, result in results)
    for name, result in results:
        assert "Traceback" not in str(result), result
        assert result.get("error_id", "locked") in EXPECTED, (name, result["error_id"], result["msg"])
        if result.get("error_id") == "locked":
            assert not result["changed"]
            assert "process" in result["msg"] or "Another" in result["msg"]
        if name == "info":
            assert not result.get("failed")
    assert said["ok"] >= 2, said
    assert said["locked"] >= 8, said

    # Whatever came first: the host is in a state that it knows, and the next command brings it where it is told to
    assert succeed(host, "info")["state"] in ("clean", "staged")
    assert_no_leftovers(host)
    succeed(host, "upgrade")
    assert succeed(host, "info")["state"] == "staged"
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert host.rpm_version("lab-app") == "2.0"
    assert host.sh("rpm --verifydb && cat /srv/mine") == mine
    assert {"rootfs", "rootfs_upgrade", "rootfs_bakup"} <= set(snapshot_of_disk(host).names)


def test_who_looks_is_never_told_to_wait(host: Host) -> None:
    """Reading and check mode need no lock: they see one of the states that the working command goes through."""
    host.release("v2")
    working = host.module_start("overc_host_upgrade", {})
    looking = all_at_once(host, [("info", {}, False)] * 6)
    assert not working.wait(300).get("failed")
    assert [result for _name, result in looking if result.get("failed")] == []
    assert {result["state"] for _name, result in looking} <= {"clean", "busy", "staged"}


def test_a_lock_that_somebody_tidied_away(host: Host) -> None:
    """Two runs never work on one host, also where the file of the lock is gone: the journal itself is held."""
    host.release("v2")
    pause = _PAUSE.format(step="run_packages")
    working = host.module_start("overc_host_upgrade", {}, prelude=pause)
    wait_for(lambda: host.run("test -e /run/reached", check=False).returncode == 0, "the step", timeout=120)
    host.sh("rm /run/overc-system/lock")
    for name, args in (("upgrade", {"force": True}), ("rollback", {}), ("confirm", {})):
        assert_refused(call(host, name, args), "locked", "Another run")
    assert succeed(host, "info")["state"] == "busy"
    host.sh("touch /run/go-on")
    result = working.wait(300)
    assert not result.get("failed"), result
    assert result["state"] == "staged"
    assert_no_leftovers(host)
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
