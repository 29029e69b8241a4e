# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the playbook `report`: what hosts are now, and beside that what the runs before did to them.

What a host is now decides whether it is well; a run of yesterday cannot tell.
"""

from __future__ import annotations

import typing as t

from ..module_utils.people import human_seconds
from . import record_file
from .host_outcome import Answer, Entry, answered, is_silent, left_out, warned_before, warnings_of, why_unseen
from .overlay_words import shared
from .run_record import GOOD, STATUSES, bad_of, counts_of

# States of a host that runs its normal system, or has another one ready
_WELL: t.Final = ("clean", "staged")
# What a run says of a host with which it had nothing to do
_IDLE: t.Final = frozenset({"current", "planned", "postponed", "not_started", "withheld", "looked_at"})
# What is kept of the last run over a host
_LAST: t.Final = (
    "status",
    "reason",
    "error_id",
    "output",
    "upgrades",
    "warnings",
    "booted_before",
    "booted_after",
    "seconds",
)
# How many runs the page lists, and how many lines of a host's own history
_RUNS: t.Final = 20
_EVENTS: t.Final = 5


def looked_at(
    infos: t.Mapping[str, Answer],
    records: t.Iterable[t.Any],
    now: str,
    overlays: t.Mapping[str, Answer] | None = None,
) -> Entry:
    """The record of a look. ``records`` are those of runs, as text or read; what is none is counted and passed over."""
    found, damaged = _readable(records)
    runs = sorted(found, key=lambda entry: str(entry.get("started")), reverse=True)
    hosts = {}
    for name, info in infos.items():
        entry = _now(info)
        last = _last_run(name, runs)
        if last:
            entry["last_run"] = last
            if entry["status"] in GOOD and last["status"] not in GOOD:
                words = last["status"].replace("_", " ")
                entry.update(status="last_failed", reason=f"{words}: {last.get('reason') or STATUSES[last['status']]}")
        sharing = shared((overlays or {}).get(name) or {})
        if sharing:
            entry["overlays"] = sharing
        hosts[name] = {**entry, "meaning": STATUSES[entry["status"]]}
    return {
        "format": 1,
        "command": "report",
        "check_mode": False,
        "started": now,
        "updated": now,
        "refused": None,
        "stopped": None,
        "damaged": damaged,
        "runs": [_short(run) for run in runs[:_RUNS]],
        "counts": counts_of(hosts),
        "bad": bad_of(hosts),
        "hosts": hosts,
    }


def _now(info: Answer) -> Entry:
    """What a host is, from overc_host_info alone."""
    if not answered(info) or not info["state"]:
        status = "unreachable" if is_silent(info) else "attention"
        return {"status": status, "reason": why_unseen(info), "error_id": info.get("error_id")}

    def name(key: str) -> str | None:
        return (info.get(key) or {}).get("subvolume")

    unmet = [entry["detail"] for entry in info.get("requirements") or () if not entry.get("ok")]
    well = info["state"] in _WELL and not unmet and not info.get("unfinished") and not info.get("out_of_service")
    return {
        "status": "attention" if not well else "staged" if info["state"] == "staged" else "looked_at",
        "reason": "" if well else _trouble(info, unmet),
        "state": info["state"],
        "booted_after": name("booted"),
        "next_boot": name("next_boot"),
        "backup": name("backup"),
        "waits": f"{name('staged')} ({info.get('waiting_for') or 'upgrade'})" if name("staged") else None,
        "kernel": ((info.get("booted") or {}).get("kernel") or {}).get("release"),
        "protection": info.get("protection"),
        "unmet": unmet,
        "warnings": list(dict.fromkeys([*warnings_of(info), *warned_before(info)])),
        "events": [_event(event) for event in list(info.get("events") or ())[-_EVENTS:]],
    }


def _event(event: Answer) -> str:
    """One line of the host's own history."""
    to = f" to {event['to']}" if event.get("to") else ""
    return f"{event.get('time')}: {event.get('operation')}{to}: {event.get('outcome')}"


def _trouble(info: Answer, unmet: t.Sequence[str]) -> str:
    words = []
    if info["state"] not in _WELL:
        runs = (info.get("booted") or {}).get("subvolume") or "an unknown system"
        words.append(f"It is in state {info['state']} and runs {runs}")
    elif info.get("unfinished"):
        words.append("Its last upgrade was cut off before its checks; run the upgrade again to finish it")
    if info.get("out_of_service"):
        words.append(f"{left_out(info).rstrip('.')}; the next run with its undrain tasks puts it back")
    trial = info.get("trial") or {}
    if trial.get("seconds_left") is not None:
        words.append(f"{human_seconds(trial['seconds_left'])} left to confirm it")
    elif trial.get("reason"):
        words.append(str(trial["reason"]))
    words += [str(sentence).rstrip(".") for sentence in info.get("contradictions") or ()]
    return "; ".join([*words, *unmet]) + "."


def _last_run(name: str, runs: t.Sequence[Answer]) -> Entry | None:
    """The newest run that did something to a host, else the newest that asked it; ``runs`` with the newest first."""
    over = [run for run in runs if name in run["hosts"] and not run.get("check_mode")]
    real = [run for run in over if run["hosts"][name]["status"] not in _IDLE]
    if not over:
        return None
    run = real[0] if real else over[0]
    host = run["hosts"][name]
    kept = {key: host[key] for key in _LAST if host.get(key)}
    return {"command": run.get("command"), "started": run.get("started"), **kept}


def _short(run: Answer) -> Entry:
    """A run in the list of past runs."""
    keys = ("command", "started", "updated", "refused", "stopped", "check_mode")
    counts = counts_of(run["hosts"])
    bad = [name for name, host in run["hosts"].items() if host["status"] not in GOOD]
    return {**{key: run.get(key) for key in keys}, "counts": counts, "hosts": len(run["hosts"]), "bad": len(bad)}


def is_idle(record: Answer) -> bool:
    """Whether a run did nothing to any host, so that nothing is lost with its record."""
    return all(host.get("status") in _IDLE for host in record["hosts"].values())


def _readable(records: t.Iterable[t.Any]) -> tuple[list[Answer], int]:
    """Those that are records of runs, read if they are text, and how many are none."""
    found = [record_file.read(given) for given in records]
    return [record for record in found if record is not None], found.count(None)


__all__ = ("is_idle", "looked_at")
