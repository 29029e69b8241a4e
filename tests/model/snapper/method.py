# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``snapper`` as the search sees it: its commands, what its user does in each state, and what others do."""

from __future__ import annotations

import typing as t

from tests.model.commands import COMMANDS, ROLLBACK, Command
from tests.model.entries.key import ASKED_OF_BEGUN, ASKED_OF_ENDED, key_of
from tests.model.method import Method
from tests.model.run import Machinery
from tests.model.snapper import bootloader, invariants
from tests.model.snapper.effects import EFFECTS, NumbersAtWork
from tests.model.snapper.moves import others, starts
from tests.model.snapper.world import deployments_of, numbers_of
from tests.model.world import World


def _commands(world: World) -> list[Command]:
    """Those of every host with manual protection, and a way back to each deployment by its number."""
    known = deployments_of(numbers_of(world), world.running)
    away = sorted(number for number, uuid in known.items() if uuid != world.running)
    here = sorted(number for number, uuid in known.items() if uuid == world.running)
    return [
        *(command for command in COMMANDS if not command.only_automatic),
        *(Command(f"rollback to {number}", ROLLBACK, to=number) for number in away),
        *(Command("rollback to what runs", ROLLBACK, to=number) for number in here),
    ]


SNAPPER: t.Final = Method(
    key_of,
    _commands,
    starts,
    invariants,
    {
        "interrupted": ("repair", "reboot"),
        "staged": ("reboot", "rollback", "rollback to what runs"),
        "elsewhere": ("rollback",),
        "unsupported": ("set up", "reboot"),
    },
    others,
    {"set up": bootloader.present, "give back": bootloader.absent},
)
MACHINERY: t.Final = Machinery(
    EFFECTS, at_work=NumbersAtWork, asked_of_begun=ASKED_OF_BEGUN, asked_of_ended=ASKED_OF_ENDED
)

__all__ = ("MACHINERY", "SNAPPER")
