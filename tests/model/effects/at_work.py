# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One transaction at work in the model: what the effects of its steps share."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from unittest import mock

from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Context, Plan
from ansible_collections.overc.system.plugins.module_utils.host.steps import record as record_step
from ansible_collections.overc.system.plugins.module_utils.host.steps.context import Apply
from ansible_collections.overc.system.plugins.module_utils.host.store.record import Record

from tests.model.facts import facts_of
from tests.model.key import forget, without_the_gone
from tests.model.storage import Storage
from tests.model.world import Btrfs, Root, World

if t.TYPE_CHECKING:
    from tests.model.commands import Packages

_labels = iter(range(10, 1 << 62))


def fresh(kind: str) -> str:
    """A label that nothing has yet."""
    return f"{kind}{next(_labels)}"


class AtWork:
    """``packages`` is what an upgrade installs; ``notes`` travel with the journal."""

    def __init__(
        self, storage: Storage, plan: Plan, notes: t.Mapping[str, t.Any], packages: Packages | None = None
    ) -> None:
        if plan.context is None:
            raise AssertionError(f"a plan for {plan.operation} without a context")
        self.storage, self.plan, self.packages = storage, plan, packages
        self.context: Context = plan.context
        self.notes = dict(notes)
        self._facts: tuple[World, HostFacts] | None = None

    @property
    def disk(self) -> Btrfs:
        return self.storage.world.disk

    @property
    def facts(self) -> HostFacts:
        """What the product would observe now."""
        world = self.storage.world
        if self._facts is None or self._facts[0] is not world:
            self._facts = world, self.observe(world)
        return self._facts[1]

    @staticmethod
    def observe(world: World) -> HostFacts:
        return facts_of(world)

    @staticmethod
    def forget(record: Record, _disk: Btrfs) -> Record:
        """The record without what nobody asks for."""
        return forget(record)

    @property
    def apply(self) -> Apply:
        """For those parts of the product's steps that only think: which root is meant, what belongs on record."""
        runner = t.cast("t.Any", None)
        return Apply(runner, self.facts, self.plan, self.context, "", notes=self.notes)

    def root(self, uuid: str) -> Root:
        found = self.disk.by_uuid(uuid)
        if found is None:
            raise AssertionError(f"{uuid} is gone")
        return found

    def change_subvolumes(self, change: t.Callable[[dict[str, Root]], object]) -> None:
        """A new, renamed, changed or deleted subvolume."""

        def changed(disk: Btrfs) -> Btrfs:
            named = dict(disk.subvolumes)
            change(named)
            return replace(disk, subvolumes=tuple(sorted(named.items())))

        self.storage.change(changed)

    def change_root(self, uuid: str, **fields: t.Any) -> None:
        """Files inside a root."""
        name = self.disk.name_of(uuid)
        if name is None:
            raise AssertionError(f"{uuid} is gone")
        self.change_subvolumes(lambda named: named.update({name: named[name]._replace(**fields)}))

    def write_record(self, record: Record) -> None:
        """Written beside, fsynced, renamed; then its directory."""
        record = without_the_gone(self.forget(record, self.disk), self.disk)
        world = self.storage.world
        self.storage.world = world._replace(foreign=world.foreign - record.deployments.keys())
        self.storage.change(lambda disk: replace(disk, record=record))
        self.storage.fsync_file(lambda disk: replace(disk, record=record))

    def mark_good(self, uuid: str, *, like: str) -> None:
        """A copy of what somebody found good is good."""
        world = self.storage.world
        if like in world.good:
            self.storage.world = world._replace(good=world.good | {uuid})

    def record_by_product(self, write: t.Callable[[Apply], object]) -> None:
        """Let a function of the product write the record: it is the model that keeps it."""
        kept: list[Record] = []
        with mock.patch.object(record_step, "write_record", lambda _top, record: kept.append(record)):
            write(self.apply)
        for record in kept:
            self.write_record(record)

    def make_durable(self) -> None:
        """As the product does before a repair, and after a step that found its work done."""
        self.storage.commit()
        self.storage.sync_boot()


__all__ = ("AtWork", "fresh")
