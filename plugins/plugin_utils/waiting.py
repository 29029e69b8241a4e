# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While a host is away: a line every now and then that says what was last seen of it, and how much time is left."""

from __future__ import annotations

import threading
import time
import typing as t

# Seconds between two lines
EVERY: t.Final = 25.0
_TOO_MUCH: t.Final = ("Failed to connect to the host via ssh:", "Failed to connect to the host via paramiko:", "ssh:")


def cause(error: t.Any) -> str:
    """What a failed attempt said, without what everybody knows: its last line, which is where ssh says why."""
    text = str(error).strip()
    for words in _TOO_MUCH:
        text = text.removeprefix(words).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".")[:200] if lines else "no answer"


def line(waited: float, limit: float, last: str) -> str:
    """``does not answer yet, 120 of 600 seconds; last: Connection refused``."""
    said = f"does not answer yet, {round(waited)} of {round(limit)} seconds"
    return f"{said}; last: {last}" if last else said


class Waiting:
    """Says ``line`` regularly until it is left, from a thread: a single attempt may take longer than people like to wait.

    ``last`` is what was last seen of the host; whoever makes the attempts sets it.
    """

    def __init__(self, say: t.Callable[[str], None], limit: float, *, every: float = EVERY) -> None:
        self.last = ""
        self._say, self._limit, self._every = say, limit, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._began = time.monotonic()

    def __enter__(self) -> Waiting:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(self._every):
            self._say(line(time.monotonic() - self._began, self._limit, self.last))


__all__ = ("EVERY", "Waiting", "cause", "line")
