# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that outlives its connection: the work is a process of its own from its first instant, and who was called only
waits for it.

The controller gives the work a name. Whoever comes with a name that is known begins nothing, and waits for the same work: so
a controller whose connection was lost, and that does not know how far it came, calls once more. What is kept of it is in
memory, and gone with the next boot.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import sys
import time
import typing as t

from ..errors import OvercError
from .own_dirs import RUNTIME_DIR, ensure_runtime_dir

JOBS_DIR: t.Final = f"{RUNTIME_DIR}/async"
_NAME: t.Final = re.compile(r"[0-9a-f]{32}")
_POLL: t.Final = 0.1
# Bytes for the number of the process and when it began
_ROOM: t.Final = 64
_LONGEST: t.Final = 3600.0
# Between the claim and the first thing that is known of who made it
_STARTING: t.Final = 10.0
# Results that nobody has come for
_FORGOTTEN: t.Final = 86400.0
RESTARTED: t.Final = "The host restarted in the middle. Run again: what was interrupted is repaired first."
KILLED: t.Final = "The module was killed on the host. Run again: what was interrupted is repaired first."


def enter(name: t.Any, wait: t.Any, begun: t.Any = False) -> None:
    """Returns in the process that does the work, and in none where nothing can be kept in memory; there it is done as ever.

    Whoever was called ends here, with the result of the work, or after ``wait`` seconds without. ``begun``: it is known to
    have begun, and where nothing is left of it, the host has lost its memory.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return
    seconds = min(float(wait), _LONGEST) if isinstance(wait, (int, float)) else 0.0
    path = os.path.join(JOBS_DIR, name)
    with contextlib.suppress(OSError):  # without an answer nobody knows that it is lost
        if begun is True and _read(f"{path}.pid") is None:
            _answer(json.dumps({"failed": True, "changed": True, "msg": RESTARTED}))
    try:
        _directory()
    except (OSError, OvercError):
        return
    try:
        claim = os.open(f"{path}.pid", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        _answer(_follow(path, seconds, None))
    except OSError:
        return
    try:
        # Now is the time to find out that there is no room: later nobody could be told who does the work
        os.pwrite(claim, b" " * _ROOM, 0)
        streams = [_create(f"{path}.new"), _create(f"{path}.err")]
        # Until the work has a session of its own, the end of this one's terminal is not to be its end
        hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        worker = os.fork()
    except OSError:
        _forget(path)
        return
    if worker:
        signal.signal(signal.SIGHUP, hang_up)
        _write(_follow(path, seconds, worker))
        # What is done at an exit belongs to the work, the directory with its code too
        os._exit(0)
    _detach(path, claim, *streams)
    signal.signal(signal.SIGHUP, hang_up)


def _directory() -> None:
    ensure_runtime_dir()
    with contextlib.suppress(FileExistsError):
        os.mkdir(JOBS_DIR, 0o700)
    for entry in os.listdir(JOBS_DIR):
        path = os.path.join(JOBS_DIR, entry)
        with contextlib.suppress(OSError):
            if time.time() - os.lstat(path).st_mtime > _FORGOTTEN and not _alive(path.partition(".")[0]):
                os.unlink(path)


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _forget(path: str) -> None:
    for suffix in (".pid", ".new", ".err"):
        with contextlib.suppress(OSError):
            os.unlink(path + suffix)


def _detach(path: str, claim: int, output: int, errors: int) -> None:
    """Away from the connection: neither its terminal nor its pipes are ours any more."""
    os.setsid()
    os.pwrite(claim, f"{os.getpid()} {_started(os.getpid())}".ljust(_ROOM - 1).encode() + b"\n", 0)
    os.close(claim)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (output, 1), (errors, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)

    def done() -> None:
        """Only what is complete has its name."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.rename(f"{path}.new", path)

    atexit.register(done)


def _follow(path: str, seconds: float, worker: int | None) -> str:
    """The result of the work as the module printed it; or, where it goes on, that it does."""
    began = time.monotonic()
    while True:
        try:
            ended = _ended(path, worker, time.monotonic() - began)
            found = _read(path)
            said = " ".join((_read(f"{path}.err") or "").split())[-500:] if ended and found is None else ""
        except OSError:
            ended, found, said = False, None, ""  # no answer is no end: asked again
        if found is not None:
            return found
        if ended:
            more = {"module_stderr": said} if said else {}
            return json.dumps({"failed": True, "changed": True, "msg": KILLED, **more})
        if time.monotonic() - began >= seconds:
            return json.dumps({"changed": True, "overc_at_work": True})
        time.sleep(_POLL)


def _ended(path: str, worker: int | None, waited: float) -> bool:
    """Whether the work is over, with a result or without."""
    if worker is not None:
        try:
            return os.waitpid(worker, os.WNOHANG) != (0, 0)
        except ChildProcessError:
            return True
    return not _alive(path) and (waited > _STARTING or bool((_read(f"{path}.pid") or "").strip()))


def _alive(path: str) -> bool:
    """Whether the process that does the work is there: that very one, not another with its number."""
    pid, _space, started = (_read(f"{path}.pid") or "").strip().partition(" ")
    return pid.isdecimal() and bool(started) and _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process was started, in ticks since the boot; nothing where there is none, or nothing but its exit code."""
    said = _read(f"/proc/{pid}/stat") or ""
    fields = said.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _answer(said: str) -> t.NoReturn:
    """Of a call that has begun nothing, and leaves nothing behind."""
    _write(said)
    raise SystemExit(0)


def _write(said: str) -> None:
    with contextlib.suppress(OSError):
        data = f"\n{said}\n".encode(errors="surrogateescape")
        while data:
            data = data[os.write(1, data) :]


__all__ = ("JOBS_DIR", "KILLED", "enter")
