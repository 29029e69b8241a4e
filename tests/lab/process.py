# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs, recognising processes again, waiting and locking."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

Argument = str | os.PathLike[str]


class LabError(Exception):
    """The lab could not do what it was asked for; the message is meant for people."""


def run(argv: Sequence[Argument], *, stdin: str | None = None, check: bool = True, **more: t.Any) -> str:
    """Run a program of this machine and return what it printed."""
    done = subprocess.run(
        [os.fspath(a) for a in argv], input=stdin, capture_output=True, text=True, check=False, **more
    )
    if check and done.returncode != 0:
        output = (done.stderr + done.stdout).strip()[-2000:]
        raise LabError(f"{shlex.join(os.fspath(a) for a in argv)} failed with {done.returncode}: {output}")
    return str(done.stdout)


def start_background(argv: Sequence[Argument], log: Path, cwd: Path) -> int:
    """Start a program that outlives this process; returns its pid."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [os.fspath(a) for a in argv],
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    # As long as this process lives, somebody has to collect the exit status
    threading.Thread(target=process.wait, daemon=True).start()
    return process.pid


def say(text: str) -> None:
    """One line of progress."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def wait_for(condition: Callable[[], t.Any], what: str, timeout: float, interval: float = 0.02) -> t.Any:
    """Poll until the condition is true and return its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(interval)


def started_at(pid: int) -> int | None:
    """The kernel's start time of a process: together with the pid it never names another process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def alive(pid: int | None, start: int | None) -> bool:
    return pid is not None and start is not None and started_at(pid) == start


@contextlib.contextmanager
def locked(path: Path) -> t.Iterator[None]:
    """One at a time, among all processes of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_atomic(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def read_json(path: Path) -> dict[str, t.Any]:
    """An empty dictionary where there is no such file."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return t.cast("dict[str, t.Any]", value)
