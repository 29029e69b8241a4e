# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: what became of every chosen host."""

from __future__ import annotations

import typing as t

from ..module_utils.people import alike, names, plural
from .host_outcome import Answer, Entry
from .run_gate import rejected_plans, stopped
from .run_options import closed
from .run_plan import Plan

# Status of a host at the end of a run -> what it means. The order is the order of a report: what needs a person first.
STATUSES: t.Final[dict[str, str]] = {
    "rollback_failed": "failed, and could not be brought back: needs a person",
    "unreachable": "does not answer: needs a person",
    "interrupted": "was at work when the run ended, or was lost to it: run again to go on",
    "drained": "could not be put back into service: needs a person",
    "attention": "is not in order, or could not be looked at: needs a person",
    "last_failed": "runs its normal system, but the last run over it did not end well",
    "failed": "failed, still on the system it had",
    "rolled_back": "failed, and is back on the system it had",
    "unready": "was not ready and was not touched",
    "reverted": "was done, then brought back because the run was stopped",
    "withheld": "not touched: its upgrade is known to be bad",
    "not_started": "not touched: the run was stopped before its turn",
    "postponed": "not touched: the run ended before its turn",
    "waiting": "not touched: its ring's turn has not come, or the verdicts cannot be read",
    "staged": "the new system is built and waits for a reboot",
    "upgraded": "runs the new system",
    "returned": "runs the system it is meant to return to",
    "undrained": "was put back into service, out of which an earlier run had left it",
    "cancelled": "its staged upgrade was cancelled",
    "planned": "would be changed",
    "current": "nothing to do",
    "looked_at": "runs its normal system",
}
GOOD: t.Final = frozenset(
    {"looked_at", "staged", "upgraded", "returned", "undrained", "cancelled", "planned", "current"}
)

# How many there are of a status, in words, where the status alone would say little
_COUNTED: t.Final[dict[str, str]] = {"current": "with nothing to do"}


def summary(
    of: Plan, results: t.Mapping[str, Answer], reverts: t.Mapping[str, Answer], now: str, *, at_work: bool = False
) -> Entry:
    """The record of a run: what became of every chosen host. The report is made from it.

    ``at_work``: a wave was let go and has not come to its end, so nothing has stopped the run.
    """
    stop = None if at_work else stopped(of, results)
    hosts = _entries(of, results, reverts, now, of["hosts"], stop=stop, rejected=rejected_plans(of, results))
    # In a refused run, the others only wait for those that are not ready
    bad = of["unready"] if of["refused"] and of["unready"] else bad_of(hosts)
    return {
        "format": 1,
        "command": of["command"],
        "check_mode": of["check_mode"],
        "started": of["started"],
        "updated": now,
        "refused": of["refused"],
        "stopped": stop,
        "options": of["options"],
        "waves": of["waves"],
        "counts": counts_of(hosts),
        "bad": bad,
        "hosts": hosts,
    }


def changes(
    of: Plan, results: t.Mapping[str, Answer], now: str, hosts: t.Collection[str], gate: t.Mapping[str, t.Any]
) -> Entry:
    """The record of only these hosts of a wave, ``gate`` being what was decided for it: what has changed by them."""
    stop, rejected = gate.get("stop"), gate.get("rejected") or ()
    entries = _entries(of, results, {}, now, hosts, stop=stop, rejected=rejected)
    head = {"command": of["command"], "started": of["started"], "updated": now, "stopped": stop, "of": len(of["hosts"])}
    return {**head, "hosts": entries}


def _entries(
    of: Plan,
    results: t.Mapping[str, Answer],
    reverts: t.Mapping[str, Answer],
    now: str,
    wanted: t.Collection[str],
    *,
    stop: str | None,
    rejected: t.Collection[str],
) -> dict[str, Entry]:
    """The entries of hosts, each with what became of it."""
    shut = closed(now, of["options"].get("window", ""), of["options"].get("not_after", ""))
    started = {host for host, result in results.items() if result}
    wave_of = {host: number for number, wave in enumerate(of["waves"], 1) for host in wave}
    begun = {wave_of[host] for host in started if host in wave_of}
    named = {str(entry) for entry in of["options"].get("rejected_plans") or ()}
    hosts = {}
    for host in wanted:
        entry = of["hosts"][host]
        own = _outcome(
            of,
            host,
            results.get(host) or {},
            stop=stop,
            shut=shut,
            rejected=rejected,
            named=named,
            begun=wave_of.get(host) in begun,
        )
        back = reverts.get(host) or {}
        if back:
            good = back.get("status") in ("returned", "cancelled", "current")
            own = {
                **own,
                "status": "reverted" if good else "rollback_failed",
                "reason": (stop if good else back.get("reason")) or "",
            }
        hosts[host] = {
            "wave": wave_of.get(host),
            "upgrades": entry.get("upgrades") or [],
            "fingerprint": entry.get("fingerprint"),
            "booted_before": entry.get("booted"),
            **own,
            "meaning": STATUSES[own["status"]],
        }
    return hosts


