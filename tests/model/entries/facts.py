# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Such a host as the product sees it: ``HostFacts``, as ``observe`` would return them."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.boot.entries.boot import EntryBoot
from ansible_collections.overc.system.plugins.module_utils.boot.entries.in_place import InPlace
from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import DEFAULT, TRY, Entry, Menu
from ansible_collections.overc.system.plugins.module_utils.boot.entries.method import FILES, Place
from ansible_collections.overc.system.plugins.module_utils.boot.entries.place import GrubPlace
from ansible_collections.overc.system.plugins.module_utils.boot.grub.protection import Protected
from ansible_collections.overc.system.plugins.module_utils.boot.loader.place import LoaderPlace
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.module_utils.boot.trial import TrialBoot
from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume
from ansible_collections.overc.system.plugins.module_utils.host.observe.essentials import DIRECTORIES
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, RootFacts, with_choice
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import Layout
from ansible_collections.overc.system.plugins.module_utils.host.store.journal import OpenJournal

from tests.model.entries.world import ADOPTED, Line, initrd_of, menu_of, name_of
from tests.model.facts import LABELLED, release
from tests.model.world import EMPTY, TORN, UNFINISHED, Boot, Btrfs, Entries, Journal, Root, World
from tests.unit import host_factory

_STAGED, _RAN = 10, 20  # generations
_SIZE: t.Final = 1 << 20
_MANY: t.Final = 20_000
_ANY_HOST: t.Final = replace(
    host_factory.clean(), boot_files={}, kernels_found=(), kernel=None, entries=(), surroundings=LABELLED
)
_PROTECTED: t.Final = Protected(1, Timeouts(), ADOPTED, intact=True)


@functools.lru_cache(maxsize=_MANY)
def _subvolume(name: str, root: Root) -> Subvolume:
    return Subvolume(256 + int(root.uuid[1:]), name, root.uuid, root.parent, 5, _RAN if root.written else _STAGED)


@functools.lru_cache(maxsize=_MANY)
def _root(name: str, root: Root) -> RootFacts:
    modules = frozenset(release(kernel) for kernel in root.modules)
    subvolume = _subvolume(name, root)
    return RootFacts(subvolume, f"/top/{name}", modules, init=host_factory.INIT, has=frozenset(DIRECTORIES))


_ESP: t.Final = LoaderPlace("/boot/efi/overc", "/boot/efi", "b007", "/overc", "/boot/efi/loader/entries", True)


def _place(host: Entries, boot: Boot) -> Place:
    if boot.firmware is not None:
        return _ESP
    directory = "/boot" if host.copies else "/boot/efi"
    problem = "GRUB cannot write there" if host.manual else None
    return GrubPlace(f"{directory}/overc", directory, "b007", "/overc", "/boot/grub/custom.cfg", host.copies, problem)


@functools.lru_cache(maxsize=_MANY)
def _entry(line: Line, copies: bool) -> Entry:
    name = name_of(line.number)
    where = f"/overc/{FILES}" if copies else f"/{name}/boot"
    files = f"{where}/{line.kernel}", f"{where}/{initrd_of(line.kernel)}"
    title = f"deployment {line.number}"
    return Entry(line.number, title, name, line.uuid, "b007", files[0], ("root=x",), files[1], release(line.kernel))


def _missing(host: Entries, disk: Btrfs, boot: Boot, line: Line) -> frozenset[str]:
    entry = _entry(line, host.copies)
    if host.copies:
        lost = [name for name in (line.kernel, initrd_of(line.kernel)) if boot.file(name) in (None, EMPTY)]
        return frozenset(f"/overc/{FILES}/{name}" for name in lost)
    root = disk.at(entry.subvolume)
    there = root is not None and root.kernel == line.kernel
    return frozenset() if there else frozenset((entry.kernel, str(entry.initrd)))


def _values(boot: Boot) -> tuple[str | None, str | None]:
    """With systemd-boot what was armed, and is not in the firmware any more, was tried."""
    noted = boot.environment or (None, None)
    if boot.firmware is None:
        return noted
    default, once, _used = boot.firmware
    return default, once if once is not None else "" if noted[1] else None


