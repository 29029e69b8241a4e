# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model held to hosts in openSUSE's layout: after every step of a command, and of a repair, a host is what the model says;
also where it was set up and given back before, and where somebody used snapper or btrfs in between.

One way through the commands each day, all of them with ``OVERC_SAMPLE=all``.
"""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import derive

from tests.integration.commands import succeed
from tests.integration.crash_bench import killed
from tests.integration.held_to_hosts import Held, Told
from tests.integration.test_deployments import MakeHost, adopt
from tests.integration.test_opensuse_layout import place
from tests.integration.test_snapper_meanwhile import DYING
from tests.lab import Host
from tests.lab.layouts import OPENSUSE
from tests.lab.opensuse_kernels import FIRST_KERNEL, NEW_KERNEL, NEWER
from tests.model.entries.walk import Walk
from tests.model.snapper.bootloader import absent, present
from tests.model.snapper.facts import facts_of
from tests.model.snapper.method import MACHINERY, SNAPPER
from tests.model.snapper.told import told_of
from tests.model.snapper.world import installed, numbers_of
from tests.model.storage import Storage
from tests.model.world import World
from tests.sampling import rotating

_RUNS_ANOTHER: t.Final = ("set up", "upgrade", "reboot")
_LATER: t.Final = "upgrade without a kernel"
WAYS: t.Final = {
    "there and back": (*_RUNS_ANOTHER, "rollback", "reboot", "rollback to 2", "rollback to what runs"),
    "replaced, cancelled": ("set up", _LATER, "upgrade, force: true", "rollback", "upgrade"),
    "one is kept": ("set up", _LATER, "reboot", _LATER, "reboot", "upgrade", "reboot"),
    "killed with a list, undone": ("set up", "upgrade until write_menu", "repair", "upgrade"),
    "killed with a record, completed": ("set up", "upgrade until record", "repair", "reboot", "rollback"),
    "killed while it is cancelled": ("set up", "upgrade", "rollback until choose", "repair"),
    "others between": (
        "set up", "snapper create", "upgrade", "reboot", "set-default 1", "rollback", "snapper cleanup", "snapper create", _LATER,
    ),
    "given back and had again": (*_RUNS_ANOTHER, "give back", "set up", _LATER, "rollback"),
    "set up after a set-up that was cut off": ("set up until record", "set up", "upgrade", "reboot", "rollback"),
    "set up after a removal that was cut off": (*_RUNS_ANOTHER, "give back until remove", "set up", _LATER, "reboot", "rollback"),
}  # fmt: skip
_LOOK: t.Final = """
from ansible_collections.overc.system.plugins.module_utils.boot.snapper.place import parse_list
def look(facts, downloads):
    place = facts.entry_boot.place
    store, directories = place.top + "/" + place.store, []
    for name in os.listdir(store):
        number = name[len("overc-"):-len(".overc-new")] if name.startswith("overc-") else name
        has, info = os.listdir(store + "/" + name), None
        if "info.xml" in has:
            with open(store + "/" + name + "/info.xml") as stream:
                info = "ours" if "overc.system" in stream.read() else "theirs"
        directories.append((int(number), number != name, "overc" in has, info))
    with open(place.block) as stream:
        listed = [(each.id, each.uuid) for each in parse_list(stream.read())[0]]
    return told_of(facts, directories, listed, downloads)
"""
_KERNELS: t.Final = "|".join(map(re.escape, (FIRST_KERNEL, NEW_KERNEL)))
_LABELS: t.Final = re.compile(rf"[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|{_KERNELS}|\b[uk]\d+(?:-lab)?\b")


def _predicted(world: World) -> Told:
    disk = numbers_of(world)
    told = told_of(facts_of(world), disk.directories, disk.listed or (), disk.downloads)  # type: ignore[no-untyped-call]
    return t.cast("Told", told)


HELD: t.Final = Held(Walk(SNAPPER, MACHINERY), told_of, _LOOK, _predicted, _LABELS, late="/data")
# On the host: before which call the module dies, so that the model's write of this kind is not begun
_BEFORE: t.Final = {"record": ("rename", "/record.json"), "remove": ("unlink", "/deployments")}


def _manage(host: Host, world: World, name: str) -> World:
    """Set up, or given back; what a cut one leaves is as before the writes that did not come."""
    name, _until, last = name.partition(" until ")
    storage = (present if name == "set up" else absent)(world, derive(facts_of(world)))
    assert isinstance(storage, Storage)
    state = "present" if name == "set up" else "absent"
    if not last:
        assert adopt(host, state=state)["changed"]
        return storage.world
    call, path = _BEFORE[last]
    killed(host, "overc_bootloader", {"state": state}, DYING.format(call=call, name=path))
    return _cut(storage, last)


def _cut(storage: Storage, last: str) -> World:
    """The last world in which nothing of that write is seen."""
    before = storage.trace[0]
    for world in storage.trace:
        disk, first = numbers_of(world), numbers_of(storage.trace[0])
        if (disk.listed is None) if last == "remove" else (disk.record != first.record):
            return before
        before = world
    raise AssertionError(f"nothing of {last} is seen")


def _others(host: Host, world: World, name: str) -> World:
    after = dict(SNAPPER.others(world.settled()))[name]
    if name == "snapper create":
        host.sh("snapper --no-dbus create --description theirs")
    elif name == "snapper cleanup":
        gone = {each.number for each in numbers_of(world).directories} - {
            each.number for each in numbers_of(after).directories
        }
        host.sh(f"snapper --no-dbus delete {' '.join(map(str, sorted(gone)))}")
    else:
        number = int(name.split()[1])
        host.sh(f"btrfs subvolume set-default /{place(number).partition('/')[2]}; btrfs filesystem sync /")
    return after


def _offer(host: Host, name: str, release: int) -> int:
    """What is pending when a command is given. There is one newer kernel, and two newer versions of the application."""
    if not name.startswith("upgrade"):
        return release
    if "without" not in name:
        host.enable_repo(NEWER)
    release = min(release + 1, 3)
    host.release(f"v{release}")
    return release


@pytest.mark.parametrize("way", rotating(list(WAYS), len(WAYS)))
def test_a_host_is_what_the_model_says_after_every_step(make_host: MakeHost, way: str) -> None:
    host, world = make_host(flavour=OPENSUSE), installed(1 if way == "one is kept" else 2)
    host.sh("mkdir /data")
    release = 1
    for name in WAYS[way]:
        if name.startswith(("set up", "give back")):
            world = _manage(host, world, name)
        elif name.startswith(("snapper", "set-default")):
            world = _others(host, world, name)
        else:
            release = _offer(host, name, release)
            world = HELD.goes(host, world, name)
    info = succeed(host, "info", {"full": True})
    assert (info["contradictions"], info["interrupted"]) == ([], None)
