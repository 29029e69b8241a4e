# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a fleet run, made before the first host is touched: who is ready, in which waves.

Pure functions from what the hosts answered to plain dicts and lists, so that playbooks only carry them out. Nothing is
remembered beside the answers: a decision is computed again from the results whenever it is needed.
"""

from __future__ import annotations

import typing as t

from .host_outcome import (
    Answer,
    Entry,
    changes_of,
    error_id_of,
    first_line,
    output,
)
from .run_options import (
    FleetError,
    closed,
    percentage,
    seconds_of,
    waves,
)

Plan = dict[str, t.Any]
# In place of an error id, where no module could answer
_SILENT: t.Final = "unreachable"


def verdict(answer: Answer) -> Entry:
    """Whether a host may take part, from what it said in check mode: ``go``, ``current`` or ``unready``, and why."""
    if not answer or answer.get("unreachable"):
        detail = first_line(answer.get("msg")) or "no answer"
        return {"verdict": "unready", "error_id": _SILENT, "reason": f"The host does not answer: {detail}"}
    base: Entry = {
        "state": answer.get("state"),
        "booted": answer.get("booted"),
        "protection": answer.get("protection"),
        "fingerprint": answer.get("fingerprint"),
        "upgrades": changes_of(answer.get("upgrades")),
        "reason": str(answer.get("msg") or ""),
    }
    # Not "failed" and "changed": the task that asked says that neither is its own
    if answer.get("error_id") or "actions" not in answer:
        return {**base, "verdict": "unready", "error_id": error_id_of(answer), "output": output(answer)}
    work = bool(answer["actions"] or answer.get("reboot_required"))
    return {**base, "verdict": "go" if work else "current", "operation": answer.get("operation")}


def plan(answers: t.Mapping[str, Answer], options: t.Mapping[str, t.Any]) -> Plan:
    """The whole run, from what every chosen host answered. ``refused`` is the sentence that stops it, if any."""
    command = options.get("command", "upgrade")
    entries = {host: verdict(answer or {}) for host, answer in answers.items()}
    ready = [host for host, entry in entries.items() if entry["verdict"] == "go"]
    unready = [host for host, entry in entries.items() if entry["verdict"] == "unready"]
    percentage(options.get("max_fail_percentage", 0), "fleet_max_fail_percentage")
    seconds_of(options.get("soak", 0), "fleet_soak")
    ordered = waves(ready, options.get("canary", 1), options.get("serial", "25%"))
    check_mode = bool(options.get("check_mode"))
    shut = closed(options["now"], options.get("window", ""), options.get("not_after", ""))
    refused = None
    policy = options.get("unready", "stop")
    if policy not in ("stop", "skip"):
        raise FleetError(f"fleet_unready: {policy!r} is neither stop nor skip.")
    if unready and policy == "stop":
        names = ", ".join(unready[:5]) + (f" and {len(unready) - 5} more" if len(unready) > 5 else "")
        are = "hosts are" if len(unready) > 1 else "host is"
        refused = (
            f"{len(unready)} of {len(entries)} {are} not ready ({names}), so no host was touched. "
            "Mend them, leave them out with fleet_exclude, or go on without them with fleet_unready=skip."
        )
    elif shut and ready and not check_mode:
        refused = f"Nothing may be started now: {shut}. No host was touched."
    result: Plan = {
        "command": command,
        "started": options["now"],
        "check_mode": check_mode,
        "hosts": entries,
        "names": list(entries),
        "waves": ordered,
        "unready": unready,
        "refused": refused,
        "closed": shut,
        "options": {key: value for key, value in options.items() if key not in ("now", "check_mode", "command")},
        # What the plays take their hosts and wave sizes from
        "run": [] if check_mode or refused else [host for wave in ordered for host in wave],
        "sizes": [len(wave) for wave in ordered] or [1],
    }
    result["lines"] = describe(result)
    return result


def describe(of: Plan) -> list[str]:
    """The plan for people, one line each."""
    entries = of["hosts"]
    lines = [f"{of['command']} of {len(entries)} hosts"]
    for number, wave in enumerate(of["waves"], 1):
        canary = number == 1 and str(of["options"].get("canary", 1)) not in ("0", "0%")
        lines.append(f"wave {number}{' (canary)' if canary else ''}: {', '.join(wave)}")
    current = [host for host, entry in entries.items() if entry["verdict"] == "current"]
    if current:
        lines.append(f"nothing to do: {', '.join(current)}")
    lines += [f"not ready: {host}: {entries[host]['reason']} [{entries[host]['error_id']}]" for host in of["unready"]]
    for upgrades, hosts in _by_changes(of):
        lines.append(f"on {', '.join(hosts)}:")
        lines += [f"  {change_line(change)}" for change in upgrades]
    if of["closed"]:
        lines.append(f"now: {of['closed']}")
    return lines


def _by_changes(of: Plan) -> list[tuple[list[dict[str, t.Any]], list[str]]]:
    groups: dict[str, tuple[list[dict[str, t.Any]], list[str]]] = {}
    for wave in of["waves"]:
        for host in wave:
            entry = of["hosts"][host]
            key = repr(entry["upgrades"])
            groups.setdefault(key, (entry["upgrades"], []))[1].append(host)
    return [group for group in groups.values() if group[0]]


def change_line(change: t.Mapping[str, t.Any]) -> str:
    """One package for people: name, version before and after."""
    if change.get("installed") is None:
        return f"{change['name']} {change['available']} (new)"
    if change.get("available") is None:
        return f"{change['name']} {change['installed']} (removed)"
    return f"{change['name']} {change['installed']} -> {change['available']}"


__all__ = (
    "Plan",
    "change_line",
    "describe",
    "plan",
    "verdict",
)
