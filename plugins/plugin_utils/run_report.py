# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records and answers made ready for people: the page, and the table of the playbook `status`."""

from __future__ import annotations

import typing as t

from .host_outcome import Answer, Entry, first_line
from .overlay_words import shared_words
from .people import human_bytes, human_seconds
from .run_plan import change_line
from .run_record import GOOD, STATUSES


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
            "shared": shared_words(host["overlays"]) if host.get("overlays") else "",
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


def table(infos: t.Mapping[str, Answer]) -> list[str]:
    """What overc_host_info said on each host, as a table."""
    rows: list[tuple[str, ...]] = [("HOST", "STATE", "RUNS", "NEXT BOOT", "BACKUP", "KERNEL", "LAST", "NOTE")]
    rows += [_row(host, info or {}) for host, info in infos.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def unseen(infos: t.Mapping[str, Answer]) -> list[str]:
    """The hosts that did not answer, or could not be looked at."""
    return [host for host, info in infos.items() if not seen(info)]


def seen(info: Answer | None) -> bool:
    """Whether overc_host_info told the state. Not ``failed``: the task that asked says that this is not its own."""
    return bool(info and info.get("state") and not info.get("unreachable") and not info.get("error_id"))


def _row(host: str, info: Answer) -> tuple[str, ...]:
    if not seen(info):
        state = "failed" if info and not info.get("unreachable") else "unreachable"
        return (host, state, "-", "-", "-", "-", "-", first_line(info.get("msg")) or "no answer")

    def name(key: str) -> str:
        return str((info.get(key) or {}).get("subvolume") or "-")

    kernel = str(((info.get("booted") or {}).get("kernel") or {}).get("release") or "-")
    event = info.get("last_event") or {}
    last = f"{event.get('operation') or event.get('event') or '-'}"
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
    unmet = [entry["id"] for entry in info.get("requirements") or () if not entry.get("ok")]
    notes += [f"unmet: {', '.join(unmet)}"] if unmet else []
    return notes + [str(sentence) for sentence in info.get("contradictions") or ()]


__all__ = (
    "report",
    "seen",
    "table",
    "unseen",
)
