# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planted defects of ``snapper``. Each of them has to be found."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace
from unittest import mock

from ansible_collections.overc.system.plugins.module_utils.host.store.record import Record

from tests.model.effects import AtWork, Effect
from tests.model.entries import effects as entries
from tests.model.entries.walk import Walk
from tests.model.mutants import Mutant, Steps, moved
from tests.model.run import Machinery
from tests.model.snapper import bootloader, effects
from tests.model.snapper.method import MACHINERY, SNAPPER
from tests.model.snapper.world import Directory, Listed, installed, number_in, set_up
from tests.model.world import World


def _with(order: t.Callable[[Steps], Steps] = tuple, **changed: Effect) -> Machinery:
    return replace(MACHINERY, order=order, effects={**effects.EFFECTS, **changed})


def _nothing(_at: AtWork) -> bool:
    return True


def _choose_what_was_made(at: AtWork) -> bool:
    if at.context.operation != "upgrade":
        return effects.EFFECTS["choose"](at)
    return effects.set_default(at, at.apply.made_root().uuid)


def _choose_without_sync(at: AtWork) -> bool:
    uuid = effects.chosen(at)
    effects.change(at, lambda disk: replace(disk, default=uuid))
    return True


def _claim_nothing(at: AtWork) -> bool:
    """The number is known to be ours by the context alone."""
    done = entries.create_root(at)
    at.notes["new_uuid"] = at.apply.made_root().uuid
    return done


def _name_what_nobody_claimed(at: AtWork) -> bool:
    number = at.context.number or 0
    if effects.numbers_at(at).directory(number) is None:
        effects.put(at, Directory(number, info="ours"))
    return entries.name_root(at)


def _name_before_it_is_described(at: AtWork) -> bool:
    named = entries.name_root(at)
    before = effects.numbers_at(at).directory(at.context.number or 0)
    if before is not None:
        effects.put(at, before._replace(mark=False, info="ours"), before)
    return named


def _unchecked(at: AtWork) -> bool:
    return entries.check_root(at)


def _list_stays(at: AtWork) -> bool:
    return effects.remove_left(at)


def _directories_first(at: AtWork) -> bool:
    """Without looking whether there is a root in them."""
    for uuid in at.context.dropped:
        number = number_in(at.disk.name_of(uuid) or "")
        found = effects.numbers_at(at).directory(number) if number is not None else None
        if found is not None:
            effects.take_away(at, found)
    return effects.prune(at)


def _directories_stay(at: AtWork) -> bool:
    """The root goes, and its number and snapper's file stay."""
    for uuid in at.context.dropped:
        name = at.disk.name_of(uuid)
        if name is not None and uuid not in (at.disk.default, at.storage.world.running):
            at.change_subvolumes(lambda named, name=name: named.pop(name))  # type: ignore[misc]
    effects.set_list(at, [line for line in effects.numbers_at(at).listed or () if at.disk.by_uuid(line.uuid)])
    at.storage.commit()
    return True


def _emptied_under_its_number(at: AtWork, gone: Directory) -> None:
    """What tells whose a directory is goes before the directory."""
    bare = gone._replace(info=None, mark=False)
    effects.put(at, bare, gone)
    effects.take_away(at, bare)


def _prune_and_empty(at: AtWork) -> bool:
    with mock.patch.object(effects, "remove_directory", _emptied_under_its_number):
        return effects.prune(at)


def _every_other_number(at: AtWork) -> bool:
    """Whatever is no deployment."""
    listed = {line.uuid for line in effects.numbers_at(at).listed or ()} | {at.disk.default, at.storage.world.running}
    for name, root in at.disk.subvolumes:
        number = number_in(name)
        found = effects.numbers_at(at).directory(number) if number is not None else None
        if found is not None and root.uuid not in listed:
            at.change_subvolumes(lambda named, name=name: named.pop(name))  # type: ignore[misc]
            effects.take_away(at, found)
    at.storage.commit()
    return effects.prune(at)


def _undone_whoever_has_it(at: AtWork) -> bool:
    """The root under the number, without a look at whose that is."""
    found = at.disk.at(at.context.root_name)
    if found is None or found.uuid in (at.disk.default, at.storage.world.running):
        return False
    at.change_subvolumes(lambda named: named.pop(at.context.root_name))
    before = effects.numbers_at(at).directory(at.context.number or 0)
    if before is not None:
        effects.take_away(at, before)
    at.storage.commit()
    return True


_WALK: t.Final = Walk(SNAPPER, MACHINERY)
_BEGINS: t.Final = set_up(1)
_STAGED: t.Final = _WALK.after(_BEGINS, "upgrade")


def _cut_off_while_pruning() -> World:
    """A cancellation whose last step has begun."""
    killed = _WALK.killed(_STAGED, "rollback")
    return next(world.settled() for world in killed if world.disk.journal and "prune" in world.disk.journal.begun)


_BESIDE_OTHERS: t.Final = _WALK.after(_BEGINS, "snapper create", "upgrade")


def _mutant(machinery: Machinery, begins: World = _BEGINS) -> Mutant:
    return Mutant(machinery, begins, SNAPPER)


