# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a module from afar: what a look at the host means, and what connection losses and dead jobs lead to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.overc.system.plugins.plugin_utils import background
from ansible_collections.overc.system.plugins.plugin_utils.background import Background, parse_look, words

PROGRESS = {"operation": "upgrade", "number": 2, "total": 15, "description": "run it", "packages": [3, 5], "pid": 7}


def look(over: str = "no", progress: t.Any = None, said: str = "") -> str:
    far = json.dumps(progress) if progress else ""
    return f"overc-begin\noverc-progress {far}\noverc-over {over}\noverc-result {said}\noverc-end\n"


def test_look() -> None:
    seen = parse_look(look(progress=PROGRESS))
    assert (seen.understood, seen.over) == (True, False)
    assert words(seen.progress) == "upgrade 2/15: run it (3 of 5 packages)"
    assert parse_look(look("yes")).over
    # Cut short, or nonsense: not over, and nothing to say
    cut = look("yes").replace("overc-end\n", "")
    for output in ("", "b1\n", look(""), look("Permission denied"), look(progress=[1]), look(progress={"x": 1}), cut):
        assert not parse_look(output).over
        assert words(parse_look(output).progress) == ""
    assert not parse_look(cut).understood


@pytest.mark.parametrize("over", ["yes", "no"])
@pytest.mark.parametrize(
    "around",
    [
        "{}", "\n{}", "\r\n\r\n{}", "[sudo] password for me:\n{}", "Password: \r\n{}\r\n",
        "Welcome!\noverc-over yes\n{}", "+ printf %s overc-begin\n{}logout\n", "motd {{\n{}Connection to h1 closed.\n",
    ],
)  # fmt: skip
def test_what_shells_and_terminals_print_besides(around: str, over: str) -> None:
    """su, sudo with a terminal, a greeting in a profile: it is never taken for the job's own words."""
    seen = parse_look(around.format(look(over, PROGRESS).replace("\n", "\r\n")))
    assert seen == parse_look(look(over, PROGRESS))
    assert (seen.understood, seen.over) == (True, over == "yes")


class FakeShell:
    def __init__(self) -> None:
        self.options = {"remote_tmp": "~/.ansible/tmp"}

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
        self._connection = type("Connection", (), {"_shell": shell, "reset": self._reset})()

    def _reset(self, *_: object) -> None:
        self.resets += 1

    def _execute_module(self, module_name: str, module_args: dict[str, t.Any], **_: t.Any) -> t.Any:
        assert self._connection._shell.options["remote_tmp"] == "/dev/shm"
        self.called.append((module_name, module_args))
        return self._next(self.modules)

    _used_interpreter = None
    _parse_returned_data = ActionBase._parse_returned_data

    def _low_level_execute_command(self, command: str) -> dict[str, t.Any]:
        self.commands.append(command)
        return {"stdout": "" if command.startswith("rm ") else self._next(self.looks)}

    @staticmethod
    def _next(script: list[t.Any]) -> t.Any:
        answer = script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


WORKS = {"changed": True, "overc_at_work": True}
OVER = look("yes")
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


def jobs(action: FakeAction) -> list[dict[str, t.Any]]:
    assert all(name == "ns.col.mod" and args["a"] == 1 for name, args in action.called)
    return [args["_overc_job"] for _name, args in action.called]


def test_what_a_reboot_removes_is_left_to_it() -> None:
    for result, left in (
        ({"reboot_required": True}, True),
        ({"reboot_required": False}, False),
        ({"reboot_required": True, "failed": True}, False),
    ):
        action = FakeAction([dict(result)], [])
        run(action, then_reboots=True)
        assert any(command.startswith("rm ") for command in action.commands) is not left


def test_short_work_is_one_call() -> None:
    action = FakeAction([{"changed": True}], [])
    assert run(action) == {"changed": True}
    assert len(action.called) == 1
    assert [command.startswith("rm -f /run/overc-system/async/") for command in action.commands] == [True]


