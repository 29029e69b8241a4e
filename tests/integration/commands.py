# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short forms for what the tests of the host commands do over and over."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import ERROR_IDS

from tests.integration.disk_facts import DiskFacts, snapshot_of_disk
from tests.lab import Host

Result = dict[str, t.Any]
COMMANDS = ("info", "update", "upgrade", "rollback", "confirm")

# The seam of transaction.py: dies right there, as by kill -9
_KILL = """\
import os, signal
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def die(when, step):
    if (when, step) == ({when!r}, {step!r}):
        os.kill(os.getpid(), signal.SIGKILL)
transaction.step_hook = die
"""


def call(host: Host, command: str, args: dict[str, t.Any] | None = None, **more: t.Any) -> Result:
    """Run one of our host modules; whatever it says, it says it as a module result."""
    result = host.module(f"overc_host_{command}", args, **more)
    assert "Traceback" not in str(result), result
    return result


def succeed(host: Host, command: str, args: dict[str, t.Any] | None = None, **more: t.Any) -> Result:
    result = call(host, command, args, **more)
    assert not result.get("failed"), (result.get("error_id"), result.get("msg"), result.get("stderr"))
    return result


def upgrade_to(host: Host, release: str, **args: t.Any) -> Result:
    """Follow this release from now on, and stage it."""
    host.release(release)
    result = succeed(host, "upgrade", args)
    assert result["state"] == "staged"
    return result


def kill_at(host: Host, command: str, when: str, step: str, args: dict[str, t.Any] | None = None) -> None:
    """SIGKILL a command right before or after a named step."""
    started = host.module_start(f"overc_host_{command}", args, prelude=_KILL.format(when=when, step=step))
    started.process.communicate()
    assert started.process.returncode != 0, f"{command} never came to {step}"


def steps(result: Result) -> list[str]:
    return [action["step"] for action in result.get("actions", [])]


def assert_refused(result: Result, error_id: str, *named: str, changed: bool = False) -> None:
    """A refusal or failure as promised: its id, what it is about, what to do next, no Python."""
    assert result.get("failed"), result
    assert result["error_id"] == error_id, result["msg"]
    assert error_id in ERROR_IDS
    assert result["changed"] is changed
    for text in named:
        assert text in result["msg"], result["msg"]
    assert result["msg"].rstrip().endswith("."), result["msg"]
    for python in ("Traceback", "Error(", "Errno", "NoneType", "object at 0x"):
        assert python not in result["msg"], result["msg"]


def assert_unchanged(before: DiskFacts, host: Host, *, history: bool = True) -> None:
    """The disk is what it was; without ``history`` a line about a failed run may have been added."""
    after = snapshot_of_disk(host)
    if not history:
        before, after = before.without_history, after.without_history
    # One by one: pytest then shows what differs
    assert after.default == before.default
    assert after.subvolumes == before.subvolumes
    assert after.top == before.top
    assert after.boot == before.boot
    assert after.record == before.record
    assert after.roots == before.roots
