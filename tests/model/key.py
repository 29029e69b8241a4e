# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When two worlds are the same: labels are interchangeable, and what no planner asks for is forgotten."""

from __future__ import annotations

import functools
import re
import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.host.store.record import Record

from .world import BAKUP, ROOT, UNFINISHED, UPGRADE, Boot, Btrfs, Root, World

_LABEL = re.compile(r"\b[uk]\d+")
# What a repair asks of the steps that began; a test holds this to the planner
ASKED_OF_BEGUN: t.Final = frozenset(
    ("run_packages", "run_commands", "set_default", "swap_kernel", "cancel_kernel", "cancel_default")
)
_GONE: t.Final = "gone"
_ENDED_WELL: t.Final = ("done", "repaired")


def forget(record: Record) -> Record:
    """Without times and history. Of the last event is kept what a rollback asks: whether a cancel or restore ended well.

    Plans that are known bad are asked for in every state anyway, so they need not be remembered here.
    """
    last = record.events[-1] if record.events else {}
    well = last.get("outcome") in _ENDED_WELL or bool(last.get("completed"))
    told = well and last.get("operation") in ("cancel", "restore")
    pending = replace(record.pending, since=None) if record.pending else None
    return replace(
        record,
        pending=pending,
        events=({"operation": last["operation"], "to": last["to"], "outcome": "done"},) if told else (),
        known_bad=(),
        unfinished=None,
    )


def without_the_gone(record: Record, disk: Btrfs) -> Record:
    """Nobody asks for what is said of a subvolume that does not exist any more: uuids are never given again."""
    there = frozenset(root.uuid for _name, root in disk.subvolumes)
    known = {
        uuid: entry if entry.previous is None or entry.previous in there else replace(entry, previous=_GONE)
        for uuid, entry in record.deployments.items()
        if uuid in there
    }
    return replace(record, deployments=known)


class Piece(t.NamedTuple):
    """A part of a world without its labels, as a number for its text, and its labels in their order."""

    number: int
    labels: tuple[str, ...]


_ALTERNATING = re.compile(rf"\b(?:{UPGRADE}|{ROOT})\b")
_MIRROR: t.Final = {ROOT: UPGRADE, UPGRADE: ROOT}
_OURS: t.Final = tuple(f"{name}{end}" for name in (ROOT, UPGRADE, BAKUP) for end in ("", UNFINISHED))
_numbers: dict[str, int] = {}
_known: dict[tuple[int, bool], tuple[object, t.Any]] = {}


def _piece(value: object, *, mirrored: bool = False) -> Piece:
    """``mirrored``: the two names between which roots alternate are interchangeable as well."""
    text = repr(value)
    if mirrored:
        text = _ALTERNATING.sub(lambda match: _MIRROR[match[0]], text)
    return Piece(_numbers.setdefault(_LABEL.sub("#", text), len(_numbers)), tuple(_LABEL.findall(text)))


class _Makes(t.Protocol):
    def __call__(self, value: t.Any, /, *, mirrored: bool) -> t.Any: ...


def _remembered(value: object, make: _Makes, *, mirrored: bool) -> t.Any:
    """Parts of worlds are values that many worlds share."""
    found = _known.get((id(value), mirrored))
    if found is None:
        # The value is kept, so that no other one gets its id
        found = _known[id(value), mirrored] = (value, make(value, mirrored=mirrored))
    return found[1]


def _by_age(labels: t.Iterable[str]) -> list[str]:
    return sorted(labels, key=lambda label: int(label[1:]))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, _plain(entry)) for key, entry in value.items())
    return value


def _record(record: Record, *, mirrored: bool) -> Piece:
    known = [
        (uuid, _plain(record.deployments[uuid].files), record.deployments[uuid].previous)
        for uuid in _by_age(record.deployments)
    ]
    waits = (record.pending.operation, record.pending.uuid, record.pending.fingerprint) if record.pending else None
    return _piece((known, waits, [_plain(dict(event)) for event in record.events]), mirrored=mirrored)


def _told(pairs: tuple[tuple[str, t.Any], ...], *, mirrored: bool) -> Piece:
    told = [(name, _plain(value)) for name, value in pairs if value is not None and value is not False]
    return _piece(told, mirrored=mirrored)


@functools.cache
def _root(name: str, root: Root, parent: str | None) -> Piece:
    if name not in _OURS:
        return _piece(name)  # nobody looks into it
    return _piece((name, root.uuid, parent, root.kernel, _by_age(root.modules), _by_age(root.kept), root.guard))


@functools.cache
def _boots(seen: Boot, left: frozenset[tuple[Boot, Boot]]) -> Piece:
    return _piece([tuple(seen), sorted(map(repr, left)) if len(left) > 1 else None])


@functools.cache
def _small(*values: object) -> Piece:
    return _piece(values)


def _btrfs(disk: Btrfs, *, mirrored: bool) -> tuple[tuple[int, ...], tuple[str, ...]]:
    there = {root.uuid for _name, root in disk.subvolumes}
    named = [(_mirrored(name) if mirrored else name, root) for name, root in disk.subvolumes]
    pieces = [_root(name, root, root.parent if root.parent in there else None) for name, root in sorted(named)]
    record = _remembered(disk.record, _record, mirrored=mirrored)
    pieces += [_small(disk.downloads, disk.default), record]
    journal = disk.journal
    if journal is not None:
        pieces.append(_small(journal.operation, journal.steps, *sorted(journal.begun & ASKED_OF_BEGUN)))
        pieces += [_remembered(part, _told, mirrored=mirrored) for part in (journal.context, journal.notes)]
    return tuple(piece.number for piece in pieces), tuple(label for piece in pieces for label in piece.labels)


def _mirrored(name: str) -> str:
    stem = name.removesuffix(UNFINISHED)
    return _MIRROR.get(stem, stem) + name[len(stem) :]


def key_of(world: World) -> int:
    """Equal for worlds that behave alike (a hash of 64 bits)."""
    mirrored = (world.disk.name_of(world.disk.default) or "").startswith(UPGRADE)
    boots = _boots(world.boot, world.left)
    numbers: list[int] = [boots.number]
    labels = [world.running, *boots.labels]
    ours: set[str] = set()
    for disk in reversed(world.disks):
        more, its = _remembered(disk, _btrfs, mirrored=mirrored)
        numbers += more
        labels += its
        ours.update(root.uuid for name, root in disk.subvolumes if name in _OURS)
    order: dict[str, int] = {}
    numbers += [order.setdefault(label, len(order)) for label in labels]
    for marked in (world.good, world.foreign):
        numbers += (-1, *sorted(order.setdefault(label, len(order)) for label in _by_age(marked & ours)))
    return hash(tuple(numbers))


__all__ = ("ASKED_OF_BEGUN", "forget", "key_of", "without_the_gone")