def test_result_is_that_of_the_module(no_waiting: list[str]) -> None:
    action = FakeAction([dict(WORKS), {"changed": True}], [look(progress=PROGRESS), OVER])
    assert run(action) == {"changed": True}
    assert no_waiting == ["h1: upgrade 2/15: run it (3 of 5 packages)"]
    first, last = jobs(action)
    assert re.fullmatch("[0-9a-f]{32}", first["name"])
    assert last == {**first, "begun": True}
    assert action.commands[-1].startswith(f"rm -f /run/overc-system/async/{first['name']} ")
    assert action._connection._shell.options["remote_tmp"] == "~/.ansible/tmp"


def test_the_last_look_brings_the_result(no_waiting: list[str]) -> None:
    """As the module printed it: nothing is called for it once more."""
    printed = {"changed": True, "upgrades": [{"name": "a \\ b"}], "_ansible_suppress_tmpdir_delete": False}
    action = FakeAction([dict(WORKS)], [look(progress=PROGRESS), look("yes", said=json.dumps(printed))])
    assert run(action) == {"changed": True, "failed": False, "upgrades": [{"name": "a \\ b"}]}
    assert len(action.called) == 1
    assert action.commands[-1].startswith("rm ")
    assert no_waiting == ["h1: upgrade 2/15: run it (3 of 5 packages)"]


@pytest.mark.parametrize("said", ['{"changed": tr', '{"changed": true}{"a": 1}', "Traceback", "[1]", "}"])
def test_a_result_that_is_not_whole_is_asked_for(said: str) -> None:
    action = FakeAction([dict(WORKS), {"changed": True}], [look("yes", said=said)])
    assert run(action) == {"changed": True}
    assert len(action.called) == 2


def test_it_is_known_whether_the_end_was_seen_at_once() -> None:
    for looks, lost in (([look(), OVER], False), ([look(), GONE, OVER], True), ([look(), "", OVER], True)):
        action = FakeAction([dict(WORKS), {"changed": True}], list(looks))
        made = Background(t.cast("t.Any", action), "ns.col.mod")
        made.run({"a": 1}, {"inventory_hostname": "h1"})
        assert made.was_lost is lost


def test_each_run_has_a_name_of_its_own() -> None:
    names = {jobs(action)[0]["name"] for action in (FakeAction([{}], []), FakeAction([{}], [])) if run(action) == {}}
    assert len(names) == 2


def test_lost_connections_are_made_again(no_waiting: list[str]) -> None:
    """Wherever it was lost, the same work is asked for: whether it had begun is known only to the host."""
    action = FakeAction([GONE, dict(WORKS), GONE, {"changed": True}], [look(), GONE, GONE, look(), OVER])
    assert run(action) == {"changed": True}
    assert action.resets == 4
    assert "h1: the connection was lost, connecting again (Failed to connect)" in no_waiting
    assert len({job["name"] for job in jobs(action)}) == 1
    assert [job.get("begun", False) for job in jobs(action)] == [False, False, True, True]


def test_who_waited_on_the_host_was_killed() -> None:
    """That is no result of the work; a host on which nothing can be run says the same once more."""
    no_answer = {"failed": True, "msg": "MODULE FAILURE", "module_stdout": "", "rc": 137}
    action = FakeAction([dict(no_answer), dict(WORKS), dict(no_answer), {"changed": True}], [OVER])
    assert run(action) == {"changed": True}
    assert len({job["name"] for job in jobs(action)}) == 1
    assert run(FakeAction([dict(no_answer), dict(no_answer)], [])) == no_answer


def test_the_interpreter_that_was_found_is_kept() -> None:
    found = {"discovered_interpreter_python": "/usr/bin/python3"}
    action = FakeAction([{**WORKS, "ansible_facts": found}, {"changed": True}], [OVER])
    assert run(action) == {"changed": True, "ansible_facts": found}


