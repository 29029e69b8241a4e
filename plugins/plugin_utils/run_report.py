# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records and answers made ready for people: the page, and the table of the playbook `status`."""

from __future__ import annotations

import typing as t

from ..module_utils.host.words import change_line
from ..module_utils.people import ago, alike, human_bytes, human_seconds, plural
from .host_outcome import Answer, Entry, is_silent, warned_before, warnings_of, why_unseen
from .overlay_words import shared_words
from .run_record import GOOD, STATUSES

# What keeps a page of 5,000 hosts below five megabytes; all of it is in the record beside the page
_TROUBLES: t.Final = 300
_OUTPUTS: t.Final = 60
_WARNED: t.Final = 200
_LISTS: t.Final = 100
_LINES: t.Final = 300


def report(record: t.Mapping[str, t.Any]) -> Entry:
    """A record made ready for the page: hosts in the order of a report, equal troubles together, durations as shares."""
    rank = {status: number for number, status in enumerate(STATUSES)}
    hosts = {name: _ready(host, str(record["updated"])) for name, host in record["hosts"].items()}
    longest = max((sum(host["seconds"].values()) for host in hosts.values()), default=0) or 1
    for host in hosts.values():
        host["shares"] = {key: round(100 * value / longest, 1) for key, value in host["seconds"].items()}
    order = sorted(hosts, key=lambda name: rank.get(hosts[name]["status"], -1))
    sharing = [host["overlays"] for host in hosts.values() if host.get("overlays")]
    total = {key: sum(entry[key] for entry in sharing) for key in ("containers", "directories", "bytes_freed")}
    where = f"{plural(total['directories'], 'directory')} on {plural(len(sharing), 'host')}"
    saved = f"Containers share {where}: {human_bytes(total['bytes_freed'])} freed."
    packages, more_packages = _packages(hosts)
    troubles = _troubles({name: hosts[name] for name in record["bad"]})
    warned = alike_lists({name: hosts[name].get("warnings") or () for name in order})
    runs = [{**run, "ago": ago(str(run.get("started")), str(record["updated"]))} for run in record.get("runs") or ()]
    return {
        **record,
        "hosts": hosts,
        "order": order,
        "good": sorted(GOOD),
        "title": f"{str(record['command']).capitalize()} of {plural(len(hosts), 'host')}",
        "troubles": troubles[:_TROUBLES],
        "more_troubles": max(0, len(troubles) - _TROUBLES),
        "warned": warned[:_WARNED],
        "more_warned": max(0, len(warned) - _WARNED),
        "packages": packages,
        "more_packages": more_packages,
        "runs": runs,
        "live": record["command"] == "report",
        "damaged": record.get("damaged") or 0,
        "saved": saved if sharing else "",
    }


def _ready(host: Answer, now: str) -> Entry:
    """One host, with everything that the page asks for."""
    last = host.get("last_run") or {}
    seconds = {key: float((host.get("seconds") or {}).get(key) or 0) for key in ("stage", "reboot", "rollback")}
    return {
        "wave": None,
        **host,
        "total": round(sum(seconds.values())),
        "seconds": seconds,
        "changes": [change_line(change) for change in host.get("upgrades") or ()],
        "shared": shared_words(host["overlays"]) if host.get("overlays") else "",
        "broken": (host.get("overlays") or {}).get("broken") or [],
        "last": {
            **last,
            "ago": ago(str(last.get("started")), now),
            "changes": [change_line(change) for change in last.get("upgrades") or ()],
        }
        if last
        else None,
    }


def _packages(hosts: t.Mapping[str, Entry]) -> tuple[list[Entry], int]:
    """The lists of packages that hosts got, each once with a number that its hosts get as ``list``; and how many lists more
    there are than a page can hold.
    """
    said = {name: "\n".join(host["changes"]) for name, host in hosts.items() if host["changes"]}
    found = []
    for number, (_words, names) in enumerate(alike(said), 1):
        for name in names:
            hosts[name]["list"] = number
        lines = hosts[names[0]]["changes"]
        kept = lines if len(lines) <= _LINES else [*lines[:_LINES], f"and {len(lines) - _LINES} more"]
        found.append({"number": number, "hosts": len(names), "packages": len(lines), "lines": kept})
    return found[:_LISTS], max(0, len(found) - _LISTS)


