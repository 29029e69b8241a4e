# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet run decides: whom to ask, who is ready, in which waves, when to stop, what became of each host.

Pure functions from what the hosts answered to plain dicts and lists, so that playbooks only carry them out. Nothing is
remembered beside the answers: a decision is computed again from the results whenever it is needed.
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.whole_number import whole_number

Answer = t.Mapping[str, t.Any]
Entry = dict[str, t.Any]
Plan = dict[str, t.Any]

# Status of a host at the end of a run -> what it means. The order is the order of a report: what needs a person first.
STATUSES: t.Final[dict[str, str]] = {
    "rollback_failed": "failed, and could not be brought back: needs a person",
    "unreachable": "does not answer: needs a person",
    "failed": "failed, still on the system it had",
    "rolled_back": "failed, and is back on the system it had",
    "unready": "was not ready and was not touched",
    "reverted": "was done, then brought back because the run was stopped",
    "withheld": "not touched: another host of this run rejected the same plan",
    "not_started": "not touched: the run was stopped before its turn",
    "postponed": "not touched: the maintenance window closed before its turn",
    "staged": "the new system is built and waits for a reboot",
    "upgraded": "runs the new system",
    "returned": "runs the system it is meant to return to",
    "cancelled": "its staged upgrade was cancelled",
    "planned": "would be changed",
    "current": "nothing to do",
    "looked_at": "was only looked at",
}
GOOD: t.Final = frozenset({"looked_at", "staged", "upgraded", "returned", "cancelled", "planned", "current"})
# What counts against the limit of a wave
_COUNTED: t.Final = frozenset({"rollback_failed", "unreachable", "failed", "rolled_back"})
# In place of an error id, where no module could answer
_SILENT: t.Final = "unreachable"
_OUTPUT_LINES: t.Final = 40
_CLOCK: t.Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")
_STAMP: t.Final = "%Y-%m-%dT%H:%M:%SZ"


class FleetError(ValueError):
    """An option that cannot be meant; the message is one sentence for people."""


# -- options -----------------------------------------------------------------------------------------------------------


def choose(target: t.Any, matched: t.Sequence[str], exclude: str = "", *, action: str = "change") -> list[str]:
    """The hosts of a run. There is no default: who does not say which hosts means none."""
    if not target:
        raise FleetError(f"Say which hosts to {action}: -e target=GROUP (a host, a group or a pattern).")
    if not matched:
        left = f" without {exclude}" if exclude else ""
        raise FleetError(f"target={target}{left} names no host of this inventory, so there is nothing to {action}.")
    return list(matched)


