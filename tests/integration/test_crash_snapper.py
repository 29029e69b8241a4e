# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in openSUSE's layout, killed around each step of each command, and at each change of a name while they are set up or
given back: what boots is one of snapper's numbers as a whole, snapper sees whole snapshots only, its own ones are never touched,
and the same command once more comes to the same end.

Each point goes on as in ``test_crash``. A day takes a few, ``OVERC_SAMPLE=all`` all of them.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.integration.commands import call, steps, succeed
from tests.integration.crash_bench import Bench, killed
from tests.integration.crash_points import Point, kill_at
from tests.integration.crash_points_snapper import (
    CHANGES,
    COMMANDS,
    GIVE_BACK,
    SET_UP,
    THEIRS,
    Numbered,
    cases,
)
from tests.integration.crash_report import PROPERTY
from tests.integration.test_deployments import adopt, root
from tests.integration.test_opensuse_layout import FIRST, default, kernel, place, snapshots
from tests.integration.test_set_up_cut import DYING
from tests.lab import Host, Lab
from tests.lab.layouts import OPENSUSE
from tests.lab.opensuse_kernels import FIRST_KERNEL, NEW_KERNEL, NEWER
from tests.sampling import rotating

pytestmark = pytest.mark.crash

ONE_IN: t.Final = 40
_FILES: t.Final = "find /run/ours/.overc -type f ! -name reserve 2>/dev/null | sort"


class NumberedBench(Bench):
    """The same host in each of the states that a kill begins from."""

    def begin(self, command: Numbered) -> Host:
        host = self.start(command.start)
        if command.live == "upgrade":
            succeed(host, "upgrade")
        elif command.live == "rollback":
            succeed(host, "rollback")
        elif command.live == "set-default":
            host.sh("btrfs subvolume set-default /.snapshots/1/snapshot; btrfs filesystem sync /")
        offer(host, command)
        return host

    def _make_new(self) -> None:
        self.host.start()
        self.host.write("/etc/lab-carried", "carried\n")
        self.host.sh("snapper --no-dbus create --description theirs")
        self.host.enable_repo(NEWER)
        self.host.release("v2")

    def _make_adopted(self) -> None:
        adopt(self.start("new"))

    def _make_upgraded(self) -> None:
        host = self.start("adopted")
        succeed(host, "upgrade")
        host.reboot()
        succeed(host, "confirm")

    def _make_twice(self) -> None:
        host = self.start("upgraded")
        host.release("v3")
        succeed(host, "upgrade")
        host.reboot()
        succeed(host, "confirm")


@pytest.fixture(scope="session")
def bench(lab: Lab) -> t.Iterator[NumberedBench]:
    made = NumberedBench(lab, "crash_snapper", flavour=OPENSUSE)
    yield made
    made.host.destroy()


def offer(host: Host, command: Numbered) -> None:
    """The repository is a part of each root."""
    host.release(command.follows)


def again(host: Host, command: Numbered) -> dict[str, t.Any]:
    result = host.module(command.module, command.args)
    assert not result.get("failed"), (result.get("error_id"), result.get("msg"), result.get("stderr"))
    return result


# -- what must be so -------------------------------------------------------------------------------------------------


def check_whole(host: Host, command: Numbered) -> None:
    """What runs is one of the numbers that may, all of it, and what boots by default."""
    runs = next(number for number in command.seen if place(number) == root(host))
    told = command.seen[runs]
    assert (host.rpm_version("lab-app"), kernel(host)) == (told.version, NEW_KERNEL if told.newer else FIRST_KERNEL)
    assert kernel(host) in host.sh("ls /lib/modules").split()
    assert host.sh("systemctl --failed --plain --no-legend; rpm --verify lab-app lab-lib") == ""


def check_snapper(host: Host) -> None:
    """Snapper sees whole snapshots, and every root of its directory; its own one is as it was."""
    found = snapshots(host)
    assert found[THEIRS]["description"] == "theirs"
    assert host.sh(f"ls -A /.snapshots/{THEIRS} /.snapshots/{THEIRS}/snapshot/usr/share/lab-app") != ""
    for number in found:
        assert host.sh(f"test -x /.snapshots/{number}/snapshot/usr/bin/lab-app && echo whole") == "whole", number


def check_tidy(host: Host, numbers: set[int]) -> None:
    """Nothing unfinished, nothing that nobody names."""
    found = snapshots(host)
    assert set(map(int, host.sh("ls /.snapshots").split())) == set(found), "a directory without a snapshot"
    assert host.sh("ls -A /.snapshots/*/ | grep -v -e : -e ^$ | sort -u") == "info.xml\nsnapshot"
    roots = host.sh("btrfs subvolume list / | sed 's/.* path //' | grep snapshots/").splitlines()
    assert set(roots) == {place(number) for number in found}
    ours = {number for number, entry in found.items() if entry["userdata"]}
    assert ours == numbers - {1}
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["contradictions"], info["interrupted"]) == ("clean", [], None), info
    assert {each["id"] for each in info["deployments"]} == numbers
    assert default(host) == root(host)
    assert not [line for line in kept(host) if "overc-new" in line or ".overc/journal" in line]


def kept(host: Host) -> list[str]:
    """What is on the disk of all that a command of ours can change: the default, roots, numbers, list and record."""
    host.sh("mkdir -p /run/ours; mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/ours")
    files = f"{_FILES} | xargs -r sha256sum; {_FILES.replace(' -type f', '')}"
    numbers = "find /.snapshots -maxdepth 2 ! -name snapshot -type f | sort | xargs sha256sum"
    return host.sh(
        "btrfs subvolume get-default /run/ours | cut -d' ' -f2; btrfs subvolume list -uq /run/ours | sed 's/gen [0-9]* //'; "
        f"{files}; find /.snapshots -maxdepth 1 | sort; {numbers}; umount /run/ours"
    ).splitlines()  # fmt: skip