def test_a_step_that_takes_long_is_said_again(no_waiting: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while a look does not come back: the connection of a host that is gone may hang for long."""
    monkeypatch.setattr("ansible_collections.overc.system.plugins.plugin_utils.background.EVERY", 0.02)
    action = FakeAction([dict(WORKS), {"changed": True}], [look(progress=PROGRESS), look(progress=PROGRESS), OVER])
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
    """And now and then the module itself is asked: it knows a process from another one with its number."""
    action = FakeAction([dict(WORKS), dict(WORKS), {"changed": True}], [*[look()] * 63, OVER])
    assert run(action) == {"changed": True}
    quarters = [int(re.findall(r"-lt (\d+) ", command)[0]) for command in action.commands[:-1]]
    assert quarters[:3] == [24, 48, 80]
    assert set(quarters[3:60]) == {80}


def test_a_look_waits_on_the_host_for_the_end(tmp_path: Path) -> None:
    """In the shell itself: for a result, the end of the process, or a step that is new; each with what this sleep knows."""
    path, slept, progress = tmp_path / "j 1", tmp_path / "slept", tmp_path / "progress"
    program, claim = tmp_path / "sleep", tmp_path / "j 1.pid"
    program.touch(0o755)
    made = Background(t.cast("t.Any", None), "ns.col.mod")._look_command(str(path), 4)
    command = made.replace("/run/overc-system/progress.json", str(progress))
    assert command != made

    def waits(known: str = "0.25", then: str = "true") -> tuple[list[str], bool]:
        """``known`` is the only duration that the sleep of this host takes; ``then`` is done at its third one."""
        after = f"[ $(wc -l <'{slept}') = 3 ] && {then}"
        program.write_text(f"#!/bin/sh\necho $1 >>'{slept}'\n{after}\n[ $1 = {known} ]\n")
        slept.write_text("")
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert parse_look(done.stdout).understood
        return slept.read_text().split(), parse_look(done.stdout).over

    progress.write_text(json.dumps(PROGRESS))
    assert waits() == ([], True), "nothing of it is there"
    claim.write_text(f"{os.getpid()} 7\n")
    assert waits() == (["0.25"] * 16, False)
    assert waits("1") == (["0.25", "1"] * 4, False)
    assert waits(then=f"echo new >'{progress}'") == (["0.25"] * 12, False), "not with each of many small steps"
    assert waits(then=f"touch '{path}'") == (["0.25"] * 3, True)
    printed = '\n{"a": "b \\\\ c %s $d `e`"}\r\n'
    path.write_text(printed)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert parse_look(done.stdout).said == printed.strip()
    path.unlink()
    claim.write_text("999999999 7\n")
    assert waits() == ([], True), "it was killed"


def test_silence_is_given_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_RECONNECT", -1.0)
    with pytest.raises(AnsibleConnectionFailure, match="run again to continue"):
        run(FakeAction([dict(WORKS)], [GONE]))


def test_what_the_module_says_of_work_that_was_killed_is_the_end() -> None:
    killed = {"failed": True, "msg": "The module was killed on the host."}
    assert run(FakeAction([dict(WORKS), dict(killed)], [look(progress=PROGRESS), OVER])) == killed


def test_looks_that_saw_nothing_are_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh that was killed, an answer that was cut off: not an end; only for ever it is not waited."""
    cut = OVER[:20]
    action = FakeAction([dict(WORKS), {"changed": True}], [look(), "", cut, "", look(), "", OVER])
    assert run(action) == {"changed": True}
    monkeypatch.setattr(background, "_RECONNECT", -1.0)
    with pytest.raises(AnsibleConnectionFailure, match="run again to continue"):
        run(FakeAction([dict(WORKS)], [""] * 9))


def test_a_host_cannot_steer_the_terminal() -> None:
    look = parse_look(
        'overc-begin\noverc-progress {"description": "a\\u001b]0;x\\u0007\\u202e", "packages": {"1": 2}, "operation": 1}\noverc-end'
    )
    assert words(look.progress) == "1 None/None: a?]0;x??"
    assert parse_look("overc-begin\noverc-progress " + "[" * 100_000 + "\noverc-end\n").progress == {}
    assert len(words({"description": "x" * 10_000})) < 1000
