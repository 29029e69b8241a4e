# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When two such hosts are the same: labels and ids are interchangeable, and what no planner asks for is forgotten."""

from __future__ import annotations

import functools
import re
import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.host.store.record import Record

from tests.model.entries.world import number_in
from tests.model.world import UNFINISHED, Btrfs, Root, World

# What a repair asks of the steps that began, and of those that ended; a test holds this to the planner
ASKED_OF_BEGUN: t.Final = frozenset(("disarm", "choose"))
ASKED_OF_ENDED: t.Final = frozenset(("record", "arm_trial"))
_ENDED_WELL: t.Final = ("done", "repaired")
_MANY: t.Final = 200_000
_LABEL = re.compile(r"\b[uk]\d+|(?<=\.overc-)\d+|(?<=\.snapshots/)\d+|\bn\d+")
_NUMBERED = re.compile(r".*\.snapshots/(\d+)/snapshot")


def forget(record: Record, disk: Btrfs) -> Record:
    """Without times and history. Of the events is kept what a rollback asks: how the host came to each deployment, where that
    was a way back.
    """
    ended = [
        event
        for event in record.events
        if (event.get("outcome") in _ENDED_WELL or event.get("completed"))
        and event.get("operation") in ("upgrade", "rollback", "cancel")
    ]
    kept: dict[str, t.Mapping[str, t.Any]] = {}
    for event in reversed(ended):
        kept.setdefault(str(event["to"]), event)
    told = [
        {"operation": event["operation"], "to": event["to"], "outcome": "done"}
        for event in reversed(kept.values())
        if disk.at(str(event["to"])) is not None
        and (event["operation"] == "rollback" or (event["operation"] == "cancel" and event is ended[-1]))
    ]
    pending = replace(record.pending, since=None) if record.pending else None
    return replace(record, pending=pending, events=tuple(told), known_bad=(), unfinished=None)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, _plain(entry)) for key, entry in value.items())
    return value


def _by_age(labels: t.Iterable[str]) -> list[str]:
    return sorted(labels, key=lambda label: int(label[1:]))


def _record(record: Record, there: t.Collection[str]) -> object:
    """The generation that was sealed is asked for of a staged upgrade only."""
    pending = record.pending
    staged = pending.uuid if pending and pending.operation == "upgrade" else None
    known = [
        (
            uuid,
            f"n{entry.number}",
            entry.previous if entry.previous in there else None,
            bool(entry.confirmed),
            entry.origin,
            entry.pinned,
            entry.sealed if uuid == staged else None,
        )
        for uuid, entry in sorted(record.deployments.items(), key=lambda item: int(item[0][1:]))
        if uuid in there
    ]
    waits = (pending.operation, pending.uuid, pending.fingerprint) if pending else None
    return known, waits, [_plain(dict(event)) for event in record.events]


def _root(disk: Btrfs, name: str, root: Root) -> object:
    """Whose snapshot it is is asked of the root that is being made; and whether it ran, of that and of a staged one."""
    pending = disk.record.pending
    is_new = disk.journal is not None and root.uuid not in disk.record.deployments
    asked = is_new or (pending is not None and pending.uuid == root.uuid)
    return (
        name,
        root.uuid,
        root.parent if is_new else None,
        root.kernel,
        root.guard,
        asked and root.written,
        root.menu,
    )


def _order(name: str) -> tuple[int, str]:
    name = name.removesuffix(UNFINISHED)
    found = _NUMBERED.fullmatch(name)
    number = int(found[1]) if found else number_in(name)
    return (number if number is not None else -1, name)


class _Piece(t.NamedTuple):
    """A part of a world without its labels, as a number for its text, and its labels in their order."""

    number: int
    labels: tuple[str, ...]


_numbers: dict[str, int] = {}


def _piece(value: object) -> _Piece:
    text = repr(value)
    return _Piece(_numbers.setdefault(_LABEL.sub("?", text), len(_numbers)), tuple(_LABEL.findall(text)))


_piece_of_boot = functools.lru_cache(maxsize=100_000)(_piece)
_small = functools.lru_cache(maxsize=100_000)(_piece)
_pieces: dict[int, tuple[Btrfs, _Piece]] = {}


def _piece_of_disk(disk: Btrfs) -> _Piece:
    """Disks are values that many worlds share; the value is kept, so that no other one gets its id."""
    found = _pieces.get(id(disk))
    if found is None:
        if len(_pieces) > _MANY:
            _pieces.clear()
        found = _pieces[id(disk)] = (disk, _piece(_disk(disk)))
    return found[1]


def _disk(disk: Btrfs) -> object:
    there = frozenset(root.uuid for _name, root in disk.subvolumes)
    named = sorted(disk.subvolumes, key=lambda entry: _order(entry[0]))
    roots = [_root(disk, name, root) for name, root in named]
    journal, told = disk.journal, None
    if journal is not None:
        context = [
            (name, f"n{value}" if name == "number" else _plain(value)) for name, value in journal.context if value
        ]
        told = (
            journal.operation,
            journal.steps,
            sorted(journal.begun & ASKED_OF_BEGUN),
            sorted(journal.ended & ASKED_OF_ENDED),
            context,
            [(name, _plain(value)) for name, value in journal.notes],
        )
    return roots, _record(disk.record, there), disk.downloads, told, disk.more


def _pieces_of(world: World) -> t.Iterator[_Piece]:
    host = world.entries
    there = {root.uuid for disk in world.disks for _name, root in disk.subvolumes}
    yield _small(
        (world.running, f"n{host.number}" if host else None, host is not None and host.on_trial, host and host.in_place)
    )
    yield from map(_piece_of_disk, reversed(world.disks))
    yield _small(tuple(_by_age(world.good & there)))
    yield _piece_of_boot(world.boot)
    if len(world.left) > 1:
        left = [(_piece_of_boot(grub), _piece_of_boot(linux)) for grub, linux in world.left]
        for pair in sorted(left):
            yield from pair


def key_of(world: World) -> int:
    """Equal for worlds that behave alike (a hash of 64 bits)."""
    texts: list[int] = []
    labels: list[str] = []
    for number, its in _pieces_of(world):
        texts.append(number)
        labels += its
    ids = {int(label.lstrip("n")) for label in labels if label[0] not in "uk"} - {0}
    rank = {number: index for index, number in enumerate(sorted(ids), 1)}
    order: dict[str, int] = {}
    told = [
        order.setdefault(label, len(order)) if label[0] in "uk" else -rank.get(int(label.lstrip("n")), 0)
        for label in labels
    ]
    return hash((*texts, *told))


__all__ = ("ASKED_OF_BEGUN", "ASKED_OF_ENDED", "forget", "key_of")
