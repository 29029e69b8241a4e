# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every program that a module starts and every path that it writes to, told by the kernel (strace), not by the module.

Split in two: what happens on the host, and what happens behind chroot(2) in the new root, where paths mean that root's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.lab import Host
from tests.lab.python_in_host import command, refresh

_FORKS = frozenset({"clone", "clone3", "fork", "vfork"})
_EXECS = frozenset({"execve", "execveat"})
_OPENS = frozenset({"open", "openat", "openat2", "creat"})
# What changes a directory, and the arguments that name the changed entries
_CHANGES = frozenset({
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat",
    "rmdir", "mknod", "mknodat", "truncate", "chmod", "fchmodat", "chown", "fchownat", "lchown",
})  # fmt: skip
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OTHERS = frozenset({"chroot"})
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
_LINE = re.compile(r"^(?P<pid>\d+)\s+(?P<rest>.*)$")
_CALL = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+|0x[0-9a-f]+|\?)(?P<more>.*)$")
_STRING = re.compile(r'(?:(?P<fd>AT_FDCWD|\d+)(?:<(?P<dir>[^>]*)>)?, )?"(?P<text>(?:[^"\\]|\\.)*)"')
_CHILD = re.compile(r"/\* (\d+) in strace's PID NS \*/")


@dataclass
class Side:
    """``programs`` by file name; ``written`` as the processes there name it."""

    programs: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Trace:
    result: dict[str, t.Any]
    host: Side
    new_root: Side


def _calls(text: str) -> t.Iterator[tuple[int, str, str, str, str]]:
    """(pid, name, arguments, result, what follows); a call that others interrupted is put together again."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        pid, rest = match.groups()
        if rest.endswith(" <unfinished ...>"):
            begun[pid] = rest.removesuffix(" <unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)$", rest)
        if resumed is not None:
            rest = begun.pop(pid, "") + resumed.group(1)
        call = _CALL.match(rest)
        if call is not None:
            yield (int(pid), *t.cast("tuple[str, str, str, str]", call.groups()))


def _path(match: re.Match[str]) -> str:
    """Absolute, where the kernel tells what the descriptor is."""
    text = match.group("text").encode("latin-1", "replace").decode("unicode_escape")
    if text.startswith("/") or match.group("dir") is None:
        return text
    return f"{match.group('dir')}/{text}" if text else match.group("dir")


def _program(arguments: str) -> str:
    match = _STRING.search(arguments)
    return PurePosixPath(match.group("text")).name if match else ""


class _Family:
    """Who started whom, from the fork that made the module to the last grandchild."""

    def __init__(self, calls: t.Sequence[tuple[int, str, str, str, str]]) -> None:
        self._parent: dict[int, int] = {}
        self.module = 0
        self.into_the_new_root: set[int] = set()
        for pid, name, arguments, result, more in calls:
            if name in _FORKS and result not in ("?", "-1"):
                child = _CHILD.search(more)
                self._parent[int(child.group(1)) if child else int(result, 0)] = pid
            elif name in _EXECS and result == "0":
                if _program(arguments) == "python3" and not self.module:
                    self.module = pid
            elif name == "chroot" and result == "0":
                self.into_the_new_root.add(pid)

    def descends(self, pid: int, ancestors: t.Collection[int]) -> bool:
        for _generation in range(100):
            if pid in ancestors:
                return True
            if pid not in self._parent:
                return False
            pid = self._parent[pid]
        return False


def sides(text: str) -> tuple[Side, Side]:
    calls = list(_calls(text))
    family = _Family(calls)
    assert family.module, text[:2000]
    host, new_root = Side(), Side()
    begun, entered = False, set[int]()
    for pid, name, arguments, result, _more in calls:
        if not begun:  # what leads into the lab host
            begun = pid == family.module and name in _EXECS and _program(arguments) == "python3"
            continue
        if pid != family.module and family.descends(family.module, (pid,)):
            continue  # the call that made the module's process may return after that one began
        assert family.descends(pid, (family.module,)), f"process {pid} comes from nowhere"
        if name == "chroot" and pid in family.into_the_new_root:
            entered.add(pid)
        inside = family.descends(pid, entered)
        side = new_root if inside else host
        if result.startswith("-"):
            continue
        strings = list(_STRING.finditer(arguments))
        if name in _EXECS and strings:
            side.programs.add(_program(arguments))
        elif (name in _OPENS and strings and (name == "creat" or _WRITING.search(arguments))) or name in _CHANGES:
            named = strings[-1:] if name.startswith("symlink") else strings
            side.written |= {_path(string) for string in named}
    return host, new_root


def _strace(host: Host, argv: t.Sequence[str]) -> tuple[str, Side, Side]:
    """(what it printed, what it did on the host, what it did in a new root) of a Python program run on a host."""
    watched = ",".join(sorted(_FORKS | _EXECS | _OPENS | _CHANGES | _OTHERS))
    log = host.directory / "strace"
    options = [
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-y",
        "-s",
        "1000",
        "--decode-pids=pidns",
        "-e",
        "signal=none",
        "-o",
        str(log),
    ]
    inside = host._enter(["/usr/bin/env", "-i", f"PATH={_PATH}", "PYTHONDONTWRITEBYTECODE=1", "HOME=/root", *argv])
    done = subprocess.run(
        ["strace", *options, "-e", f"trace={watched}", *inside],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return done.stdout + done.stderr, *sides(Path(log).read_text(errors="replace"))


def traced(host: Host, module: str, args: dict[str, t.Any] | None = None, *, check: bool = False) -> Trace:
    """Run a module on a host under strace."""
    refresh(host.root, module)
    internal = {"_ansible_check_mode": check, "_ansible_diff": False, "_ansible_remote_tmp": "/run/lab-tmp"}
    printed, on_host, in_new_root = _strace(host, command(module, {**(args or {}), **internal}, ""))
    found = [line for line in printed.splitlines() if line.startswith("{")]
    assert found, printed
    return Trace(json.loads(found[-1]), on_host, in_new_root)


def traced_unit(host: Host, unit: str) -> Side:
    """Run what a unit would start, outside of systemd."""
    (line,) = re.findall(r"^ExecStart=(.*)$", host.sh(f"systemctl cat {unit}"), re.MULTILINE)
    printed, on_host, in_new_root = _strace(host, line.split())
    assert "Traceback" not in printed, printed
    assert in_new_root == Side()
    return on_host
