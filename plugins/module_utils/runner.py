# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other programs: one protocol, and its implementation on top of ``AnsibleModule.run_command``.

This is the only place of the module_utils that meets an ``AnsibleModule``.
"""

from __future__ import annotations

import os
import subprocess
import typing as t
from dataclasses import dataclass

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.redact import redact

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Messages are parsed, so they must come in English. C.UTF-8 and not C: `smart` 1.5 aborts a transaction half-way when
# a scriptlet prints UTF-8 under LC_ALL=C (recorded in the smartpm contract). LANGUAGE overrides LC_ALL in gettext.
ENGLISH: t.Final[dict[str, str]] = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "LANGUAGE": ""}
# Seconds
_ABOUT_TO_END: t.Final = 0.1


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its arguments, exit code and output (text; undecodable bytes escaped)."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    def facts(self) -> dict[str, t.Any]:
        """The keys under which a result returns a tool's own output, without credentials."""
        return {
            "cmd": [redact(word) for word in self.argv],
            "rc": self.rc,
            "stdout": redact(self.stdout),
            "stderr": redact(self.stderr),
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


def wait_for_its_end(process: subprocess.Popen[bytes]) -> None:
    """Let ``poll`` of a program that is about to end wait for that, a tenth of a second at most.

    run_command asks it twice in a row once the output is closed. A program that ends in between, which is one in a
    hundred of the short ones that a run consists of, costs it a whole second of waiting for output that cannot come
    (ansible-core 2.19 to 2.21, AnsibleModule.run_command).
    """

    def poll() -> int | None:
        try:
            return process.wait(_ABOUT_TO_END)
        except subprocess.TimeoutExpired:
            return None

    process.poll = poll  # type: ignore[method-assign]


class ModuleRunner:
    """``Runner`` on top of a module's ``run_command``."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._paths: dict[str, str | None] = {}
        # run_command lets programs inherit stdin; a package manager that asks must read end-of-file instead.
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)

    def find(self, program: str) -> str | None:
        if program not in self._paths:
            self._paths[program] = self._module.get_bin_path(program)
        return self._paths[program]

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
        rc, out, err = self._module.run_command(
            [path, *argv[1:]],
            environ_update={**ENGLISH, **(env or {})},
            expand_user_and_vars=False,
            errors="surrogate_or_replace",
            handle_exceptions=False,
            pass_fds=list(pass_fds),
            before_communicate_callback=wait_for_its_end,
        )
        return Completed(argv=tuple(argv), rc=rc, stdout=out, stderr=err)


__all__ = ("ENGLISH", "Completed", "ModuleRunner", "Runner", "check_arguments", "wait_for_its_end")
