# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way through the model: commands that end, and reboots, step by step."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.observe.state import derive
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan

from tests.model.entries.method import GRUB_ENTRY, MACHINERY
from tests.model.method import Method
from tests.model.run import Machinery, Ran, run
from tests.model.world import World


class Walked(t.NamedTuple):
    """The worlds after each step of a command, by its name."""

    steps: tuple[tuple[str, World], ...]
    end: World


class Walk(t.NamedTuple):
    """On hosts of one boot method."""

    method: Method = GRUB_ENTRY
    machinery: Machinery = MACHINERY

    def command(self, world: World, name: str) -> Walked:
        """Carry out one of the commands of the method, by its name there, to its end."""
        ran = self._run(world, name)
        return Walked(tuple(ran.ends), ran.world)

    def killed(self, world: World, name: str) -> list[World]:
        """Every world that a kill of it leaves."""
        return self._run(world, name).killed

    def _run(self, world: World, name: str) -> Ran:
        wanted = next(each for each in self.method.commands(world) if each.name == name)
        facts = self.machinery.at_work.observe(world)
        plan = wanted.plan(facts, derive(facts))
        if not isinstance(plan, Plan):
            raise plan
        return run(world, plan, wanted.packages(), self.machinery)

    def reboot(self, world: World, what: str = "boots") -> World:
        """Switched off in peace, and on again."""
        return dict(self.method.starts(world, (world.disk, (world.boot, world.boot))))[what]

    def after(self, world: World, *names: str) -> World:
        """After these commands; ``reboot`` is one too, and so is what others do."""
        for name in names:
            if name == "reboot":
                world = self.reboot(world)
            else:
                world = dict(self.method.others(world)).get(name) or self.command(world, name).end
        return world


WITH_ENTRIES: t.Final = Walk()
command, reboot, after = WITH_ENTRIES.command, WITH_ENTRIES.reboot, WITH_ENTRIES.after

__all__ = ("Walk", "Walked", "after", "command", "reboot")
