# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way through the model that a real host goes as well: after each step both are told in the same words, and compared."""

from __future__ import annotations

import inspect
import json
import re
import signal
import typing as t
from dataclasses import dataclass

from tests.lab import Host
from tests.model.entries.told import told_of_any
from tests.model.entries.walk import Walk
from tests.model.run import repair
from tests.model.world import World

Told = dict[str, t.Any]
Steps = list[tuple[str, Told]]
SEEN: t.Final = "/run/steps-seen"
# Run on the host: what is observed after each step, as a line; after the one it is to stop at, killed as by kill -9
_WATCH: t.Final = """
import json, os, signal, sys
from ansible_collections.overc.system.plugins.module_utils.host import transaction
{told}
{look}
def watch(when, step):
    if when != "after":
        return
    at = sys._getframe(1).f_locals["at"]
    facts = transaction.observe(at.runner, at.facts.layout)
    seen = look(facts, os.path.isdir(at.top + "/.overc/packages"))
    with open({seen!r}, "a") as stream:
        stream.write(json.dumps([step, seen]) + "\\n")
    if step == {until!r}:
        os.kill(os.getpid(), signal.SIGKILL)
transaction.step_hook = watch
"""


@dataclass(frozen=True)
class Held:
    """One boot method of the model. ``told``: what both have to agree on, a function whose source runs on hosts as well;
    ``look``: the source of ``look(facts, downloads)``, which calls it there; ``predicted`` calls it with a world. ``labels``:
    what has one name on the host and another one in the model; ``unordered``: values that are lists of such names in any order.
    ``late``: what is on the root there, and declared to be brought over at last.
    """

    walk: Walk
    told: t.Callable[..., t.Any]
    look: str
    predicted: t.Callable[[World], Told]
    labels: re.Pattern[str]
    unordered: tuple[str, ...] = ()
    late: str = "/srv"

    def canonical(self, told: Told) -> Told:
        """With labels numbered in the order in which they appear; lists of them by that order."""
        order: dict[str, str] = {}

        def named(match: re.Match[str]) -> str:
            return order.setdefault(match[0], f"<{len(order)}>")

        rest = {**told, **{name: [] for name in self.unordered}}
        found: Told = json.loads(self.labels.sub(named, json.dumps(rest)))
        return {
            **found,
            **{name: sorted(self.labels.sub(named, each) for each in told[name]) for name in self.unordered},
        }

    def expected(self, world: World) -> Told:
        return self.canonical(json.loads(json.dumps(self.predicted(world))))

    def watched(
        self, host: Host, module: str, args: dict[str, t.Any], until: str | None = None, refused: str | None = None
    ) -> Steps:
        """``until``: the step after which it is killed; ``refused``: the error that it may end with, after a repair."""
        source = f"{inspect.getsource(told_of_any)}\n{inspect.getsource(self.told)}"
        host.sh(f"rm -f {SEEN}")
        prelude = _WATCH.format(told=source, look=self.look, seen=SEEN, until=until)
        if until is None:
            result = host.module(module, args, prelude=prelude)
            assert not result.get("failed") or result["error_id"] == refused, (
                result.get("error_id"),
                result.get("msg"),
            )
        else:
            process = host.module_start(module, args, prelude=prelude).process
            process.communicate(timeout=300)
            assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        lines = host.sh(f"cat {SEEN}").splitlines()
        return [(step, self.canonical(seen)) for step, seen in map(json.loads, lines)]

    def command(self, host: Host, world: World, name: str) -> tuple[Steps, list[tuple[str, World]], World]:
        """What the host is after each step, what the model is, and where that ends."""
        name, _until, last = name.partition(" until ")
        if name == "repair":
            ran = repair(world, self.walk.machinery)
            # What is staged then is not confirmed, and refused after the repair
            return self.watched(host, "overc_host_confirm", {}, refused="not_booted"), ran.ends, ran.world
        walked = self.walk.command(world, name)
        # As the model's commands have it
        args: dict[str, t.Any] = {"force": True, "carry_late": [self.late]} if "force" in name else {}
        if name.startswith("upgrade") and "nothing" not in name:
            args["run"] = [["true"]]
        if world.entries is not None and name.startswith("upgrade"):
            args["keep"] = world.entries.keep
        if " to " in name:
            args["to"] = str(next(given.to for given in self.walk.method.commands(world) if given.name == name))
        seen = self.watched(host, f"overc_host_{name.split()[0].rstrip(',')}", args, last or None)
        if not last:
            return seen, list(walked.steps), walked.end
        number = [step for step, _world in walked.steps].index(last) + 1
        return seen, list(walked.steps[:number]), walked.steps[number - 1][1]

    def goes(self, host: Host, world: World, name: str) -> World:
        """The next command on both. Fails where they are not the same after a step."""
        if name == "reboot":
            host.reboot()
            return self.walk.reboot(world)
        seen, expected, world = self.command(host, world, name)
        assert [step for step, _told in seen] == [step for step, _world in expected]
        for (step, told), (_step, after) in zip(seen, expected, strict=True):
            assert told == self.expected(after), f"after {step} of {name}"
        return world


__all__ = ("Held", "Told")
