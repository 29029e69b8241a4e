# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module so that it outlives its connection, and shows how far it is.

The module is started as ``async`` would start it, and then looked at with one small command at a time: a lost
connection is made again, and the result is still there. What the controller puts on the host for this is kept in memory
(/dev/shm, /run): a file on the root subvolume would be in the snapshot that becomes the new system.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import time
import typing as t
from functools import partial

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.utils.display import Display

from .host_outcome import silence
from .orphan import end_if_orphan
from .waiting import EVERY, Told

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

Result = dict[str, t.Any]

_ASYNC_DIR: t.Final = "/run/overc-system/async"
# Sticky, in memory and on every Linux: a directory made in it belongs to who made it
_TMP_DIR: t.Final = "/dev/shm"  # noqa: S108
_PROGRESS_FILE: t.Final = "/run/overc-system/progress.json"
_BOOT_ID: t.Final = "/proc/sys/kernel/random/boot_id"
_LONGEST: t.Final = 86400
_RECONNECT: t.Final = 600.0
# Seconds that a look waits on the host for the end, the last one repeats: each costs the controller a process for each
# host of the wave
_WAITS: t.Final = (1, 2, 4, 5)
_AT_WORK: t.Final = re.compile(r'\s*\{"started": (?:1|true), "finished": (?:0|false)')
_BEGIN: t.Final = "overc-begin"
_END: t.Final = "overc-end"
_UUID: t.Final = re.compile(r"[0-9a-f-]{36}")
_JOB: t.Final = re.compile(r"(j[0-9]+)[.][0-9]+")
# Looks in a row: between the end of the wrapper and its result there is nothing to be seen of either
_DEAD_AFTER: t.Final = 5
_LONGEST_WORDS: t.Final = 300


class Lost(Exception):
    """The background job cannot have a result any more; the message says why."""


class Look(t.NamedTuple):
    """What one look at the host saw. ``understood`` is false where the answer came to us cut off, or not at all."""

    understood: bool
    boot_id: str
    finished: bool
    progress: Result
    alive: bool


def parse_look(output: str) -> Look:
    """The output of ``Background._look_command``, among whatever else a shell, a terminal or a change of users prints.

    Each line says what it is, and only what is between the marks counts. A look without both marks saw nothing.
    """
    lines = [line.strip() for line in output.splitlines()]
    if _BEGIN not in lines or _END not in lines:
        return Look(understood=False, boot_id="", finished=False, progress={}, alive=True)
    lines = lines[lines.index(_BEGIN) + 1 : len(lines) - 1 - lines[::-1].index(_END)]
    found = {key: rest for key, _space, rest in (line.partition(" ") for line in lines)}
    try:
        progress = json.loads(found.get("overc-progress", ""))
    except (ValueError, RecursionError):
        progress = {}
    results, boot_id = found.get("overc-result", "").strip(), found.get("overc-boot", "").strip()
    return Look(
        understood=True,
        boot_id=boot_id if _UUID.fullmatch(boot_id) else "",
        finished=results.startswith("{") and not _AT_WORK.match(results),
        progress=progress if isinstance(progress, dict) else {},
        alive=found.get("overc-alive", "").strip() != "no",
    )


def words(progress: Result) -> str:
    """One line for people, empty if nothing is known."""
    if not progress.get("description"):
        return ""
    packages = progress.get("packages")
    known = isinstance(packages, list) and len(packages) == 2 and packages[1]
    counted = f" ({packages[0]} of {packages[1]} packages)" if known and packages else ""
    where = f"{progress.get('operation')} {progress.get('number')}/{progress.get('total')}"
    text = f"{where}: {progress['description']}{counted}"
    # It goes straight to a terminal, and a host that was taken over would like to steer that
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST_WORDS]


