# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that outlives whoever waits for it, with real processes: killed at any moment, asked for twice, or never begun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.system import job

ROOT = Path(__file__).resolve().parents[5]
NAME = "0123456789abcdef0123456789abcdef"
# A module: it notes that it ran, works until it may end, and says so
PROGRAM = """
import json, os, sys, time
sys.path.insert(0, {collections!r})
from ansible_collections.overc.system.plugins.module_utils.system import job
job.JOBS_DIR = {jobs!r}
job._directory = lambda: os.makedirs(job.JOBS_DIR, exist_ok=True)
try:
    job.enter(sys.argv[1], float(sys.argv[2]), sys.argv[3] == "begun")
except SystemExit:
    open({left!r}, "a").write("x")  # what Ansible's own frame does at the end
    raise
with open({ran!r}, "a") as stream:
    stream.write(f"{{os.getpid()}}\\n")
end = time.monotonic() + 60
while not os.path.exists({go!r}) and time.monotonic() < end:
    time.sleep(0.02)
print("\\n" + json.dumps({{"changed": True, "session": os.getsid(0) == os.getpid()}}))
raise SystemExit(0)
"""


class Module:
    def __init__(self, directory: Path) -> None:
        self.jobs, self.ran, self.go = directory / "jobs", directory / "ran", directory / "go"
        self.program, self.left = directory / "module.py", directory / "left"
        names = {
            "jobs": self.jobs,
            "ran": self.ran,
            "go": self.go,
            "left": self.left,
            "collections": ROOT / ".collections",
        }
        self.program.write_text(PROGRAM.format(**{key: str(value) for key, value in names.items()}))

    def call(self, wait: float = 30, name: str = NAME, begun: str = "") -> subprocess.Popen[str]:
        """As Ansible calls it: from a session of its own, with pipes."""
        argv = [sys.executable, str(self.program), name, str(wait), begun]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def answer(self, wait: float = 30, name: str = NAME, begun: str = "") -> dict[str, t.Any]:
        with self.call(wait, name, begun) as process:
            return self.said(process)

    @staticmethod
    def said(process: subprocess.Popen[str]) -> dict[str, t.Any]:
        output, _errors = process.communicate(timeout=60)
        return t.cast("dict[str, t.Any]", json.loads(output))

    def worker(self) -> int:
        end = time.monotonic() + 30
        while not (self.ran.exists() and self.ran.read_text().endswith("\n")):
            assert time.monotonic() < end
            time.sleep(0.02)
        (pid,) = self.ran.read_text().split()
        return int(pid)


DONE = {"changed": True, "session": True}


@pytest.fixture
def module(tmp_path: Path) -> t.Iterator[Module]:
    # Where the tests run under nohup a hang-up is ignored, and programs inherit that
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    found = Module(tmp_path)
    yield found
    found.go.touch()
    signal.signal(signal.SIGHUP, before)


def test_short_work_is_answered_by_the_call_that_began_it(module: Module) -> None:
    module.go.touch()
    assert module.answer() == DONE
    assert not module.left.exists(), "the code is that of the work, which may still need it"
    assert module.answer() == DONE, "asked once more, as after a connection that was lost right before the end"
    assert module.left.read_text() == "x", "what was sent for the second call goes with it"
    assert len(module.ran.read_text().split()) == 1
    assert sorted(path.name for path in module.jobs.iterdir()) == [NAME, f"{NAME}.err", f"{NAME}.pid"]


@pytest.mark.parametrize("how", ["kill", "hang up", "terminate", "close"])
@pytest.mark.parametrize("when", ["at once", "at work"])
def test_who_waits_may_go_at_any_moment(module: Module, how: str, when: str) -> None:
    """The end of a connection: its processes are killed, hung up, or talk to nobody."""
    with module.call() as process:
        if when == "at work":
            module.worker()
        if how == "close":
            assert process.stdout is not None
            process.stdout.close()
        else:
            number = {"kill": signal.SIGKILL, "hang up": signal.SIGHUP, "terminate": signal.SIGTERM}[how]
            os.killpg(process.pid, number)
            process.wait(30)
        module.go.touch()
        assert module.answer() == DONE
    assert len(module.ran.read_text().split()) == 1


def test_two_that_begin_at_once(module: Module) -> None:
    with module.call() as one, module.call() as other:
        module.worker()
        module.go.touch()
        assert [module.said(one), module.said(other)] == [DONE, DONE]
    assert len(module.ran.read_text().split()) == 1


def test_long_work_is_left_and_found_again(module: Module) -> None:
    assert module.answer(0) == {"changed": True, "overc_at_work": True}
    module.worker()
    assert module.answer(0.2, begun="begun") == {"changed": True, "overc_at_work": True}
    module.go.touch()
    assert module.answer(begun="begun") == DONE


@pytest.mark.parametrize("waits", [True, False])
def test_work_that_is_killed(module: Module, waits: bool) -> None:
    with module.call(30 if waits else 0) as process:
        pid = module.worker()
        if not waits:
            assert module.said(process)["overc_at_work"]
        os.kill(pid, signal.SIGKILL)
        found = module.said(process) if waits else module.answer(begun="begun")
    assert found == {"failed": True, "changed": True, "msg": job.KILLED}
    assert len(module.ran.read_text().split()) == 1, "nothing is begun anew under that name"


def test_another_process_with_its_number_is_not_it(module: Module) -> None:
    module.jobs.mkdir()
    (module.jobs / f"{NAME}.pid").write_text(f"{os.getpid()} 1\n")
    (module.jobs / f"{NAME}.err").write_text("Segmentation fault\n")
    assert module.answer(begun="begun")["module_stderr"] == "Segmentation fault"
    assert not module.ran.exists()


def test_a_host_that_has_restarted_begins_nothing_anew(module: Module) -> None:
    assert module.answer(begun="begun") == {"failed": True, "changed": True, "msg": job.RESTARTED}
    assert not module.ran.exists()


@pytest.mark.parametrize("name", ["../../x", "", NAME.upper()])
def test_without_a_name_or_a_place_it_is_done_as_ever(module: Module, name: str) -> None:
    module.go.touch()
    assert module.answer(name=name) == DONE
    module.jobs.write_text("no directory")
    assert module.answer() == DONE
    assert len(module.ran.read_text().split()) == 2


def test_without_room_it_is_done_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "JOBS_DIR", str(tmp_path))
    monkeypatch.setattr(job, "_directory", lambda: None)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("nobody could be told of it"))
    monkeypatch.setattr(os, "pwrite", full)
    job.enter(NAME, 1)
    assert list(tmp_path.iterdir()) == []


def test_results_that_nobody_came_for_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "JOBS_DIR", str(tmp_path))
    monkeypatch.setattr(job, "ensure_runtime_dir", lambda: str(tmp_path))
    started = job._started(os.getpid())
    files = {"old": "{}", "old.pid": "999999999 1", "mine": "{}", "mine.pid": f"{os.getpid()} {started}"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "young").write_text("{}")
    job._directory()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "mine.pid", "young"]
