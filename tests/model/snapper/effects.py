# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of the steps of ``snapper``, write by write; all of them on one btrfs."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from unittest import mock

from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.entries.state import number_of
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.steps.entries import remember

from tests.model.effects import build_root
from tests.model.effects.at_work import AtWork
from tests.model.entries import effects as entries
from tests.model.snapper.facts import facts_of
from tests.model.snapper.world import Directory, Listed, Numbers, number_in, numbers_of, why_not
from tests.model.world import UNFINISHED, Btrfs, Root, World

Change = t.Callable[[Numbers], Numbers]


class NumbersAtWork(entries.EntriesAtWork):
    """On a host with numbers of snapper."""

    @staticmethod
    def observe(world: World) -> HostFacts:
        return facts_of(world)


def numbers_at(at: AtWork) -> Numbers:
    return numbers_of(at.storage.world)


def change(at: AtWork, what: Change) -> None:
    """Seen at once, and on the disk with the next commit."""
    at.storage.change(t.cast("t.Callable[[Btrfs], Btrfs]", what))


# -- numbers -----------------------------------------------------------------------------------------------------------


def put(at: AtWork, new: Directory, instead_of: Directory | None = None) -> None:
    """A directory's name, or what is in it: one write."""

    def changed(disk: Numbers) -> Numbers:
        others = [each for each in disk.directories if each != instead_of]
        return replace(disk, directories=tuple(sorted([*others, new])))

    change(at, changed)


def take_away(at: AtWork, gone: Directory) -> None:
    change(at, lambda disk: replace(disk, directories=tuple(each for each in disk.directories if each != gone)))


def _mine(at: AtWork) -> int:
    number = at.context.number
    if number is None:
        raise AssertionError("a new root without a number")
    return number


def is_ours(at: AtWork, number: int) -> bool:
    found = numbers_at(at).directory(number)
    return found is not None and (found.mark or found.info == "ours")


def claim(at: AtWork) -> None:
    """Beside, with its mark, synced; then its name, which replaces nothing."""
    number = _mine(at)
    for left in [each for each in numbers_at(at).directories if each.claimed and each.number == number]:
        take_away(at, left)
    put(at, Directory(number, claimed=True))
    marked = Directory(number, claimed=True, mark=True)
    put(at, marked, Directory(number, claimed=True))
    at.storage.commit()
    if numbers_at(at).directory(number) is not None:
        take_away(at, marked)
        raise OvercError(
            "in_use", f"Snapper has taken the number {number}. Nothing was changed; run the same command again."
        )
    put(at, Directory(number, mark=True), marked)
    at.storage.commit()


def describe(at: AtWork) -> None:
    """Snapper's own file: beside, synced, renamed, synced."""
    before = numbers_at(at).directory(_mine(at))
    if before is None:
        raise AssertionError(f"the number {at.context.number} is nobody's")
    put(at, before._replace(info="ours"), before)
    at.storage.commit()


def settle(at: AtWork) -> bool:
    before = numbers_at(at).directory(_mine(at))
    if before is None or not before.mark:
        return False
    put(at, before._replace(mark=False), before)
    at.storage.commit()
    return True


def remove_left(at: AtWork) -> bool:
    """Our directories without a root, each by what is in it first."""
    rooted = {number_in(name.removesuffix(UNFINISHED)) for name, _root in at.disk.subvolumes}
    left = [
        each
        for each in numbers_at(at).directories
        if each.claimed or ((each.mark or each.info == "ours") and each.number not in rooted)
    ]
    for each in left:
        remove_directory(at, each)
    if left:
        at.storage.commit()
    return bool(left)


def remove_directory(at: AtWork, gone: Directory) -> None:
    """It loses its number first, then what is in it, piece by piece."""
    for after in (
        gone._replace(claimed=True),
        gone._replace(claimed=True, info=None),
        gone._replace(claimed=True, info=None, mark=False),
    ):
        if after != gone:
            put(at, after, gone)
            gone = after
    take_away(at, gone)


# -- the list ----------------------------------------------------------------------------------------------------------


def set_list(at: AtWork, lines: t.Iterable[Listed]) -> bool:
    """Beside, synced, renamed, synced."""
    after = tuple(sorted(lines))
    if after == numbers_at(at).listed:
        return False
    at.storage.commit()
    change(at, lambda disk: replace(disk, listed=after))
    at.storage.commit()
    return True


def write_menu(at: AtWork) -> bool:
    """With what runs and boots by default, whoever made it: these count as deployments, so they are listed from now on."""
    boot = at.facts.entry_boot
    known = [Listed(entry.id, entry.uuid) for entry in boot.menu.entries] if boot is not None else []
    new = Listed(_mine(at), at.apply.made_root().uuid)
    return set_list(at, [*(line for line in known if line.number != new.number), new])


def _without(at: AtWork, gone: t.Collection[int]) -> bool:
    """Written only where what is there says otherwise."""
    boot = at.facts.entry_boot
    known = [Listed(entry.id, entry.uuid) for entry in boot.menu.entries] if boot is not None else []
    if not {line.number for line in known} & set(gone):
        return False
    return set_list(at, [line for line in known if line.number not in gone])


def drop_entry(at: AtWork) -> bool:
    written = _without(at, {_mine(at)})
    return remove_left(at) or written