def count_of(value: t.Any, total: int, option: str) -> int:
    """A number of hosts from ``3`` or ``"25%"``; a percentage is at least one host."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d{1,9})(%?)", text)
    if match is None or (match[2] and int(match[1]) > 100):
        raise FleetError(f"{option}: {text!r} is neither a number of hosts nor a percentage.")
    if not match[2]:
        return int(match[1])
    return max(1, total * int(match[1]) // 100)


def percentage(value: t.Any, option: str) -> float:
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 100:
        raise FleetError(f"{option}: {value!r} is not a percentage between 0 and 100.")
    return number


def _seconds(value: t.Any, option: str) -> int:
    try:
        return whole_number(option, value)
    except OvercError as error:
        raise FleetError(error.message) from None


def waves(hosts: t.Sequence[str], canary: t.Any, serial: t.Any) -> list[list[str]]:
    """Canary first, then steps; the last step repeats until all hosts are in a wave."""
    steps = serial.split(",") if isinstance(serial, str) else serial if isinstance(serial, (list, tuple)) else [serial]
    sizes = [count_of(step, len(hosts), "fleet_serial") for step in steps]
    if not sizes or 0 in sizes:
        raise FleetError("fleet_serial: a wave needs at least one host.")
    first = count_of(canary, len(hosts), "fleet_canary")
    found = [list(hosts[:first])] if first and hosts else []
    position = first if found else 0
    while position < len(hosts):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        found.append(list(hosts[position : position + size]))
        position += size
    return found


def _minutes(window: str) -> tuple[int, int]:
    match = _CLOCK.fullmatch(window.strip())
    if match is None:
        raise FleetError(f"fleet_window: {window!r} is not of the form 22:00-04:00 (UTC).")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begin == end:
        raise FleetError(f"fleet_window: {window!r} is empty.")
    return begin, end


def closed(now: str, window: str = "", not_after: str = "") -> str | None:
    """Why nothing may be started now, or None. ``now`` and ``not_after`` as 2026-12-01T04:00:00Z; all of it is UTC."""
    if not_after:
        try:
            limit = dt.datetime.strptime(not_after.strip(), _STAMP)  # noqa: DTZ007 - compared with its like
        except ValueError:
            raise FleetError(f"fleet_not_after: {not_after!r} is not of the form 2026-12-01T04:00:00Z (UTC).") from None
        if dt.datetime.strptime(now, _STAMP) > limit:  # noqa: DTZ007
            return f"it is after {not_after.strip()}"
    if window:
        begin, end = _minutes(window)
        minute = int(now[11:13]) * 60 + int(now[14:16])
        inside = begin <= minute < end if begin < end else minute >= begin or minute < end
        if not inside:
            return f"it is {now[11:16]} UTC, outside the window {window.strip()}"
    return None


# -- before the first host is touched ----------------------------------------------------------------------------------


def verdict(answer: Answer) -> Entry:
    """Whether a host may take part, from what it said in check mode: ``go``, ``current`` or ``unready``, and why."""
    if not answer or answer.get("unreachable"):
        detail = _first_line(answer.get("msg")) or "no answer"
        return {"verdict": "unready", "error_id": _SILENT, "reason": f"The host does not answer: {detail}"}
    base: Entry = {
        "state": answer.get("state"),
        "booted": answer.get("booted"),
        "protection": answer.get("protection"),
        "fingerprint": answer.get("fingerprint"),
        "upgrades": _changes(answer.get("upgrades")),
        "reason": str(answer.get("msg") or ""),
    }
    # Not "failed" and "changed": the task that asked says that neither is its own
    if answer.get("error_id") or "actions" not in answer:
        return {**base, "verdict": "unready", "error_id": _error_id(answer), "output": output(answer)}
    work = bool(answer["actions"] or answer.get("reboot_required"))
    return {**base, "verdict": "go" if work else "current", "operation": answer.get("operation")}


def _error_id(answer: Answer) -> str:
    return str(answer.get("error_id") or "")


def _changes(upgrades: t.Any) -> list[dict[str, t.Any]]:
    keys = ("name", "arch", "installed", "available")
    return [{key: entry.get(key) for key in keys} for entry in upgrades or ()]


def output(result: Answer) -> str:
    """What a failed tool printed, its last lines."""
    text = "\n".join(str(result[key]) for key in ("stderr", "stdout") if result.get(key))
    return "\n".join(text.splitlines()[-_OUTPUT_LINES:])


def reason(result: Answer) -> str:
    """Why a task failed, in one line: what it said, what the first failed item of its loop said, what it printed."""
    failed = [item for item in result.get("results") or () if item.get("failed")]
    if failed:
        return reason(failed[0])
    said = [str(result.get(key) or "").strip() for key in ("msg", "stderr", "stdout")]
    said = [text for text in said if text and text != "non-zero return code"] or said[:1]
    return " ".join(said[0].split())[:500] if said[0] else "It failed without a message."


def plan(answers: t.Mapping[str, Answer], options: t.Mapping[str, t.Any]) -> Plan:
    """The whole run, from what every chosen host answered. ``refused`` is the sentence that stops it, if any."""
    command = options.get("command", "upgrade")
    entries = {host: verdict(answer or {}) for host, answer in answers.items()}
    ready = [host for host, entry in entries.items() if entry["verdict"] == "go"]
    unready = [host for host, entry in entries.items() if entry["verdict"] == "unready"]
    percentage(options.get("max_fail_percentage", 0), "fleet_max_fail_percentage")
    _seconds(options.get("soak", 0), "fleet_soak")
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


# -- while it runs -----------------------------------------------------------------------------------------------------


def gate(of: Plan, results: t.Mapping[str, Answer], wave: t.Sequence[str], now: str) -> Entry:
    """Which hosts of a wave may go: those not withheld, unless the run is stopped or the window closed.

    ``results`` are those so far. ``stop`` is the sentence why the run ends, ``shut`` why it ends for today.
    """
    stop = _stopped(of, results)
    options = of["options"]
    shut = None if stop else closed(now, options.get("window", ""), options.get("not_after", ""))
    rejected = rejected_plans(of, results)
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
    own = {str(result["fingerprint"]) for result in results.values() if result and result.get("rejects_plan")}
    return named | {fingerprint for fingerprint in own if fingerprint}


def _stopped(of: Plan, results: t.Mapping[str, Answer]) -> str | None:
    options = of["options"]
    limit = percentage(options.get("max_fail_percentage", 0), "fleet_max_fail_percentage")
    for number, wave in enumerate(of["waves"], 1):
        bad = [host for host in wave if (results.get(host) or {}).get("status") in _COUNTED]
        canary = number == 1 and str(options.get("canary", 1)) not in ("0", "0%")
        allowed = 0.0 if canary else limit
        if bad and 100 * len(bad) / len(wave) > allowed:
            name = "The canary" if canary else f"Wave {number}"
            return f"{name} failed on {len(bad)} of {len(wave)} ({', '.join(bad[:5])}): the run was stopped."
    return None


def done_hosts(of: Plan, results: t.Mapping[str, Answer]) -> list[str]:
    """Hosts that this run switched, newest wave first: what a stopped run may bring back."""
    good = ("upgraded", "staged")
    return [host for wave in reversed(of["waves"]) for host in wave if (results.get(host) or {}).get("status") in good]


# -- a host whose upgrade failed ---------------------------------------------------------------------------------------


def not_running(services: t.Iterable[str], facts: Answer) -> list[str]:
    """Which services service_facts does not call running; ``.service`` may be left out."""
    found = (facts.get("ansible_facts") or {}).get("services") or {}
    running = {name.removesuffix(".service") for name, entry in found.items() if entry.get("state") == "running"}
    return [name for name in services if name.removesuffix(".service") not in running]


def must_go_back(stage: Answer, switch: Answer, now: Answer) -> bool:
    """Whether what this run staged on the host is still there to be taken back.

    Only then: a host whose upgrade failed before that is as it was, and a rollback there would return to the deployment
    before the present one. ``stage`` and ``switch`` are the answers of the two module runs, ``now`` is overc_host_info.
    """
    uuids = {result.get("staged_uuid") for result in (stage, switch)} - {None, ""}
    state = now.get("state")
    if not uuids:
        return False
    if state == "staged":
        return (now.get("staged") or {}).get("uuid") in uuids
    if state in ("clean", "trial"):
        return (now.get("booted") or {}).get("uuid") in uuids
    return state in ("backup", "fallback") and "reboot" in switch


def answered(result: Answer) -> bool:
    return "state" in result and not result.get("unreachable")


def failed_upgrade(
    failure: Answer, stage: Answer, switch: Answer, now: Answer, back: Answer, unhealthy: str, rollback: bool
) -> Entry:
    """What became of a host whose upgrade failed: ``back`` is the rollback's answer, ``unhealthy`` what failed then."""
    rebooted = "reboot" in switch
    wanted = must_go_back(stage, switch, now)
    gone_back = answered(back) and not back.get("error_id")
    trouble = unhealthy or (back.get("msg") if wanted and not gone_back else "") or ""
    what_now = ""
    if not answered(now):
        status = "unreachable"
        what_now = "If it does not come back, choose the backup entry in its boot menu and run a rollback there."
    elif wanted and not rollback:
        status = "failed"
        what_now = f"It was left as it is, in state {now.get('state')}, because going back is switched off."
    elif trouble or (wanted and not gone_back) or (rebooted and not wanted):
        status = "rollback_failed"
        what_now = f"Going back failed: {trouble or 'the host is in state ' + str(now.get('state'))}."
    elif failure.get("withheld"):
        status = "withheld"
    else:
        status = "rolled_back" if rebooted else "failed"
    where = back if wanted and gone_back else {}
    said = f"{failure.get('step')}: {failure.get('msg')}"
    return {
        "status": status,
        "reason": f"{said} {what_now}".strip(),
        "step": failure.get("step"),
        "error_id": _error_id(failure),
        "output": failure.get("output") or "",
        "state": where.get("state") or now.get("state") or "unknown",
        "booted_before": stage.get("booted"),
        "booted_after": where.get("booted") or (now.get("booted") or {}).get("subvolume"),
        "protection": stage.get("protection") or "",
        "upgrades": _changes(stage.get("upgrades")),
        "fingerprint": stage.get("fingerprint") or "",
        "rejects_plan": rebooted,
        "seconds": {
            "stage": stage.get("seconds") or 0,
            "reboot": switch.get("seconds") or 0,
            "rollback": back.get("seconds") or 0,
        },
    }


