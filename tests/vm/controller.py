# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible as a user has it, against one virtual machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.settings import REPOSITORY
from tests.vm.machine import Machine

Result = dict[str, t.Any]

# Appended to the transaction of a copy of this collection: says on the console that a point was reached, and stays there
# as long as /run/vm-stop names the point.
_STOPPING = """

def _stop_at_point(when: str, step: str) -> None:
    import os, time

    point = when + "-" + step
    with open("/run/vm-points", "a") as passed:
        passed.write(point + "\\n")
    announced = False
    while True:
        try:
            with open("/run/vm-stop") as wanted:
                if point not in wanted.read().split():
                    return
        except OSError:
            return
        if not announced:
            with open("/run/vm-pid", "w") as me:
                me.write(str(os.getpid()))
            with open("/dev/ttyS0", "w") as console:
                console.write("\\nVM-POINT " + point + "\\n")
            announced = True
        time.sleep(0.02)


# Also right after the calls that change something for good, which is not on the disk yet
def _stop_after(call: str) -> None:
    import os

    whole = getattr(os, call)

    def wrapper(*args, **options):
        result = whole(*args, **options)
        _stop_at_point("in", _at_work[-1])
        return result

    setattr(os, call, wrapper)


def _hook(when: str, step: str) -> None:
    _at_work.append(step)
    _stop_at_point(when, step)


_at_work = [""]
_stop_after("rename")
_stop_after("pwrite")
step_hook = _hook


# And after what a program of btrfs changed
from ..btrfs import subvolumes as _subvolumes

_program = _subvolumes._btrfs


def _stop_after_program(*args):
    done = _program(*args)
    _stop_at_point("btrfs", _at_work[-1])
    return done


_subvolumes._btrfs = _stop_after_program
"""


def stopping_collection(target: Path) -> Path:
    """A copy of this collection that can be stopped at any step; returns its collections path."""
    collection = target / "ansible_collections/overc/system"
    shutil.copytree(REPOSITORY / "plugins", collection / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("roles", "playbooks", "meta"):
        shutil.copytree(REPOSITORY / name, collection / name)
    shutil.copy(REPOSITORY / "galaxy.yml", collection)
    seam = collection / "plugins/module_utils/host/transaction.py"
    text = seam.read_text()
    assert "step_hook: StepHook = _no_hook" in text
    seam.write_text(text + _STOPPING)
    return target


@dataclass(frozen=True)
class Answer:
    rc: int
    stdout: str
    stderr: str

    @property
    def result(self) -> Result:
        """What the module of an ad-hoc command said."""
        head, found, body = self.stdout.partition(" => {")
        assert found, self.stdout + self.stderr
        value: Result = json.JSONDecoder().raw_decode("{" + body)[0]
        if head.endswith(("FAILED!", "UNREACHABLE!")):
            value["failed"] = True
        return value


class Controller:
    def __init__(self, machine: Machine, collections: Path | None = None) -> None:
        self._machine = machine
        self._collections = collections

    def _environment(self) -> dict[str, str]:
        own = {
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(self._machine.directory / "inventory.yml"),
            "ANSIBLE_NOCOLOR": "1",
            # A busy machine that is emulated
            "ANSIBLE_TIMEOUT": "120",
            "ANSIBLE_SSH_RETRIES": "3",
        }
        if self._collections is not None:
            own["ANSIBLE_COLLECTIONS_PATH"] = str(self._collections)
            own["ANSIBLE_LIBRARY"] = str(self._collections / "ansible_collections/overc/system/plugins/modules")
            own["ANSIBLE_ACTION_PLUGINS"] = str(self._collections / "ansible_collections/overc/system/plugins/action")
        return {**os.environ, **own}

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        argv = [str(Path(sys.executable).with_name(program)), *arguments]
        return subprocess.Popen(
            argv, env=self._environment(), cwd=REPOSITORY, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, program: str, *arguments: str, timeout: float = 900) -> Answer:
        with self.start(program, *arguments) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Answer(process.returncode, stdout, stderr)

    def call(self, module: str, *options: str) -> Result:
        """One module of the collection, ad hoc; whatever it answers, ``failed`` or not."""
        return self.run("ansible", "vm", "-m", f"overc.system.{module}", *options).result

    def __call__(self, module: str, *options: str) -> Result:
        """One module that must succeed."""
        result = self.call(module, *options)
        assert not result.get("failed"), (result.get("error_id"), result.get("msg"), result)
        return result
