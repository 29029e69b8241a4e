# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a module from afar: what a look at the host means, and what connection losses and dead jobs lead to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.overc.system.plugins.plugin_utils import background
from ansible_collections.overc.system.plugins.plugin_utils.background import Background, parse_look, words

AT_WORK = '{"started": true, "finished": false, "ansible_job_id": "j1.2"}'
PROGRESS = {"operation": "upgrade", "number": 2, "total": 15, "description": "run it", "packages": [3, 5], "pid": 7}


B1, B2 = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"


def look(boot: str = B1, results: str = AT_WORK, progress: t.Any = None, alive: str = "yes") -> str:
    said = json.dumps(progress) if progress else ""
    return f"overc-begin\noverc-boot {boot}\noverc-result {results}\noverc-progress {said}\noverc-alive {alive}\noverc-end\n"


def test_look() -> None:
    seen = parse_look(look(progress=PROGRESS))
    assert (seen.boot_id, seen.finished, seen.alive) == (B1, False, True)
    assert words(seen.progress) == "upgrade 2/15: run it (3 of 5 packages)"
    assert parse_look(look(results='{"changed": true, "msg": "x"')).finished
    # Not begun yet, cut short, or nonsense: not finished, and nothing to say
    cut = look(results='{"changed": true}').replace("overc-end\n", "")
    for output in (
        "",
        "b1\n",
        look(results=""),
        look(results="Permission denied"),
        look(progress=[1]),
        look(progress={"x": 1}),
        cut,
    ):
        assert not parse_look(output).finished
        assert words(parse_look(output).progress) == ""
    assert not parse_look(cut).understood


@pytest.mark.parametrize("results", [AT_WORK, '{"changed": true'])
@pytest.mark.parametrize(
    "around",
    [
        "{}", "\n{}", "\r\n\r\n{}", "[sudo] password for me:\n{}", "Password: \r\n{}\r\n",
        "Welcome!\noverc-result {{}}\n{}", "+ printf %s overc-begin\n{}logout\n", "motd {{\n{}Connection to h1 closed.\n",
    ],
)  # fmt: skip
def test_what_shells_and_terminals_print_besides(around: str, results: str) -> None:
    """su, sudo with a terminal, a greeting in a profile: it is never taken for the job's own words."""
    seen = parse_look(around.format(look(progress=PROGRESS, results=results).replace("\n", "\r\n")))
    assert seen == parse_look(look(progress=PROGRESS, results=results))
    assert seen.understood
    assert (seen.boot_id, seen.finished) == (B1, results != AT_WORK)


class FakeShell:
    def __init__(self) -> None:
        self.options = {"remote_tmp": "~/.ansible/tmp", "async_dir": "~/.ansible_async"}

    def get_option(self, name: str) -> str:
        return self.options[name]

    def set_option(self, name: str, value: str) -> None:
        self.options[name] = value


class FakeAction:
    """Stands in for ActionBase: a script of answers, each a value or an exception."""

    def __init__(self, modules: list[t.Any], looks: list[t.Any]) -> None:
        self.modules, self.looks = modules, looks
        self.called: list[tuple[str, dict[str, t.Any]]] = []
        self.commands: list[str] = []
        self.resets = 0
        shell = FakeShell()
        self._task = type("Task", (), {"async_val": 0})()
        self._connection = type("Connection", (), {"_shell": shell, "reset": self._reset})()

    def _reset(self, *_: object) -> None:
        self.resets += 1

    def _execute_module(self, module_name: str, module_args: dict[str, t.Any], **_: t.Any) -> t.Any:
        self.called.append((module_name, module_args))
        return self._next(self.modules)

    def _low_level_execute_command(self, command: str) -> dict[str, t.Any]:
        self.commands.append(command)
        return {"stdout": "" if command.startswith("rm ") else self._next(self.looks)}

    @staticmethod
    def _next(script: list[t.Any]) -> t.Any:
        answer = script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


JOB = {"ansible_job_id": "j1.2", "results_file": "/run/overc-system/async/j1.2", "started": 1, "finished": 0}
DONE = look(results='{"changed": true')
GONE = AnsibleConnectionFailure("Failed to connect\nat all")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("ansible.utils.display.Display.display", lambda _self, text, **_: said.append(text))
    return said


def run(action: FakeAction, *, then_reboots: bool = False) -> dict[str, t.Any]:
    background = Background(t.cast("t.Any", action), "ns.col.mod")
    return background.run({"a": 1}, {"inventory_hostname": "h1"}, then_reboots=then_reboots)


def test_what_a_reboot_removes_is_left_to_it() -> None:
    for result, left in (
        ({"reboot_required": True}, True),
        ({"reboot_required": False}, False),
        ({"reboot_required": True, "failed": True}, False),
    ):
        action = FakeAction([JOB, dict(result)], [DONE])
        run(action, then_reboots=True)
        assert any(command.startswith("rm ") for command in action.commands) is not left


def test_result_is_that_of_the_module(no_waiting: list[str]) -> None:
    action = FakeAction(
        [JOB, {"changed": True, "finished": 1, "ansible_job_id": "j1.2"}], [look(progress=PROGRESS), DONE]
    )
    assert run(action) == {"changed": True}
    assert no_waiting == ["h1: upgrade 2/15: run it (3 of 5 packages)"]
    assert action.commands[-1] == "rm -f /run/overc-system/async/j1.2"
    assert action._task.async_val == 0
    assert action._connection._shell.options["remote_tmp"] == "~/.ansible/tmp"


def test_lost_connections_are_made_again(no_waiting: list[str]) -> None:
    action = FakeAction([GONE, JOB, GONE, {"changed": True}], [look(), GONE, GONE, look(), DONE])
    assert run(action) == {"changed": True}
    assert action.resets == 4
    assert "h1: the connection was lost, connecting again (Failed to connect)" in no_waiting


