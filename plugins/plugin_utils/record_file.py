# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a record: JSON, a host a line, with equal lists of packages stored once; and what has changed since. Pure.

A fleet gets the same packages on all of its hosts. In the file an entry has ``transaction`` in place of ``upgrades``, the name
of a list in ``transactions``; whoever reads a record with ``read`` gets it as it was before.
"""

from __future__ import annotations

import json
import typing as t

from .host_outcome import Answer, Entry
from .run_record import STATUSES, bad_of, counts_of

FORMAT: t.Final = 2
# In which part of an entry a list of packages is: of this run, and of the last one in the record of a look
_PARTS: t.Final = ("", "last_run")
# Which run it is
_KEYS: t.Final = ("command", "started")
# How often what had changed was put into the whole: a line that is in it already is of an earlier part
PART: t.Final = "part"
# What a change says of the run as a whole
_RUN: t.Final = ("updated", "stopped")


def text(record: Answer) -> str:
    """The record as it is stored. It may be read with any JSON parser."""
    stored = _stored(record)
    hosts = stored.pop("hosts")
    stored = {**{key: stored.get(key) for key in _KEYS}, PART: stored.get(PART, 0), **stored}
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in stored.items()]
    lines = [f" {json.dumps(name)}: {json.dumps(host)}" for name, host in hosts.items()]
    return "{\n" + ",\n".join([*parts, '"hosts": {\n' + ",\n".join(lines) + "\n}"]) + "\n}\n"


def part_of(head: str, change: Answer) -> int | None:
    """Which part of its run a stored record is at, of which this is the beginning; None where it is not of the run in which
    something has changed.
    """
    lines = head.splitlines()
    if not all(f"{json.dumps(key)}: {json.dumps(change.get(key))}," in lines for key in _KEYS):
        return None
    said = next((line for line in lines if line.startswith(f"{json.dumps(PART)}: ")), "")
    number = said.partition(": ")[2].rstrip(",")
    return int(number) if number.isdecimal() else 0


def change(record: Answer) -> str:
    """A record of only the hosts that have changed, in one line."""
    return json.dumps(_stored(record)) + "\n"


def read(given: t.Any) -> Entry | None:
    """A record from its text, or as it is; None where it is none."""
    record = given
    if isinstance(given, str):
        try:
            record = json.loads(given)
        except (ValueError, RecursionError):
            return None
    hosts = record.get("hosts") if isinstance(record, dict) else None
    well = isinstance(hosts, dict) and all(
        isinstance(host, dict) and isinstance(host.get("status"), str) and host["status"] in STATUSES
        for host in hosts.values()
    )
    return _restored(record) if well else None


def changed(base: Entry, lines: str) -> Entry:
    """A record after what changed since, line by line. What is of another run or part, or a line that was cut off, is
    passed over.
    """
    after: Entry = {**base, "hosts": dict(base["hosts"])}
    for line in lines.splitlines():
        found = read(line)
        if found is None or any(found.get(key) != base.get(key) for key in _KEYS):
            continue
        if found.get(PART, 0) != base.get(PART, 0):
            continue
        after.update({key: found[key] for key in _RUN if key in found})
        after["hosts"].update({name: host for name, host in found["hosts"].items() if name in after["hosts"]})
    return {**after, "counts": counts_of(after["hosts"]), "bad": bad_of(after["hosts"])}


def _stored(record: Answer) -> Entry:
    names: dict[str, str] = {}
    lists: dict[str, t.Any] = {}

    def without_lists(entry: Entry) -> Entry:
        for part in _PARTS:
            whole = entry.get(part) if part else entry
            if isinstance(whole, dict) and whole.get("upgrades"):
                said = json.dumps(whole["upgrades"])
                name = names.setdefault(said, str(len(names) + 1))
                lists[name] = whole["upgrades"]
                short = {**{key: value for key, value in whole.items() if key != "upgrades"}, "transaction": name}
                entry = {**entry, part: short} if part else short
        return entry

    hosts = {name: without_lists(host) for name, host in record["hosts"].items()}
    return {**record, "format": FORMAT, "transactions": lists, "hosts": hosts}


def _restored(record: Answer) -> Entry:
    lists = record.get("transactions")
    known = lists if isinstance(lists, dict) else {}

    def with_lists(entry: Entry) -> Entry:
        for part in _PARTS:
            whole = entry.get(part) if part else entry
            if isinstance(whole, dict) and "transaction" in whole:
                found = known.get(whole["transaction"]) if isinstance(whole["transaction"], str) else None
                full = {key: value for key, value in whole.items() if key != "transaction"}
                full["upgrades"] = found if isinstance(found, list) else []
                entry = {**entry, part: full} if part else full
        return entry

    hosts = {name: with_lists(host) for name, host in record["hosts"].items()}
    return {**{key: value for key, value in record.items() if key != "transactions"}, "hosts": hosts}


__all__ = ("FORMAT", "PART", "change", "changed", "part_of", "read", "text")
