# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planted defects of ``grub-entry``. Each of them has to be found."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from tests.model.effects import AtWork, Effect
from tests.model.entries import effects
from tests.model.entries.method import GRUB_ENTRY, MACHINERY
from tests.model.entries.walk import after
from tests.model.entries.world import MENU, Line, adopted, entry_name, line_text, menu_text
from tests.model.mutants import Mutant, Steps, moved
from tests.model.run import Machinery
from tests.model.world import UNFINISHED, Entries, World


def _with(order: t.Callable[[Steps], Steps] = tuple, **changed: Effect) -> Machinery:
    return replace(MACHINERY, order=order, effects={**effects.EFFECTS, **changed})


def _without(step: str) -> t.Callable[[Steps], Steps]:
    return lambda steps: tuple(entry for entry in steps if entry != step)


def _menu_without_sync_before(at: AtWork) -> bool:
    number, made = at.context.number or 0, at.apply.made_root()
    line = Line(number, made.uuid, at.notes["new_files"]["kernel"])
    text = menu_text([*(other for other in effects.lines_at(at) if other.number != number), line])
    at.storage.write_boot_file(MENU + UNFINISHED, text, fsync=False)
    at.storage.rename_boot(MENU + UNFINISHED, MENU)
    at.storage.sync_boot()
    return True


def _name_without_sync(at: AtWork) -> bool:
    name = at.context.root_name
    at.change_subvolumes(lambda named: named.update({name: named.pop(name + UNFINISHED)}))
    return True


def _block_without_sync(at: AtWork) -> bool:
    number = f"n{at.context.number}"
    at.storage.change_block(lambda boot: boot._replace(environment=((boot.environment or (None,))[0], number)))
    return True


def _prune_all_at_once(at: AtWork) -> bool:
    """Whatever runs or boots by now."""
    dropped = at.context.dropped
    effects.set_menu(at, (line for line in effects.lines_at(at) if line.uuid not in dropped))
    effects.remove_unused(at)
    return bool(dropped)


def _prune_roots_first(at: AtWork) -> bool:
    gone = [name for name, root in at.disk.subvolumes if root.uuid in at.context.dropped]
    at.change_subvolumes(lambda named: [named.pop(name) for name in gone])
    at.storage.commit()
    return effects.prune(at)


def _prune_files_first(at: AtWork) -> bool:
    kernels = {line.kernel for line in effects.lines_at(at) if line.uuid in at.context.dropped}
    for kernel in kernels:
        at.storage.change_boot(lambda boot, kernel=kernel: boot.without(kernel))  # type: ignore[misc]
    at.storage.sync_boot()
    return effects.prune(at)


def _every_other_subvolume(at: AtWork) -> bool:
    effects.prune(at)
    at.change_subvolumes(lambda named: named.pop("data", None))
    at.storage.commit()
    return True


def _entry_stays(at: AtWork) -> bool:
    return effects.remove_unused(at)


def _nothing(_at: AtWork) -> bool:
    return True


def _update_menu_first(at: AtWork) -> bool:
    running = at.root(at.storage.world.running)
    lines = [
        line._replace(kernel=running.kernel) if line.uuid == running.uuid else line for line in effects.lines_at(at)
    ]
    effects.set_menu(at, lines)
    return effects.copy(at, (running.kernel, f"{running.kernel}.img"))


def _default_left_open(at: AtWork) -> bool:
    at.storage.commit()
    return effects.write_block(at, tried=f"n{at.context.number}")


_BEGINS: t.Final = adopted("ext4", Entries(1))
_STAGED: t.Final = after(_BEGINS, "upgrade")
_TRIAL: t.Final = after(_STAGED, "reboot")
_SECOND_TRIAL: t.Final = after(_TRIAL, "confirm", "upgrade", "reboot")
_MANUAL: t.Final = adopted("ext4", Entries(1, manual=True))
_ENDLESS: t.Final = adopted("ext4", Entries(1, grub_empties=False))


def _unguarded() -> World:
    """A root from before there was a guard: what is made of it gets one by the step alone."""
    subvolumes = tuple((name, root._replace(guard=False)) for name, root in _BEGINS.disk.subvolumes)
    return _BEGINS._replace(disks=(replace(_BEGINS.disk, subvolumes=subvolumes),))


def _mutant(machinery: Machinery, begins: World = _BEGINS) -> Mutant:
    return Mutant(machinery, begins, GRUB_ENTRY)


