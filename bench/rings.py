# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rings of 100,000 hosts, simulated: how long until a bad upgrade has stopped, and how many hosts had it by then.

``python -m bench.rings``. Whose turn it is decides the code that hosts run; time, timers and how long a host takes are made up
here. Every number is the median of all rounds, the largest one in brackets.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import sys
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":  # the collection as tests see it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / ".collections"))

from ansible_collections.overc.system.plugins.module_utils.pull.rings import GO, WITHHELD, Ring, Seen, decide
from ansible_collections.overc.system.plugins.module_utils.pull.verdicts import BAD, GOOD, Verdict

SIZES: t.Final = {"canary": 10, "early": 990, "broad": 9_000, "rest": 90_000}
RINGS: t.Final = (
    Ring("canary", successes=8, failures=0, soak=3600),
    Ring("early", successes=100, failures=2, soak=3600),
    Ring("broad", successes=300, failures=5, soak=3600),
    Ring("rest", failures=10),
)
DAY: t.Final = 86_400
BUILD, BOOT = (120, 480), (180, 420)  # seconds, at least and at most
DAYS: t.Final = 8


@dataclass
class Round:
    """What became of one upgrade. Times are seconds since the first host's timer."""

    booted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIZES, 0))
    failed: int = 0
    first_failure: float | None = None
    last_boot: float = 0.0
    done: dict[int, float] = field(default_factory=dict)  # percent of the fleet -> when


class World:
    """The verdicts as hosts read them: of each ring, as many as decide."""

    def __init__(self) -> None:
        self.seen = {ring.name: Seen() for ring in RINGS}
        self._answers: dict[tuple[str, int], str] = {}

    def add(self, ring: Ring, host: int, at: float, *, bad: bool) -> None:
        of = self.seen[ring.name]
        new = Verdict(str(host), ring.name, "f", BAD if bad else GOOD, int(at))
        if bad and len(of.bad) <= ring.failures:
            self.seen[ring.name] = Seen(of.good, (*of.bad, new))
            self._answers.clear()
        elif not bad and len(of.good) < ring.successes:
            self.seen[ring.name] = Seen((*of.good, new), of.bad)
            self._answers.clear()

    def answer(self, ring: Ring, now: float) -> str:
        key = ring.name, int(now) // 60  # within a minute it is the same answer
        if key not in self._answers:
            self._answers[key] = decide(RINGS, ring.name, self.seen, key[1] * 60).word
        return self._answers[key]


def play(share: float, period: int, spread: int, seed: int, only: str = "", rings: bool = True) -> Round:
    """One upgrade that fails on this share of the hosts (of the ring ``only``, if that is given).

    ``period``: seconds from one run of a host's timer to the next; ``spread``: over which the hosts' timers are spread.
    """
    chance = random.Random(seed)
    found, world = Round(), World()
    hosts = [ring for ring in RINGS for _host in range(SIZES[ring.name])]
    breaks = [chance.random() < share and only in ("", ring.name) for ring in hosts]
    # (when, number, what): the timer, the second question right before the reboot, the verdict
    events: list[tuple[float, int, int]] = [(chance.random() * spread, number, 0) for number in range(len(hosts))]
    heapq.heapify(events)
    total = 0
    while events and events[0][0] < DAYS * DAY:
        now, number, step = heapq.heappop(events)
        ring = hosts[number]
        word = world.answer(ring, now) if rings else GO
        if step < 2 and word == WITHHELD:
            continue  # for good, until the upgrade changes
        if step == 0:
            later = (now + chance.uniform(*BUILD), number, 1) if word == GO else (now + period, number, 0)
            heapq.heappush(events, later)
        elif step == 1 and word != GO:
            heapq.heappush(events, (now + period, number, 0))
        elif step == 1:
            found.booted[ring.name] += 1
            found.last_boot = now
            heapq.heappush(events, (now + chance.uniform(*BOOT), number, 2))
        else:
            world.add(ring, number, now, bad=breaks[number])
            if breaks[number]:
                found.failed += 1
                found.first_failure = now if found.first_failure is None else found.first_failure
            else:
                total += 1
                for percent in (1, 50, 99):
                    if percent not in found.done and total * 100 >= percent * len(hosts):
                        found.done[percent] = now
    return found


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} d"


def _middle(values: t.Sequence[float], shown: t.Callable[[float], str]) -> str:
    return f"{shown(statistics.median(values))} ({shown(max(values))})"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def table(rounds: int) -> list[str]:
    """Lines of Markdown."""
    kinds = [
        ("on every host", 1.0, ""),
        ("on 10% of hosts", 0.1, ""),
        ("on 1% of hosts", 0.01, ""),
        ("on 0.1% of hosts", 0.001, ""),
        ("on 1% of the last ring only", 0.01, "rest"),
    ]
    lines = [
        "| the upgrade fails | timers | hosts that booted it | of these failed | from the first failure to the last boot |",
        "|---|---|---|---|---|",
    ]
    for words, share, only in kinds:
        for timers, period, spread in (("daily, over 3 h", DAY, 3 * 3600), ("daily, over 24 h", DAY, DAY)):
            found = [play(share, period, spread, seed, only) for seed in range(rounds)]
            booted = [sum(one.booted.values()) for one in found]
            times = [max(one.last_boot - (one.first_failure or one.last_boot), 0) for one in found]
            lines.append(
                f"| {words} | {timers} | {_middle(booted, _count)} | {_middle([one.failed for one in found], _count)} "
                f"| {_middle(times, _hours)} |"
            )
    lines += ["", "| a good upgrade, timers | 1% of hosts have it | 50% | 99% |", "|---|---|---|---|"]
    for timers, period, spread in (
        ("daily, over 3 h", DAY, 3 * 3600),
        ("daily, over 24 h", DAY, DAY),
        ("every 4 h, over 4 h", 4 * 3600, 4 * 3600),
    ):
        one = play(0.0, period, spread, 0)
        lines.append(f"| {timers} | {' | '.join(_hours(one.done[percent]) for percent in (1, 50, 99))} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rings", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("\n".join(table(options.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
