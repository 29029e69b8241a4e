# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From power-on to a root: what the distribution's menu, the lines in custom.cfg and our menu.cfg let GRUB do; or what
systemd-boot does with its entries and the variables of the firmware.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from tests.model.effects.at_work import fresh
from tests.model.entries.world import (
    ADOPTED,
    STEM,
    Line,
    chosen_in,
    entry_name,
    initrd_of,
    line_of,
    line_text,
    menu_of,
    name_of,
)
from tests.model.grub import DoesNotBoot
from tests.model.world import TORN, Boot, Btrfs, Root, World

# What a person takes in the menu: one of our entries, or the first of the distribution's
Choice = int | t.Literal["distribution"]


class Decision(t.NamedTuple):
    """The deployment that GRUB goes for (None: the distribution's menu decides), whether as a trial, and the two views of the
    partition afterwards: the try is used up before anything is loaded.
    """

    number: int | None
    trial: int | None
    left: tuple[Boot, Boot]


class Loads(t.NamedTuple):
    """What GRUB starts: root and kernel, the entry, and whether the kernel is told that it is a trial."""

    root: Root
    number: int | None
    trial: bool
    left: tuple[Boot, Boot]


def _by_firmware(left: tuple[Boot, Boot]) -> Decision:
    """The one shot is removed before anything is started; a name that is no entry is passed over."""
    grub, linux = left
    default, tried = chosen_in(grub)
    number = default if grub.firmware and grub.firmware.default and line_of(grub, default) else None
    if tried is None:
        return Decision(number, None, left)
    emptied = _used_up(grub), _used_up(linux)
    line = line_of(grub, tried)
    if line is None or grub.file(entry_name(tried, trial=True)) != line_text(line):
        return Decision(number, None, emptied)
    return Decision(tried, tried, emptied)


def decide(world: World, left: tuple[Boot, Boot]) -> Decision:
    """As the first lines of menu.cfg do."""
    grub, linux = left
    if grub.firmware is not None:
        return _by_firmware(left)
    if menu_of(grub) is None or grub.environment is None:
        return Decision(None, None, left)
    default, tried = chosen_in(grub)
    number = default if grub.environment[0] else None
    if tried is None:
        return Decision(number, None, left)
    if world.entries is None or not world.entries.grub_writes:
        return Decision(number, None, left)  # it read back what it could not empty
    if not world.entries.grub_empties:
        return Decision(tried, tried, left)
    emptied = _used_up(grub), _used_up(linux)
    return Decision(tried, tried, emptied)


def _used_up(boot: Boot) -> Boot:
    if boot.firmware is not None:
        return boot._replace(firmware=boot.firmware._replace(once=None, used=True))
    return boot._replace(environment=(boot.environment[0], "")) if boot.environment else boot


def is_whole(world: World, disk: Btrfs, grub: Boot, line: Line) -> str | None:
    """Why GRUB cannot start an entry, or what it starts would not come up; None where all belongs together."""
    root = disk.at(name_of(line.number))
    if root is None or root.uuid != line.uuid:
        return f"its root is {root.uuid if root else 'gone'}, not {line.uuid}"
    if world.entries is not None and world.entries.copies:
        for name in (line.kernel, initrd_of(line.kernel)):
            if grub.file(name) != name:
                return f"{name} is {grub.file(name) or 'gone'}"
    elif root.kernel != line.kernel:
        return f"its root has kernel {root.kernel}, not {line.kernel}"
    return None if line.kernel in root.modules else f"no modules for {line.kernel}"


def load(world: World, disk: Btrfs, left: tuple[Boot, Boot], choice: Choice | None = None) -> Loads:
    """Switch on, with everything that GRUB does by itself. Raises DoesNotBoot."""
    decision = decide(world, left)
    grub = decision.left[0]
    number: int | None = decision.number if choice is None else None if choice == "distribution" else choice
    line = line_of(grub, number) if number is not None else None
    if line is not None:
        trial = decision.trial == line.number
        why = is_whole(world, disk, grub, line)
        root = disk.at(name_of(line.number))
        if why is None and root is not None:
            return Loads(root, line.number, trial, decision.left)
        if TORN in (grub.file(line.kernel), grub.file(initrd_of(line.kernel))):
            raise DoesNotBoot(f"entry {line.number}: {why}")
        if trial:
            return load(world, disk, decision.left)  # it reboots, and the try is used up
    theirs = disk.by_uuid(grub.written_for) if grub.written_for is not None else disk.at(STEM)
    if theirs is None:
        raise DoesNotBoot("the system that the distribution's menu boots is gone")
    return Loads(theirs, None, False, decision.left)


