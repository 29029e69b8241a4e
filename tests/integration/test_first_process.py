# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a new root's namespace, with tools that wait for what their scripts left, as DNF 5 does."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.overc.system.plugins.module_utils.system import first_process

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host

_ROOT: t.Final = "/run/again"
_NAMESPACE: t.Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={_ROOT}/proc")
_PYTHON: t.Final = "/usr/bin/python3"
# Runs a script and reads its output to the end, however long somebody holds it
_TOOL: t.Final = """\
import subprocess, sys
print(subprocess.run(["sh", "-c", sys.argv[1]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.decode())
sys.exit(7)
"""


def first(host: Host) -> list[str]:
    """What a tool is appended to; the root that it gets is the host's, once more."""
    host.sh(f"mkdir -p {_ROOT} /run/place && (mountpoint -q {_ROOT} || mount --rbind / {_ROOT})")
    return [*_NAMESPACE, _PYTHON, "-I", "-S", "-c", first_process.program(), _ROOT, "/run/place"]


def tool(host: Host, script: str) -> tuple[int, str, str, float]:
    command = [*first(host), _PYTHON, "-c", _TOOL, script]
    begun = time.monotonic()
    done = host.run(command, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr, time.monotonic() - begun


def test_nobody_holds_up_the_tool(host: Host) -> None:
    for left in ("setsid sleep 1000 &", "(sleep 1000 & sleep 1000 & wait) &", "nohup sh -c 'sleep 1000; true' 2>&1 &"):
        code, said, told, seconds = tool(host, f"{left} echo begun")
        assert (code, said.strip()) == (7, "begun")
        assert "left running by a package script" in told
        assert seconds < 4 * first_process.PATIENCE
    assert host.run(["pgrep", "-x", "sleep"], check=False).stdout == ""


def test_who_holds_up_nobody_lives_as_long_as_the_tool(host: Host) -> None:
    """A script's own daemon may work until the end, and a child that is waited for may take its time."""
    daemon = "(while :; do date +%s > /run/alive; sleep 0.2; done) </dev/null >/dev/null 2>&1 &"
    code, _said, told, seconds = tool(host, f"{daemon} sleep 7; cat /run/alive; date +%s > /run/ended")
    assert (code, told) == (7, "")
    assert seconds > first_process.PATIENCE
    last, ended = (int(host.sh(f"cat /run/{name}")) for name in ("alive", "ended"))
    assert abs(last - ended) <= 1
    time.sleep(1.5)
    assert int(host.sh("cat /run/alive")) == last


def test_exit_codes_and_signals(host: Host) -> None:
    begin = first(host)
    for argv, code in (
        (["true"], 0),
        (["sh", "-c", "exit 200"], 200),
        (["sh", "-c", "kill -9 $$"], 137),
        (["nothing"], 127),
    ):
        assert host.run([*begin, *argv], check=False).returncode == code


def test_what_cannot_be_entered_is_not_the_failure_of_the_tool(host: Host) -> None:
    """In one line that says why, with an exit code of its own; never a traceback, nor a second first process."""
    without = "/usr/bin/setpriv"
    for what, begin in (
        ("chroot(2)", [without, "--bounding-set=-sys_chroot", *first(host)]),
        ("mounts", [*first(host)[:-1], "/run/no/such/place"]),
    ):
        done = host.run([*begin, "sh", "-c", "echo began"], check=False)
        assert (done.returncode, done.stdout) == (first_process.NOT_ENTERED, ""), (what, done)
        assert done.stderr.startswith(first_process.NO_ENTRY), (what, done)
        assert len(done.stderr.splitlines()) == 1, (what, done)
    done = host.run([*first(host), "sh", "-c", f"exit {first_process.NOT_ENTERED}"], check=False)
    assert (done.returncode, done.stderr) == (first_process.NOT_ENTERED, ""), "a tool's own exit code stays its own"


_WITHOUT_CHROOT: t.Final = "import ctypes; assert ctypes.CDLL(None).prctl(24, 18, 0, 0, 0) == 0  # PR_CAPBSET_DROP"


def test_an_upgrade_tells_that_the_new_root_was_not_entered(host: Host) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade", prelude=_WITHOUT_CHROOT)
    assert_refused(result, "mount_failed", "The new root cannot be entered: Operation not permitted")
    assert (result["state"], result["rc"]) == ("clean", first_process.NOT_ENTERED)
    assert_unchanged(before, host, history=False)
    assert succeed(host, "upgrade")["state"] == "staged"


_ON_A_TERMINAL: t.Final = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def test_the_terminal_of_who_runs_it_is_out_of_reach(host: Host) -> None:
    """Its keys, what it shows, and the result of a module, which comes that way where Ansible has a terminal made."""
    terminal = [_PYTHON, "-c", _ON_A_TERMINAL]
    reach = ["sh", "-c", "(: <>/dev/tty) 2>/dev/null && echo within; echo asked; exit 3"]
    assert "within" in host.run([*terminal, *reach], check=False).stdout, "there is one to be reached"
    done = host.run([*terminal, *first(host), *reach], check=False)
    assert (done.returncode, done.stdout.split()) == (3, ["asked"])
