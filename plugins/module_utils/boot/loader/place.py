# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-boot as what boots a host whose deployments have entries of their own.

Where things are, on the partition that the loader itself was started from:

* ``loader/entries/overc-<id>.conf`` and ``overc-try-<id>.conf``: two for each deployment, see ``entry.py``. What boots is never
  the file that is being replaced: ``overc-<id>-next.conf`` has the new words before, and the variable names that meanwhile;
* ``overc/files/<sha256>``: kernels and initrds; equal ones are there once;
* ``overc/env``: 1,024 bytes as ``boot/grub/environment.py`` has them: what was found good, what was armed, the time-outs.

What boots is said by two variables of the firmware. ``LoaderEntryDefault`` names what boots for good, and setting it is the
commit: the firmware does that as a whole or not at all, and no rename on FAT could promise as much. ``LoaderEntryOneShot`` names
what is tried; the loader removes it before it starts anything. Whether it was removed by the loader, or never set, is told by
the block: it is written after the variable was set, and before it is taken back.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import typing as t
from dataclasses import asdict, dataclass, fields, replace

from ...errors import OvercError
from ...system.presence import is_plain_file, is_there, text_of
from ...system.unfinished import NEW_SUFFIX
from ...values import decimal
from .. import partition
from ..entries.command_line import subvolume_of
from ..entries.menu import ADOPTED, DEFAULT, TRY, Entry, Menu
from ..entries.method import Choice, Place, read_block_at
from ..entries.write import names_in, remove_empty, remove_files, unused, write_text
from ..grub.environment import EMPTY, change_environment, write_environment
from ..timeouts import Timeouts
from . import variables
from .entry import (
    entries_in,
    entry_text,
    is_left_over,
    is_named_as_ours,
    name_of,
    number_in,
    parse_entry,
    stand_in_of,
    stands_in_for,
    value_of,
)
from .started import not_this_loader

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

_BEFORE: t.Final = "overc_default_before"