def started(world: World, disk: Btrfs, loads: Loads) -> World:
    """It came up."""
    if world.entries is None:
        raise AssertionError("a host without entries")
    linux = loads.left[1]
    subvolumes = tuple(
        (name, root._replace(written=True) if root.uuid == loads.root.uuid else root) for name, root in disk.subvolumes
    )
    disk = disk if subvolumes == disk.subvolumes else _with(disk, subvolumes)
    # With manual protection what comes up is permanent
    good = world.good | {loads.root.uuid} if world.entries.manual else world.good
    return world._replace(
        disks=(disk,),
        boot=linux,
        left=frozenset(((linux, linux),)),
        running=loads.root.uuid,
        good=good,
        entries=world.entries._replace(
            number=loads.number, on_trial=loads.trial, in_place=_in_place(world.entries.in_place, disk, loads)
        ),
    )


def _in_place(before: str | None, disk: Btrfs, loads: Loads) -> str | None:
    """The kernel that the system as it was installed was started with last, where it got another one in place; once somebody
    chose an entry of ours, that of its entry.
    """
    boot, line = loads.left[1], line_of(loads.left[1], ADOPTED)
    named, chosen = (boot.environment or (None,))[0], chosen_in(boot)[0]
    if before is None or line is None or (named and chosen == ADOPTED):
        return before
    by_theirs = loads.root == disk.at(STEM) and loads.number is None
    return loads.root.kernel if by_theirs else line.kernel


def _newer_in_place(world: World, disk: Btrfs, calm: Loads) -> World | None:
    """``apt upgrade`` of the system as it was installed, once, and a reboot; None where one of our entries boots by default."""
    line, boot, root = line_of(calm.left[1], ADOPTED), calm.left[1], disk.at(STEM)
    if world.entries is None or not world.entries.copies or boot.firmware is not None or boot.written_for is not None:
        return None
    if calm.number is not None or line is None or root is None or calm.root != root or root.kernel != line.kernel:
        return None
    newer = root._replace(kernel=fresh("k"))
    newer = newer._replace(modules=root.modules | {newer.kernel})
    disk = _with(disk, tuple((name, newer if name == STEM else each) for name, each in disk.subvolumes))
    after = started(world, disk, calm._replace(root=newer))
    return after._replace(entries=after.entries and after.entries._replace(in_place=newer.kernel))


def _with(disk: Btrfs, subvolumes: tuple[tuple[str, Root], ...]) -> Btrfs:
    return replace(disk, subvolumes=subvolumes)


def starts(world: World, found: tuple[Btrfs, tuple[Boot, Boot]]) -> t.Iterator[tuple[str, World]]:
    """Nobody at the menu, a trial that fails, and each entry of the menu."""
    disk, left = found
    calm = load(world, disk, left)
    yield "boots", started(world, disk, calm)
    newer = _newer_in_place(world, disk, calm)
    if newer is not None:
        yield "gets a newer kernel in place, boots", newer
    if calm.trial:
        # Panics, hangs, is given up by its guard: the try is used up, and its root was written to or not
        for what, before in (("trial hangs", disk), ("trial fails in its root", started(world, disk, calm).disk)):
            yield what, started(world, before, load(world, before, calm.left))
        if decide(world, calm.left).number is None:
            # Its update-grub or kernel-install ran, and nothing but the distribution's menu says what boots by default
            before = started(world, disk, calm).disk
            grub, linux = (boot._replace(written_for=calm.root.uuid) for boot in calm.left)
            yield "trial writes the menu, and fails", started(world, before, load(world, before, (grub, linux)))
    chosen: list[Choice] = [line.number for line in menu_of(left[0]) or () if line.number != calm.number]
    for choice in [*chosen, *(["distribution"] if calm.number is not None else [])]:
        try:
            picked = load(world, disk, left, t.cast("Choice", choice))
        except DoesNotBoot:
            continue  # what must boot is an invariant
        yield f"menu {choice}", started(world, disk, picked)


__all__ = ("Choice", "Decision", "Loads", "decide", "is_whole", "load", "started", "starts")