def clean_boot(at: AtWork) -> bool:
    """What of ours was started while it was being taken out of the list is listed again."""
    boot = at.facts.entry_boot
    known = [Listed(entry.id, entry.uuid) for entry in boot.menu.entries] if boot is not None else []
    lost = [line for line in known if line not in (numbers_at(at).listed or ()) and is_ours(at, line.number)]
    noted = set_list(at, known) if lost else False
    return remove_left(at) or noted


# -- roots -------------------------------------------------------------------------------------------------------------


def create_root(at: AtWork) -> bool:
    claim(at)
    entries.create_root(at)
    at.notes["new_uuid"] = at.apply.made_root().uuid
    return True


def prepare_root(_at: AtWork) -> bool:
    """Nothing in it names a subvolume."""
    return False


def make_menu(at: AtWork) -> bool:
    """By the distribution's tool, where the new root has other kernels; not synced."""
    made, base = at.root(at.apply.made_root().uuid), at.root(at.context.base)
    if made.kernel == base.kernel:
        return False
    at.change_root(made.uuid, menu=made.kernel)
    return True


def check_root(at: AtWork) -> bool:
    """What its own menu boots is what it has."""
    made = at.root(at.apply.made_root().uuid)
    why = why_not(made)
    if why is not None:
        raise AssertionError(f"the new root would be refused: {why}")
    return entries.check_root(at)


def name_root(at: AtWork) -> bool:
    if at.disk.at(at.context.root_name) is None:
        describe(at)
    named = entries.name_root(at)
    return settle(at) or named


def unplace_root(at: AtWork) -> bool:
    return is_ours(at, _mine(at)) and entries.unplace_root(at)


def drop_unfinished(at: AtWork) -> bool:
    found = at.disk.at(at.context.root_name + UNFINISHED)
    if found is None or not is_ours(at, _mine(at)):
        return False
    drop(at, found, ours=found.parent == at.context.base)
    return True


def drop(at: AtWork, root: Root, *, ours: bool) -> None:
    """btrfs deletes no default subvolume, whatever its name is by then."""
    entries.drop(at, root, ours=ours and root.uuid != at.disk.default)


def write_entry_files(_at: AtWork) -> bool:
    return False


# -- what boots --------------------------------------------------------------------------------------------------------


def set_default(at: AtWork, uuid: str) -> bool:
    """A commit before and one after: without the second the setting was lost in every power cut."""
    if at.disk.default == uuid:
        return False
    at.storage.commit()
    change(at, lambda disk: replace(disk, default=uuid))
    at.storage.commit()
    return True


def chosen(at: AtWork) -> str:
    """The root that the command makes the default."""
    boot = at.facts.entry_boot
    entry = boot.menu.of(_mine(at)) if boot is not None else None
    found = at.disk.by_uuid(entry.uuid) if entry is not None else None
    if found is None:
        raise OvercError("inconsistent", f"Deployment {at.context.number} is gone. What boots is unchanged.")
    return found.uuid


def choose(at: AtWork) -> bool:
    at.storage.commit()
    return set_default(at, chosen(at))


def record(at: AtWork) -> bool:
    """What it says is the product's business; that it is durable is the model's."""
    if at.context.operation == "rollback" and at.context.target == at.storage.world.running:
        world = at.storage.world
        at.storage.world = world._replace(good=world.good | {world.running})

    def sync(_top: str) -> None:
        at.storage.commit()

    with mock.patch.object(subvolumes, "sync", sync):
        at.record_by_product(remember.record)
    return True


def prune(at: AtWork) -> bool:
    """The list, the directories, the roots, and what these leave of their directories."""
    boot = at.facts.entry_boot
    if boot is None:
        raise AssertionError("the list is gone")
    in_use = {boot.default, boot.newest, number_of(at.facts, boot)}
    dropped = at.context.dropped
    going = {entry.id for entry in boot.menu.entries if entry.uuid in dropped and entry.id not in in_use}
    changed = _without(at, going)
    changed = remove_left(at) or changed
    after = at.facts.entry_boot
    left = {entry.uuid for entry in after.menu.entries} if after is not None else set()
    for uuid in dropped:
        found = at.disk.by_uuid(uuid)
        if found is not None and uuid not in left:
            drop(at, found, ours=uuid in at.disk.record.deployments)
            changed = True
    return remove_left(at) or changed


EFFECTS: t.Final = {
    **{
        name: build_root.EFFECTS[name]
        for name in ("download_packages", "drop_downloads", "run_packages", "run_commands", "close")
    },
    "declare_late": build_root.declare_late,
    "create_root": create_root,
    "prepare_root": prepare_root,
    "make_menu": make_menu,
    "check_root": check_root,
    "name_root": name_root,
    "unplace_root": unplace_root,
    "write_entry_files": write_entry_files,
    "write_menu": write_menu,
    "drop_entry": drop_entry,
    "choose": choose,
    "record": record,
    "drop_unfinished": drop_unfinished,
    "prune": prune,
    "clean_boot": clean_boot,
}

__all__ = (
    "EFFECTS",
    "NumbersAtWork",
    "change",
    "chosen",
    "numbers_at",
    "prune",
    "put",
    "remove_directory",
    "remove_left",
    "set_default",
    "set_list",
    "take_away",
)
