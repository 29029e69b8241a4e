# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search: from a new host to every world that commands, kills, power cuts, reboots and choices in the menu lead to."""

from __future__ import annotations

import typing as t
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState, derive
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan, context_from
from ansible_collections.overc.system.plugins.module_utils.host.plan.repair import plan_repair

from .commands import Command
from .grub import after_cut
from .invariants import Violated
from .method import DEFAULT_SUBVOLUME, Left, Method
from .run import Machinery, repair, run
from .world import World

Key = int
Manages = t.Literal[False, True, "and all kills"]
_PATIENCE: t.Final = 12
_FORCED: t.Final = ", force: true"


class Found(Exception):
    """Something that is not true, and the way to it."""


@dataclass
class Exploration:
    """What was explored. ``ways`` has the calm moves of each state: no kill, no cut, nobody at the menu.

    ``kills`` are followed. ``manages``: what the method says of overc_bootloader is done and undone, and of the kills only those
    of that module are followed, or all of them with ``manages="and all kills"``.
    """

    machinery: Machinery = field(default_factory=Machinery)
    manages: Manages = False
    kills: bool = True
    method: Method = DEFAULT_SUBVOLUME
    transitions: int = 0
    names: dict[Key, str] = field(default_factory=dict)
    ways: dict[Key, dict[str, Key]] = field(default_factory=dict)
    moves: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    _came: dict[Key, tuple[Key | None, str]] = field(default_factory=dict)
    _waiting: deque[tuple[Key, World]] = field(default_factory=deque)

    def unsettled(self) -> list[str]:
        """The states from which the commands that each state asks for do not lead to a clean host, and the way there; where
        what comes next was not looked at, nobody knows.
        """
        return [f"{self.names[key]}: {self.way_to(key)}" for key in self.names if not self._ends_clean(key)]

    def _ends_clean(self, key: Key) -> bool:
        for _move in range(_PATIENCE):
            name = self.names.get(key)
            if name is None or name == "clean":
                return True
            ways = self.ways.get(key, {})
            there = (ways.get(wanted, key) for wanted in self.method.asked_for[name])
            following = next((other for other in there if other != key), None)
            if following is None:
                return False
            key = following
        return False

    @property
    def states(self) -> int:
        return len(self._came)

    @property
    def waits(self) -> bool:
        """Whether there is something that was reached and not looked at."""
        return bool(self._waiting)

    def by_name(self) -> Counter[str]:
        """How many of the states that were looked at have each name."""
        return Counter(self.names.values())

    def explore(self, *worlds: World, limit: int | None = None) -> Exploration:
        """Until nothing is new. Raises Found."""
        for world in worlds:
            self._reach(None, "begin", world)
        while self._waiting and (limit is None or self.states < limit):
            key, world = self._waiting.popleft()
            try:
                self._expand(key, world)
            except (Violated, AssertionError, OvercError) as why:
                raise Found(f"{why}\n{self.way_to(key)}") from why
        return self

    def way_to(self, key: Key | None) -> str:
        """What led to a state, move by move."""
        moves: list[str] = []
        while key is not None:
            key, move = self._came[key]
            moves.append(move)
        return " -> ".join(reversed(moves))

    def _reach(self, origin: Key | None, move: str, world: World) -> Key:
        key = self.method.key_of(world)
        self.transitions += 1
        self.moves[move.split(":", maxsplit=1)[0]] += 1
        if key not in self._came:
            self._came[key] = (origin, move)
            self._waiting.append((key, world))
        return key

    def _facts(self, world: World) -> HostFacts:
        return self.machinery.at_work.observe(world)

    def _expand(self, key: Key, world: World) -> None:
        state = derive(self._facts(world))
        self.names[key] = state.name
        self.method.invariants.in_every_world(world, state)
        for number, left in enumerate(after_cut(world)):
            self._start(key, f"power cut {number}", world, left)
        if not world.is_settled:
            there = self._reach(key, "written back", world.settled())
            if state.name == "interrupted" and self.machinery.skips_are_durable:
                self.ways.setdefault(key, {})["repair"] = there  # which begins with that
                return
        self._start(key, "reboot", world, (world.disk, (world.boot, world.boot)))
        for what, after in self.method.others(world):
            self._reach(key, what, after)
        if state.name == "interrupted":
            self._repair(key, world)
            return
        for command in self.method.commands(world):
            self._command(key, world, state, command)
        if self.manages:
            self._bootloader(key, world, state)

    def _start(self, key: Key, move: str, world: World, left: Left) -> None:
        for what, booted in self.method.starts(world, left):
            there = self._reach(key, f"{move}: {what}", booted)
            if (move, what) == ("reboot", "boots"):
                self.ways.setdefault(key, {})["reboot"] = there

    def _repair(self, key: Key, world: World) -> None:
        plan = plan_repair(self._facts(world))
        asked = self.machinery.asked_of_begun, self.machinery.asked_of_ended
        if plan != plan_repair(self._facts(world.forgetting_steps(*asked))):
            raise AssertionError("a repair asks of more steps whether they began or ended than its method says")
        ran = repair(world, self.machinery)
        self._kills(key, "repair", ran.killed)
        if ran.refused is not None:
            self.refusals[ran.refused.error_id] += 1
            self.ways.setdefault(key, {})["repair"] = self._reach(key, "repair, refused", ran.world)
            return
        self.method.invariants.after_a_command(ran.world)
        context = context_from(dict(world.disk.journal.context) if world.disk.journal else {})
        self.method.invariants.after_a_repair(
            world, ran.world, context.as_dict(), committed=bool(plan.notes["committed"])
        )
        self.ways.setdefault(key, {})["repair"] = self._reach(key, "repair", ran.world)
        if not plan.notes["committed"]:
            # The same way back, from a step that failed: the history tells of it
            disk = replace(ran.world.disk, record=replace(ran.world.disk.record, events=()))
            self._reach(key, "fails", ran.world._replace(disks=(disk,)))

    def _kills(self, key: Key, move: str, killed: list[World]) -> None:
        for world in killed:
            if self.kills and (move in self.method.manages or self.manages is not True):
                self._reach(key, f"{move}: killed", world)

    def _command(self, key: Key, world: World, state: HostState, command: Command) -> None:
        facts = self._facts(world)
        plan = command.plan(facts, state)
        if isinstance(plan, OvercError):
            self.refusals[plan.error_id] += 1
            self.method.invariants.after_a_refusal(
                world, plan, lambda module: self._is_accepted(module, world, facts, state)
            )
            return
        if not plan.changed:
            self.ways.setdefault(key, {})[command.name] = key
            return
        unforced = self.ways.get(key, {}).get(command.name.removesuffix(_FORCED))
        if command.force and unforced != key:
            return  # the same as without
        ran = run(world, plan, command.packages(), self.machinery)
        self.method.invariants.after_a_command(ran.world)
        self._kills(key, command.name, ran.killed)
        self.ways.setdefault(key, {})[command.name] = self._reach(key, command.name, ran.world)

    def _is_accepted(self, module: str, world: World, facts: HostFacts, state: HostState) -> bool:
        commands = (command for command in self.method.commands(world) if command.module == module)
        return any(isinstance(command.plan(facts, state), Plan) for command in commands)

    def _bootloader(self, key: Key, world: World, state: HostState) -> None:
        for name, manage in self.method.manages.items():
            storage = manage(world, state)
            if storage is not None:
                self.method.invariants.after_a_command(storage.world)
                self._kills(key, name, storage.trace)
                self.ways.setdefault(key, {})[name] = self._reach(key, name, storage.world)


__all__ = ("Exploration", "Found", "Manages")