def _troubles(bad: t.Mapping[str, Entry]) -> list[Entry]:
    """What is not well, once for all hosts of which the same is said; the output is that of the first of them."""
    said = {name: f"{host['status']}\n{host.get('reason') or ''}" for name, host in bad.items()}
    found: list[Entry] = []
    for _words, names in alike(said):
        first = bad[names[0]]
        output = first.get("output") or (first.get("last_run") or {}).get("output")
        keys = ("status", "meaning", "reason", "error_id")
        shown = (output or "") if len(found) < _OUTPUTS else ""
        found.append({**{key: first.get(key) or "" for key in keys}, "hosts": names, "output": shown})
    return found


def alike_lists(said: t.Mapping[str, t.Iterable[str]]) -> list[tuple[str, list[str]]]:
    """Sentences and the hosts of which each is said."""
    found: dict[str, list[str]] = {}
    for host, sentences in said.items():
        for sentence in sentences:
            found.setdefault(sentence, []).append(host)
    return list(found.items())


def table(infos: t.Mapping[str, Answer]) -> list[str]:
    """What overc_host_info said on each host, as a table."""
    rows: list[tuple[str, ...]] = [("HOST", "STATE", "RUNS", "NEXT BOOT", "BACKUP", "KERNEL", "LAST", "NOTE")]
    rows += [_row(host, info or {}) for host, info in infos.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def unseen(infos: t.Mapping[str, Answer]) -> dict[str, str]:
    """The hosts that did not answer, or could not be looked at, and why."""
    return {host: why_unseen(info) for host, info in infos.items() if not seen(info)}


def seen(info: Answer | None) -> bool:
    """Whether overc_host_info told the state. Not ``failed``: the task that asked says that this is not its own."""
    return bool(info and info.get("state") and not info.get("unreachable") and not info.get("error_id"))


def _row(host: str, info: Answer) -> tuple[str, ...]:
    if not seen(info):
        state = "unreachable" if is_silent(info) else "failed"
        return (host, state, "-", "-", "-", "-", "-", why_unseen(info))

    def name(key: str) -> str:
        return str((info.get(key) or {}).get("subvolume") or "-")

    kernel = str(((info.get("booted") or {}).get("kernel") or {}).get("release") or "-")
    event = info.get("last_event") or {}
    last = f"{event.get('operation') or event.get('event') or '-'}"
    if event.get("outcome") not in (None, "done", "repaired", "cancelled"):
        last += f" {str(event['outcome']).replace('_', ' ')}"
    waiting = info.get("waiting_for")
    state = f"{info['state']} ({waiting})" if waiting else str(info["state"])
    return (host, state, name("booted"), name("next_boot"), name("backup"), kernel, last, "; ".join(_notes(info)))


def _notes(info: Answer) -> list[str]:
    """What a person should know of a host beside its state."""
    trial, notes = info.get("trial") or {}, []
    left = trial.get("seconds_left")
    if left is not None:
        notes.append(f"{human_seconds(left)} left to confirm it")
    elif trial.get("reason"):
        notes.append(str(trial["reason"]))
    elif info["state"] == "backup":
        notes.append("overc_host_rollback makes the backup the normal system again")
    notes += [f"out of service since {info['out_of_service']}"] if info.get("out_of_service") else []
    unmet = [entry["id"] for entry in info.get("requirements") or () if not entry.get("ok")]
    notes += [f"unmet: {', '.join(unmet)}"] if unmet else []
    notes += [str(sentence) for sentence in info.get("contradictions") or ()]
    return notes + [f"warning: {said}" for said in dict.fromkeys([*warnings_of(info), *warned_before(info)])]


__all__ = (
    "report",
    "seen",
    "table",
    "unseen",
)