@dataclass(frozen=True)
class LoaderPlace(Place):
    """``hook``: the directory of the entries. ``apart``: /boot is on that partition, and not in the root."""

    on_boot: bool = False

    method = "loader-entry"
    loader = "systemd-boot"
    heals_unloadable = False
    replaces_whole = False

    @property
    def apart(self) -> bool:
        return self.on_boot

    # --- what is there ----------------------------------------------------------------------------------------

    def read_menu(self) -> tuple[Menu, str | None]:
        menu, problems = Menu(settings=self._settings()), []
        names = names_in(self.hook)
        for name in names:
            number = number_in(name)
            if number is None:
                continue
            instead = stand_in_of(number)
            try:
                entry = (self._entry_in(instead, number) if instead in names else None) or self._believed(name, number)
            except ValueError as error:
                problems.append(f"{os.path.join(self.hook, name)} cannot be believed: {error}")
            else:
                menu = menu.with_entry(entry)
        return menu, "; ".join(problems) or None

    def _believed(self, name: str, number: int) -> Entry:
        entry = parse_entry(text_of(os.path.join(self.hook, name)) or "", trial=False)
        if entry.id != number:
            raise ValueError(f"it is that of deployment {entry.id}")
        return entry

    def _entry_in(self, name: str, number: int) -> Entry | None:
        try:
            return self._believed(name, number)
        except ValueError:
            return None

    def _settings(self) -> Timeouts:
        values = read_block_at(self.block).values
        known = {entry.name: decimal(values.get(f"overc_{entry.name}", "")) for entry in fields(Timeouts)}
        return replace(Timeouts(), **{name: value for name, value in known.items() if value is not None})

    def read_choice(self) -> Choice:
        block = read_block_at(self.block)
        try:
            default, once = variables.read(variables.DEFAULT), variables.read(variables.ONE_SHOT)
        except OSError as error:
            return Choice(block.exists, {}, f"the firmware's variables cannot be read: {error.strerror}")
        number, tried = _number_named(default), number_in(once, trial=True)
        values = {DEFAULT: str(number)} if number is not None else {}
        if tried is not None:
            values[TRY] = str(tried)
        elif once is None and block.values.get(TRY):
            values[TRY] = ""  # it was armed, and the loader has taken it
        return Choice(block.exists, values, block.problem)

    def unled(self) -> str | None:
        good, block = self.read_choice().values.get(DEFAULT, ""), read_block_at(self.block)
        if block.problem is not None or block.values.get(DEFAULT, "") == good:
            return None
        said = f"names deployment {good}" if good else "names no deployment"
        found = block.values.get(DEFAULT)
        return (
            f"the firmware's variable {variables.DEFAULT} {said}, and {self.block} "
            + (f"deployment {found}" if found else "none")
            + ": it was lost, or somebody else has set it (bootctl set-default, or the key d in the menu)"
        )

    def unreachable(self) -> str | None:
        return not_this_loader(self.mount_point) or self._others_problem()

    def _others_problem(self) -> str | None:
        """Without the variable one of ours could be what boots: nothing that anybody chose."""
        others = {name: text for name, text in entries_in(self.hook).items() if not is_named_as_ours(name)}
        pattern = value_of(text_of(os.path.join(self.mount_point, "loader/loader.conf")) or "", "default")
        if pattern and any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for name in others):
            return None
        if any(value_of(text, "sort-key") for text in others.values()):
            return None
        return (
            f"{self.hook} has no entry of the distribution with a sort-key, and loader.conf names none as its default, so that "
            "one of ours could come first (kernel-install add)"
        )

    def waits(self) -> str | None:
        return None  # it knows no passwords

    @property
    def by_kernel_install(self) -> bool:
        return True

    def of_other_roots(self, subvolume: str) -> tuple[str, ...]:
        """The distribution's entries that boot another root: kernel-install of a later deployment writes for itself."""
        others = {name: text for name, text in entries_in(self.hook).items() if not is_named_as_ours(name)}
        roots = {name: subvolume_of(value_of(text, "options") or "") for name, text in others.items()}
        return tuple(sorted(name for name, root in roots.items() if root not in (None, subvolume)))

    def begins_in(self, _mounts: t.Sequence[Mount], _top: str, _menu: Menu) -> frozenset[int]:
        return frozenset()

    # --- what is changed --------------------------------------------------------------------------------------

    def begin(self, chosen: int | None) -> None:
        self.settle_entries()
        before = variables.read(variables.DEFAULT)
        ours = _number_named(before) is not None
        if chosen is not None:
            variables.write(variables.DEFAULT, name_of(chosen))
        elif ours:
            variables.write(variables.DEFAULT, None)
        kept = read_block_at(self.block).values.get(_BEFORE)
        kept = before if before is not None and not ours else kept
        values = {**({DEFAULT: str(chosen)} if chosen is not None else {}), **({_BEFORE: kept} if kept else {})}
        write_text(self.block, os.fsdecode(change_environment(EMPTY, values)))

    def hook_after(self, before: str, _append: bool) -> str:
        return before  # the loader looks into the directory by itself

    def hook_without(self, before: str) -> str:
        return before

    def write_menu(self, _runner: Runner, before: Menu, after: Menu) -> None:
        """New entries first, on trial before what is listed; what goes, the other way round."""
        self.settle_entries()
        if after.settings != self._settings():
            settings = {f"overc_{name}": str(value) for name, value in asdict(after.settings).items()}
            write_environment(self.block, settings)
        for entry in sorted(after.entries, key=lambda each: each.id):
            for trial in (True, False):
                self._write_entry(entry, after.settings, trial=trial)
        kept = {entry.id for entry in after.entries}
        for entry in before.entries:
            if entry.id not in kept:
                names = (name_of(entry.id), name_of(entry.id, trial=True))
                remove_files(self, [os.path.join(self.hook, name) for name in names])

    def _write_entry(self, entry: Entry, settings: Timeouts, *, trial: bool) -> None:
        path = os.path.join(self.hook, name_of(entry.id, trial=trial))
        with contextlib.suppress(ValueError):
            if parse_entry(text_of(path) or "", trial=trial) == entry:
                return
        try:
            text = entry_text(entry, settings.panic_timeout, trial=trial)
        except ValueError as error:
            raise OvercError("layout_unsupported", f"No boot entry can be written: {error}.") from error
        if trial or not is_there(path):
            write_text(path, text)
            return
        # On FAT a rename over a file is no act of one piece. So what boots is another file meanwhile, with the new words
        write_text(os.path.join(self.hook, stand_in_of(entry.id)), text)
        if variables.read(variables.DEFAULT) == name_of(entry.id):
            variables.write(variables.DEFAULT, stand_in_of(entry.id))
        self.settle_entries()

    def unsettled(self) -> bool:
        return any(stands_in_for(name) is not None for name in names_in(self.hook))

    def settle_entries(self) -> bool:
        """What stands in for an entry gives its words to the file with the entry's own name, and goes. Can be repeated."""
        if not self.unsettled():
            return False
        default = variables.read(variables.DEFAULT)
        for name in names_in(self.hook):
            number = stands_in_for(name)
            if number is None:
                continue
            path, own = os.path.join(self.hook, name), os.path.join(self.hook, name_of(number))
            if self._entry_in(name, number) is not None:
                if text_of(own) != text_of(path):
                    write_text(own, text_of(path) or "")
                if default == name:
                    variables.write(variables.DEFAULT, name_of(number))
            if default != name or variables.read(variables.DEFAULT) != name:
                remove_files(self, [path])
                partition.sync(self.hook)
        return True

    def choose(self, changes: t.Mapping[str, str | None]) -> tuple[bool, dict[str, str]]:
        """The variables, and the block around them: see the top of this file."""
        self.settle_entries()
        before = self.read_choice()
        if before.problem is not None:
            raise OvercError("inconsistent", f"{before.problem}. Run overc_bootloader, which says what mends it.")
        wanted, tried = changes.get(DEFAULT), changes.get(TRY)
        if TRY in changes and not tried and before.values.get(TRY):
            write_environment(self.block, {TRY: None})
            variables.write(variables.ONE_SHOT, None)
        if wanted is not None:
            self._be_whole(wanted, trial=False)
            variables.write(variables.DEFAULT, name_of(int(wanted)))
        if tried:
            self._be_whole(tried, trial=True)
            variables.write(variables.ONE_SHOT, name_of(int(tried), trial=True))
        write_environment(self.block, changes)
        after = self.read_choice()
        return after.values != before.values, after.values

    def note(self, meant: t.Collection[int]) -> bool:
        """The firmware has it, and the block does not yet. Where the block names nothing, that is also deployment 0, which is
        named before the first trial.
        """
        block, chosen = read_block_at(self.block), decimal(self.read_choice().values.get(DEFAULT, ""))
        noted = block.values.get(DEFAULT)
        known = {*meant, *(() if noted else (ADOPTED,))}
        if block.problem is not None or chosen is None or chosen not in known or noted == str(chosen):
            return False
        return write_environment(self.block, {DEFAULT: str(chosen)})

    def _be_whole(self, number: str, *, trial: bool) -> None:
        """The loader passes over a name that is not there without a word. Raises inconsistent."""
        menu, _problem = self.read_menu()
        entry = menu.of(int(number))
        if entry is None:
            raise OvercError("inconsistent", f"Deployment {number} has no entry in {self.hook}.")
        if trial:
            self._write_entry(entry, menu.settings, trial=True)

    def remove_unused(self, menu: Menu) -> bool:
        self.settle_entries()
        paths = unused(self, menu)
        for name in names_in(self.hook):
            path = os.path.join(self.hook, name)
            number = number_in(name) if number_in(name) is not None else number_in(name, trial=True)
            unfinished = name.endswith(NEW_SUFFIX) and is_named_as_ours(name[: -len(NEW_SUFFIX)])
            unlisted = number is not None and menu.of(number) is None
            if unfinished or (unlisted and is_plain_file(path) and is_left_over(path)):
                paths.append(path)
        return remove_files(self, paths)

    def leave(self) -> None:
        if number_in(variables.read(variables.ONE_SHOT), trial=True) is not None:
            variables.write(variables.ONE_SHOT, None)
        if _number_named(variables.read(variables.DEFAULT)) is not None:
            before = read_block_at(self.block).values.get(_BEFORE)
            known = before is not None and is_plain_file(os.path.join(self.hook, os.path.basename(before)))
            variables.write(variables.DEFAULT, before if known else None)

    def remove(self) -> None:
        """The entry of the system as it was installed last: by it, whoever comes after a cut knows that there is more."""
        menu, _problem = self.read_menu()
        first = Menu(tuple(entry for entry in menu.entries if entry.id == ADOPTED))
        self.remove_unused(first)
        remove_files(self, [os.path.join(self.hook, name_of(ADOPTED, trial=True))])
        remove_files(self, unused(self, Menu()))
        remove_files(self, [self.block])
        remove_empty(self.files)
        partition.sync(self.directory)
        remove_files(self, [os.path.join(self.hook, name_of(ADOPTED))])
        remove_empty(self.directory)
        partition.sync(self.mount_point)


def _number_named(name: str | None) -> int | None:
    """The deployment whose entry, or what stands in for it, has this name."""
    number = number_in(name)
    return number if number is not None else stands_in_for(name)


__all__ = ("LoaderPlace",)
