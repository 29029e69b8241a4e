# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command of somebody else's within bounds: so many seconds, and so much of its output, the last of it.

A command that waits for ever, or prints without end, may take neither the run nor the host's memory with it.

The file is run as a program of its own (``program``), so it imports only the standard library.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import typing as t

_CHUNK: t.Final = 1 << 16  # bytes
_AFTERWARDS: t.Final = 1.0  # seconds, for output that is still on its way
_AT_ONCE: t.Final = 3600.0  # seconds; the kernel waits for no more than 24 days


def program() -> str:
    """The source of this file, which ends in running it: `python -c`, seconds, bytes, the command with its arguments."""
    loader: t.Any = getattr(__spec__, "loader", None)
    source = loader.get_source(__name__)
    text = source.decode("utf-8") if isinstance(source, bytes) else source  # bytes, where Ansible's own loader has it
    return f"{text}\nmain(sys.argv[1:])\n"


def main(arguments: list[str]) -> None:
    """Print what ``run`` tells."""
    seconds, most, *argv = arguments
    sys.stdout.write(f"{run(float(seconds), int(most), argv)}\n")


def run(seconds: float, most: int, argv: list[str]) -> str:
    """Run ``argv``, which is killed after ``seconds``. JSON: ``rc``, negative for a signal; ``timed_out``; ``stdout`` and
    ``stderr``, the last ``most`` bytes of each, and ``cut``: whether there was more.
    """
    until = time.monotonic() + seconds
    kept = {"stdout": b"", "stderr": b""}
    cut = timed_out = False
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        waiting = selectors.DefaultSelector()
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ, name)
        while waiting.get_map():
            for key, _events in waiting.select(_left(until)):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    waiting.unregister(key.fileobj)
                    continue
                whole = kept[key.data] + data
                cut = cut or len(whole) > most
                kept[key.data] = whole[-most:]
            if time.monotonic() >= until:
                if timed_out or process.poll() is not None:
                    break  # somebody else holds the pipes
                timed_out = True
                process.kill()
                until += _AFTERWARDS
        while process.poll() is None and not timed_out:
            try:
                process.wait(_left(until))
            except subprocess.TimeoutExpired:
                timed_out = time.monotonic() >= until
        if process.poll() is None:
            process.kill()
        rc = process.wait()
    texts = {name: data.decode("utf-8", "surrogateescape") for name, data in kept.items()}
    return json.dumps({"rc": rc, "timed_out": timed_out, "cut": cut, **texts})


def _left(until: float) -> float:
    """How many seconds may be waited in one go."""
    return min(max(until - time.monotonic(), 0), _AT_ONCE)


__all__ = ("main", "program", "run")
