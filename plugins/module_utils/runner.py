# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other programs: one protocol, and its implementation for modules.

This is the only place of the module_utils that meets an ``AnsibleModule``.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import time
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
# Bytes of an output that are kept: no tool that is understood here prints as much, but a package's script may print for ever
MOST: t.Final = 32 << 20
# Characters of it that are shown: a result goes to the controller, and into files there
MOST_SHOWN: t.Final = 1 << 20
_NOTE: t.Final = "\n[{} bytes were left out here]\n"
_CHUNK: t.Final = 1 << 16
_SYSTEM: t.Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its arguments, exit code and output (text; undecodable bytes escaped)."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    def facts(self) -> dict[str, t.Any]:
        """The keys under which a result returns a tool's own output, without credentials and escapes; of much, both ends."""
        return {
            "cmd": [redact(word) for word in self.argv],
            "rc": self.rc,
            "stdout": redact(plain(both_ends(self.stdout, MOST_SHOWN))),
            "stderr": redact(plain(both_ends(self.stderr, MOST_SHOWN))),
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
    kept = {"out": _Kept(), "err": _Kept()}
    has_ended, until = False, time.monotonic() + _SILENCE
    with selectors.DefaultSelector() as waiting:
        for name, stream in (("out", process.stdout), ("err", process.stderr)):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ, name)
        while waiting.get_map():
            for key, _events in waiting.select(max(until - time.monotonic(), 0)):
                data = os.read(key.fd, _CHUNK)
                kept[key.data].add(data)
                if not data:
                    waiting.unregister(key.fileobj)
            if time.monotonic() >= until:
                if has_ended:
                    break
                has_ended, until = process.poll() is not None, time.monotonic() + _SILENCE
    return kept["out"].whole(), kept["err"].whole()


class _Kept:
    """An output: the beginning and the end of one that is longer than ``MOST``, in about as much memory."""

    def __init__(self) -> None:
        self._head, self._tail, self._left_out = bytearray(), bytearray(), 0

    def add(self, data: bytes) -> None:
        room = MOST // 2 - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room else data
        if len(self._tail) >= MOST:  # not each time: what stays is moved
            self._cut()

    def _cut(self) -> None:
        surplus = max(len(self._tail) - MOST // 2, 0)
        del self._tail[:surplus]
        self._left_out += surplus

    def whole(self) -> bytes:
        self._cut()
        note = _NOTE.format(self._left_out).encode() if self._left_out else b""
        return b"".join((self._head, note, self._tail))


def both_ends(text: str, most: int) -> str:
    """A text of which no more than ``most`` characters are kept, no word in part: credentials are found in whole words."""
    if len(text) <= most:
        return text
    # (Looked for from its blank: else a long word before another one is looked through again from each of its letters.)
    last = re.search(r"\s\S*\Z", text[: most // 2])
    head = text[: last.start()] if last else ""
    tail = re.sub(r"\A\S+", "", text[-(most // 2) :]).lstrip()
    return f"{head.rstrip()}{_NOTE.format(len(text) - len(head) - len(tail))}{tail}"


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
            # Without its search path a host would look as if everything were missing
            found = self._module.get_bin_path(program)
            self._paths[program] = found or shutil.which(program, path=":".join(_SYSTEM))
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
    "MOST",
    "MOST_SHOWN",
    "Completed",
    "ModuleRunner",
    "Runner",
    "both_ends",
    "check_arguments",
    "run_to_its_end",
    "with_system_directories",
)
