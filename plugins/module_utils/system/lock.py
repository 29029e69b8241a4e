# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a host: an flock that dies with its process, and a note saying who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import typing as t

from ..errors import OvercError
from .own_dirs import RUNTIME_DIR, ensure_runtime_dir
from .presence import status

# A killed run's package manager needs a moment to be killed after it; it holds the lock until it is gone.
_DYING_SECONDS: t.Final = 10.0
_POLL_SECONDS: t.Final = 0.05


class HostLock:
    """Context manager. ``fd`` may be passed on to a child that must be gone before the next run begins."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._path = os.path.join(ensure_runtime_dir(), "lock")
        self.fd = -1

    def __enter__(self) -> HostLock:
        self._open()
        deadline = time.monotonic() + _DYING_SECONDS
        while not self._try():
            holder = read_holder(self._path)
            if holder is None or _alive(holder) or time.monotonic() > deadline:
                os.close(self.fd)
                who = f"{holder['command']} (process {holder['pid']}, since {holder['since']})" if holder else "unknown"
                raise OvercError(
                    "locked",
                    f"Another run holds the lock of this host: {who}. Nothing was changed; wait for it to finish.",
                    holder=holder,
                )
            time.sleep(_POLL_SECONDS)
        note = {
            "pid": os.getpid(),
            "command": self._command,
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        with contextlib.suppress(OSError):  # /run may be full: who holds it is for people only
            os.ftruncate(self.fd, 0)
            os.pwrite(self.fd, json.dumps(note).encode(), 0)
        return self

    def _open(self) -> None:
        try:
            self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OvercError(
                "inconsistent", f"The lock {self._path} cannot be opened ({error.strerror}); remove it and try again."
            ) from error

    def _try(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        mine, there = os.fstat(self.fd), status(self._path)
        if there is None or (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
            os.close(self.fd)  # somebody removed it meanwhile: that lock keeps nobody out
            self._open()
            return self._try()
        return True

    def __exit__(self, *_exc: object) -> None:
        os.close(self.fd)


def read_holder(path: str) -> dict[str, t.Any] | None:
    """The note of whoever took the lock last, None if there is none to be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            note = json.loads(stream.read(4096))
    except (OSError, ValueError):
        return None
    wanted = {"pid": int, "command": str, "since": str}
    if isinstance(note, dict) and all(isinstance(note.get(key), kind) for key, kind in wanted.items()):
        return note
    return None


def _alive(holder: dict[str, t.Any]) -> bool:
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except OverflowError:
        return False
    return True


def current_holder() -> dict[str, t.Any] | None:
    """Which other process holds the lock now, None if it is free or ours. Takes nothing and creates nothing."""
    path = os.path.join(RUNTIME_DIR, "lock")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = read_holder(path) or {"pid": None, "command": "unknown", "since": None}
        return None if holder["pid"] == os.getpid() else holder
    finally:
        os.close(fd)
    return None


__all__ = ("HostLock", "current_holder", "read_holder")
