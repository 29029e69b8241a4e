# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan carried out in the model: the journal around its steps, and every world that a kill leaves on the way."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan
from ansible_collections.overc.system.plugins.module_utils.host.plan.repair import plan_repair

from .effects import EFFECTS, AtWork, Effect
from .facts import facts_of
from .key import ASKED_OF_BEGUN
from .storage import Storage
from .world import Btrfs, Journal, World

if t.TYPE_CHECKING:
    from .commands import Packages


@dataclass(frozen=True)
class Machinery:
    """What is explored: the real thing, or a mutant of it.

    ``order`` changes the steps of a plan, ``effects`` what they do. ``skips_are_durable``: a step that finds its work done
    makes it durable; ``closes_after``: the steps after which the journal goes, instead of after the last one.
    """

    effects: t.Mapping[str, Effect] = field(default_factory=lambda: EFFECTS)
    order: t.Callable[[tuple[str, ...]], tuple[str, ...]] = tuple
    skips_are_durable: bool = True
    closes_after: frozenset[str] = frozenset()


class Ran(t.NamedTuple):
    """``killed`` are the worlds that a kill leaves, ``ends`` those after each step, by its name."""

    world: World
    killed: list[World]
    ends: list[tuple[str, World]]


def _set_journal(storage: Storage, journal: Journal | None, *, names: bool = False, told: bool = True) -> None:
    """fsynced; with a change of ``names`` it is seen before it is durable."""

    def change(disk: Btrfs) -> Btrfs:
        return replace(disk, journal=journal)

    if names:
        storage.change(change)
    storage.fsync_file(change, told=told)


def _mark(at: AtWork, step: str | None = None) -> None:
    """Before a step: that it begins. After it: the notes it made."""
    journal = at.disk.journal
    if journal is None:
        return
    begun = journal.begun | ({step} if step else frozenset())
    notes = journal.notes
    if step is None and dict(notes) != at.notes:
        notes = tuple(sorted(json.loads(json.dumps(at.notes)).items()))
    asked = step in ASKED_OF_BEGUN or notes != journal.notes
    _set_journal(at.storage, journal._replace(begun=begun, notes=notes), told=asked)


def _steps(at: AtWork, machinery: Machinery) -> list[tuple[str, World]]:
    ends = []
    steps = machinery.order(at.plan.steps)
    for step in steps:
        _mark(at, step)
        if not machinery.effects[step](at) and machinery.skips_are_durable:
            at.make_durable()
        ends.append((step, at.storage.world))
        _mark(at)
        if step in machinery.closes_after:
            _set_journal(at.storage, None, names=True)
    _set_journal(at.storage, None, names=True)
    return ends


def run(world: World, plan: Plan, packages: Packages, machinery: Machinery) -> Ran:
    """Carry a plan out."""
    storage = Storage(world)
    at = AtWork(storage, plan, {}, packages)
    context = json.loads(json.dumps(at.context.as_dict()))
    _set_journal(storage, None)  # what a killed run was about to remove
    _set_journal(
        storage, Journal(plan.operation, tuple(sorted(context.items())), machinery.order(plan.steps)), names=True
    )
    ends = _steps(at, machinery)
    return Ran(storage.world, storage.trace, ends)


def repair(world: World, machinery: Machinery) -> Ran:
    """What the next command does first on a host with an open journal."""
    storage = Storage(world)
    plan = plan_repair(facts_of(world))
    at = AtWork(storage, plan, plan.notes)
    if machinery.skips_are_durable:
        at.make_durable()
    ends = _steps(at, machinery)
    return Ran(storage.world, storage.trace, ends)


__all__ = ("Machinery", "Ran", "repair", "run")
