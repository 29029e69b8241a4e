# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the search asks of a boot method, and its answers for ``default-subvolume``."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState

from . import bootloader, invariants
from .commands import COMMANDS, Command
from .grub import Choice, DoesNotBoot, start
from .key import key_of
from .storage import Storage
from .world import Boot, Btrfs, World

Left = tuple[Btrfs, tuple[Boot, Boot]]
# What overc_bootloader does with a host in a state; None where it is refused
Manages = t.Callable[[World, HostState], Storage | None]


class Invariants(t.Protocol):
    """What must be true; each raises Violated."""

    def in_every_world(self, world: World, state: HostState) -> None: ...

    def after_a_command(self, world: World) -> None: ...

    def after_a_refusal(self, world: World, error: OvercError, accepted: t.Callable[[str], bool]) -> None: ...

    def after_a_repair(
        self, before: World, after: World, context: t.Mapping[str, t.Any], *, committed: bool
    ) -> None: ...


@dataclass(frozen=True)
class Method:
    """``key_of``: equal for worlds that behave alike. ``commands``: what can be asked for in a world. ``starts``: what a host
    that is switched on may come to, by what happened, from what a cut left; the first is with nobody at the menu.
    ``asked_for``: what its user does in each state; where that changes nothing any more, the next of these. ``others``: what
    anybody else may do to a host that runs. ``manages``: what overc_bootloader does, by name.
    """

    key_of: t.Callable[[World], int]
    commands: t.Callable[[World], t.Sequence[Command]]
    starts: t.Callable[[World, Left], t.Iterable[tuple[str, World]]]
    invariants: Invariants
    asked_for: t.Mapping[str, tuple[str, ...]]
    others: t.Callable[[World], t.Iterable[tuple[str, World]]] = lambda _world: ()
    manages: t.Mapping[str, Manages] = field(default_factory=dict)


def _commands(world: World) -> list[Command]:
    return [command for command in COMMANDS if not command.only_automatic or world.boot.automatic]


def _starts(world: World, left: Left) -> t.Iterator[tuple[str, World]]:
    """Nobody at the menu, the backup entry, and the normal one where that is no matter of course."""
    choices: tuple[Choice | None, ...] = (None, "1", "0") if left[1][0].unconfirmed else (None, "1")
    for choice in choices:
        try:
            booted = start(world, left[0], left[1], choice)
        except DoesNotBoot:
            continue  # what must boot is an invariant; a person can choose what does not
        yield f"menu {choice}" if choice else "boots", booted.world


DEFAULT_SUBVOLUME: t.Final = Method(
    key_of,
    _commands,
    _starts,
    invariants,
    {
        "interrupted": ("repair", "reboot"),
        "trial": ("confirm", "reboot"),
        "staged": ("reboot",),
        "backup": ("rollback", "reboot"),
        "fallback": ("rollback", "reboot"),
    },
    manages={"protect": bootloader.present, "give back": bootloader.absent},
)

__all__ = ("DEFAULT_SUBVOLUME", "Invariants", "Left", "Manages", "Method")