MUTANTS: t.Final[dict[str, Mutant]] = {
    "the default is set before it is recorded": _mutant(_with(moved("choose", before="record"))),
    "the default is set before it is listed": _mutant(
        _with(moved("choose", before="write_menu"), choose=_choose_what_was_made)
    ),
    "the default is set before the root has its name": _mutant(
        _with(moved("choose", before="name_root"), choose=_choose_what_was_made)
    ),
    "the default is not synced": _mutant(_with(choose=_choose_without_sync)),
    "the root has its name before its packages": _mutant(_with(moved("name_root", before="run_packages"))),
    "no menu is made for another kernel": _mutant(_with(make_menu=_nothing, check_root=_unchecked)),
    "a number is not claimed": _mutant(_with(create_root=_claim_nothing, name_root=_name_what_nobody_claimed)),
    "whoever has the number is undone": _mutant(_with(unplace_root=_undone_whoever_has_it)),
    "a root gets its name before snapper knows it": _mutant(_with(name_root=_name_before_it_is_described)),
    "an undone root stays in the list": _mutant(_with(drop_entry=_list_stays)),
    "what a kill left stays": _mutant(_with(drop_entry=_nothing, clean_boot=_nothing)),
    "numbers go before their roots": _mutant(_with(prune=_directories_first), _STAGED),
    "numbers stay without their roots": _mutant(_with(prune=_directories_stay), _STAGED),
    "a number is emptied before it goes": _mutant(_with(prune=_prune_and_empty), _cut_off_while_pruning()),
    "every other number is deleted": _mutant(_with(prune=_every_other_number), _BESIDE_OTHERS),
    "what is taken back goes before the default": _mutant(
        _with(moved("prune", before="choose"), prune=_directories_first), _STAGED
    ),
    "a step that looks done is taken for durable": _mutant(replace(MACHINERY, skips_are_durable=False)),
    "the journal goes before the last step": _mutant(replace(MACHINERY, closes_after=frozenset(("name_root",)))),
}


# -- set-up and giving back --------------------------------------------------------------------------------------------


def _ordered(step: str, *, before: str) -> bootloader.Order:
    """The product's writes, of which one kind comes before another one."""

    def order(writes: bootloader.Writes) -> bootloader.Writes:
        names = [name for name, _write in writes]
        if step not in names or before not in names:
            return writes
        first = [each for each in writes if each[0] == step]
        rest = [each for each in writes if each[0] != step]
        at = [name for name, _write in rest].index(before)
        return [*rest[:at], *first, *rest[at:]]

    return order


def _instead(kind: str, write: bootloader.Write | None) -> bootloader.Order:
    """Other writes of one kind, or none."""

    def order(writes: bootloader.Writes) -> bootloader.Writes:
        others = [each for each in writes if write is not None or each[0] != kind]
        return [(name, write if name == kind and write is not None else its) for name, its in others]

    return order


def _managed(name: str, order: bootloader.Order, begins: World) -> Mutant:
    manage = {"set up": bootloader.present, "give back": bootloader.absent}
    changed = {**manage, name: functools.partial(manage[name], order=order)}
    return Mutant(MACHINERY, begins, replace(SNAPPER, manages=changed), manages=True)


def _remove_without_sync(at: bootloader.AtBootloader) -> None:
    effects.change(at, lambda disk: replace(disk, listed=None))


def _list_without_sync(at: bootloader.AtBootloader) -> None:
    running = at.storage.world.running
    number = number_in(at.disk.name_of(running) or "") or 0
    effects.change(at, lambda disk: replace(disk, listed=(Listed(number, running),)))


def _everything_of_ours(at: bootloader.AtBootloader) -> None:
    """With the roots that are somebody's by now."""
    for name, root in at.disk.subvolumes:
        number = number_in(name)
        if (
            number is not None
            and effects.is_ours(at, number)
            and root.uuid not in (at.disk.default, at.storage.world.running)
        ):
            at.change_subvolumes(lambda named, name=name: named.pop(name))  # type: ignore[misc]
    bootloader.remove_list(at)


def _directories_of_ours(at: bootloader.AtBootloader) -> None:
    """What snapper knows of them, and not the roots."""
    for each in effects.numbers_at(at).directories:
        if each.info == "ours":
            effects.take_away(at, each)
    bootloader.remove_list(at)


def _first_is_default(at: bootloader.AtBootloader) -> None:
    effects.set_default(at, at.disk.subvolumes[1][1].uuid)
    bootloader.remove_list(at)


def _forget_everything(at: bootloader.AtBootloader) -> None:
    at.write_record(Record())


def _sync_early(writes: bootloader.Writes) -> bootloader.Writes:
    """Nothing is synced after the last write."""
    return [each for each in writes if each[0] != "sync"]


_NEW: t.Final = installed(1)
_OF_TWO: t.Final = _WALK.after(_BEGINS, "upgrade", "reboot")

SET_UP_MUTANTS: t.Final[dict[str, Mutant]] = {
    "what runs is on record before there is a list": _managed("set up", _ordered("record", before="list"), _NEW),
    "nothing is on record of what runs": _managed("set up", _instead("record", None), _NEW),
    "a set-up forgets what was on record": _managed("set up", _instead("record", _forget_everything), _NEW),
    "the list of a set-up is not synced": _managed(
        "set up", lambda writes: _sync_early(_instead("list", _list_without_sync)(writes)), _NEW
    ),
    "a command begins with what is in memory only": Mutant(
        replace(MACHINERY, begins_durable=False), _NEW, SNAPPER, manages="and all kills"
    ),
    "a set-up writes no list": _managed("set up", _instead("list", None), _NEW),
    "the list goes before the record": _managed("give back", _ordered("remove", before="record"), _BEGINS),
    "the record keeps what was given back": _managed("give back", _instead("record", None), _BEGINS),
    "the removal of the list is not synced": _managed("give back", _instead("remove", _remove_without_sync), _BEGINS),
    "giving back deletes our roots": _managed("give back", _instead("remove", _everything_of_ours), _OF_TWO),
    "giving back takes snapper's files": _managed("give back", _instead("remove", _directories_of_ours), _OF_TWO),
    "giving back makes the first root the default": _managed(
        "give back", _instead("remove", _first_is_default), _OF_TWO
    ),
}

__all__ = ("MUTANTS", "SET_UP_MUTANTS")
