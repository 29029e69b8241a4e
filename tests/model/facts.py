# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world as the product sees it: ``HostFacts``, as ``observe`` would return them with digests."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.boot.grub.protection import Protected
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.module_utils.boot.trial import TrialBoot
from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume
from ansible_collections.overc.system.plugins.module_utils.host.observe.boot_files import BootFile
from ansible_collections.overc.system.plugins.module_utils.host.observe.essentials import DIRECTORIES
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, RootFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.labelling import Labelling
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import Layout
from ansible_collections.overc.system.plugins.module_utils.host.observe.surroundings import Surroundings
from ansible_collections.overc.system.plugins.module_utils.host.store.journal import OpenJournal

from tests.unit import host_factory

from .world import BACKUP, EMPTY, NORMAL, TORN, Boot, Journal, Root, World

_SIZE: t.Final = 1 << 20
_LAYOUT: t.Final = Layout()
# One with SELinux: its upgrades have one step more
LABELLED: t.Final = Surroundings(labelling=Labelling("permissive"))
_ANY_HOST: t.Final = replace(host_factory.clean(), surroundings=LABELLED)
_PROTECTED: t.Final = Protected(1, Timeouts(), 1, intact=True)
_MANY: t.Final = 20_000
_GUARD: t.Final = "etc/systemd/system/overc-trial.service"


@functools.lru_cache(maxsize=_MANY)
def _subvolume(name: str, root: Root) -> Subvolume:
    return Subvolume(256 + int(root.uuid[1:]), name, root.uuid, root.parent, 5, 10)


def release(kernel: str) -> str:
    """The release of a kernel, by its label."""
    return f"{kernel}-lab"


def _file(path: str, content: str) -> BootFile:
    known = content not in (TORN, EMPTY)
    size = _SIZE if content != EMPTY else 0
    return BootFile(path, size, release=release(content) if known else None, sha256=content)


@functools.lru_cache(maxsize=_MANY)
def _root(name: str, root: Root) -> RootFacts:
    path = f"/top/{name}"
    return RootFacts(
        _subvolume(name, root),
        path,
        frozenset(release(kernel) for kernel in root.modules),
        init=host_factory.INIT,
        has=frozenset(DIRECTORIES),
        files={"kernel": _file(f"{path}/boot/{NORMAL}", root.kernel)},
    )


def _trial_boot(boot: Boot, running: Root) -> TrialBoot:
    pairs = zip(("saved_entry", "next_entry"), boot.environment or (None, None), strict=True)
    return TrialBoot(
        config="/boot/grub/grub.cfg",
        environment="/boot/grub/grubenv",
        mount_point="/boot",
        exists=boot.environment is not None,
        values={name: value for name, value in pairs if value is not None},
        protected=_PROTECTED if boot.menu else None,
        guard_missing=(_GUARD,) if boot.menu and not running.guard else (),
        guard_left=(_GUARD,) if running.guard and not boot.menu else (),
    )


def _journal(journal: Journal) -> OpenJournal:
    begun = tuple(sorted(journal.begun))
    return OpenJournal(journal.operation, "", dict(journal.context), journal.steps, begun, (), dict(journal.notes))


_last: dict[tuple[int, Boot, str], tuple[object, HostFacts]] = {}


def facts_of(world: World) -> HostFacts:
    """What a command would observe on this host now."""
    key = (id(world.disk), world.boot, world.running)
    found = _last.get(key)
    if found is None:
        if len(_last) > _MANY:
            _last.clear()
        found = _last[key] = (world.disk, _observed(world))
    return found[1]


def _observed(world: World) -> HostFacts:
    disk, boot = world.disk, world.boot
    running = disk.by_uuid(world.running)
    if running is None:
        raise AssertionError(f"the running root {world.running} was deleted")
    subvolumes = tuple(_subvolume(name, root) for name, root in disk.subvolumes)
    found = tuple(name for name in (NORMAL,) if boot.file(name) is not None)
    return replace(
        _ANY_HOST,
        kernels_found=found,
        subvolumes=subvolumes,
        default_id=256 + int(disk.default[1:]),
        booted=next(entry for entry in subvolumes if entry.uuid == world.running),
        roots={name: _root(name, root) for name, root in disk.subvolumes if name in _LAYOUT.looked_into},
        boot_files={n: _file(f"/boot/{n}", c) for n, c in boot.files if n in (NORMAL, BACKUP)},
        trial_boot=_trial_boot(boot, running),
        record=disk.record,
        journal=_journal(disk.journal) if disk.journal else None,
    )


__all__ = ("LABELLED", "facts_of", "release")
