# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model held to hosts: after every step of a command, and of a repair, a real host of Debian 13 is what the model says.

One way through the commands each day, all of them with ``OVERC_SAMPLE=all``.
"""

from __future__ import annotations

import inspect
import json
import re
import signal
import typing as t
from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.surroundings import Surroundings

from tests.integration.commands import succeed
from tests.integration.test_deployments import adopt, app
from tests.lab import Host
from tests.lab.apt import install, new_kernel, offer
from tests.model.entries import facts, walk
from tests.model.entries.facts import facts_of
from tests.model.entries.method import GRUB_ENTRY, MACHINERY
from tests.model.entries.told import told_of
from tests.model.entries.world import MENU, adopted
from tests.model.run import repair
from tests.model.world import Entries, World
from tests.sampling import rotating

MakeHost = Callable[..., Host]
Told = dict[str, t.Any]
FLAVOUR: t.Final = "debian13"
SEEN: t.Final = "/run/steps-seen"
_NAMED_WAYS: t.Final = ("rollback to 0", "rollback to what runs")
WAYS: t.Final = {
    "there and back": ("upgrade", "reboot", "confirm", "rollback", "reboot"),
    "replaced and given up": ("upgrade", "upgrade without a kernel, force: true", "reboot", "rollback"),
    "cancelled, and taken back": ("upgrade", "rollback", "upgrade without a kernel", "reboot", "confirm", *_NAMED_WAYS),
    "killed with a menu, undone": ("upgrade until write_menu", "repair"),
    "killed with a record, completed": ("upgrade until record", "repair", "reboot", "confirm"),
}
# Run on the host: what is observed after each step, as a line; after the one it is to stop at, killed as by kill -9
_WATCH: t.Final = """
import json, os, signal, sys
from ansible_collections.overc.system.plugins.module_utils.host import transaction
{told}
def watch(when, step):
    if when != "after":
        return
    at = sys._getframe(1).f_locals["at"]
    facts = transaction.observe(at.runner, at.facts.layout)
    selector = facts.entry_boot.place.directory
    files = os.listdir(selector + "/files")
    files += [name for name in os.listdir(selector) if name.endswith(".overc-new")]
    seen = told_of(facts, files, os.path.isdir(at.top + "/.overc/packages"))
    with open({seen!r}, "a") as stream:
        stream.write(json.dumps([step, seen]) + "\\n")
    if step == {until!r}:
        os.kill(os.getpid(), signal.SIGKILL)
transaction.step_hook = watch
"""
_NAMED = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[uk]\d+(?:\.img)?\b")


def canonical(told: Told) -> Told:
    """With uuids and digests numbered in the order in which they appear; lists of files by that order."""
    order: dict[str, str] = {}
    files = told["files"]

    def named(match: re.Match[str]) -> str:
        return order.setdefault(match[0], f"<{len(order)}>")

    rest = json.loads(_NAMED.sub(named, json.dumps({**told, "files": []})))
    return {**rest, "files": sorted(_NAMED.sub(named, name) for name in files)}


def predicted(world: World) -> Told:
    files = [name for name, _content in world.boot.files if name != MENU]
    told = told_of(facts_of(world), files, world.disk.downloads)  # type: ignore[no-untyped-call]
    return canonical(t.cast("Told", json.loads(json.dumps(told))))


def _watched(
    host: Host, module: str, args: dict[str, t.Any], until: str | None = None, refused: str | None = None
) -> list[tuple[str, Told]]:
    """``until``: the step after which it is killed; ``refused``: the error that it may end with, after a repair."""
    source = inspect.getsource(told_of)
    host.sh(f"rm -f {SEEN}")
    prelude = _WATCH.format(told=source, seen=SEEN, until=until)
    if until is None:
        result = host.module(module, args, prelude=prelude)
        assert not result.get("failed") or result["error_id"] == refused, (result.get("error_id"), result.get("msg"))
    else:
        process = host.module_start(module, args, prelude=prelude).process
        process.communicate(timeout=300)
        assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    lines = host.sh(f"cat {SEEN}").splitlines()
    return [(step, canonical(seen)) for step, seen in map(json.loads, lines)]


def _offer(host: Host, number: int, name: str) -> None:
    """What is pending when a command is given: without a kernel only the application, in a newer version each time."""
    if name.startswith("upgrade"):
        offer(host, app(f"{number + 2}.0"), *([] if "without" in name else new_kernel()))


def _command(host: Host, world: World, name: str) -> tuple[list[tuple[str, Told]], list[tuple[str, World]], World]:
    """What the host is after each step, what the model is, and where that ends."""
    name, _until, last = name.partition(" until ")
    if name == "repair":
        ran = repair(world, MACHINERY)
        # What is staged then is not confirmed, and refused after the repair
        return _watched(host, "overc_host_confirm", {}, refused="not_booted"), ran.ends, ran.world
    walked = walk.command(world, name)
    # As the model's commands have it
    args: dict[str, t.Any] = {"force": True, "carry_late": ["/srv"]} if "force" in name else {}
    if name.startswith("upgrade") and "nothing" not in name:
        args["run"] = [["true"]]
    if " to " in name:
        args["to"] = str(next(given.to for given in GRUB_ENTRY.commands(world) if given.name == name))
    seen = _watched(host, f"overc_host_{name.split()[0]}", args, last or None)
    if not last:
        return seen, list(walked.steps), walked.end
    number = [step for step, _world in walked.steps].index(last) + 1
    return seen, list(walked.steps[:number]), walked.steps[number - 1][1]


@pytest.fixture(autouse=True)
def _no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's host has an SELinux policy; the kernel of this lab has none."""
    monkeypatch.setattr(facts, "_ANY_HOST", replace(facts._ANY_HOST, surroundings=Surroundings()))


@pytest.mark.parametrize("way", rotating(list(WAYS), len(WAYS)))
def test_a_host_is_what_the_model_says_after_every_step(make_host: MakeHost, way: str) -> None:
    host = make_host(flavour=FLAVOUR)
    install(host, app("1.0"))
    adopt(host)
    world = adopted("ext4", Entries(2))
    for number, name in enumerate(WAYS[way]):
        if name == "reboot":
            host.reboot()
            world = walk.reboot(world)
            continue
        _offer(host, number, name)
        seen, expected, world = _command(host, world, name)
        assert [step for step, _told in seen] == [step for step, _world in expected]
        for (step, told), (_step, after) in zip(seen, expected, strict=True):
            assert told == predicted(after), f"after {step} of {name}"
    assert succeed(host, "info")["contradictions"] == []
