# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From power-on to a root; and what snapper, the package manager and a person do to a host that runs, beside our commands."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from tests.model.effects.at_work import fresh
from tests.model.grub import DoesNotBoot
from tests.model.snapper.world import (
    FIRST,
    Directory,
    Numbers,
    highest,
    name_of,
    numbers_of,
    roots_of,
    why_not,
)
from tests.model.world import Boot, Btrfs, Root, World

# Of each kind of foreign snapshot there is one at a time: more of them are no other state
_ONE: t.Final = 1


def load(disk: Numbers, number: int | None = None) -> Root:
    """What GRUB begins in, and the kernel mounts: the default subvolume, or the root that a person told the kernel. Raises
    DoesNotBoot.
    """
    root = disk.by_uuid(disk.default) if number is None else roots_of(disk).get(number)
    why = why_not(root)
    if root is None or why is not None:
        raise DoesNotBoot(f"{'the default' if number is None else number}: {why}")
    return root


def _came_up(world: World, disk: Numbers, root: Root) -> World:
    """With manual protection what comes up is permanent."""
    named = tuple(
        (name, each._replace(written=True) if each.uuid == root.uuid else each) for name, each in disk.subvolumes
    )
    disk = disk if named == disk.subvolumes else replace(disk, subvolumes=named)
    return world._replace(disks=(disk,), running=root.uuid, good=world.good | {root.uuid})


def starts(world: World, found: tuple[Btrfs, tuple[Boot, Boot]]) -> t.Iterator[tuple[str, World]]:
    """Nobody at the console; and somebody who tells the kernel another root that is whole."""
    disk = t.cast("Numbers", found[0])
    calm = load(disk)
    yield "boots", _came_up(world, disk, calm)
    for number, root in roots_of(disk).items():
        if root.uuid != calm.uuid and root.uuid not in disk.only and why_not(root) is None and _is_seen(disk, number):
            yield f"root {number} at the console", _came_up(world, disk, root)


def _is_seen(disk: Numbers, number: int) -> bool:
    """Whether snapper knows it: nobody looks for another one."""
    found = disk.directory(number)
    return found is not None and found.info is not None


def others(world: World) -> t.Iterator[tuple[str, World]]:
    """On a disk where everything that was seen is written: snapper's own doing begins with that."""
    if not world.is_settled:
        return
    disk = numbers_of(world)
    yield from _snapper(world, disk)
    running = disk.by_uuid(world.running)
    if running is not None and running.uuid not in disk.only:
        newer = running._replace(kernel=(kernel := fresh("k")), menu=kernel, modules=running.modules | {kernel})
        yield "a kernel in place", _with_roots(world, disk, {disk.name_of(running.uuid) or "": newer})
    for number, root in roots_of(disk).items():
        if (
            root.uuid != disk.default
            and root.uuid not in disk.only
            and why_not(root) is None
            and _is_seen(disk, number)
        ):
            yield (
                f"set-default {number}",
                _with(world, replace(disk, default=root.uuid, chosen=frozenset((root.uuid,)))),
            )


def _snapper(world: World, disk: Numbers) -> t.Iterator[tuple[str, World]]:
    theirs = {
        number: root
        for number, root in roots_of(disk).items()
        for found in [disk.directory(number)]
        if number != FIRST and found is not None and found.info == "theirs"
    }
    only = {number: root for number, root in theirs.items() if root.uuid in disk.only}
    running = disk.by_uuid(world.running)
    if running is not None and len(only) < _ONE:
        yield "snapper create", _made(world, disk, running, read_only=True)
    if running is not None and len(theirs) - len(only) < _ONE:
        copied = _made(world, disk, running, read_only=False)
        after = numbers_of(copied)
        newest = roots_of(after)[highest(after)]
        yield "snapper rollback", _with(copied, replace(after, default=newest.uuid))
    if only:
        yield "snapper cleanup", _gone(world, disk, *only)
    in_use = {world.running, disk.default}
    for number, root in roots_of(disk).items():
        if number not in only and root.uuid not in in_use and _is_seen(disk, number):
            yield f"snapper delete {number}", _gone(world, disk, number)


def _made(world: World, disk: Numbers, of: Root, *, read_only: bool) -> World:
    """Under the next number that nobody has."""
    number = highest(disk) + 1
    root = of._replace(uuid=fresh("u"), parent=of.uuid, written=False)
    after = replace(
        disk,
        subvolumes=tuple(sorted((*disk.subvolumes, (name_of(number), root)))),
        directories=tuple(sorted((*disk.directories, Directory(number, info="theirs")))),
        only=disk.only | {root.uuid} if read_only else disk.only,
    )
    return _with(world, after)._replace(foreign=world.foreign | {root.uuid})


def _gone(world: World, disk: Numbers, *numbers: int) -> World:
    """With its directory; whoever asked for that knew what it was."""
    gone = {roots_of(disk)[number].uuid for number in numbers}
    after = replace(
        disk,
        subvolumes=tuple((name, root) for name, root in disk.subvolumes if root.uuid not in gone),
        directories=tuple(each for each in disk.directories if each.number not in numbers),
        only=disk.only - gone,
    )
    return _with(world, after)._replace(foreign=world.foreign - gone)


def _with_roots(world: World, disk: Numbers, changed: t.Mapping[str, Root]) -> World:
    return _with(world, replace(disk, subvolumes=tuple(sorted({**dict(disk.subvolumes), **changed}.items()))))


def _with(world: World, disk: Numbers) -> World:
    return world._replace(disks=(disk,))


__all__ = ("load", "others", "starts")
