# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot loader does: from the two file systems as a power cut or a reboot left them to what runs."""

from __future__ import annotations

import typing as t

from .world import BACKUP, BAKUP, EMPTY, NORMAL, TORN, Boot, Btrfs, Root, World

Choice = t.Literal["0", "1"]
_TRIES: t.Final = 3


class DoesNotBoot(Exception):
    """Why nothing runs: somebody has to go there."""


class Booted(t.NamedTuple):
    """``kernel`` and the root it runs with; ``trial``: by the one shot of the environment block."""

    world: World
    root: Root
    kernel: str
    entry: Choice
    trial: bool

    @property
    def whole(self) -> bool:
        """Kernel and root belong together."""
        return self.kernel == self.root.kernel


def start(world: World, disk: Btrfs, found: tuple[Boot, Boot], choice: Choice | None = None) -> Booted:
    """Switch the host on: ``found`` is the boot partition for GRUB and for Linux, ``choice`` what a person took in the menu.

    A kernel that finds no modules in its root panics; where our lines are in the menu it then starts anew by itself. Raises
    DoesNotBoot.
    """
    grub, linux = found
    why = ""
    for _try in range(_TRIES):
        entry, trial, erased = _decide(grub)
        if erased:
            grub, linux = _used_up(grub), _used_up(linux)
        entry = choice or entry
        kernel = grub.file(BACKUP if entry == "1" else NORMAL)
        if kernel in (None, EMPTY) and grub.menu and entry == "0":
            entry, kernel = "1", grub.file(BACKUP)
        if kernel in (None, EMPTY, TORN):
            raise DoesNotBoot(f"entry {entry}: its kernel is {kernel or 'missing'}")
        root = disk.at(BAKUP) if entry == "1" else disk.by_uuid(disk.default)
        if root is not None and kernel in root.modules:
            # With manual protection what comes up is permanent
            good = world.good if linux.automatic else world.good | {root.uuid}
            left = frozenset(((linux, linux),))
            runs = world._replace(disks=(disk,), boot=linux, left=left, running=root.uuid, good=good)
            return Booted(runs, root, str(kernel), t.cast("Choice", entry), trial and entry == "0")
        why = f"entry {entry}: {'no root' if root is None else f'the root has no modules for {kernel}'}"
        if not grub.menu:
            break
        choice = None
    raise DoesNotBoot(why)


def _decide(boot: Boot) -> tuple[str, bool, bool]:
    """The entry, whether it is a trial, and whether GRUB erases the one shot. As our lines in grub.cfg say."""
    saved, following = boot.environment or (None, None)
    if not boot.menu:
        return "0", False, False
    if following:
        return following, following == "0" and bool(saved), True
    return saved or "0", False, False


def _used_up(boot: Boot) -> Boot:
    return boot._replace(environment=(boot.environment[0], "")) if boot.environment else boot


def after_cut(world: World) -> t.Iterator[tuple[Btrfs, tuple[Boot, Boot]]]:
    """Everything that a power cut may leave."""
    for disk in world.disks:
        for left in world.left:
            yield disk, left


__all__ = ("Booted", "Choice", "DoesNotBoot", "after_cut", "start")
