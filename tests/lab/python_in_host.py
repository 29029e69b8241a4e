# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of this collection for real inside a host, without the controller: milliseconds instead of seconds.

The hosts of a lab share a copy of ansible's module_utils and of this checkout's plugins, mounted in their /run (not the
root subvolume) and refreshed whenever a source file changed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import LabError, locked
from tests.lab.settings import PYTHON_IN_HOST, REPOSITORY, digest

# What AnsiballZ does around a module, in the host's own interpreter. ``ansible.module_utils.testing`` would do it as well,
# but takes longer than all else together: it imports unittest.mock, and that asyncio.
_BOOTSTRAP = """\
import json, runpy, sys
call = json.loads(sys.argv[1])
del sys.argv[1:]
sys.path.insert(0, call["path"])
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": call["args"]}).encode()
basic._ANSIBLE_PROFILE = "legacy"
exec(compile(call["prelude"], "<prelude>", "exec"), {"__name__": "prelude"})
runpy.run_module(call["module"], run_name="__main__", alter_sys=True)
"""


@dataclass
class ModuleRun:
    """A module at work; ``wait`` collects what it says."""

    process: subprocess.Popen[str]

    def wait(self, timeout: float | None = None) -> dict[str, t.Any]:
        stdout, stderr = self.process.communicate(timeout=timeout)
        for line in reversed(stdout.splitlines()):
            if line.startswith("{"):
                result: dict[str, t.Any] = json.loads(line)
                result["_stderr"] = stderr
                return result
        raise LabError(
            f"the module ended with {self.process.returncode} and no result\n{stdout[-2000:]}\n{stderr[-4000:]}"
        )


def _collection_files() -> list[Path]:
    plugins = REPOSITORY / "plugins"
    return sorted(p for p in plugins.rglob("*.py") if "__pycache__" not in p.parts)


def refresh(host_root: Path, name: str) -> None:
    """Bring the files for module ``name``; ``host_root`` is the running host's root, seen from outside."""
    target = host_root / PYTHON_IN_HOST.lstrip("/")
    with locked(target / "lock"):
        _refresh(target, name)


def _refresh(target: Path, name: str) -> None:
    from ansible import release

    if not (target / "ansible").exists():
        source = Path(release.__file__).parent
        unfinished = target / "ansible.part"
        ignored = shutil.ignore_patterns("__pycache__", "powershell", "csharp", "*.psm1", "*.cs")
        shutil.copytree(source / "module_utils", unfinished / "module_utils", ignore=ignored)
        # As AnsiballZ does: the real one belongs to the controller
        (unfinished / "__init__.py").write_text(f"__version__ = {release.__version__!r}\n")
        (unfinished / "modules").mkdir()
        unfinished.rename(target / "ansible")
    if name.startswith("ansible.modules."):
        builtin = f"{name.removeprefix('ansible.modules.')}.py"
        shutil.copy2(Path(release.__file__).parent / "modules" / builtin, target / "ansible/modules")
    files = _collection_files()
    stamp = digest(*(f"{p} {p.stat().st_mtime_ns} {p.stat().st_size}" for p in files))
    marker = target / "stamp"
    if marker.exists() and marker.read_text() == stamp:
        return
    collection = target / "ansible_collections/overc/system"
    shutil.rmtree(collection, ignore_errors=True)
    for file in files:
        place = collection / file.relative_to(REPOSITORY)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place)
    marker.write_text(stamp)


def command(name: str, args: dict[str, t.Any], prelude: str) -> list[str]:
    """``name`` is a module of this collection, or a full dotted one."""
    module = name if "." in name else f"ansible_collections.overc.system.plugins.modules.{name}"
    call = {"path": PYTHON_IN_HOST, "module": module, "args": args, "prelude": prelude}
    return ["/usr/bin/python3", "-c", _BOOTSTRAP, json.dumps(call)]
