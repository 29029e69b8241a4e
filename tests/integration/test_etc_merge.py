# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``carry_over: [/etc]``: what was changed here after staging, and what the upgrade changed, are both in the new root's /etc."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, call, kill_at, steps, succeed
from tests.integration.disk_facts import booted, in_top
from tests.integration.test_deployments import adopt, app, root
from tests.lab import Host
from tests.lab.apt import install, offer, version

MakeHost = Callable[..., Host]
ARGS: t.Final = {"carry_over": ["/etc"], "arm": False}
# What is there before
_BEFORE: t.Final = """\
set -e
mkdir /etc/lab.d /etc/lab-gone.d
for name in here there both moded kept; do echo "$name" > /etc/lab-$name; done
echo old > /etc/lab.d/old
echo gone > /etc/lab-gone.d/gone
ln -s lab-here /etc/lab-link
echo locked > /etc/lab-locked
chattr +i /etc/lab-locked
useradd -m -u 2000 old
"""
# What the packages' script does in the new root
_POSTINST: t.Final = """\
echo upgrade > /etc/lab-there
echo upgrade > /etc/lab-both
echo upgrade > /etc/lab-moded
echo upgrade > /etc/lab.d/upgrade
rm -r /etc/lab-gone.d
groupadd -g 990 svc
useradd -u 990 -g svc -d / -M -s /usr/sbin/nologin svc
usermod -a -G svc old
"""
# What the administrator does meanwhile
_HERE: t.Final = """\
set -e
echo mine > /etc/lab-here
echo mine > /etc/lab-both
chmod 600 /etc/lab-moded
rm /etc/lab-kept
ln -sfn lab-there /etc/lab-link
echo mine > /etc/lab-mine-locked
chattr +a /etc/lab-mine-locked
mkfifo -m 640 /etc/lab-fifo
mkdir -m 700 /etc/lab-mine.d
printf 'odd' > "/etc/lab-mine.d/$(printf 'new\\nline\\377')"
ln -s /etc/shadow /etc/lab-mine.d/link
setfattr -n user.lab -v yes /etc/lab-here || python3 -c 'import os; os.setxattr("/etc/lab-here", "user.lab", b"yes")'
useradd -m -u 2001 late
usermod -a -G svc2 late 2>/dev/null || { groupadd -g 2500 svc2; usermod -a -G svc2 late; }
groupadd -g 990 taken
useradd -u 990 -g taken -M taken
echo '# mine' >> /etc/fstab
"""


@pytest.fixture
def staged(make_host: MakeHost) -> Host:
    host = make_host(flavour="debian13")
    install(host, app("1.0"))
    host.sh(_BEFORE)
    offer(host)
    adopt(host)
    offer(host, app("2.0", postinst=_POSTINST))
    result = succeed(host, "upgrade", ARGS)
    assert (result["carried_over"], result["carry_conflicts"], result["left_behind"]["paths"]) == ([], [], []), result
    return host


def names(result: Result) -> dict[str, str | None]:
    return {entry["path"]: entry["what"] for entry in result["carry_conflicts"]}


def check(host: Host) -> None:
    """The new root runs, and has both sides' changes."""
    assert (root(host), version(host, "deb-app")) == ("@rootfs.overc-1", "2.0")
    assert host.sh("cat /etc/lab-here /etc/lab-there /etc/lab-both /etc/lab-moded /etc/lab.d/upgrade") == (
        "mine\nupgrade\nupgrade\nupgrade\nupgrade"
    )
    assert host.sh("stat -c %a /etc/lab-moded /etc/lab-mine.d") == "600\n700"
    assert host.sh("readlink /etc/lab-link /etc/lab-mine.d/link") == "lab-there\n/etc/shadow"
    assert host.run("ls /etc/lab-kept /etc/lab-gone.d", check=False).stdout == ""
    assert host.sh("cat /etc/lab-mine.d/new*") == "odd"
    assert host.sh('python3 -c \'import os; print(os.getxattr("/etc/lab-here", "user.lab"))\'') == "b'yes'"
    assert host.sh("id -un 2000; id -un 2001; id -un 990; id -Gn late; id -Gn old") == (
        "old\nlate\nsvc\nlate svc2\nold svc"
    )
    assert host.run("getent passwd taken", check=False).stdout == ""
    assert host.sh("getent shadow late svc | cut -d: -f1") == "late\nsvc"
    assert host.sh("lsattr /etc/lab-locked /etc/lab-mine-locked | cut -c5,6") == "i-\n-a"
    assert host.sh("stat -c '%F %a' /etc/lab-fifo") == "fifo 640"
    host.sh("pwck -rq && grpck -r")
    assert "subvol=@rootfs.overc-1 " in host.sh("grep ' / ' /etc/fstab")
    assert host.sh("tail -n1 /etc/fstab") == "# mine"
    assert host.sh("cat /etc/overc/not-carried-over/*/lab-both") == "mine"
    assert "taken:" in host.sh("cat /etc/overc/not-carried-over/*/passwd")
    assert host.sh("ls -d /etc.* 2>/dev/null; true") == ""


