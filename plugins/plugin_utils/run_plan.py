# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a fleet run, made before the first host is touched: who is ready, in which waves.

Pure functions from what the hosts answered to plain dicts and lists, so that playbooks only carry them out. Nothing is
remembered beside the answers: a decision is computed again from the results whenever it is needed.
"""

from __future__ import annotations

import typing as t

from ..module_utils.host.words import change_line
from ..module_utils.people import alike, names, plural
from .host_outcome import (
    Answer,
    Entry,
    as_asked,
    brought_back_words,
    changes_of,
    error_id_of,
    left_out,
    not_seen_because,
    output,
    silence,
    to_be_finished,
    warnings_of,
)
from .option_kinds import FleetError, count_of, number, percentage
from .run_options import closed, waves

Plan = dict[str, t.Any]
# How many hosts a line of the plan names; the record has them all
_SHOWN: t.Final = 20
# What to do where nobody would put it back
_NOBODY: t.Final = (
    "This run has no tasks that put it back (host_upgrade_undrain_tasks). If somebody has done that, say so to the host with "
    "overc_host_service (state: in)."
)
# In place of an error id, where no module could answer
_SILENT: t.Final = "unreachable"


def verdict(answer: Answer, asked: t.Mapping[str, t.Any] | None = None) -> Entry:
    """Whether a host may take part, from what it said in check mode: ``go``, ``current`` or ``unready``, and why.

    ``asked`` are the options of the role for this host.
    """
    wanted = asked or {}
    puts_back = bool(wanted.get("drain_tasks") or wanted.get("undrain_tasks"))
    if not answer or answer.get("unreachable"):
        said = f"The host does not answer: {silence(answer.get('msg'))}"
        return {"verdict": "unready", "error_id": _SILENT, "reason": said}
    base: Entry = {
        "state": answer.get("state"),
        "booted": answer.get("booted"),
        "protection": answer.get("protection"),
        "fingerprint": answer.get("fingerprint"),
        "upgrades": changes_of(answer.get("upgrades")),
        "warnings": warnings_of(answer),
        "reason": as_asked(str(answer.get("msg") or "")) if "state" in answer else not_seen_because(answer),
        "out_of_service": answer.get("out_of_service"),
    }
    if left_out(answer) and not puts_back:
        base["warnings"].append(f"{left_out(answer)} {_NOBODY}")
    # Not "failed" and "changed": the task that asked says that neither is its own
    finish = to_be_finished(answer, puts_back)
    if not finish and (answer.get("error_id") or "actions" not in answer):
        if left_out(answer) and puts_back:
            base["reason"] = f"{base['reason']} {left_out(answer)} A run puts it back as soon as it is ready."
        return {**base, "verdict": "unready", "error_id": error_id_of(answer), "output": output(answer)}
    work = bool(finish or answer["actions"] or answer.get("reboot_required"))
    found = {**base, "finish": finish, "verdict": "go" if work else "current", "operation": answer.get("operation")}
    if work and answer.get("operation"):
        found["returns"] = _returns(answer)
    return found


def _returns(answer: Answer) -> str:
    """What a rollback leads to, in words."""
    booted, next_one = answer.get("booted"), answer.get("staged")
    if answer.get("operation") == "cancel":
        return f"its staged upgrade is cancelled, {booted} runs on"
    if answer.get("operation") == "restore":
        return f"{booted}, its backup, becomes the normal system again as {next_one}"
    return f"returns from {booted} to {next_one}{brought_back_words(answer)}"


def no_delegate(delegates: t.Collection[str], asked: t.Iterable[Answer]) -> Entry:
    """What is wrong with a host whose own tasks are delegated to ``delegates``; nothing if all of them answered."""
    silent = [
        str(answer.get("item")) for answer in asked if answer.get("unreachable") and answer.get("item") in delegates
    ]
    if not silent:
        return {}
    msg = f"Its own tasks are delegated to {', '.join(silent)}, which does not answer."
    return {"error_id": "delegate_unreachable", "msg": msg}


def unhealthy_before(health: Answer) -> Entry:
    """What is wrong with a host that does not work before its upgrade; nothing if it does, or was not asked."""
    if health.get("unreachable"):
        return {"unreachable": True, "msg": health.get("msg")}
    if not health.get("error_id"):
        return {}
    failed = f"{health.get('check')}: " if health.get("check") else ""
    msg = (
        f"Before the upgrade it does not work already: {failed}{health.get('msg')} "
        "Mend that, or go on with host_upgrade_health_before=ignore."
    )
    return {"error_id": str(health["error_id"]), "msg": msg}


def with_health(answer: Answer, health: Answer) -> Entry:
    """What a host answered, and with it what is wrong with its health; that is asked only where something would be done."""
    if "state" not in answer or answer.get("error_id"):
        return dict(answer)
    return {**answer, **unhealthy_before(health)}


def plan(
    answers: t.Mapping[str, Answer],
    options: t.Mapping[str, t.Any],
    asked: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
) -> Plan:
    """The whole run, from what every chosen host answered. ``refused`` is the sentence that stops it, if any.

    ``asked`` are the options of the role that were given for each host, for the lines that people read.
    """
    command = options.get("command", "upgrade")
    wanted = {host: dict((asked or {}).get(host) or {}) for host in answers}
    entries = {host: verdict(answer or {}, wanted[host]) for host, answer in answers.items()}
    for host, entry in entries.items():
        entry["asked"] = wanted[host]
    named = {str(entry) for entry in options.get("rejected_plans") or ()}
    # What is known to be bad takes no place in a wave: a canary that is withheld would be none
    rejected = [host for host, entry in entries.items() if entry["verdict"] == "go" and entry["fingerprint"] in named]
    ready = [host for host, entry in entries.items() if entry["verdict"] == "go" and host not in rejected]
    unready = [host for host, entry in entries.items() if entry["verdict"] == "unready"]
    percentage("fleet_max_fail_percentage", options.get("max_fail_percentage", 0))
    number("fleet_soak", options.get("soak", 0))
    ordered = waves(ready, options.get("canary", 1), options.get("serial", "25%"))
    check_mode = bool(options.get("check_mode"))
    shut = closed(options["now"], options.get("window", ""), options.get("not_after", ""))
    refused = None
    policy = options.get("unready", "stop")
    if policy not in ("stop", "skip"):
        raise FleetError(f"fleet_unready: {policy!r} is neither stop nor skip.")
    if unready and policy == "stop":
        are = f"{'hosts' if len(entries) > 1 else 'host'} {'are' if len(unready) > 1 else 'is'}"
        them = "them" if len(unready) > 1 else "it"
        refused = (
            f"{len(unready)} of {len(entries)} {are} not ready ({names(unready, 5)}), so no host was touched. "
            f"Mend {them}, leave {them} out with fleet_exclude, or go on without {them} with fleet_unready=skip."
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
        "rejected": rejected,
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
    lines = [f"{of['command']} of {plural(len(entries), 'host')}", _in_force(of["options"])]
    canary = count_of(of["options"].get("canary", 1), 1, "fleet_canary") > 0
    for number_, wave in enumerate(of["waves"], 1):
        lines.append(f"wave {number_}{' (canary)' if number_ == 1 and canary else ''}: {names(wave, _SHOWN)}")
    current = {host: str(entry["reason"]) for host, entry in entries.items() if entry["verdict"] == "current"}
    for said, hosts in alike(current):
        lines.append(f"nothing to do: {names(hosts, _SHOWN)}{f': {said}' if said else ''}")
    if of["rejected"]:
        lines.append(f"withheld, because fleet_rejected_plans names their upgrade: {names(of['rejected'], _SHOWN)}")
    unready = {host: _why(entries[host]) for host in of["unready"]}
    lines += [f"not ready: {names(hosts)}: {said}" for said, hosts in alike(unready)]
    going = [host for wave in of["waves"] for host in wave]
    stays = {host for host in going if any(_NOBODY in str(said) for said in entries[host].get("warnings") or ())}
    out = [host for host in going if entries[host].get("out_of_service") and host not in stays]
    if out:
        said = ", ".join(f"{host} (since {entries[host]['out_of_service']})" for host in out)
        lines.append(f"left out of service by an earlier run, to be put back: {said}")
    cut = [host for host in going if entries[host].get("finish") and host not in out]
    if cut:
        lines.append(f"to be finished, because a run was cut off after its reboot: {', '.join(cut)}")
    for words, hosts in _alike(going, lambda host: _asked_words(of["command"], entries[host]["asked"])):
        lines.append(f"asked of {names(hosts)}: {words}")
    for words, hosts in _alike(going, lambda host: str(entries[host].get("returns") or "")):
        lines.append(f"on {names(hosts)}: {words}")
    for upgrades, hosts in _by_changes(of):
        lines.append(f"on {names(hosts)}:")
        lines += [f"  {change_line(change)}" for change in upgrades]
    for warning in dict.fromkeys(said for entry in entries.values() for said in entry.get("warnings") or ()):
        hosts = [host for host, entry in entries.items() if warning in (entry.get("warnings") or ())]
        lines.append(f"warning on {', '.join(hosts)}: {warning}")
    if of["closed"]:
        lines.append(f"now: {of['closed']}")
    return lines


def _in_force(options: t.Mapping[str, t.Any]) -> str:
    """The options of the run in words, also those that nobody gave."""
    serial = options.get("serial", "25%")
    words = [
        f"canary {options.get('canary', 1)}",
        f"then waves of {','.join(map(str, serial)) if isinstance(serial, (list, tuple)) else serial}",
        f"stops above {percentage('fleet_max_fail_percentage', options.get('max_fail_percentage', 0)):g}% failed",
        f"soak {options.get('soak', 0)} s",
        f"unready hosts {'are left out' if options.get('unready') == 'skip' else 'stop the run'}",
        f"window {options.get('window') or 'none'}",
        f"not after {options.get('not_after') or 'none'}",
    ]
    words += ["what was done is brought back if the run stops"] if options.get("rollback_done") else []
    words += ["upgrades that failed are offered on"] if not options.get("withhold_rejected", True) else []
    words += [f"without {options['exclude']}"] if options.get("exclude") else []
    skipped = ", ".join(options.get("skip_tags") or ())
    words += [f"own tasks with the tags {skipped} are skipped (--skip-tags), checks too"] if skipped else []
    return f"options: {', '.join(words)}"


def _asked_words(command: str, asked: t.Mapping[str, t.Any]) -> str:
    found = {key: value for key, value in asked.items() if value not in ("", [], {}) and key != "fail"}
    return ", ".join(f"host_{command}_{key}={_plain(value)}" for key, value in found.items())


def _plain(value: t.Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(_plain(entry) for entry in value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_plain(entry)}' for key, entry in value.items())}}}"
    return str(value)


def _why(entry: Entry) -> str:
    known = entry["error_id"]
    return f"{entry['reason']} [{known}]" if known else str(entry["reason"])


def _alike(hosts: t.Iterable[str], words: t.Callable[[str], str]) -> list[tuple[str, list[str]]]:
    """Hosts of which the same is said, together; those of which nothing is said are left out."""
    groups: dict[str, list[str]] = {}
    for host in hosts:
        groups.setdefault(words(host), []).append(host)
    return [(said, found) for said, found in groups.items() if said]


def _by_changes(of: Plan) -> list[tuple[list[dict[str, t.Any]], list[str]]]:
    groups: dict[str, tuple[list[dict[str, t.Any]], list[str]]] = {}
    for wave in of["waves"]:
        for host in wave:
            entry = of["hosts"][host]
            key = repr(entry["upgrades"])
            groups.setdefault(key, (entry["upgrades"], []))[1].append(host)
    return [group for group in groups.values() if group[0]]


__all__ = (
    "Plan",
    "describe",
    "no_delegate",
    "plan",
    "unhealthy_before",
    "verdict",
    "with_health",
)
