# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set-up and giving back in the model. What is done, and in which order, is the product's own doing (``overc_bootloader``); what
each of its writes leaves, and what a cut leaves of that, is said here.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from unittest import mock

from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import Entry, Menu
from ansible_collections.overc.system.plugins.module_utils.boot.snapper.place import SnapperPlace
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.commands import adopt, bootloader, give_back
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState, derive
from ansible_collections.overc.system.plugins.module_utils.host.session import Host
from ansible_collections.overc.system.plugins.module_utils.host.store.record import Record

from tests.model.invariants import check
from tests.model.snapper import effects
from tests.model.snapper.facts import entry_of, facts_of, place_of
from tests.model.snapper.world import Listed, Numbers, number_in, numbers_of, roots_of
from tests.model.storage import Storage
from tests.model.world import World


class AtBootloader(effects.NumbersAtWork):
    """What the effects share, outside of any transaction."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage


Write = t.Callable[[AtBootloader], object]
Writes = list[tuple[str, Write]]


def begin(at: AtBootloader, chosen: int) -> None:
    """What runs is the default."""
    found = roots_of(at.disk).get(chosen)
    if found is not None:
        effects.set_default(at, found.uuid)


def write_list(at: AtBootloader, lines: tuple[Listed, ...]) -> None:
    """A whole one, durable before anything goes on."""
    if effects.numbers_at(at).listed is None:
        at.storage.commit()
        effects.change(at, lambda disk: replace(disk, listed=lines))
        at.storage.commit()
    else:
        effects.set_list(at, lines)


def remove_list(at: AtBootloader) -> None:
    """What is left of unfinished numbers, then the list, which shows that there is more to remove."""
    effects.remove_left(at)
    effects.change(at, lambda disk: replace(disk, listed=None))
    at.storage.commit()


def sync(at: AtBootloader) -> None:
    at.storage.commit()


@dataclass(frozen=True)
class _Noted(SnapperPlace):
    """Answers from the model, and notes what is to be written."""

    disk: Numbers | None = None
    writes: Writes = field(default_factory=list)
    known: Menu = field(default_factory=Menu)
    led: str | None = None

    def read_menu(self) -> tuple[Menu, str | None]:
        return self.known, None

    def own_entry(self, number: int, _subvolume: str, uuid: str) -> Entry:
        return entry_of(number, uuid, t.cast("Numbers", self.disk))

    def unled(self) -> str | None:
        return self.led

    def unreachable(self) -> str | None:
        return None

    def begin(self, chosen: int | None) -> None:
        self.writes.append(("begin", lambda at: begin(at, chosen or 0)))

    def write_menu(self, _runner: object, _before: Menu, after: Menu) -> None:
        lines = tuple(sorted(Listed(entry.id, entry.uuid) for entry in after.entries))
        self.writes.append(("list", lambda at: write_list(at, lines)))

    def remove_unused(self, _menu: Menu) -> bool:
        self.writes.append(("left", effects.remove_left))
        return False

    def leave(self) -> None:
        """Nothing."""

    def remove(self) -> None:
        self.writes.append(("remove", remove_list))


@dataclass
class _Asked(Host):
    """``facts``: with a place that notes."""

    facts: HostFacts | None = None

    def observe(self, *, full: bool = False) -> tuple[HostFacts, HostState]:  # noqa: ARG002
        found = t.cast("HostFacts", self.facts)
        return found, derive(found)


def _new_place(place: _Noted, facts: HostFacts) -> t.Callable[..., _Noted]:
    def found(*_what: object) -> _Noted:
        if facts.default != facts.booted:
            raise OvercError("layout_unsupported", "What runs is not the default (reboot). Nothing was changed.")
        return place

    return found


def _none(*_what: object) -> tuple[str, ...]:
    """With manual protection there is no guard."""
    return ()


def writes_of(world: World, wanted: t.Literal["present", "absent"]) -> Writes:
    """What the product writes, in its order. Raises OvercError."""
    facts, disk = facts_of(world), numbers_of(world)
    boot = facts.entry_boot
    place = replace(
        place_of(_Noted, facts.booted.path if facts.booted else "", "/"),
        disk=disk,
        known=boot.menu if boot is not None else Menu(),
        led=boot.menu_problem if boot is not None else None,
    )
    if boot is not None:
        facts = replace(facts, trial_boot=replace(boot, place=place))
    writes = place.writes

    def synced(*_where: object) -> None:
        writes.append(("sync", sync))

    def remember(_top: str, record: Record) -> None:
        writes.append(("record", lambda at: at.write_record(record)))

    guard = SimpleNamespace(pieces=_none, differing=_none, there=_none, install=_none, remove=_none)
    instead: dict[str, object] = {
        "guard": guard,
        "syscalls": SimpleNamespace(syncfs=synced),
        "write_record": remember,
        "reload_units": lambda _host: None,
        "result_of": lambda *_a: {},
    }
    with contextlib.ExitStack() as stack:
        for module in (adopt, give_back):
            for name, value in instead.items():
                stack.enter_context(mock.patch.object(module, name, value))
        stack.enter_context(mock.patch.object(adopt, "partition", SimpleNamespace(sync=synced)))
        stack.enter_context(mock.patch.object(adopt, "make_directories"))
        stack.enter_context(mock.patch.object(adopt, "new_place", _new_place(place, facts)))
        stack.enter_context(
            mock.patch.object(adopt, "is_there", lambda path: path == place.block and disk.listed is not None)
        )
        host = _Asked(t.cast("t.Any", None), facts.layout, check_mode=False, now="now", facts=facts)
        bootloader.manage(host, wanted, Timeouts())
    return writes


def carry_out(world: World, writes: Writes) -> Storage:
    """Each of them, and every world that a kill leaves."""
    at = AtBootloader(Storage(world))
    for _name, write in writes:
        write(at)
    return at.storage


Order = t.Callable[[Writes], Writes]


def present(world: World, _state: HostState, order: Order = list) -> Storage | None:
    """None where it is refused; what it was cut off in is no reason."""
    disk = numbers_of(world)
    try:
        writes = writes_of(world, "present")
    except OvercError as error:
        cut_off = disk.listed is None and disk.default == world.running and disk.journal is None
        check(not cut_off, f"a set-up is refused: {error.message}")
        return None
    storage = carry_out(world, order(writes))
    after = numbers_of(storage.world)
    number = number_in(after.name_of(world.running) or "")
    known = after.record.deployments.get(world.running)
    check(after.listed is not None, "after a set-up there is no list")
    check(known is not None and known.number == number, "after a set-up nothing is on record of what runs")
    for line in after.listed or ():
        entry = after.record.deployments.get(line.uuid)
        check(
            entry is None or entry.number == line.number,
            f"the list has {line.number}, and the record has it as given up",
        )
    check(after.default == world.running, "after a set-up something else boots than what runs")
    return storage


def absent(world: World, _state: HostState, order: Order = list) -> Storage | None:
    """None where it is refused. Every other root stays."""
    before = numbers_of(world)
    if before.listed is None:
        return None  # nothing is there
    try:
        writes = writes_of(world, "absent")
    except OvercError:
        return None
    storage = carry_out(world, order(writes))
    after = numbers_of(storage.world)
    check(after.listed is None, "the list is still there")
    check(after.default == before.default, "giving back has changed what boots")
    check(dict(after.subvolumes).keys() == dict(before.subvolumes).keys(), "giving back has deleted a root")
    check(
        all(known.number is None for known in after.record.deployments.values()),
        "the record still has deployments of a host that was given back",
    )
    return storage


__all__ = ("Writes", "absent", "carry_out", "present", "remove_list", "write_list", "writes_of")