def test_both_sides(staged: Host) -> None:
    host = staged
    host.sh(_HERE)
    planned = succeed(host, "upgrade", ARGS, check=True)
    assert steps(planned) == ["carry_over"], planned
    assert set(names(planned)) == {"/etc/lab-both", "/etc/passwd", "/etc/group"}, planned
    refused = call(host, "upgrade", {**ARGS, "state_policy": "refuse"})
    assert_refused(refused, "state_at_risk")
    result = succeed(host, "upgrade", ARGS)
    assert (steps(result), result["carried_over"]) == (["carry_over"], ["/etc"]), result
    assert set(names(result)) == {"/etc/lab-both", "/etc/passwd", "/etc/group"}
    assert "number 990" in str(names(result)["/etc/passwd"])
    for text in ("/etc/lab-both", "/etc/passwd", "not-carried-over"):
        assert text in str(result["warnings"]), result["warnings"]
    # Once more: nothing is to be done, and it is told again; what is taken back here is taken back there
    again = succeed(host, "upgrade", ARGS)
    assert (again["changed"], names(again)) == (False, names(result)), again
    assert "/etc/lab-both" in str(again["warnings"])
    assert "/etc/lab-both" in {entry["path"] for entry in again["left_behind"]["paths"]}
    assert "/etc/lab-here" not in {entry["path"] for entry in again["left_behind"]["paths"]}
    host.sh("echo once > /etc/lab-once; echo other > /etc/lab-here")
    assert succeed(host, "upgrade", ARGS)["changed"]
    host.sh("rm /etc/lab-once; echo mine > /etc/lab-here")
    assert succeed(host, "upgrade", ARGS)["changed"]
    assert names({"carry_conflicts": succeed(host, "info", {"full": True})["carry_conflicts"]}) == names(result)
    assert steps(succeed(host, "upgrade", {**ARGS, "arm": True})) == ["arm_trial"]
    host.reboot()
    assert succeed(host, "info")["state"] == "trial"
    check(host)
    assert host.run("ls /etc/lab-once", check=False).stdout == ""
    succeed(host, "confirm")
    assert names({"carry_conflicts": succeed(host, "info", {"full": True})["carry_conflicts"]}) == names(result)
    host.sh("mkdir -p /run/top; mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/top")
    assert host.sh("ls /run/top/.overc/etc-copies; umount /run/top") == ""


# Between the system calls of the merge: what is called, and how often before it dies
_INSIDE: t.Final = (
    "copy_tree-1",
    "copy_tree-2",
    "copy_tree-4",
    "_carry_out-1",
    "_carry_out-9",
    "rename-1",
    "_remove-1",
)
_KILL: t.Final = """\
import os
from ansible_collections.overc.system.plugins.module_utils.host.steps.etc import copies, merge
from ansible_collections.overc.system.plugins.module_utils.system import syscalls
name, count = {name!r}, {count}
def dying(known):
    calls = []
    def call(*args, **more):
        done = known(*args, **more)
        calls.append(name)
        if len(calls) == count:
            os.kill(os.getpid(), 9)
        return done
    return call
for module in (copies, merge, syscalls):
    if hasattr(module, name):
        setattr(module, name, dying(getattr(module, name)))
"""


@pytest.mark.crash
def test_killed(staged: Host) -> None:
    """At any point, again and again; then the power goes; and the same command once more is right."""
    host = staged
    host.sh(_HERE)
    for number, point in enumerate(_INSIDE):
        host.sh(f"echo {number} > /etc/lab-number")
        name, count = point.rsplit("-", 1)
        started = host.module_start("overc_host_upgrade", ARGS, prelude=_KILL.format(name=name, count=int(count)))
        started.process.communicate()
        assert started.process.returncode != 0, point
        if number % 3 == 2:
            host.powerloss()
            host.start()
            assert root(host) == "@rootfs"
    for when in ("before", "after"):
        host.sh(f"echo {when} > /etc/lab-number")
        kill_at(host, "upgrade", when, "carry_over", ARGS)
    succeed(host, "upgrade", ARGS)
    assert succeed(host, "upgrade", ARGS)["changed"] is False
    host.powerloss()
    host.start()
    succeed(host, "upgrade", {**ARGS, "arm": True})
    host.reboot()
    check(host)
    assert host.sh("cat /etc/lab-number") == "after"
    succeed(host, "confirm")


