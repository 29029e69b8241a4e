# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``grub-entry`` as the search sees it: its commands, and what its user does in each state."""

from __future__ import annotations

import typing as t

from tests.model.commands import COMMANDS, ROLLBACK, Command
from tests.model.entries import invariants
from tests.model.entries.effects import EFFECTS, EntriesAtWork
from tests.model.entries.grub import starts
from tests.model.entries.key import ASKED_OF_BEGUN, ASKED_OF_ENDED, key_of
from tests.model.entries.world import menu_of
from tests.model.method import Method
from tests.model.run import Machinery
from tests.model.world import World


def _commands(world: World) -> list[Command]:
    """Those of every host, and a way back to each deployment by its id."""
    automatic = world.entries is not None and not world.entries.manual
    given = [command for command in COMMANDS if automatic or not command.only_automatic]
    lines = menu_of(world.boot) or ()
    others = [line.number for line in lines if line.uuid != world.running]
    here = [line.number for line in lines if line.uuid == world.running]
    return [
        *given,
        *(Command(f"rollback to {number}", ROLLBACK, to=number) for number in others),
        *(Command("rollback to what runs", ROLLBACK, to=number) for number in here),
    ]


GRUB_ENTRY: t.Final = Method(
    key_of,
    _commands,
    starts,
    invariants,
    {
        "interrupted": ("repair", "reboot"),
        "trial": ("confirm",),
        "staged": ("reboot", "rollback", "rollback to what runs"),
        "fallback": ("rollback",),
        "elsewhere": ("rollback",),
    },
)
MACHINERY: t.Final = Machinery(
    EFFECTS, at_work=EntriesAtWork, asked_of_begun=ASKED_OF_BEGUN, asked_of_ended=ASKED_OF_ENDED
)

__all__ = ("GRUB_ENTRY", "MACHINERY")