# -- overlays ----------------------------------------------------------------------------------------------------------


def human_bytes(number: float) -> str:
    """``1536`` -> ``1.5 KiB``."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= 1024 and len(units) > 1:
        number /= 1024
        del units[0]
    unit = units[0]
    return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"


def overlay_lines(answers: t.Iterable[Answer]) -> list[str]:
    """What overc_overlay said about containers, one line for each directory."""
    lines = []
    for answer in answers:
        container = (answer.get("item") or {}).get("container") or "?"
        for entry in answer.get("directories") or ():
            freed = f", {human_bytes(entry['bytes_freed'])} freed" if entry["bytes_freed"] else ""
            waits = " (after the next boot)" if entry["status"] == "waits_for_boot" else ""
            status = "own files" if entry["status"] == "own" else entry["status"].replace("_", " ")
            lines.append(f"{container} {entry['directory']}: {status}{freed}{waits if freed else ''}")
    return lines


def shared(answer: Answer) -> Entry | None:
    """What overc_overlay_info said about all containers of a host, in numbers; None if nothing is shared there."""
    containers = answer.get("containers") or ()
    found = [(entry["container"], overlay) for entry in containers for overlay in entry["overlays"]]
    waiting = sum(len(request["directories"]) for entry in containers for request in entry["waiting"])
    if not found and not waiting:
        return None
    return {
        "containers": len({name for name, _overlay in found}),
        "directories": len(found),
        "bytes_freed": sum(overlay.get("bytes_freed") or 0 for _name, overlay in found),
        "bytes_shared": sum(overlay.get("bytes_shared") or 0 for _name, overlay in found),
        "waiting": waiting,
        "outdated": [f"{name}:{overlay['directory']}" for name, overlay in found if overlay.get("sources_changed")],
        "broken": [
            f"{name}:{overlay['directory']}: {'; '.join(overlay['problems'])}"
            for name, overlay in found
            if overlay["problems"]
        ],
    }


def _shared_words(overlays: Answer) -> str:
    """One cell of the page."""
    words = [f"{human_bytes(overlays['bytes_freed'])} freed in {overlays['directories']} directories"]
    if overlays["directories"] == 1:
        words = [f"{human_bytes(overlays['bytes_freed'])} freed in 1 directory"]
    words += [f"{overlays['waiting']} waiting for a boot"] if overlays["waiting"] else []
    words += [f"{len(overlays['outdated'])} with a source that changed"] if overlays["outdated"] else []
    return ", ".join(words)


# -- afterwards --------------------------------------------------------------------------------------------------------


def summary(of: Plan, results: t.Mapping[str, Answer], reverts: t.Mapping[str, Answer], now: str) -> Entry:
    """The record of a run: what became of every chosen host. The report is made from it."""
    stop = _stopped(of, results)
    rejected = rejected_plans(of, results)
    started = {host for host, result in results.items() if result}
    wave_of = {host: number for number, wave in enumerate(of["waves"], 1) for host in wave}
    begun = {wave_of[host] for host in started if host in wave_of}
    hosts = {}
    for host, entry in of["hosts"].items():
        own = _outcome(
            of, host, results.get(host) or {}, stop=stop, rejected=rejected, begun=wave_of.get(host) in begun
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
    of: Plan, host: str, result: Answer, *, stop: str | None, rejected: t.Collection[str], begun: bool
) -> Entry:
    entry = of["hosts"][host]
    if result:
        return {key: value for key, value in result.items() if key != "rejects_plan"}
    if entry["verdict"] == "unready":
        known = {key: entry[key] for key in ("error_id", "output") if entry.get(key)}
        return {"status": "unready", "reason": entry["reason"], **known}
    if entry["verdict"] == "current":
        return {"status": "current", "reason": entry["reason"]}
    if of["check_mode"]:
        return {"status": "planned", "reason": entry["reason"]}
    if of["refused"]:
        return {"status": "not_started", "reason": of["refused"]}
    if entry.get("fingerprint") in rejected:
        return {"status": "withheld", "reason": "Another host took the same upgrade and failed with it."}
    if begun:
        return {"status": "unreachable", "reason": "The host stopped answering during its upgrade; run again to go on."}
    if stop:
        return {"status": "not_started", "reason": stop}
    return {"status": "postponed", "reason": "The maintenance window closed, or the run was ended, before its turn."}


def verdict_lines(record: t.Mapping[str, t.Any]) -> list[str]:
    """The end of a run for people: counts, then everything that is not good."""
    counts = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in record["counts"].items())
    lines = [f"{record['command']} of {len(record['hosts'])} hosts: {counts}"]
    lines += [record[key] for key in ("refused", "stopped") if record.get(key)]
    for host in record["bad"]:
        entry = record["hosts"][host]
        lines.append(f"{host}: {entry['status'].replace('_', ' ')}: {entry.get('reason') or entry['meaning']}")
    return lines


def report(record: t.Mapping[str, t.Any]) -> Entry:
    """A record made ready for the page: hosts in the order of a report, packages as lines, durations as shares."""
    rank = {status: number for number, status in enumerate(STATUSES)}
    hosts = {}
    for name, host in record["hosts"].items():
        seconds = {key: float((host.get("seconds") or {}).get(key) or 0) for key in ("stage", "reboot", "rollback")}
        changes = [change_line(change) for change in host.get("upgrades") or ()]
        hosts[name] = {
            "wave": None,
            **host,
            "total": round(sum(seconds.values())),
            "seconds": seconds,
            "changes": changes,
            "shared": _shared_words(host["overlays"]) if host.get("overlays") else "",
            "broken": (host.get("overlays") or {}).get("broken") or [],
        }
    longest = max((sum(host["seconds"].values()) for host in hosts.values()), default=0) or 1
    for host in hosts.values():
        host["shares"] = {key: round(100 * value / longest, 1) for key, value in host["seconds"].items()}
    order = sorted(hosts, key=lambda name: rank.get(hosts[name]["status"], -1))
    sharing = [host["overlays"] for host in hosts.values() if host.get("overlays")]
    total = {key: sum(entry[key] for entry in sharing) for key in ("containers", "directories", "bytes_freed")}
    where = f"{total['directories']} directories on {len(sharing)} host{'' if len(sharing) == 1 else 's'}"
    saved = f"Containers share {where}: {human_bytes(total['bytes_freed'])} freed."
    return {**record, "hosts": hosts, "order": order, "good": sorted(GOOD), "saved": saved if sharing else ""}


def looked_at(
    infos: t.Mapping[str, Answer],
    records: t.Iterable[t.Mapping[str, t.Any]],
    now: str,
    overlays: t.Mapping[str, Answer] | None = None,
) -> Entry:
    """The record of the playbook `report`: what the hosts say now, and what the last run over each of them said."""
    known: dict[str, Entry] = {}
    for record in sorted(records, key=lambda entry: str(entry.get("updated"))):
        for name, host in record["hosts"].items():
            known[name] = {**host, "run": f"{record['command']} of {record['started']}"}
    hosts = {}
    for name, info in infos.items():
        last = known.get(name, {})
        booted = (info.get("booted") or {}).get("subvolume")
        if not answered(info):
            current: Entry = {"status": "unreachable", "reason": _first_line(info.get("msg")) or "no answer"}
        else:
            unmet = [entry["detail"] for entry in info.get("requirements") or () if not entry.get("ok")]
            current = {"state": info["state"], "booted_after": booted or last.get("booted_after"), "unmet": unmet}
            current["kernel"] = ((info.get("booted") or {}).get("kernel") or {}).get("release")
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
        "counts": _counts(hosts),
        "bad": _bad(hosts),
        "hosts": hosts,
    }


def _first_line(text: t.Any) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0] if lines else ""


def _counts(hosts: t.Mapping[str, Answer]) -> dict[str, int]:
    counts = {status: sum(host["status"] == status for host in hosts.values()) for status in STATUSES}
    return {status: number for status, number in counts.items() if number}


def _bad(hosts: t.Mapping[str, Answer]) -> list[str]:
    order = list(STATUSES)
    found = [host for host, entry in hosts.items() if entry["status"] not in GOOD]
    return sorted(found, key=lambda host: order.index(hosts[host]["status"]))


def table(infos: t.Mapping[str, Answer]) -> list[str]:
    """What overc_host_info said on each host, as a table."""
    rows: list[tuple[str, ...]] = [("HOST", "STATE", "RUNS", "NEXT BOOT", "BACKUP", "KERNEL", "LAST", "NOTE")]
    rows += [_row(host, info or {}) for host, info in infos.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _row(host: str, info: Answer) -> tuple[str, ...]:
    if not info or info.get("unreachable"):
        return (host, "unreachable", "-", "-", "-", "-", "-", "")
    if info.get("failed"):
        return (host, "failed", "-", "-", "-", "-", "-", _first_line(info.get("msg")))

    def name(key: str) -> str:
        return str((info.get(key) or {}).get("subvolume") or "-")

    kernel = str(((info.get("booted") or {}).get("kernel") or {}).get("release") or "-")
    event = info.get("last_event") or {}
    last = f"{event.get('operation') or event.get('event') or '-'}"
    unmet = [entry["id"] for entry in info.get("requirements") or () if not entry.get("ok")]
    note = "unmet: " + ", ".join(unmet) if unmet else "; ".join(info.get("contradictions") or ())
    waiting = info.get("waiting_for")
    state = f"{info['state']} ({waiting})" if waiting else str(info["state"])
    return (host, state, name("booted"), name("default"), name("backup"), kernel, last, note)


__all__ = (
    "GOOD",
    "STATUSES",
    "FleetError",
    "answered",
    "change_line",
    "choose",
    "closed",
    "count_of",
    "done_hosts",
    "failed_upgrade",
    "gate",
    "human_bytes",
    "looked_at",
    "must_go_back",
    "not_running",
    "output",
    "overlay_lines",
    "percentage",
    "plan",
    "reason",
    "rejected_plans",
    "report",
    "shared",
    "summary",
    "table",
    "verdict",
    "verdict_lines",
    "waves",
)