def test_a_step_that_takes_long_is_said_again(no_waiting: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while a look does not come back: the connection of a host that is gone may hang for long."""
    monkeypatch.setattr("ansible_collections.overc.system.plugins.plugin_utils.background.EVERY", 0.02)
    action = FakeAction([JOB, {"changed": True}], [look(progress=PROGRESS), look(progress=PROGRESS), DONE])
    seen = threading.Event()
    real = action._low_level_execute_command

    def hangs(command: str) -> dict[str, t.Any]:
        if len(action.commands) == 1:
            for _turn in range(1000):
                if len(no_waiting) >= 3:
                    seen.set()
                    break
                threading.Event().wait(0.01)
        return real(command)

    monkeypatch.setattr(action, "_low_level_execute_command", hangs)
    assert run(action) == {"changed": True}
    assert seen.is_set()
    assert no_waiting[:2] == [
        "h1: upgrade 2/15: run it (3 of 5 packages)", "h1: upgrade 2/15: run it (3 of 5 packages), for 0 seconds now"
    ]  # fmt: skip


def test_a_long_build_is_looked_at_less_often() -> None:
    action = FakeAction([JOB, {"changed": True}], [*[look()] * 63, DONE])
    assert run(action) == {"changed": True}
    quarters = [int(re.findall(r"-lt (\d+) ", command)[0]) for command in action.commands[:-1]]
    assert quarters[:4] == [4, 8, 16, 20]
    assert set(quarters[4:]) == {20}


def test_a_look_waits_on_the_host_for_the_end(tmp_path: Path) -> None:
    """In the shell itself: a result that comes, is late, is there already, or is nowhere."""
    results, slept = tmp_path / "j 1", tmp_path / "slept"
    program = tmp_path / "sleep"
    program.touch(0o755)
    command = Background(t.cast("t.Any", None), "ns.col.mod")._look_command(str(results), 1)

    def waits(known: str = "0.25") -> list[str]:
        """``known`` is the only duration that the sleep of this host takes."""
        program.write_text(f"#!/bin/sh\necho $1 >>'{slept}'\n[ $1 = {known} ]\n")
        slept.write_text("")
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert parse_look(done.stdout).finished is ("changed" in results.read_text() if results.exists() else False)
        return slept.read_text().split()

    assert waits() == ["0.25"] * 4
    results.write_text('{"started": 1, "finished": 0, "ansible_job_id": "j1"}')
    assert waits() == ["0.25"] * 4
    assert waits("1") == ["0.25", "1"]
    results.write_text('{"changed": true}')
    assert waits() == []


def test_silence_is_given_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_RECONNECT", -1.0)
    with pytest.raises(AnsibleConnectionFailure, match="run again to continue"):
        run(FakeAction([JOB], [GONE]))


def test_restart_in_the_middle_is_an_end() -> None:
    result = run(FakeAction([JOB], [look(B1), look(""), look(B2)]))
    assert result["failed"]
    assert "restarted" in result["msg"]


def test_module_that_was_killed_is_an_end() -> None:
    result = run(FakeAction([JOB], [look(progress=PROGRESS), *[look(progress=PROGRESS, alive="no")] * 9]))
    assert result["failed"]
    assert "killed" in result["msg"]


def test_wrapper_that_was_killed_before_the_first_step_is_an_end() -> None:
    result = run(FakeAction([JOB], [look(alive="no")] * 9))
    assert result["failed"]
    assert "killed" in result["msg"]


def test_looks_that_saw_nothing_are_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh that was killed, an answer that was cut off: not a restart, not an end; only for ever it is not waited."""
    cut = look(B2, results='{"changed"')[:60]
    action = FakeAction([JOB, {"changed": True}], [look(), "", cut, "", look(), "", DONE])
    assert run(action) == {"changed": True}
    monkeypatch.setattr(background, "_RECONNECT", -1.0)
    with pytest.raises(AnsibleConnectionFailure, match="run again to continue"):
        run(FakeAction([JOB], [""] * 9))


def test_result_that_is_not_there_yet_is_waited_for() -> None:
    """And its file is not removed meanwhile."""
    action = FakeAction([JOB, {"started": 1, "finished": 0}, {"changed": True}], [DONE, look(), DONE])
    assert run(action) == {"changed": True}
    assert sum(command.startswith("rm ") for command in action.commands) == 1


def test_a_job_is_alive_as_long_as_its_wrapper() -> None:
    """In the shell itself."""
    name = "j918273645"
    command = Background(t.cast("t.Any", None), "ns.col.mod")._look_command("/nonexistent/j", 0, f"{name}.7")

    def seen() -> bool:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        assert parse_look(done.stdout).understood
        return parse_look(done.stdout).alive

    assert not seen()
    with subprocess.Popen([sys.executable, "-c", "input()", name, "600"], stdin=subprocess.PIPE) as wrapper:
        assert seen()
        wrapper.communicate(b"\n")
    assert not seen()


def test_host_that_takes_no_background_job_runs_the_module_as_ever() -> None:
    action = FakeAction([{"failed": True, "msg": "could not create directory"}, {"error_id": "not_root"}], [])
    assert run(action) == {"error_id": "not_root"}


def test_a_host_cannot_steer_the_terminal() -> None:
    look = parse_look(
        'overc-begin\noverc-progress {"description": "a\\u001b]0;x\\u0007\\u202e", "packages": {"1": 2}, "operation": 1}\noverc-end'
    )
    assert words(look.progress) == "1 None/None: a?]0;x??"
    assert parse_look("overc-begin\noverc-progress " + "[" * 100_000 + "\noverc-end\n").progress == {}
    assert len(words({"description": "x" * 10_000})) < 1000
