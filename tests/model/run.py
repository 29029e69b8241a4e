# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan carried out in the model: the journal around its steps, and every world that a kill leaves on the way."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan
from ansible_collections.overc.system.plugins.module_utils.host.plan.repair import plan_repair

from .effects import EFFECTS, AtWork, Effect
from .key import ASKED_OF_BEGUN
from .storage import Storage
from .world import Btrfs, Journal, World

if t.TYPE_CHECKING:
    from .commands import Packages


@dataclass(frozen=True)
class Machinery:
    """What is explored: the real thing, or a mutant of it.

    ``order`` changes the steps of a plan, ``effects`` what they do. ``skips_are_durable``: a step that finds its work done
    makes it durable; ``begins_durable``: a command begins with all that is seen on the disk; ``closes_after``: the steps after
    which the journal goes, instead of after the last one. ``asked_of_begun`` and ``asked_of_ended``: the steps of which a repair
    asks whether they began, or ended.
    """

    effects: t.Mapping[str, Effect] = field(default_factory=lambda: EFFECTS)
    order: t.Callable[[tuple[str, ...]], tuple[str, ...]] = tuple
    skips_are_durable: bool = True
    begins_durable: bool = True
    closes_after: frozenset[str] = frozenset()
    at_work: type[AtWork] = AtWork
    asked_of_begun: frozenset[str] = ASKED_OF_BEGUN
    asked_of_ended: frozenset[str] = frozenset()


class Ran(t.NamedTuple):
    """``killed`` are the worlds that a kill leaves, ``ends`` those after each step, by its name. ``refused``: why a step did
    not do its work, so that the journal stays.
    """

    world: World
    killed: list[World]
    ends: list[tuple[str, World]]
    refused: OvercError | None = None


def _set_journal(storage: Storage, journal: Journal | None, *, names: bool = False, told: bool = True) -> None:
    """fsynced; with a change of ``names`` it is seen before it is durable."""

    def change(disk: Btrfs) -> Btrfs:
        return replace(disk, journal=journal)

    if names:
        storage.change(change)
    storage.fsync_file(change, told=told)


def _begin(at: AtWork, machinery: Machinery, step: str) -> None:
    journal = at.disk.journal
    if journal is not None:
        marked = journal._replace(begun=journal.begun | {step})
        _set_journal(at.storage, marked, told=step in machinery.asked_of_begun)


def _end(at: AtWork, machinery: Machinery, step: str) -> None:
    """With the notes that the step made."""
    journal = at.disk.journal
    if journal is None:
        return
    notes = journal.notes
    if dict(notes) != at.notes:
        notes = tuple(sorted(json.loads(json.dumps(at.notes)).items()))
    asked = step in machinery.asked_of_ended or notes != journal.notes
    _set_journal(at.storage, journal._replace(ended=journal.ended | {step}, notes=notes), told=asked)


def _steps(at: AtWork, machinery: Machinery) -> list[tuple[str, World]]:
    ends = []
    steps = machinery.order(at.plan.steps)
    for step in steps:
        _begin(at, machinery, step)
        if not machinery.effects[step](at) and machinery.skips_are_durable:
            at.make_durable()
        ends.append((step, at.storage.world))
        _end(at, machinery, step)
        if step in machinery.closes_after:
            _set_journal(at.storage, None, names=True)
    _set_journal(at.storage, None, names=True)
    return ends


def run(world: World, plan: Plan, packages: Packages, machinery: Machinery) -> Ran:
    """Carry a plan out."""
    storage = Storage(world)
    at = machinery.at_work(storage, plan, {}, packages)
    context = json.loads(json.dumps(at.context.as_dict()))
    if machinery.begins_durable:
        at.make_durable()
    _set_journal(storage, None)  # what a killed run was about to remove
    _set_journal(
        storage, Journal(plan.operation, tuple(sorted(context.items())), machinery.order(plan.steps)), names=True
    )
    ends = _steps(at, machinery)
    return Ran(storage.world, storage.trace, ends)


def repair(world: World, machinery: Machinery) -> Ran:
    """What the next command does first on a host with an open journal."""
    storage = Storage(world)
    plan = plan_repair(machinery.at_work.observe(world))
    at = machinery.at_work(storage, plan, plan.notes)
    if machinery.skips_are_durable:
        at.make_durable()
    try:
        ends = _steps(at, machinery)
    except OvercError as refused:
        return Ran(storage.world, storage.trace, [], refused)
    return Ran(storage.world, storage.trace, ends)


__all__ = ("Machinery", "Ran", "repair", "run")
