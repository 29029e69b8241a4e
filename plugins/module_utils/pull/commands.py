# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a program within bounds: so many seconds, and so much of its output, of which the beginning and the end are kept.

Whoever prints for ever, a server by way of git or a task of the playbook, takes neither the host's memory nor its log.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
import typing as t

MOST: t.Final = 32 << 20  # bytes of an output that are kept
MOST_SHOWN: t.Final = 1 << 20  # the same of one that goes into the host's log
_NOTE: t.Final = "\n[{} bytes were left out here]\n"
_CHUNK: t.Final = 1 << 16  # bytes
_SILENCE: t.Final = (
    1.0  # seconds for what comes after the end: what the program leaves running may hold its output open
)


class _Kept:
    """An output: the beginning and the end of one that is longer than ``most``."""

    def __init__(self, most: int) -> None:
        self.half = most // 2
        self._head, self._tail, self._left_out = bytearray(), bytearray(), 0

    def add(self, data: bytes) -> None:
        room = self.half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room else data
        if len(self._tail) >= 2 * self.half + _CHUNK:  # not each time: what stays is moved
            self._cut()

    def _cut(self) -> None:
        surplus = max(len(self._tail) - self.half, 0)
        del self._tail[:surplus]
        self._left_out += surplus

    def whole(self) -> bytes:
        self._cut()
        if not self._left_out:
            return bytes(self._head + self._tail)
        # Lines as a whole, or words: a part of what is to be hidden would not be recognised
        end = max(self._head.rfind(b"\n"), self._head.rfind(b" ") if b"\n" not in self._head else -1) + 1
        head = bytes(self._head[:end])
        tail = bytes(self._tail.partition(b"\n")[2] or self._tail.partition(b" ")[2])
        left_out = self._left_out + len(self._head) + len(self._tail) - len(head) - len(tail)
        return b"".join((head, _NOTE.format(left_out).encode(), tail))


def run(
    argv: t.Sequence[str],
    *,
    timeout: float,
    env: t.Mapping[str, str] | None = None,
    cwd: str | None = None,
    data: bytes | None = None,
    together: bool = False,
    most: int = MOST,
) -> subprocess.CompletedProcess[bytes]:
    """As subprocess.run(): raises TimeoutExpired, with the output until then, and OSError.

    ``data`` goes to its standard input; ``together``: standard error goes where standard output does.
    """
    until = time.monotonic() + timeout
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        argv,
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if together else subprocess.PIPE,
    ) as process:
        try:
            kept, in_time = _until(process, until, data or b"", most)
        except BaseException:
            process.kill()
            raise
        output, errors = kept["stdout"].whole(), kept["stderr"].whole()
        if not in_time:
            process.kill()
            raise subprocess.TimeoutExpired(process.args, timeout, output=output, stderr=errors)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _until(process: subprocess.Popen[bytes], until: float, data: bytes, most: int) -> tuple[dict[str, _Kept], bool]:
    """What the program printed, and whether it ended by itself."""
    kept = {"stdout": _Kept(most), "stderr": _Kept(most)}
    silent_until: float | None = None
    with selectors.DefaultSelector() as waiting:
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ, name)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            waiting.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        rest = memoryview(data)
        while waiting.get_map() or silent_until is None:
            rest = _once(waiting, kept, rest, process)
            now = time.monotonic()
            if silent_until is None and process.poll() is not None:
                silent_until = now + _SILENCE
            elif now >= (until if silent_until is None else silent_until):
                return kept, silent_until is not None
    return kept, True


def _once(
    waiting: selectors.BaseSelector, kept: t.Mapping[str, _Kept], rest: memoryview, process: subprocess.Popen[bytes]
) -> memoryview:
    """Read what is there, and write what is taken; what is left to be written."""
    if not waiting.get_map():
        time.sleep(0.01)
    for key, _events in waiting.select(0.1) if waiting.get_map() else ():
        if key.data == "stdin":
            rest = _given(key.fd, rest)
            if not rest and process.stdin is not None:
                waiting.unregister(key.fileobj)
                process.stdin.close()
            continue
        read = os.read(key.fd, _CHUNK)
        kept[key.data].add(read)
        if not read:
            waiting.unregister(key.fileobj)
    return rest


def _given(fd: int, rest: memoryview) -> memoryview:
    """What is left to be written; nothing, once nobody reads."""
    try:
        return rest[os.write(fd, rest[:_CHUNK]) :] if rest else rest
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]


__all__ = ("MOST", "MOST_SHOWN", "run")
