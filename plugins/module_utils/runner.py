# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other programs: one protocol, and its implementation for modules.

This is the only place of the module_utils that meets an ``AnsibleModule``.
"""

from __future__ import annotations

import os
import subprocess
import typing as t
from dataclasses import dataclass

from .errors import OvercError
from .plain import plain
from .redact import redact

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Messages are parsed, so they must come in English. C.UTF-8 and not C: `smart` 1.5 aborts a transaction half-way when
# a scriptlet prints UTF-8 under LC_ALL=C (recorded in the smartpm contract). LANGUAGE overrides LC_ALL in gettext.
ENGLISH: t.Final[dict[str, str]] = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "LANGUAGE": ""}
# Seconds
_SILENCE: t.Final = 1.0
_SYSTEM: t.Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its arguments, exit code and output (text; undecodable bytes escaped)."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    def facts(self) -> dict[str, t.Any]:
        """The keys under which a result returns a tool's own output, without credentials and escapes."""
        return {
            "cmd": [redact(word) for word in self.argv],
            "rc": self.rc,
            "stdout": redact(plain(self.stdout)),
            "stderr": redact(plain(self.stderr)),
        }


class Runner(t.Protocol):
    """Runs a program to its end; stdin is /dev/null; never through a shell."""

    def run(
        self,
        argv: t.Sequence[str],
        *,
        env: t.Mapping[str, str] | None = None,
        pass_fds: t.Sequence[int] = (),
    ) -> Completed:
        """Return what the program left, whatever its exit code. Raises OvercError(tool_missing) if it is not there."""

    def find(self, program: str) -> str | None:
        """The absolute path of a program, or None."""


def check_arguments(argv: t.Sequence[str]) -> None:
    """Raises bad_argument for what no program can be called with: a tool's own output may have led to it."""
    for word in argv:
        if "\0" in word:
            raise OvercError("bad_argument", f"{word!r} has a NUL byte in it and cannot be handed to {argv[0]!r}.")


def run_to_its_end(
    argv: t.Sequence[str], env: t.Mapping[str, str], pass_fds: t.Sequence[int]
) -> tuple[int, bytes, bytes]:
    """Exit code, standard output and standard error of a program; stdin is /dev/null. Raises OSError.

    What the program leaves running, for instance a service that a package started, may hold the output open for ever: once
    the program has ended, a second without its end is enough.

    AnsibleModule.run_command does the same, but asks twice in a row whether the program has ended, and if that happens in
    between, which it does for one in a hundred of short programs, waits a second for nothing (ansible-core 2.19 to 2.21).
    """
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        argv, env=env, pass_fds=pass_fds, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        out, err = _output(process)
    return process.returncode, out, err


def _output(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    has_ended = False
    while True:
        try:
            return process.communicate(timeout=_SILENCE)
        except subprocess.TimeoutExpired as silent:
            if has_ended:
                return silent.stdout or b"", silent.stderr or b""
            has_ended = process.poll() is not None


def with_system_directories(path: str) -> str:
    """A search path that has the directories of administrators' programs as well, after what was there.

    Programs look for others (``dnf`` for ``rpm``), and the path of who logged in need not have these: ``su`` keeps it.
    """
    there = [directory for directory in path.split(":") if directory]
    return ":".join([*there, *[directory for directory in _SYSTEM if directory not in there]])


class ModuleRunner:
    """``Runner`` for a module."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._paths: dict[str, str | None] = {}

    def find(self, program: str) -> str | None:
        if program not in self._paths:
            self._paths[program] = self._module.get_bin_path(program)
        return self._paths[program]

    @staticmethod
    def _environment(env: t.Mapping[str, str] | None) -> dict[str, str]:
        given = {**os.environ, **ENGLISH, **(env or {})}
        return {**given, "PATH": with_system_directories(given.get("PATH", ""))}

    def run(
        self,
        argv: t.Sequence[str],
        *,
        env: t.Mapping[str, str] | None = None,
        pass_fds: t.Sequence[int] = (),
    ) -> Completed:
        check_arguments(argv)
        path = self.find(argv[0])
        if path is None:
            raise OvercError(
                "tool_missing", f"The program {argv[0]!r} is not installed on this host; install it first."
            )
        rc, out, err = run_to_its_end([path, *argv[1:]], self._environment(env), pass_fds)
        return Completed(tuple(argv), rc, out.decode(errors="surrogateescape"), err.decode(errors="surrogateescape"))


__all__ = (
    "ENGLISH",
    "Completed",
    "ModuleRunner",
    "Runner",
    "check_arguments",
    "run_to_its_end",
    "with_system_directories",
)
