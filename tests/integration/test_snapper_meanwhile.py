# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in openSUSE's layout: what somebody does with snapper, with btrfs or at the console to what a killed command left, before
the next command comes. The model of ``tests/model/snapper`` found each of these.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.integration.commands import kill_at, succeed
from tests.integration.crash_bench import killed
from tests.integration.crash_points import Point
from tests.integration.crash_points import kill_at as killing
from tests.integration.test_deployments import MakeHost, adopt, root
from tests.integration.test_opensuse_layout import FIRST, boot_at_console, default, place, snapshots
from tests.lab import Host
from tests.lab.layouts import OPENSUSE

# Before a call with this name for its last argument
DYING: t.Final = """\
import os, signal
whole = os.{call}
def dying(*args, **more):
    if str(args[-1]).endswith({name!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*args, **more)
os.{call} = dying
"""
_TOP: t.Final = "mkdir -p /run/t; mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t"


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    made = make_host(flavour=OPENSUSE)
    adopt(made)
    made.release("v2")
    return made


def is_settled(host: Host, numbers: t.Collection[int]) -> None:
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["contradictions"], info["interrupted"]) == ("clean", [], None), info
    assert {each["id"] for each in info["deployments"]} == set(numbers) == set(snapshots(host))
    assert set(map(int, host.sh("ls -A /.snapshots").split())) == set(numbers)


@pytest.mark.parametrize("step", ["name_root", "write_menu"])
def test_what_is_not_recorded_yet_is_made_the_default(host: Host, step: str) -> None:
    """It has its name and snapper shows it: it cannot be undone any more, so the upgrade is completed."""
    kill_at(host, "upgrade", "after", step)
    host.sh("btrfs subvolume set-default /.snapshots/2/snapshot; sync")
    assert succeed(host, "update")["state"] == "staged"  # repairs first
    assert default(host) == place(2)
    host.reboot()
    assert (root(host), host.rpm_version("lab-app")) == (place(2), "2.0")
    is_settled(host, {1, 2})


def test_where_a_rollback_leads_is_deleted(host: Host) -> None:
    """Nobody could ever complete it."""
    succeed(host, "upgrade")
    host.reboot()
    kill_at(host, "rollback", "before", "choose")
    host.sh("snapper --no-dbus delete 1")
    assert succeed(host, "update")["state"] == "clean"
    assert (root(host), default(host)) == (place(2), place(2))
    assert succeed(host, "upgrade")["changed"] is False


def test_what_is_half_taken_back_is_started_at_the_console(host: Host) -> None:
    """It is in no list any more, and runs: it is listed again, and can be made the default, or go later."""
    succeed(host, "upgrade")
    killed(host, "overc_host_rollback", {}, killing(Point("prune", "os.rename#1")))
    boot_at_console(host, place(2))
    host.reboot()
    assert (root(host), default(host)) == (place(2), FIRST)
    succeed(host, "update")  # repairs first
    host.boot_entry(None)
    host.reboot()
    assert root(host) == FIRST
    is_settled(host, {1, 2})


def test_a_directory_that_is_being_removed(host: Host) -> None:
    """Its number is gone first: an empty one would be nobody's, for ever."""
    succeed(host, "upgrade")
    killed(host, "overc_host_rollback", {}, killing(Point("prune", "os.unlink#1")))
    succeed(host, "update")  # repairs first
    is_settled(host, {1})


def test_a_removal_that_was_cut_off_and_is_set_up_again(host: Host) -> None:
    """The record had given up what the list still has: nothing of it would ever have gone."""
    for release in ("v2", "v3"):
        host.release(release)
        succeed(host, "upgrade")
        host.reboot()
    killed(host, "overc_bootloader", {"state": "absent"}, DYING.format(call="unlink", name="/deployments"))
    assert adopt(host)["changed"]
    assert adopt(host)["changed"] is False
    is_settled(host, {1, 2, 3})
    assert succeed(host, "upgrade", {"keep": 1, "force": True})["staged"] == place(4)
    assert set(snapshots(host)) == {1, 3, 4}


def test_a_set_up_that_was_cut_off_before_the_record(make_host: MakeHost) -> None:
    """What runs is on record after the next one, also where its list is whole already."""
    made = make_host(flavour=OPENSUSE)
    killed(made, "overc_bootloader", {}, DYING.format(call="rename", name="/record.json"))
    assert made.sh(f"{_TOP}; ls /run/t/.overc") == "deployments\nrecord.json.overc-new"
    assert adopt(made)["changed"]
    assert (
        made.sh("ls /run/t/.overc; grep -c '\"number\": 1' /run/t/.overc/record.json") == "deployments\nrecord.json\n1"
    )
    assert adopt(made)["changed"] is False


_DIES_ONCE_LISTED: t.Final = """\
import os, signal
whole = os.rename
def dying(source, target, **more):
    whole(source, target, **more)
    if target.endswith("/deployments"):
        os.kill(os.getpid(), signal.SIGKILL)
os.rename = dying
"""


def test_a_command_that_is_killed_after_a_set_up_that_was(make_host: MakeHost) -> None:
    """The list was seen and not yet synced, and the journal of what came next was: the model does not count on a directory's sync
    to bring the list along, as btrfs does here. The host goes on.
    """
    made = make_host(flavour=OPENSUSE)
    killed(made, "overc_bootloader", {}, _DIES_ONCE_LISTED)
    made.release("v2")
    kill_at(made, "upgrade", "before", "download_packages")
    made.powerloss()
    made.start()
    adopt(made)
    is_settled(made, {1})
    made.release("v2")
    assert succeed(made, "upgrade")["staged"] == place(2)
