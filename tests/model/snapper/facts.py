# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Such a host as the product sees it: ``HostFacts``, as ``observe`` would return them."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.boot.entries.boot import EntryBoot
from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import DEFAULT, Entry, Menu
from ansible_collections.overc.system.plugins.module_utils.boot.grub.protection import Protected
from ansible_collections.overc.system.plugins.module_utils.boot.snapper.place import LISTED, SnapperPlace
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume
from ansible_collections.overc.system.plugins.module_utils.host.observe.essentials import DIRECTORIES
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, RootFacts, with_choice
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import Layout

from tests.model.entries.facts import journal_of
from tests.model.facts import release
from tests.model.snapper.world import STORE, Numbers, deployments_of, highest, name_of, numbers_of, roots_of
from tests.model.world import Btrfs, Entries, Root, World
from tests.unit import host_factory

_STAGED, _RAN = 10, 20  # generations
_MANY: t.Final = 20_000
_ANY_HOST: t.Final = replace(host_factory.clean(), boot_files={}, kernels_found=(), kernel=None, entries=())


@functools.lru_cache(maxsize=_MANY)
def _subvolume(name: str, root: Root) -> Subvolume:
    return Subvolume(256 + int(root.uuid[1:]), name, root.uuid, root.parent, 5, _RAN if root.written else _STAGED)


@functools.lru_cache(maxsize=_MANY)
def _root(name: str, root: Root) -> RootFacts:
    modules = frozenset(release(kernel) for kernel in root.modules)
    subvolume = _subvolume(name, root)
    return RootFacts(subvolume, f"/top/{name}", modules, init=host_factory.INIT, has=frozenset(DIRECTORIES))


_DIRECTORY: t.Final = "/top/.overc"


def _place(booted: str) -> SnapperPlace:
    return place_of(SnapperPlace, booted, "/top")


PlaceT = t.TypeVar("PlaceT", bound=SnapperPlace)


def place_of(kind: type[PlaceT], booted: str, mount_point: str) -> PlaceT:
    """Where the list is."""
    return kind(
        _DIRECTORY, mount_point, "b007", "/.overc", f"{_DIRECTORY}/{LISTED}", False, "GRUB writes nothing to btrfs",
        top="/top", store=STORE, booted=booted,
    )  # fmt: skip


def entry_of(number: int, uuid: str, disk: Numbers) -> Entry:
    """As the root's own menu has it; of one that is gone only its place is known."""
    path, root = disk.name_of(uuid) or name_of(number), disk.by_uuid(uuid)
    kernel = root.menu if root is not None and root.menu else "vmlinuz"
    files = f"/{path}/boot/{kernel}", f"/{path}/boot/{kernel}.img"
    release_of = release(root.menu) if root is not None and root.menu else None
    return Entry(number, f"deployment {number}", path, uuid, "b007", files[0], (), files[1], release_of)


def _boot(world: World, running: Root) -> EntryBoot:
    disk = numbers_of(world)
    known = deployments_of(disk, world.running)
    entries = tuple(entry_of(number, known[number], disk) for number in sorted(known, reverse=True))
    chosen = next((number for number, root in roots_of(disk).items() if root.uuid == disk.default), None)
    place = _place(disk.name_of(running.uuid) or "")
    broken = [
        entry for entry in entries for root in [disk.by_uuid(entry.uuid)] if root is None or root.menu != root.kernel
    ]
    return EntryBoot(
        config=place.hook,
        environment=place.block,
        mount_point=place.mount_point,
        exists=True,
        values={DEFAULT: f"{chosen}"} if chosen is not None else {},
        protected=Protected(1, Timeouts(), 0, intact=chosen is not None),
        menu_problem=None if chosen is not None else "the default subvolume is no root with a number of snapper's",
        place_problem=place.problem,
        place=place,
        menu=Menu(entries, Timeouts()),
        missing=frozenset(file for entry in broken for file in (entry.kernel, str(entry.initrd))),
        sizes={entry.id: 1 << 20 for entry in entries},
        free=host_factory.SPACE.boot_free,
        highest=highest(disk),
    )


_last: dict[tuple[int, str, Entries | None], tuple[Btrfs, HostFacts]] = {}


def facts_of(world: World) -> HostFacts:
    """What a command would observe on this host now."""
    key = (id(world.disk), world.running, world.entries)
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
    if numbers_of(world).listed is None:
        return _not_set_up(world, subvolumes)
    boot = _boot(world, running)
    layout = Layout(keep=host.keep, deployments=tuple(entry.subvolume for entry in boot.menu.entries))
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
    return with_choice(facts, boot)


def _not_set_up(world: World, subvolumes: tuple[Subvolume, ...]) -> HostFacts:
    """As its installer left it, or as it was given back."""
    disk = world.disk
    booted = next(entry for entry in subvolumes if entry.uuid == world.running)
    default = next(entry for entry in subvolumes if entry.uuid == disk.default)
    return replace(
        _ANY_HOST,
        kernels_versioned=("vmlinuz-1",),
        subvolumes=subvolumes,
        default_id=default.id,
        booted=booted,
        roots={name: _root(name, root) for name, root in disk.subvolumes if root.uuid == booted.uuid},
        record=disk.record,
        journal=journal_of(disk.journal) if disk.journal else None,
    )


__all__ = ("entry_of", "facts_of", "place_of")
