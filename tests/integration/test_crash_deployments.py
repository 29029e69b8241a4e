# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed right before and right after each step, where each deployment has a boot entry of its own: what boots is whole,
and the same command once more comes to the same end.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.plan.entries import commands

from tests.integration.commands import kill_at, succeed
from tests.integration.test_deployments import DEBIAN, adopt, app, root
from tests.lab import Host
from tests.lab.apt import NEW_KERNEL, install, new_kernel, offer, version
from tests.sampling import rotating

MakeHost = Callable[..., Host]
ONE_IN: t.Final = 24
WAYS: t.Final = ("at_once", "powerloss", "reboot")
OLD, NEW = "1.0", "2.0"
_UPGRADE: t.Final = tuple(step for step in commands.UPGRADE_STEPS if step not in ("carry_over", "run_commands"))
STEPS: t.Final = {
    "upgrade": (*commands.UPGRADE_STEPS, "arm_trial"),
    "confirm": commands.CONFIRM_STEPS,
    "cancel": commands.CANCEL_STEPS,
    "rollback": ("install_guard", "record", "arm_trial"),
    "give_up": ("record", "disarm"),
    "replace": (*_UPGRADE[:-1], "disarm", "record", "arm_trial", "prune"),
}
# With what is merged into the new root: two copies of /etc beside the roots
ARGS: t.Final = {"upgrade": {"carry_over": ["/etc"], "run": [["touch", "/var/lib/ran"]]}}
CASES: t.Final = [(name, step, when) for name, steps in STEPS.items() for step in steps for when in ("before", "after")]


def begin(host: Host, name: str) -> None:
    """The state that a command starts from."""
    install(host, app(OLD))
    offer(host)
    adopt(host)
    offer(host, app(NEW), *new_kernel())
    if name == "upgrade":
        return
    succeed(host, "upgrade")
    if name == "replace":
        offer(host, app("3.0"), *new_kernel())
    if name in ("cancel", "replace"):
        return
    host.reboot()
    if name == "rollback":
        succeed(host, "confirm")


def go_on(host: Host, way: str) -> None:
    if way == "powerloss":
        host.powerloss()
        host.start()
    elif way == "reboot":
        host.reboot()


def check_whole(host: Host) -> None:
    """What runs is one of the two systems, all of it; and the next boot comes up without anybody at the menu."""
    runs = version(host, "deb-app")
    assert (
        runs == {"@rootfs": OLD, "@rootfs.overc-1": NEW, "@rootfs.overc-2": "3.0", "@rootfs.overc-3": "3.0"}[root(host)]
    )
    kernel = NEW_KERNEL if runs != OLD else ""
    assert kernel in host.sh("cat /proc/cmdline; ls /lib/modules")
    assert host.sh("dpkg --audit; systemctl --failed --plain --no-legend") == ""


def check_tidy(host: Host) -> None:
    """Nothing unfinished, nothing that nobody names."""
    host.sh("mkdir -p /run/top; mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/top")
    assert host.sh("ls /run/top/.overc/etc-copies 2>/dev/null; true") == ""
    top = host.sh("ls /run/top; umount /run/top").split()
    menu = host.sh("cat /boot/overc/menu.cfg")
    entries = [json.loads(line[3:]) for line in menu.splitlines() if line.startswith("#> ")]
    assert {entry["subvolume"] for entry in entries} == {name for name in top if name.startswith("@")}
    files = set(host.sh("ls /boot/overc/files").split())
    assert files == {entry[kind].rsplit("/", 1)[1] for entry in entries for kind in ("kernel", "initrd")}
    assert re.search(r"overc-new", host.sh("ls -R /boot/overc") + " ".join(top)) is None
    assert succeed(host, "info", {"full": True})["contradictions"] == []


def converge(host: Host, name: str) -> None:
    """The same command once more, or what the state says by then, until the host is where it was to go."""
    if name in ("upgrade", "replace"):
        wanted = NEW if name == "upgrade" else "3.0"
        if version(host, "deb-app") != wanted:
            offer(host, app(wanted), *new_kernel())  # the repository is a part of each root
            succeed(host, "update")  # repairs first
            state = succeed(host, "info")["state"]
            if state == "fallback":
                succeed(host, "rollback")
            elif state == "trial":
                succeed(host, "confirm")
            # The same command: without what it was to run it would be another plan
            staged = succeed(host, "upgrade", {**ARGS.get(name, {}), "force": state == "fallback"})
            assert staged["state"] == "staged", staged
            host.reboot()
        succeed(host, "confirm")
        assert version(host, "deb-app") == wanted
    elif name == "confirm":
        if version(host, "deb-app") == OLD:  # the trial ended with the power
            succeed(host, "rollback")
        else:
            succeed(host, "confirm")
    elif name == "cancel":
        if succeed(host, "info")["state"] != "clean":
            succeed(host, "rollback")
        if version(host, "deb-app") == NEW:
            host.reboot()
    else:
        if version(host, "deb-app") == NEW:
            succeed(host, "rollback")
            host.reboot()
        succeed(
            host, "update"
        )  # repairs first: a rollback out of the trial that it was cut off over would take it back
        succeed(host, "confirm") if succeed(host, "info")["state"] == "trial" else succeed(host, "rollback")
        assert version(host, "deb-app") == OLD
    assert succeed(host, "info")["state"] == "clean"


@pytest.mark.crash
@pytest.mark.parametrize(("number", "case"), [
    pytest.param(number, case, id="-".join(case)) for number, case in rotating(list(enumerate(CASES)), ONE_IN)
])  # fmt: skip
def test_killed_at_a_step(make_host: MakeHost, number: int, case: tuple[str, str, str]) -> None:
    name, step, when = case
    host = make_host(flavour=DEBIAN)
    begin(host, name)
    host.sh("sync")
    command = {"cancel": "rollback", "give_up": "rollback", "replace": "upgrade"}.get(name, name)
    kill_at(host, command, when, step, ARGS.get(name))
    go_on(host, WAYS[number % len(WAYS)])
    check_whole(host)
    converge(host, name)
    check_whole(host)
    check_tidy(host)
