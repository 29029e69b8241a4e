# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way through the model: commands that end, and reboots, step by step."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.observe.state import derive
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan

from tests.model.entries.facts import facts_of
from tests.model.entries.grub import starts
from tests.model.entries.method import GRUB_ENTRY, MACHINERY
from tests.model.run import run
from tests.model.world import World


class Walked(t.NamedTuple):
    """The worlds after each step of a command, by its name."""

    steps: tuple[tuple[str, World], ...]
    end: World


def command(world: World, name: str) -> Walked:
    """Carry out one of the commands of ``GRUB_ENTRY``, by its name there, to its end."""
    wanted = next(each for each in GRUB_ENTRY.commands(world) if each.name == name)
    facts = facts_of(world)
    plan = wanted.plan(facts, derive(facts))
    if not isinstance(plan, Plan):
        raise plan
    ran = run(world, plan, wanted.packages(), MACHINERY)
    return Walked(tuple(ran.ends), ran.world)


def reboot(world: World, what: str = "boots") -> World:
    """Switched off in peace, and on again."""
    return dict(starts(world, (world.disk, (world.boot, world.boot))))[what]


def after(world: World, *names: str) -> World:
    """After these commands; ``reboot`` is one too."""
    for name in names:
        world = reboot(world) if name == "reboot" else command(world, name).end
    return world


__all__ = ("Walked", "after", "command", "reboot")
