# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While a fleet run goes on: which hosts of a wave may go, when the run stops, what it may bring back."""

from __future__ import annotations

import typing as t

from .host_outcome import Answer, Entry
from .option_kinds import count_of, percentage
from .run_options import closed
from .run_plan import Plan

# What counts against the limit of a wave
_COUNTED: t.Final = frozenset({"rollback_failed", "unreachable", "interrupted", "drained", "failed", "rolled_back"})

# A host that was let go and has no result: it is at work, or Ansible has dropped it without one
LOST: t.Final[Entry] = {
    "status": "interrupted",
    "reason": "It was at work when this was written, or was lost to the run. Run again to go on with it.",
}


def gate(
    of: Plan,
    results: t.Mapping[str, Answer],
    wave: t.Sequence[str],
    now: str,
    before: t.Mapping[str, t.Any] | None = None,
) -> Entry:
    """Which hosts of a wave may go: those not withheld, unless the run is stopped or the window closed.

    ``results`` are those so far, or those that ``before``, the last answer, did not know of yet: what it said stays true, so
    that no host is looked at more than once. ``stop`` is the sentence why the run ends, ``shut`` why it ends for today.
    """
    stop = (before or {}).get("stop") or stopped(of, results)
    options = of["options"]
    shut = None if stop else closed(now, options.get("window", ""), options.get("not_after", ""))
    rejected = rejected_plans(of, results) | set((before or {}).get("rejected") or ())
    go = [] if stop or shut else [host for host in wave if of["hosts"][host].get("fingerprint") not in rejected]
    return {
        "go": go,
        "stop": stop,
        "shut": shut,
        "rejected": sorted(rejected),
        "number": next((n for n, known in enumerate(of["waves"], 1) if set(wave) & set(known)), 0),
        "last": bool(of["waves"]) and set(wave) & set(of["waves"][-1]) != set(),
    }


def rejected_plans(of: Plan, results: t.Mapping[str, Answer]) -> set[str]:
    """Fingerprints that a host of this run took, and then failed its health checks or its reboot with."""
    named = {str(entry) for entry in of["options"].get("rejected_plans") or ()}
    if not of["options"].get("withhold_rejected", True):
        return named
    own = {str(result["fingerprint"]) for result in results.values() if result and result.get("rejects_plan")}
    return named | {fingerprint for fingerprint in own if fingerprint}


def stopped(of: Plan, results: t.Mapping[str, Answer]) -> str | None:
    options = of["options"]
    limit = percentage("fleet_max_fail_percentage", options.get("max_fail_percentage", 0))
    for number, wave in enumerate(of["waves"], 1):
        bad = [host for host in wave if (results.get(host) or {}).get("status") in _COUNTED]
        canary = number == 1 and has_canary(of)
        allowed = 0.0 if canary else limit
        if bad and 100 * len(bad) / len(wave) > allowed:
            name = "The canary" if canary else f"Wave {number}"
            return f"{name} failed on {len(bad)} of {len(wave)} ({', '.join(bad[:5])}): the run was stopped."
    return None


def has_canary(of: Plan) -> bool:
    """Whether the first wave is the canary."""
    return count_of(of["options"].get("canary", 1), 1, "fleet_canary") > 0


def done_hosts(of: Plan, results: t.Mapping[str, Answer]) -> list[str]:
    """Hosts that this run switched, newest wave first: what a stopped run may bring back."""
    good = ("upgraded", "staged")
    return [host for wave in reversed(of["waves"]) for host in wave if (results.get(host) or {}).get("status") in good]


__all__ = (
    "LOST",
    "done_hosts",
    "gate",
    "has_canary",
    "rejected_plans",
    "stopped",
)