def _problem(boot: Boot) -> str | None:
    """What the product finds wrong with the entries of systemd-boot, or with what the firmware says of them."""
    if boot.firmware is None:
        return None
    torn = [name for name, content in boot.files if name.startswith("entry ") and content in (TORN, EMPTY)]
    if any(not name.endswith(UNFINISHED) for name in torn):
        return f"{torn} cannot be believed"
    noted, default = (boot.environment or (None,))[0], boot.firmware.default
    return None if (noted or "") == (default or "") else f"{noted} was found good, and {default} boots"


def _in_place(host: Entries, running: Root | None, lines: tuple[Line, ...]) -> InPlace:
    """The newest kernel of a root is what the distribution's menu boots it with."""
    mine = next((line for line in lines if running is not None and line.uuid == running.uuid), None)
    if running is None or mine is None or mine.kernel == running.kernel or not host.copies:
        return InPlace()
    newest = release(running.kernel)
    return InPlace(newest if host.number is None else None, _SIZE, newest, release(mine.kernel))


def _boot(world: World, host: Entries, lines: tuple[Line, ...]) -> EntryBoot:
    disk, boot = world.disk, world.boot
    running = disk.by_uuid(world.running)
    place = _place(host, boot)
    named = zip((DEFAULT, TRY), _values(boot), strict=True)
    missing = [_missing(host, disk, boot, line) for line in lines]
    return EntryBoot(
        config=place.hook,
        environment=place.block,
        mount_point=place.mount_point,
        exists=True,
        values={name: value.removeprefix("n") for name, value in named if value is not None},
        protected=_PROTECTED,
        menu_problem=_problem(boot),
        place_problem=place.problem,
        guard_missing=("etc/guard",) if not host.manual and running is not None and not running.guard else (),
        place=place,
        menu=Menu(tuple(_entry(line, host.copies) for line in reversed(lines)), Timeouts()),
        number=host.number,
        on_trial=host.on_trial,
        missing=frozenset().union(*missing),
        sizes={line.number: _SIZE for line in lines},
        free=host_factory.SPACE.boot_free,
        begins_in=frozenset() if host.copies else frozenset((ADOPTED,)),
        in_place=_in_place(host, running, lines),
    )


def journal_of(journal: Journal) -> OpenJournal:
    begun, ended = (tuple(sorted(steps)) for steps in (journal.begun, journal.ended))
    return OpenJournal(journal.operation, "", dict(journal.context), journal.steps, begun, ended, dict(journal.notes))


_last: dict[tuple[int, Boot, str, Entries | None], tuple[object, HostFacts]] = {}


def facts_of(world: World) -> HostFacts:
    """What a command would observe on this host now."""
    key = (id(world.disk), world.boot, world.running, world.entries)
    found = _last.get(key)
    if found is None:
        if len(_last) > _MANY:
            _last.clear()
        found = _last[key] = (world.disk, _observed(world))
    return found[1]


def _observed(world: World) -> HostFacts:
    disk, host = world.disk, world.entries
    running = disk.by_uuid(world.running)
    if running is None or host is None:
        raise AssertionError(f"the running root {world.running} was deleted")
    subvolumes = tuple(_subvolume(name, root) for name, root in disk.subvolumes)
    lines = menu_of(world.boot)
    layout = Layout(keep=host.keep, deployments=tuple(name_of(line.number) for line in lines or ()))
    facts = replace(
        _ANY_HOST,
        layout=layout,
        subvolumes=subvolumes,
        default_id=0,
        booted=next(entry for entry in subvolumes if entry.uuid == world.running),
        roots={name: _root(name, root) for name, root in disk.subvolumes if name in layout.looked_into},
        record=disk.record,
        journal=journal_of(disk.journal) if disk.journal else None,
    )
    if lines is None:
        # Nobody can tell that this host has a menu of ours
        return replace(facts, trial_boot=TrialBoot())
    return with_choice(facts, _boot(world, host, lines))


__all__ = ("facts_of", "journal_of")
