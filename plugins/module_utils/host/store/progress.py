# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a transaction is: a small file in memory that the controller looks at while the module works.

It is for people only. Nothing is ever decided by it, and whatever goes wrong with it is ignored.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import typing as t

from ...system.own_dirs import RUNTIME_DIR
from ...system.rooted_path import resolve_in_root

PROGRESS_FILE: t.Final = f"{RUNTIME_DIR}/progress.json"
# Where a package manager writes one line for every package that is in its place, and which line that is
_LOGS: t.Final = {
    "/var/log/dnf.rpm.log": re.compile(rb" SUBDEBUG (?:Upgrade|Installed|Downgrade|Reinstall|Erase): "),
    "/var/log/dpkg.log": re.compile(rb" status installed "),
}
_EVERY: t.Final = 0.5


class Progress:
    """Where a plan with ``total`` steps is."""

    def __init__(self, operation: str, total: int, path: str = PROGRESS_FILE) -> None:
        self._path = path
        self._now: dict[str, t.Any] = {"operation": operation, "total": total, "pid": os.getpid()}

    def step(self, number: int, name: str, description: str) -> None:
        """A step begins."""
        self._now.update(number=number, step=name, description=description, packages=None)
        self._write()

    def done(self) -> None:
        """No step is at work any more."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    @contextlib.contextmanager
    def packages(self, root: str, total: int) -> t.Iterator[None]:
        """While the package manager works in ``root``: how many packages are in place, as its own log tells."""
        logs = [_Log(root, name, line) for name, line in _LOGS.items()]
        stop = threading.Event()

        def watch() -> None:
            seen = 0
            while not stop.wait(_EVERY):
                count = sum(log.count() for log in logs)
                if count != seen:
                    seen = count
                    self._now["packages"] = [min(count, total), total]
                    self._write()

        self._now["packages"] = [0, total]
        self._write()
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _write(self) -> None:
        unfinished = f"{self._path}.new"
        with contextlib.suppress(OSError, ValueError):
            with open(unfinished, "w", encoding="utf-8", errors="replace") as stream:
                json.dump(self._now, stream)
            os.rename(unfinished, self._path)


class _Log:
    """The lines that were added to a log since this object was made."""

    def __init__(self, root: str, name: str, line: re.Pattern[bytes]) -> None:
        self._root, self._name, self._line = root, name, line
        self._begin = 0
        with contextlib.suppress(OSError):
            path = resolve_in_root(root, name)
            self._begin = os.path.getsize(path) if path else 0

    def count(self) -> int:
        try:
            path = resolve_in_root(self._root, self._name)
            if path is None:
                return 0
            with open(path, "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                stream.seek(self._begin if size >= self._begin else 0)
                return len(self._line.findall(stream.read(1 << 22)))
        except OSError:
            return 0


__all__ = ("PROGRESS_FILE", "Progress")
