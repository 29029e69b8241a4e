# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules on a lab host by the thousand: one interpreter that forks for every case, so a case costs milliseconds."""

from __future__ import annotations

import json
import os
import selectors
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Host
from tests.lab.python_in_host import refresh
from tests.lab.settings import PYTHON_IN_HOST

# In the host's own interpreter. An audit hook cannot be taken out again by the module it watches.
_SERVER = """\
import json, os, runpy, sys, tempfile
sys.path.insert(0, sys.argv.pop())
from ansible.module_utils.testing import patch_module_args
import ansible.module_utils.basic
# What the modules import is imported once, not again in every case; the modules themselves are run anew in each
import importlib, pkgutil
from ansible_collections.overc.system.plugins import module_utils
for found in pkgutil.walk_packages(module_utils.__path__, module_utils.__name__ + "."):
    importlib.import_module(found.name)
PREFIX = "ansible_collections.overc.system.plugins.modules."
answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr

def case(call, out, err, programs):
    os.dup2(out, 1), os.dup2(err, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    def watch(event, arguments):
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
            os.write(programs, os.fsencode(arguments[0]) + b"\\n")
    sys.addaudithook(watch)
    with patch_module_args(call["args"]):
        runpy.run_module(PREFIX + call["module"], run_name="__main__", alter_sys=True)

for line in sys.stdin:
    call, files = json.loads(line), [tempfile.TemporaryFile(dir="/run") for _ in range(3)]
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            case(call, *[file.fileno() for file in files])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush(), sys.stderr.flush()
            finally:
                os._exit(code)
    _pid, status = os.waitpid(pid, 0)
    said = [(file.seek(0), file.read().decode("utf-8", "replace"))[1] for file in files]
    print(json.dumps([status, *said]), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a case; ``programs`` are the names of what it started."""

    status: int
    stdout: str
    stderr: str
    programs: frozenset[str]

    @property
    def result(self) -> dict[str, t.Any]:
        found: dict[str, t.Any] = json.loads(self.stdout)
        return found


class ModuleServer:
    """``with ModuleServer(host) as server: server.call(...)``."""

    def __init__(self, host: Host) -> None:
        refresh(host.root, "overc_host_info")
        self._process = host.popen(["/usr/bin/python3", "-c", _SERVER, PYTHON_IN_HOST], stdin=-1)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def call(self, module: str, args: t.Mapping[str, t.Any], *, check: bool, timeout: float = 60) -> Outcome:
        """Run a module with these arguments. Raises TimeoutError for a hang, which leaves this server unusable."""
        internal = {"_ansible_check_mode": check, "_ansible_diff": check, "_ansible_remote_tmp": "/run/lab-tmp"}
        request = json.dumps({"module": module, "args": {**args, **internal}})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                raise TimeoutError(f"{module} did not end within {timeout:g} s with {args!r}")
        status, stdout, stderr, programs = json.loads(self._process.stdout.readline())
        names = frozenset(Path(line).name for line in programs.splitlines())
        return Outcome(os.waitstatus_to_exitcode(status), stdout, stderr, names)
