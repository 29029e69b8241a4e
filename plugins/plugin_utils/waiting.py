# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever waits is told every now and then: what was last seen of the host, and how much time is left."""

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


def still(text: str, seconds: float, limit: float = 0) -> str:
    """``upgrade 3/16: run it, for 75 seconds now``; with a limit ``..., 75 of 600 seconds``."""
    return (
        f"{text}, {round(seconds)} of {round(limit)} seconds" if limit else f"{text}, for {round(seconds)} seconds now"
    )


class Told:
    """Says at once what is new, and says it again after a while in which nothing was, until it is left. From a thread: a single
    look at a host may take longer than people like to wait.
    """

    def __init__(self, say: t.Callable[[str], None], *, every: float = EVERY) -> None:
        self._say, self._every = say, every
        self._text, self._limit = "", 0.0
        self._since = self._last = time.monotonic()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Told:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def say(self, text: str, limit: float = 0, *, since: float = 0, aloud: bool = True) -> None:
        """``limit``: seconds that this may take, from ``since`` on (of the monotonic clock; now, if not given); ``aloud``: not
        only when it has lasted a while.
        """
        with self._lock:
            if not text or text == self._text:
                return
            self._text, self._limit = text, limit
            self._last = time.monotonic()
            self._since = since or self._last
            if aloud:
                self._say(text)

    def _go_on(self) -> None:
        while not self._over.wait(self._every / 10):
            with self._lock:
                now = time.monotonic()
                if self._text and now - self._last >= self._every:
                    self._last = now
                    self._say(still(self._text, now - self._since, self._limit))


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


__all__ = ("EVERY", "Told", "Waiting", "cause", "line", "still")
