# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether it is a host's turn: from what its own and the other rings said about an upgrade. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .verdicts import Verdict

GO: t.Final = "go"
WAIT: t.Final = "wait"
WITHHELD: t.Final = "withheld"
SKEW: t.Final = 3600  # seconds by which clocks may differ
STALE: t.Final = 30 * 86400  # seconds after which a success says nothing any more


@dataclass(frozen=True)
class Ring:
    """``successes`` the next ring needs from this one, ``failures`` it may have at most, ``soak``: seconds that a success
    has to be old. ``hosts``: those that belong to it; empty where keys, or the store, say who may write.
    """

    name: str
    successes: int = 1
    failures: int = 0
    soak: int = 0
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What was read of one ring: as many as decide it, each host once. ``trouble``: why that cannot be told."""

    good: tuple[Verdict, ...] = ()
    bad: tuple[Verdict, ...] = ()
    failed: tuple[Verdict, ...] = ()
    trouble: str = ""


class Decision(t.NamedTuple):
    """``word``: go, wait or withheld; ``reason``: a sentence for people."""

    word: str
    reason: str


def counts(verdict: Verdict, soak: int, now: int) -> bool:
    """Whether a success counts now: not too fresh, not too old, and not from a time that is yet to come."""
    age = now - verdict.at
    return age >= -SKEW and soak <= max(age, 0) and age <= STALE + soak


def decide(rings: t.Sequence[Ring], mine: str, seen: t.Mapping[str, Seen], now: int) -> Decision:
    """Whether a host of the ring ``mine`` may take an upgrade. ``now``: seconds since 1970.

    Whatever is missing in ``seen`` was not read, so the host waits.
    """
    names = [ring.name for ring in rings]
    if mine not in names:
        return Decision(WAIT, f"The ring of this host, {mine}, is none of {', '.join(names) or 'those declared'}.")
    for ring in rings:
        bad = {verdict.host: verdict for verdict in seen.get(ring.name, Seen()).bad}
        if len(bad) > ring.failures:
            return Decision(WITHHELD, _withheld(ring, list(bad.values())))
    for ring in rings:
        trouble = seen[ring.name].trouble if ring.name in seen else "nobody asked"
        if trouble:
            return Decision(WAIT, f"The verdicts of ring {ring.name} cannot be read, so this host waits: {trouble}")
    for ring in rings[: names.index(mine)]:
        of = seen[ring.name]
        failed = {verdict.host for verdict in (*of.bad, *of.failed)}
        if len(failed) > ring.failures:
            return Decision(
                WAIT, f"{_hosts(len(failed))} of ring {ring.name} failed, {ring.failures} may: {_some(failed)}."
            )
        fine = {verdict.host for verdict in of.good if counts(verdict, ring.soak, now)} - failed
        if len(fine) < ring.successes:
            fresh = len({verdict.host for verdict in of.good} - failed - fine)
            more = f", {fresh} more not yet or no longer count" if fresh else ""
            return Decision(
                WAIT, f"{_hosts(len(fine))} of ring {ring.name} did this upgrade, {ring.successes} must have{more}."
            )
    return Decision(GO, "")


def _hosts(count: int) -> str:
    return f"{count} host{'' if count == 1 else 's'}"


def _some(hosts: t.Iterable[str]) -> str:
    ordered = sorted(hosts)
    return ", ".join(ordered[:3]) + (" and others" if len(ordered) > 3 else "")


def _withheld(ring: Ring, bad: t.Sequence[Verdict]) -> str:
    first = min(bad, key=lambda verdict: verdict.host)
    why = f" {first.host}: {first.reason}" if first.reason else ""
    some = _some(verdict.host for verdict in bad)
    return f"This upgrade failed on {some} of ring {ring.name}, so no host gets it until it changes.{why}"


__all__ = ("GO", "SKEW", "STALE", "WAIT", "WITHHELD", "Decision", "Ring", "Seen", "counts", "decide")