def _outcome(
    of: Plan,
    host: str,
    result: Answer,
    *,
    stop: str | None,
    shut: str | None,
    rejected: t.Collection[str],
    named: t.Collection[str],
    begun: bool,
) -> Entry:
    """What became of one host; of one that was not touched also what is known of it from the plan."""
    entry = of["hosts"][host]
    if result:
        return {key: value for key, value in result.items() if key not in ("rejects_plan", "in_service")}
    known = {"warnings": entry["warnings"]} if entry.get("warnings") else {}
    return {**_untouched(of, entry, stop=stop, shut=shut, rejected=rejected, named=named, begun=begun), **known}


def _untouched(
    of: Plan,
    entry: Entry,
    *,
    stop: str | None,
    shut: str | None,
    rejected: t.Collection[str],
    named: t.Collection[str],
    begun: bool,
) -> Entry:
    if entry["verdict"] == "unready":
        known = {key: entry[key] for key in ("error_id", "output") if entry.get(key)}
        return {"status": "unready", "reason": entry["reason"], **known}
    if entry["verdict"] == "current":
        return {"status": "current", "reason": entry["reason"]}
    if entry.get("fingerprint") in named:
        return {"status": "withheld", "reason": "fleet_rejected_plans names this upgrade."}
    if of["check_mode"]:
        return {"status": "planned", "reason": entry["reason"]}
    if of["refused"]:
        return {"status": "not_started", "reason": of["refused"]}
    if entry.get("fingerprint") in rejected:
        return {"status": "withheld", "reason": "Another host took the same upgrade and failed with it."}
    if begun:
        return {"status": "interrupted", "reason": "It was lost to the run; run again to go on."}
    if stop:
        return {"status": "not_started", "reason": stop}
    if shut:
        return {"status": "postponed", "reason": f"Nothing may be started any more: {shut}. Run again when it may."}
    return {"status": "postponed", "reason": "The run was ended before its turn. Run again to go on."}


def verdict_lines(record: t.Mapping[str, t.Any], report: str = "") -> list[str]:
    """The end of a run for people: counts, then everything that is not good, equal things once; then where the report lies.

    ``report`` is the path of the page, if one is written.
    """
    counts = ", ".join(
        f"{number} {_COUNTED.get(status) or status.replace('_', ' ')}" for status, number in record["counts"].items()
    )
    lines = [f"{record['command']} of {plural(len(record['hosts']), 'host')}: {counts or 'nothing'}"]
    lines += [record[key] for key in ("refused", "stopped") if record.get(key)]
    warned: dict[str, list[str]] = {}
    for host, entry in record["hosts"].items():
        for warning in entry.get("warnings") or ():
            warned.setdefault(warning, []).append(host)
    lines += [f"warning on {names(hosts)}: {warning}" for warning, hosts in warned.items()]
    for said, hosts in alike({host: _said(record["hosts"][host]) for host in record["bad"]}):
        # What is said of all of them stands above already
        shown = said.removesuffix(f": {record.get('stopped')}").removesuffix(f": {record.get('refused')}")
        lines.append(f"{names(hosts)}: {shown}")
    idle = {host: str(entry.get("reason")) for host, entry in record["hosts"].items() if entry["status"] == "current"}
    lines += [f"{names(hosts)}: {said}" for said, hosts in alike(idle) if said]
    lines += [f"report: {report}"] if report else []
    return lines


def _said(entry: Answer) -> str:
    return f"{entry['status'].replace('_', ' ')}: {entry.get('reason') or entry['meaning']}"


def counts_of(hosts: t.Mapping[str, Answer]) -> dict[str, int]:
    counts = {status: sum(host["status"] == status for host in hosts.values()) for status in STATUSES}
    return {status: number for status, number in counts.items() if number}


def bad_of(hosts: t.Mapping[str, Answer]) -> list[str]:
    order = list(STATUSES)
    found = [host for host, entry in hosts.items() if entry["status"] not in GOOD]
    return sorted(found, key=lambda host: order.index(hosts[host]["status"]))


__all__ = (
    "GOOD",
    "STATUSES",
    "bad_of",
    "changes",
    "counts_of",
    "summary",
    "verdict_lines",
)
