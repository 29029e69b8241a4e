# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: what became of every chosen host."""

from __future__ import annotations

import json
import typing as t

from .host_outcome import Answer, Entry, answered, first_line
from .overlay_words import shared
from .run_gate import rejected_plans, stopped
from .run_plan import Plan

# Status of a host at the end of a run -> what it means. The order is the order of a report: what needs a person first.
STATUSES: t.Final[dict[str, str]] = {
    "rollback_failed": "failed, and could not be brought back: needs a person",
    "unreachable": "does not answer: needs a person",
    "interrupted": "was at work when the run ended, or was lost to it: run again to go on",
    "drained": "could not be put back into service: needs a person",
    "attention": "does not run its normal system as it should: needs a person",
    "failed": "failed, still on the system it had",
    "rolled_back": "failed, and is back on the system it had",
    "unready": "was not ready and was not touched",
    "reverted": "was done, then brought back because the run was stopped",
    "withheld": "not touched: its upgrade is known to be bad",
    "not_started": "not touched: the run was stopped before its turn",
    "postponed": "not touched: the maintenance window closed before its turn",
    "waiting": "not touched: its ring's turn has not come, or the verdicts cannot be read",
    "staged": "the new system is built and waits for a reboot",
    "upgraded": "runs the new system",
    "returned": "runs the system it is meant to return to",
    "cancelled": "its staged upgrade was cancelled",
    "planned": "would be changed",
    "current": "nothing to do",
    "looked_at": "was only looked at",
}
GOOD: t.Final = frozenset({"looked_at", "staged", "upgraded", "returned", "cancelled", "planned", "current"})


def summary(of: Plan, results: t.Mapping[str, Answer], reverts: t.Mapping[str, Answer], now: str) -> Entry:
    """The record of a run: what became of every chosen host. The report is made from it."""
    stop = stopped(of, results)
    rejected = rejected_plans(of, results)
    started = {host for host, result in results.items() if result}
    wave_of = {host: number for number, wave in enumerate(of["waves"], 1) for host in wave}
    begun = {wave_of[host] for host in started if host in wave_of}
    named = {str(entry) for entry in of["options"].get("rejected_plans") or ()}
    hosts = {}
    for host, entry in of["hosts"].items():
        own = _outcome(
            of,
            host,
            results.get(host) or {},
            stop=stop,
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
    # In a refused run, the others only wait for those that are not ready
    bad = of["unready"] if of["refused"] and of["unready"] else _bad(hosts)
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
        "counts": _counts(hosts),
        "bad": bad,
        "hosts": hosts,
    }


def _outcome(
    of: Plan,
    host: str,
    result: Answer,
    *,
    stop: str | None,
    rejected: t.Collection[str],
    named: t.Collection[str],
    begun: bool,
) -> Entry:
    entry = of["hosts"][host]
    if result:
        return {key: value for key, value in result.items() if key not in ("rejects_plan", "in_service")}
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
    return {"status": "postponed", "reason": "The maintenance window closed, or the run was ended, before its turn."}


def verdict_lines(record: t.Mapping[str, t.Any]) -> list[str]:
    """The end of a run for people: counts, then everything that is not good."""
    counts = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in record["counts"].items())
    lines = [f"{record['command']} of {len(record['hosts'])} hosts: {counts}"]
    lines += [record[key] for key in ("refused", "stopped") if record.get(key)]
    warned: dict[str, list[str]] = {}
    for host, entry in record["hosts"].items():
        for warning in entry.get("warnings") or ():
            warned.setdefault(warning, []).append(host)
    lines += [f"warning on {', '.join(hosts)}: {warning}" for warning, hosts in warned.items()]
    for host in record["bad"]:
        entry = record["hosts"][host]
        lines.append(f"{host}: {entry['status'].replace('_', ' ')}: {entry.get('reason') or entry['meaning']}")
    return lines


# States of a host that runs its normal system, or has another one ready
_WELL: t.Final = ("clean", "staged")


def looked_at(
    infos: t.Mapping[str, Answer],
    records: t.Iterable[t.Any],
    now: str,
    overlays: t.Mapping[str, Answer] | None = None,
) -> Entry:
    """The record of the playbook `report`: what the hosts say now, and what the last run over each of them said.

    What a host is now decides whether it is well; a run of yesterday cannot tell. Records that are none are passed over.
    """
    known: dict[str, Entry] = {}
    found, damaged = _readable(records)
    for record in sorted(found, key=lambda entry: str(entry.get("updated"))):
        for name, host in record["hosts"].items():
            known[name] = {**host, "run": f"{record.get('command')} of {record.get('started')}"}
    hosts = {}
    for name, info in infos.items():
        last = known.get(name, {})
        booted = (info.get("booted") or {}).get("subvolume")
        if not answered(info):
            current: Entry = {"status": "unreachable", "reason": first_line(info.get("msg")) or "no answer"}
        else:
            unmet = [entry["detail"] for entry in info.get("requirements") or () if not entry.get("ok")]
            current = {"state": info["state"], "booted_after": booted or last.get("booted_after"), "unmet": unmet}
            current["kernel"] = ((info.get("booted") or {}).get("kernel") or {}).get("release")
            if info["state"] not in _WELL or unmet or info.get("unfinished"):
                current.update(status="attention", reason=_trouble(info, unmet))
        sharing = shared((overlays or {}).get(name) or {})
        if sharing:
            current["overlays"] = sharing
        merged = {"status": "looked_at", "reason": "", **last, **current}
        hosts[name] = {**merged, "meaning": STATUSES[merged["status"]]}
    return {
        "format": 1,
        "command": "report",
        "check_mode": False,
        "started": now,
        "updated": now,
        "refused": None,
        "stopped": None,
        "damaged": damaged,
        "counts": _counts(hosts),
        "bad": _bad(hosts),
        "hosts": hosts,
    }


def _trouble(info: Answer, unmet: t.Sequence[str]) -> str:
    if info["state"] not in _WELL:
        runs = (info.get("booted") or {}).get("subvolume") or "an unknown system"
        return "; ".join([f"It is in state {info['state']} and runs {runs}", *unmet]) + "."
    if info.get("unfinished"):
        return "Its last upgrade was cut off before its checks; run the upgrade again to finish it."
    return f"{'; '.join(unmet)}."


def _readable(records: t.Iterable[t.Any]) -> tuple[list[Answer], int]:
    """Those that are records of runs, read if they are text, and how many are none."""
    found, damaged = [], 0
    for given in records:
        record = given
        if isinstance(given, str):
            try:
                record = json.loads(given)
            except (ValueError, RecursionError):
                record = None
        hosts = record.get("hosts") if isinstance(record, dict) else None
        well = isinstance(hosts, dict) and all(
            isinstance(host, dict) and isinstance(host.get("status"), str) and host["status"] in STATUSES
            for host in hosts.values()
        )
        if well:
            found.append(t.cast("Answer", record))
        else:
            damaged += 1
    return found, damaged


def _counts(hosts: t.Mapping[str, Answer]) -> dict[str, int]:
    counts = {status: sum(host["status"] == status for host in hosts.values()) for status in STATUSES}
    return {status: number for status, number in counts.items() if number}


def _bad(hosts: t.Mapping[str, Answer]) -> list[str]:
    order = list(STATUSES)
    found = [host for host, entry in hosts.items() if entry["status"] not in GOOD]
    return sorted(found, key=lambda host: order.index(hosts[host]["status"]))


__all__ = (
    "GOOD",
    "STATUSES",
    "looked_at",
    "summary",
    "verdict_lines",
)