MUTANTS: t.Final[dict[str, Mutant]] = {
    "the menu is written before the kernels": _mutant(_with(moved("write_menu", before="write_entry_files"))),
    "the menu is written before the root has its name": _mutant(_with(moved("write_menu", before="name_root"))),
    "the trial is armed before the kernels are there": _mutant(_with(moved("arm_trial", before="write_entry_files"))),
    "the trial is armed before it is recorded": _mutant(_with(moved("arm_trial", before="record"))),
    "the record is written before the entry": _mutant(_with(moved("record", before="write_menu")), _STAGED),
    "a confirmation is recorded before it is written": _mutant(_with(moved("record", before="confirm")), _TRIAL),
    "a trial that is replaced is not taken back": _mutant(_with(_without("disarm")), _STAGED),
    "what is replaced is deleted before the block": _mutant(
        _with(moved("prune", before="disarm"), prune=_prune_all_at_once), _STAGED
    ),
    "the old kernels go before the confirmation": _mutant(
        _with(moved("prune", before="confirm"), prune=_prune_all_at_once), _SECOND_TRIAL
    ),
    "roots go before their entries": _mutant(_with(prune=_prune_roots_first), _STAGED),
    "kernels go before their entries": _mutant(_with(prune=_prune_files_first), _STAGED),
    "every other subvolume is deleted": _mutant(_with(prune=_every_other_subvolume), _STAGED),
    "an undone root keeps its entry": _mutant(_with(drop_entry=_entry_stays)),
    "no sync before the menu is renamed": _mutant(_with(write_menu=_menu_without_sync_before)),
    "the name of the root is not synced": _mutant(_with(name_root=_name_without_sync)),
    "the block is not synced": _mutant(_with(arm_trial=_block_without_sync)),
    "a step that looks done is taken for durable": _mutant(replace(MACHINERY, skips_are_durable=False)),
    "the journal goes before the last step": _mutant(replace(MACHINERY, closes_after=frozenset(("name_root",)))),
    "the new system is permanent without a trial": _mutant(_with(arm_trial=effects.choose)),
    "what boots by default is left to the distribution's menu": _mutant(_with(arm_trial=_default_left_open)),
    "what is named by default boots an older kernel than ran": _mutant(_with(update_entry=_nothing)),
    "an entry is brought up to date before its files are there": _mutant(_with(update_entry=_update_menu_first)),
    "a trial is not used up": _mutant(MACHINERY, _ENDLESS),
    "a trial has no guard": _mutant(_with(install_guard=_nothing), _unguarded()),
    "the next boot is chosen before the kernels are there": _mutant(
        _with(moved("choose", before="write_entry_files")), _MANUAL
    ),
}


def _note_before_it_is_armed(at: AtWork) -> bool:
    number = f"n{at.context.number}"
    at.storage.commit()
    effects.note(at, tried=number)
    effects.set_once(at, number)
    return True


def _taken_back_before_it_is_forgotten(at: AtWork) -> bool:
    effects.set_once(at, None)
    effects.note(at, tried=None)
    return True


def _nothing_noted_again(at: AtWork) -> bool:
    return effects.remove_unused(at)


def _line(at: AtWork) -> Line:
    return Line(at.context.number or 0, at.apply.made_root().uuid, at.notes["new_files"]["kernel"])


def _entry_without_a_sync(at: AtWork) -> bool:
    line = _line(at)
    for trial in (True, False):
        name = entry_name(line.number, trial=trial)
        at.storage.write_boot_file(name + UNFINISHED, line_text(line), fsync=False)
        at.storage.rename_boot(name + UNFINISHED, name)
    return True


def _no_entry_for_the_trial(at: AtWork) -> bool:
    line = _line(at)
    effects.write_text(at, entry_name(line.number), line_text(line))
    return True


_LOADER: t.Final = adopted("vfat", Entries(1), loader=True)
_LOADER_STAGED: t.Final = after(_LOADER, "upgrade")
_LOADER_TRIAL: t.Final = after(_LOADER_STAGED, "reboot")
LOADER_MUTANTS: t.Final[dict[str, Mutant]] = {
    "the entry is written before the kernels": _mutant(_with(moved("write_menu", before="write_entry_files")), _LOADER),
    "the trial is armed before its entry is there": _mutant(_with(moved("arm_trial", before="write_menu")), _LOADER),
    "the trial is armed before it is recorded": _mutant(_with(moved("arm_trial", before="record")), _LOADER),
    "a confirmation is recorded before it is written": _mutant(_with(moved("record", before="confirm")), _LOADER_TRIAL),
    "what boots by default is left to the distribution": _mutant(_with(arm_trial=_default_left_open), _LOADER),
    "what is armed is noted before it is": _mutant(_with(arm_trial=_note_before_it_is_armed), _LOADER),
    "what is taken back is noted after it was": _mutant(
        _with(disarm=_taken_back_before_it_is_forgotten), _LOADER_STAGED
    ),
    "a default that a kill left half told stays so": _mutant(_with(clean_boot=_nothing_noted_again), _LOADER),
    "a confirmation that a kill left half told stays so": _mutant(
        _with(clean_boot=_nothing_noted_again), _LOADER_TRIAL
    ),
    "an entry is not synced": _mutant(_with(write_menu=_entry_without_a_sync), _LOADER),
    "there is no entry for the trial": _mutant(_with(write_menu=_no_entry_for_the_trial), _LOADER),
    "kernels go before their entries": _mutant(_with(prune=_prune_files_first), _LOADER_STAGED),
    "the new system is permanent without a trial": _mutant(_with(arm_trial=effects.choose), _LOADER),
}

__all__ = ("LOADER_MUTANTS", "MUTANTS")
