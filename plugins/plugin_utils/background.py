# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module so that it outlives its connection, and shows how far it is.

The module does its work in a process of its own from the first instant (``module_utils/system/job.py``), and this connection
waits for it: a short one ends with its result, a longer one is looked at with one small command at a time, each of which
waits on the host until there is something to tell, and the last of which brings the result. Where the connection is lost, the
same module with the same name of its work is called once more, which never begins anything twice. What the controller puts on
the host for this is kept in memory (/dev/shm, /run): a file on the root subvolume would be in the snapshot that becomes the new
system.
"""

from __future__ import annotations

import contextlib
import json
import secrets
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

_JOBS_DIR: t.Final = "/run/overc-system/async"
# Sticky, in memory and on every Linux: a directory made in it belongs to who made it
_TMP_DIR: t.Final = "/dev/shm"  # noqa: S108
_PROGRESS_FILE: t.Final = "/run/overc-system/progress.json"
_RECONNECT: t.Final = 600.0
# Seconds that the module itself waits for the end of its work, and that a look waits for anything new, the last one repeats:
# each costs the controller a process for each host of the wave
_FIRST: t.Final = 6
_WAITS: t.Final = (6, 12, 20)
# Looks until the module itself is asked again
_LOOKS: t.Final = 60
# A look in the middle of many small steps does not end with each of them
_AT_LEAST: t.Final = 3
_BEGIN: t.Final = "overc-begin"
_END: t.Final = "overc-end"
_LONGEST_WORDS: t.Final = 300
# How modules of ansible.module_utils.basic write what they return
_PROFILE: t.Final = "legacy"


class Look(t.NamedTuple):
    """What one look at the host saw. ``understood`` is false where the answer came to us cut off, or not at all.

    ``said`` is what the module printed, where it is over and has a result.
    """

    understood: bool
    over: bool
    progress: Result
    said: str = ""


def parse_look(output: str) -> Look:
    """The output of ``Background._look_command``, among whatever else a shell, a terminal or a change of users prints.

    Each line says what it is, and only what is between the marks counts. A look without both marks saw nothing.
    """
    lines = [line.strip() for line in output.splitlines()]
    if _BEGIN not in lines or _END not in lines:
        return Look(understood=False, over=False, progress={})
    lines = lines[lines.index(_BEGIN) + 1 : len(lines) - 1 - lines[::-1].index(_END)]
    found = {key: rest for key, _space, rest in (line.partition(" ") for line in lines)}
    try:
        progress = json.loads(found.get("overc-progress", ""))
    except (ValueError, RecursionError):
        progress = {}
    return Look(
        understood=True,
        over=found.get("overc-over", "").strip() == "yes",
        progress=progress if isinstance(progress, dict) else {},
        said=found.get("overc-result", "").strip(),
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
        # Whether the end of the work may have been seen later than it was
        self.was_lost = False
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
        name = secrets.token_hex(16)
        path, job = f"{_JOBS_DIR}/{name}", {"name": name, "wait": _FIRST}
        result = self._ask({**args, "_overc_job": job}, task_vars)
        facts = result.get("ansible_facts")
        while result.pop("overc_at_work", False):
            said = self._follow(path)
            # Without one: whether it has a result, was killed, or went with a restart of its host
            result = self._result(said) or self._ask({**args, "_overc_job": {**job, "begun": True}}, task_vars)
        if facts:
            result.setdefault("ansible_facts", facts)
        if not (then_reboots and result.get("reboot_required") and not result.get("failed")):
            self._remove(path)
        return result

    def _ask(self, args: Result, task_vars: Result | None) -> Result:
        """What the host says of the work. Who waited there may have been killed, or its words cut off: that says nothing of the
        work, and it is asked once more.
        """
        result: Result = self._persistently(lambda: self._execute(args, task_vars))
        if "module_stdout" in result:
            result = self._persistently(lambda: self._execute(args, task_vars))
        return result

    def _result(self, said: str) -> Result | None:
        """What a look has read, as if the module had been called once more: the same text; None where it is not whole."""
        if not said:
            return None
        answer: t.Any = {"stdout": said, "stderr": "", "rc": 0}
        found: t.Any = self._action._parse_returned_data(answer, _PROFILE)  # noqa: SLF001
        if not hasattr(found, "as_result_dict"):
            return None  # ansible-core before 2.21 has more to do with it than it lets others do
        found.remove_internal_keys()
        result = t.cast("Result", found.as_result_dict(for_round_trip=True))
        return None if "module_stdout" in result else result

    def _execute(self, args: Result, task_vars: Result | None) -> Result:
        action = self._action
        shell = action._connection._shell  # noqa: SLF001
        remote_tmp = shell.get_option("remote_tmp")
        try:
            # Where the module is a file first, without pipelining
            shell.set_option("remote_tmp", _TMP_DIR)
            answer = action._execute_module(  # noqa: SLF001 - the way an action plugin runs a module
                module_name=self._module, module_args=args, task_vars=task_vars
            )
            return t.cast("Result", answer)
        finally:
            shell.set_option("remote_tmp", remote_tmp)

    def _look_command(self, path: str, seconds: int) -> str:
        """Wait for the end of the work, or for a step that is new, but no longer than that, and say what is there. With nothing
        but the shell while waiting; four times a second where its sleep knows fractions.

        Each line is put together before it is printed: on a terminal others write in between.
        """
        file = shlex.quote(path)
        return (
            f"{{ i=; read -r i s < {file}.pid; a=; read -r a < {_PROGRESS_FILE}; n=0; "
            f'while [ $n -lt {4 * seconds} ] && ! [ -e {file} ] && [ -d "/proc/${{i:-none}}" ]; do '
            f'q=; read -r q < {_PROGRESS_FILE}; if [ $n -ge {4 * _AT_LEAST} ] && [ "$q" != "$a" ]; then break; fi; '
            "n=$((n+1)); sleep 0.25 || { sleep 1; n=$((n+3)); }; done; "
            # Last, so that work that ended meanwhile has a result
            f'p=$(cat {_PROGRESS_FILE}); o=yes; if [ -d "/proc/${{i:-none}}" ] && ! [ -e {file} ]; then o=no; fi; '
            f"r=$(tr -d '\\r\\n' < {file}); "
            "} 2>/dev/null; "
            f'printf \'%s\\n\' {_BEGIN} "overc-progress $p" "overc-over $o" "overc-result $r" {_END}'
        )

    def _follow(self, path: str) -> str:
        """Return when the work is over, with what the module printed or without, or when that is to be asked again."""
        deadline = time.monotonic() + _RECONNECT
        # Another process may have got the number of one that was killed: the module itself knows them apart
        for turn in range(_LOOKS):
            end_if_orphan()
            command = self._look_command(path, _WAITS[min(turn, len(_WAITS) - 1)])
            answer = self._persistently(partial(self._shell, command))
            look = parse_look(answer)
            if not look.understood:
                if time.monotonic() > deadline:
                    raise AnsibleConnectionFailure(
                        f"For {_RECONNECT:.0f} seconds the host has not said how far it is; it said {answer[:200]!r}. What was "
                        "started there goes on; run again to continue."
                    )
                self.was_lost = True
                time.sleep(1)
                continue
            deadline = time.monotonic() + _RECONNECT
            if look.over:
                return look.said
            self._told.say(words(look.progress) or "is at work", aloud=bool(words(look.progress)))
        return ""

    def _shell(self, command: str) -> str:
        answer = self._action._low_level_execute_command(command)  # noqa: SLF001
        return str(answer.get("stdout", ""))

    def _remove(self, path: str) -> None:
        file = shlex.quote(path)
        try:
            self._shell(f"rm -f {file} {file}.pid {file}.err")
        except AnsibleError:
            self._display.vvv(f"{path} was left on the host")  # in memory, until its next boot

    def _persistently(self, attempt: t.Callable[[], t.Any]) -> t.Any:
        """Try until the host answers, but not for ever."""
        began = time.monotonic()
        deadline = began + _RECONNECT
        pause = 1.0
        while True:
            try:
                return attempt()
            except AnsibleConnectionFailure as error:
                self.was_lost = True
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


__all__ = ("Background", "Look", "parse_look", "words")