def go_on(host: Host, command: Numbered, way: str) -> None:
    if way == "reboot":
        host.reboot()
    elif way == "at_once_powerloss":
        if command.name in CHANGES:
            again(host, command)
        else:
            # Whatever it says of the state after the repair, which is all that it does here
            said = call(host, "confirm")
            assert not said.get("failed") or said["error_id"] in ("not_booted", "not_default"), said
        before = kept(host)
        host.powerloss()
        host.start()
        assert kept(host) == before, "what was reported is not on the disk"
    elif way == "powerloss":
        host.powerloss()
        host.start()


def converge(host: Host, command: Numbered) -> Numbered:
    """The same command once more, or what the state says by then, until the host is where it was to go; the command with where
    that was.
    """
    target, made = place(command.wanted), command.module == "overc_host_upgrade"
    offer(host, command)
    if root(host) != target:
        succeed(host, "update")  # repairs first
        state = succeed(host, "info")["state"]
        if default(host) != target or state != "staged":
            result = again(host, command) if made or state != "clean" else _back(host, command)
            assert result["state"] in ("staged", "clean"), result
            command = _made_of_what_came_up(host, command, result)
            target = place(command.wanted)
        check_snapper(host)
        if root(host) != default(host):
            host.reboot()
    if root(host) != target:
        _back(host, command)
        host.reboot()
    succeed(host, "update")
    if succeed(host, "info")["state"] != "clean":
        succeed(host, "rollback", {"to": f"{command.wanted}"})
    succeed(host, "confirm")
    assert (root(host), default(host)) == (target, target)
    return command


def _made_of_what_came_up(host: Host, command: Numbered, result: dict[str, t.Any]) -> Numbered:
    """What was to be replaced has come up with the power. The other one was made of the root before it, and nobody chose it: an
    upgrade is made anew, under the next number, of what runs.
    """
    anew = 1 + max(command.seen)
    if command.name != "replace" or root(host) == FIRST or result.get("staged") != place(anew):
        return command
    return replace(command, seen={**command.seen, anew: command.seen[command.wanted]}, wanted=anew)


def _back(host: Host, command: Numbered) -> dict[str, t.Any]:
    """Where what was to be taken back has come up: a way back by its number."""
    return succeed(host, "rollback", {"to": f"{command.wanted}"})


def numbers_left(host: Host, command: Numbered) -> set[int]:
    """Those deployments that there are to be. What was taken back, and came up with the power before, is there for its user."""
    there = {1, *(number for number in command.seen if number in snapshots(host))}
    if command.name not in ("cancel", "replace"):
        assert there == {1, *command.seen}
    return there


# -- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", rotating(list(COMMANDS), 3), ids=lambda command: command.name)
def test_the_steps_are_those_of_the_plan(bench: NumberedBench, command: Numbered) -> None:
    host = bench.begin(command)
    planned = host.module(command.module, command.args, check=True)
    assert tuple(steps(planned)) == command.steps


def _params() -> list[t.Any]:
    found = [(case.command, case.point, way) for case in cases() for way in case.ways]
    return [
        pytest.param(command, point, way, id=f"{command.name}-{point}-{way}")
        for command, point, way in rotating(found, ONE_IN)
    ]


@pytest.mark.parametrize(("command", "point", "way"), _params())
def test_killed(
    bench: NumberedBench,
    record_property: Callable[[str, object], None],
    command: Numbered,
    point: Point,
    way: str,
) -> None:
    record_property(PROPERTY, f"snapper-{command.name} {point} {way}")
    host = bench.begin(command)
    prelude = DYING.format(number=point.where) if command.name in CHANGES else kill_at(point)
    killed(host, command.module, command.args, prelude)
    check_snapper(host)
    go_on(host, command, way)
    if way != "at_once":
        check_whole(host, command)
        check_snapper(host)
    if command.name in CHANGES:
        _check_set_up_or_given_back(host, command)
        return
    command = converge(host, command)
    check_whole(host, command)
    check_snapper(host)
    check_tidy(host, numbers_left(host, command))


def _check_set_up_or_given_back(host: Host, command: Numbered) -> None:
    result = again(host, command)
    assert again(host, command)["changed"] is False
    assert (root(host), default(host)) == (place(command.wanted), place(command.wanted))
    if command is SET_UP:
        assert result["boot_method"] == "snapper"
        check_tidy(host, {1})
        assert succeed(host, "upgrade")["staged"] == place(3)
        return
    assert not [line for line in kept(host) if line.endswith((".overc/deployments", ".overc-new"))]
    assert call(host, "upgrade")["error_id"] == "layout_unsupported"
    host.reboot()
    check_whole(host, command)
    assert adopt(host)["changed"]  # and it can be had again
    check_tidy(host, {3})


_COUNT: t.Final = """\
import atexit, os
calls = []
def counting(call):
    def instead(*args, **more):
        calls.append(call.__name__)
        return call(*args, **more)
    return instead
for name in ("unlink", "rename", "mkdir", "rmdir"):
    setattr(os, name, counting(getattr(os, name)))
def tell():
    with open("/run/changes", "w") as stream:
        stream.write(str(len(calls)))
atexit.register(tell)
"""


@pytest.mark.parametrize("command", [SET_UP, GIVE_BACK], ids=lambda command: command.name)
def test_the_points_are_all_changes_of_names(bench: NumberedBench, command: Numbered) -> None:
    host = bench.begin(command)
    host.module(command.module, command.args, prelude=_COUNT)
    assert int(host.sh("cat /run/changes")) == CHANGES[command.name]
