# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model held to hosts: after every step of a command, and of a repair, a real host of Debian 13 is what the model says.

One way through the commands each day, all of them with ``OVERC_SAMPLE=all``.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.surroundings import Surroundings

from tests.integration.commands import succeed
from tests.integration.held_to_hosts import Held, Told
from tests.integration.test_deployments import adopt, app
from tests.lab import Host
from tests.lab.apt import install, new_kernel, offer
from tests.model.entries import facts
from tests.model.entries.facts import facts_of
from tests.model.entries.told import told_of
from tests.model.entries.walk import WITH_ENTRIES
from tests.model.entries.world import MENU, adopted
from tests.model.world import Entries, World
from tests.sampling import rotating

MakeHost = Callable[..., Host]
FLAVOUR: t.Final = "debian13"
_NAMED_WAYS: t.Final = ("rollback to 0", "rollback to what runs")
WAYS: t.Final = {
    "there and back": ("upgrade", "reboot", "confirm", "rollback", "reboot"),
    "replaced and given up": ("upgrade", "upgrade without a kernel, force: true", "reboot", "rollback"),
    "cancelled, and taken back": ("upgrade", "rollback", "upgrade without a kernel", "reboot", "confirm", *_NAMED_WAYS),
    "killed with a menu, undone": ("upgrade until write_menu", "repair"),
    "killed with a record, completed": ("upgrade until record", "repair", "reboot", "confirm"),
}
_LOOK: t.Final = """
def look(facts, downloads):
    selector = facts.entry_boot.place.directory
    files = os.listdir(selector + "/files")
    files += [name for name in os.listdir(selector) if name.endswith(".overc-new")]
    return told_of(facts, files, downloads)
"""
_LABELS: t.Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[uk]\d+(?:\.img)?\b")


def _predicted(world: World) -> Told:
    files = [name for name, _content in world.boot.files if name != MENU]
    told = told_of(facts_of(world), files, world.disk.downloads)  # type: ignore[no-untyped-call]
    return t.cast("Told", told)


HELD: t.Final = Held(WITH_ENTRIES, told_of, _LOOK, _predicted, _LABELS, unordered=("files",))


def _offer(host: Host, number: int, name: str) -> None:
    """What is pending when a command is given: without a kernel only the application, in a newer version each time."""
    if name.startswith("upgrade"):
        offer(host, app(f"{number + 2}.0"), *([] if "without" in name else new_kernel()))


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
        _offer(host, number, name)
        world = HELD.goes(host, world, name)
    assert succeed(host, "info")["contradictions"] == []
