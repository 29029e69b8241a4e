# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of what a measurement was made, on which machine, and whether that had nothing else to do meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
import typing as t
from pathlib import Path

from tests.lab.settings import REPOSITORY

Result = dict[str, t.Any]
# What others may take of the processors while something is measured
_OTHERS: t.Final = 0.05
# What a hypervisor may give to other machines
_STEAL: t.Final = 0.01
_TICKS: t.Final = os.sysconf("SC_CLK_TCK")


class Processors(t.NamedTuple):
    """Seconds of all processors since the machine started, as /proc/stat has them."""

    busy: float
    idle: float
    steal: float


def processors() -> Processors:
    user, nice, system, idle, wait, irq, soft, steal = (
        int(text) / _TICKS for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return Processors(user + nice + system + irq + soft, idle + wait, steal)


def own_seconds() -> float:
    """Of this process and the children that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def between(before: Processors, after: Processors) -> Result:
    """What the processors did: shares of all there was."""
    busy, idle, steal = (new - old for new, old in zip(after, before, strict=True))
    every = max(busy + idle + steal, 1e-9)
    return {"busy": round(busy / every, 3), "steal": round(steal / every, 4)}


def before_it(seconds: float = 10.0) -> Result:
    """What the machine does while we do nothing: its load, and how busy it is for as long as that."""
    first = processors()
    time.sleep(seconds)
    found = between(first, processors())
    quiet = found["busy"] <= _OTHERS and found["steal"] <= _STEAL
    return {**found, "load": [round(value, 2) for value in os.getloadavg()], "quiet": quiet}


def commit() -> Result:
    """Which commit is measured, and whether that is all of it."""

    def git(*argv: str) -> str:
        done = subprocess.run(["git", *argv], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return {"commit": git("rev-parse", "HEAD") or None, "modified": bool(git("status", "--porcelain"))}


def machine() -> Result:
    return {
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


__all__ = ("Processors", "before_it", "between", "commit", "machine", "own_seconds", "processors")