def test_not_asked_for_when_staged(make_host: MakeHost) -> None:
    host = make_host(flavour="debian13")
    install(host, app("1.0"))
    offer(host)
    adopt(host)
    offer(host, app("2.0"))
    succeed(host, "upgrade", {"arm": False})
    for check_mode in (True, False):
        assert_refused(call(host, "upgrade", ARGS, check=check_mode), "bad_argument", "/etc", "force: true")
    assert json.dumps(succeed(host, "upgrade", {**ARGS, "force": True})["carry_conflicts"]) == "[]"


def test_with_fixed_entries(host: Host) -> None:
    """The same where the normal and the backup entry stay: the guard, and what the upgrade made of its own file."""
    assert not host.module("overc_bootloader").get("failed")
    host.release("v2")
    assert succeed(host, "upgrade", ARGS)["carry_conflicts"] == []
    host.sh("echo mine >> /etc/lab-app.conf; echo mine > /etc/motd; rm -r /etc/overc; useradd -m late")
    result = succeed(host, "upgrade", {**ARGS, "arm": True})
    assert steps(result) == ["carry_over", "arm_trial"], result
    assert names(result) == {"/etc/lab-app.conf": None}
    # /home is not asked for, and only what differs is lost
    left = {entry["path"] for entry in succeed(host, "info")["left_behind"]["paths"]}
    assert "/home/late" in left
    assert not {"/etc/passwd", "/etc/shadow", "/etc/motd"} & left
    host.reboot()
    assert succeed(host, "info")["state"] == "trial"
    assert host.sh("cat /etc/lab-app.conf /etc/motd") == "# defaults of 2.0\nmine"
    assert host.sh("cat /etc/overc/not-carried-over/*/lab-app.conf") == "# defaults of 1.0\nmine"
    host.sh("test -x /etc/overc/trial-guard; id late; test -d /home/late || mkdir /home/late")
    succeed(host, "confirm")
    host.release("v3")
    assert succeed(host, "upgrade", ARGS)["carry_conflicts"] == []
    host.sh("echo again > /etc/motd")
    assert succeed(host, "upgrade", {**ARGS, "arm": True})["carried_over"] == ["/etc"]
    host.reboot()
    assert host.sh("cat /etc/motd; ls /etc/overc/not-carried-over | wc -l") == "again\n1"


def test_an_upgrade_without_it_removes_the_copies(host: Host) -> None:
    """They have the passwords of an older /etc; a host with manual protection confirms nothing."""
    host.release("v2")
    succeed(host, "upgrade", ARGS)
    host.reboot()
    top = "mkdir -p /run/top; mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/top"
    copies = f"{top}; ls /run/top/.overc/etc-copies; umount /run/top"
    assert host.sh(copies)
    host.release("v3")
    succeed(host, "upgrade")
    assert host.sh(copies) == ""


_CUT = """\
import os, signal
from ansible_collections.overc.system.plugins.module_utils.host.steps.etc import merge
whole = merge.syscalls.rename
def rename(source, target, flags):
    whole(source, target, flags)
    if target.endswith("/etc"):
        os.kill(os.getpid(), signal.SIGKILL)
merge.syscalls.rename = rename
"""


def test_cut_off_right_before_the_reboot(host: Host) -> None:
    """The staged root runs then, and the copies that were being made are in it: of /etc, with the passwords, and of a file."""
    paths = {"carry_over": ["/etc", "/srv/own"]}
    host.sh("echo 1 > /srv/own")
    host.release("v2")
    succeed(host, "upgrade", paths)
    host.sh("echo late > /etc/motd; echo 2 > /srv/own")
    host.module_start("overc_host_upgrade", paths, prelude=_CUT).process.communicate()
    in_top(host, "test -d rootfs_upgrade/etc.overc-new; echo half > rootfs_upgrade/srv/own.overc-new; sync -f .")
    host.powerloss()
    host.start()
    assert booted(host) == "rootfs_upgrade"
    assert succeed(host, "confirm")["repaired"]
    assert host.sh("cat /etc/motd; ls -d /*.overc-new /srv/*.overc-new 2>/dev/null; true") == "late"