class Background:
    """One module run of an action plugin."""

    def __init__(self, action: ActionBase, module: str) -> None:
        self._action = action
        self._module = module
        self._display = Display()
        self._host = "host"
        self._told = Told(self._show, every=EVERY)

    def run(self, args: Result, task_vars: Result | None, *, then_reboots: bool = False) -> Result:
        """The module's result. Raises AnsibleConnectionFailure when the host is silent for too long.

        Where a reboot follows, what was put into the host's memory goes with that.
        """
        self._host = str((task_vars or {}).get("inventory_hostname", "host"))
        with self._told:
            self._told.say("is asked to begin", aloud=False)
            return self._run(args, task_vars, then_reboots=then_reboots)

    # -- the parts ---------------------------------------------------------------------------------------------------

    def _run(self, args: Result, task_vars: Result | None, *, then_reboots: bool) -> Result:
        job = self._persistently(lambda: self._start(args, task_vars))
        if "ansible_job_id" not in job:
            # It could not be put into the background, for instance without root: let the module itself say so
            return self._execute(self._module, args, task_vars)
        result: Result = {"finished": 0}
        while not result.get("finished", True) and not result.get("failed"):
            try:
                self._follow(job)
            except Lost as lost:
                return {"failed": True, "changed": False, "msg": str(lost)}
            result = self._persistently(
                lambda: self._execute(
                    "ansible.builtin.async_status",
                    {"jid": job["ansible_job_id"], "mode": "status", "_async_dir": _ASYNC_DIR},
                    task_vars,
                )
            )
        if not (then_reboots and result.get("reboot_required") and not result.get("failed")):
            self._remove(job["results_file"])
        for key in ("ansible_job_id", "finished", "results_file", "started", "stdout_lines", "stderr_lines"):
            result.pop(key, None)
        return result

    def _execute(self, module: str, args: Result, task_vars: Result | None, *, wrap_async: bool = False) -> Result:
        answer = self._action._execute_module(  # noqa: SLF001 - the way an action plugin runs a module
            module_name=module, module_args=dict(args), task_vars=task_vars, wrap_async=wrap_async
        )
        return t.cast("Result", answer)

    def _start(self, args: Result, task_vars: Result | None) -> Result:
        action = self._action
        shell = action._connection._shell  # noqa: SLF001
        remote_tmp, limit = shell.get_option("remote_tmp"), action._task.async_val  # noqa: SLF001
        try:
            shell.set_option("remote_tmp", _TMP_DIR)
            shell.set_option("async_dir", _ASYNC_DIR)
            action._task.async_val = _LONGEST  # noqa: SLF001
            return self._execute(self._module, args, task_vars, wrap_async=True)
        finally:
            action._task.async_val = limit  # noqa: SLF001
            shell.set_option("remote_tmp", remote_tmp)

    def _look_command(self, results: str, seconds: int, job: str = "") -> str:
        """Wait for the end, but no longer than that, and say what is there. With nothing but the shell while waiting; four
        times a second where its sleep knows fractions.

        The job is alive as long as its wrapper is, which has the job's name for an argument, or the module, which says who
        it is in its first step. Each line is put together before it is printed: on a terminal others write in between.
        """
        file = shlex.quote(results)
        match = _JOB.fullmatch(job)
        wrapper = (
            f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -qx '{_not_itself(match[1])}'"
            if match
            else "true"
        )
        return (
            f"n=0; while [ $n -lt {4 * seconds} ]; do "
            f"a=; read -r a < {file}; case $a in ''|*'\"finished\": 0'*|*'\"finished\": false'*) ;; *) break ;; esac; "
            "n=$((n+1)); sleep 0.25 || { sleep 1; n=$((n+3)); }; done 2>/dev/null; "
            f"b=$(cat {_BOOT_ID} 2>/dev/null); p=$(cat {_PROGRESS_FILE} 2>/dev/null); "
            f"i=$(sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p' {_PROGRESS_FILE} 2>/dev/null); "
            f'l=yes; if ! {wrapper}; then if [ -z "$i" ] || ! [ -d "/proc/$i" ]; then l=no; fi; fi; '
            # Last, so that a job that ended meanwhile is one with a result
            f"r=$(head -c 64 {file} 2>/dev/null); "
            f'printf \'%s\\n\' {_BEGIN} "overc-boot $b" "overc-result $r" "overc-progress $p" "overc-alive $l" {_END}'
        )

    def _follow(self, job: Result) -> None:
        """Return when there is a result."""
        boot_id, dead, turn = "", 0, 0
        deadline = time.monotonic() + _RECONNECT
        while True:
            end_if_orphan()
            seconds = _WAITS[min(turn, len(_WAITS) - 1)]
            command = self._look_command(job["results_file"], seconds, str(job["ansible_job_id"]))
            turn += 1
            answer = self._persistently(partial(self._shell, command))
            look = parse_look(answer)
            if not look.understood:
                if time.monotonic() > deadline:
                    raise AnsibleConnectionFailure(
                        f"For {_RECONNECT:.0f} seconds the host has not said how far it is; it said {answer[:200]!r}. What was "
                        "started there goes on; run again to continue."
                    )
                time.sleep(1)
                continue
            deadline = time.monotonic() + _RECONNECT
            if look.finished:
                return
            if boot_id and look.boot_id and look.boot_id != boot_id:
                raise Lost("The host restarted in the middle. Run again: what was interrupted is repaired first.")
            boot_id = look.boot_id or boot_id
            dead = 0 if look.alive else dead + 1
            if dead >= _DEAD_AFTER:
                raise Lost("The module was killed on the host. Run again: what was interrupted is repaired first.")
            self._told.say(words(look.progress) or "is at work", aloud=bool(words(look.progress)))

    def _shell(self, command: str) -> str:
        answer = self._action._low_level_execute_command(command)  # noqa: SLF001
        return str(answer.get("stdout", ""))

    def _remove(self, results: str) -> None:
        try:
            self._shell(f"rm -f {shlex.quote(results)}")
        except AnsibleError:
            self._display.vvv(f"{results} was left on the host")  # in memory, until its next boot

    def _persistently(self, attempt: t.Callable[[], t.Any]) -> t.Any:
        """Try until the host answers, but not for ever."""
        began = time.monotonic()
        deadline = began + _RECONNECT
        pause = 1.0
        while True:
            try:
                return attempt()
            except AnsibleConnectionFailure as error:
                if time.monotonic() > deadline:
                    raise AnsibleConnectionFailure(
                        f"The host was silent for {_RECONNECT:.0f} seconds ({silence(error)}). What was started there goes on; "
                        "run again to continue."
                    ) from error
                said = f"the connection was lost, connecting again ({silence(error)})"
                self._told.say(said, _RECONNECT, since=began)
            time.sleep(pause)
            end_if_orphan()
            pause = min(2 * pause, 15.0)
            self._reset()

    def _reset(self) -> None:
        with contextlib.suppress(AnsibleError):  # it is not there to be reset
            self._action._connection.reset()  # noqa: SLF001

    def _show(self, text: str) -> None:
        # Beside the output of playbooks: callbacks make JSON of that
        self._display.display(f"{self._host}: {text}", stderr=True)


def _not_itself(job: str) -> str:
    """A pattern for the name of a job that does not match itself: grep has it for an argument."""
    return f"{job[0]}[{job[1]}]{job[2:]}"


__all__ = ("Background", "Look", "Lost", "parse_look", "words")
