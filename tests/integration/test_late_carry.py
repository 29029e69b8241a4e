# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``carry_late``: what was written up to the last second is in the new system, brought by itself before anything used it."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, call, kill_at, steps, succeed, upgrade_to
from tests.integration.disk_facts import in_top
from tests.integration.test_deployments import adopt, app, root
from tests.lab import Host
from tests.lab.apt import install, offer, version
from tests.lab.process import LabError, wait_for
from tests.sampling import rotating

MakeHost = Callable[..., Host]
PATHS: t.Final = ["/home", "/srv/app", "/opt/one"]
# All that a copy has to keep
_BEFORE: t.Final = """\
set -e
mkdir -p /srv/app/empty.d /home/u
echo v1 > /srv/app/data
echo one > /opt/one
useradd -M -u 2000 u
"""
_AFTER: t.Final = """\
set -e
cd /srv/app
echo v2 > data
rmdir empty.d
ln data hard
ln -s /etc/shadow link
mkfifo -m 640 fifo
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
truncate -s 64M holes; echo end >> holes
mkdir -m 2775 sub; chown u:u sub; echo x > sub/f; chmod 640 sub/f; chown u sub/f
setfattr -n user.lab -v yes sub/f || python3 -c 'import os; os.setxattr("sub/f", "user.lab", b"yes")'
setfacl -m u:2000:rx,d:u:2000:rwx sub
cp /bin/true caps; setcap cap_net_raw+ep caps 2>/dev/null || python3 -c \
 'import os; os.setxattr("caps", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))'
mkdir nocow; chattr +C nocow; echo db > nocow/db
printf odd > "$(printf 'new\\nline\\377')"
touch -d 2001-02-03T04:05:06 sub/f
chmod 700 /srv/app
touch -d 2002-02-03T04:05:06 /srv/app
echo mail > /home/u/mail
echo two > /opt/one
"""
_SEEN: t.Final = """\
cd /srv/app
find . -printf '%P %y %m %U %G %n %s %T@ %l\\n' | LC_ALL=C sort | cat -v
getfacl -R . 2>/dev/null | grep -v '^#'
lsattr -d nocow nocow/db | cut -c1-22
python3 - <<'END'
import os
for top, dirs, files in sorted(os.walk(".")):
    for name in sorted(files):
        path = os.path.join(top, name)
        print(ascii(path), [(x, os.getxattr(path, x, follow_symlinks=False)) for x in os.listxattr(path, follow_symlinks=False)])
        if os.path.isfile(path) and not os.path.islink(path):
            print(open(path, "rb").read()[-20:])
END
cat /home/u/mail /opt/one
"""


def debian(make_host: MakeHost, flavour: str = "debian13") -> Host:
    host = make_host(flavour=flavour)
    install(host, app("1.0"))
    host.sh(_BEFORE)
    offer(host)
    adopt(host)
    offer(host, app("2.0"))
    return host


def late(host: Host) -> Result:
    found = succeed(host, "info", {"full": True})["carry_late"]
    assert found is not None
    return dict(found)


def leftovers(host: Host) -> str:
    """What of ours is in the running root and should be there no more."""
    looked = (
        "find / -xdev \\( -name '*.overc-new*' -o -name 'overc-late*' -o -name 'late-carry*' \\) -not -path '/run/*'"
    )
    return host.sh(looked)


def test_up_to_the_last_second(make_host: MakeHost) -> None:
    host = debian(make_host)
    planned = succeed(host, "upgrade", {"carry_late": PATHS}, check=True, diff=True)
    assert "declare_late" in steps(planned)
    assert "brought over at the first start: /srv/app" in planned["diff"]["after"]
    staged = succeed(host, "upgrade", {"carry_late": PATHS, "arm": False})
    assert staged["carry_late"] == sorted(PATHS)
    assert (late(host)["status"], late(host)["paths"]) == ("waiting", sorted(PATHS))
    host.sh(_AFTER)
    left = succeed(host, "info", {"full": True})["left_behind"]["paths"]
    assert not [entry for entry in left if entry["path"].startswith(tuple(PATHS))], left
    refused = call(host, "upgrade", {"state_policy": "refuse"})
    assert_refused(refused, "state_at_risk", "/var/log", "carry_late")
    assert "/home" not in refused["msg"]
    assert steps(succeed(host, "upgrade", {"carry_late": ["/srv/app"], "arm": False})) == ["declare_late"]
    # Without the option it stays as it was declared, and the same again is nothing to do
    assert succeed(host, "upgrade", {"arm": False})["changed"] is False
    assert late(host)["paths"] == ["/srv/app"]
    assert steps(succeed(host, "upgrade", {"carry_late": PATHS})) == ["declare_late", "arm_trial"]
    wanted = host.sh(_SEEN)
    host.reboot()
    assert (root(host), version(host, "deb-app")) == ("@rootfs.overc-1", "2.0")
    assert host.sh("systemctl is-system-running --wait; systemctl --failed --no-legend") in ("running", ""), (
        host.console()
    )
    assert host.sh(_SEEN) == wanted
    assert (late(host)["status"], late(host)["brought"]) == ("done", sorted(PATHS))
    left = succeed(host, "info", {"full": True})["left_behind"]["paths"]
    assert not [entry for entry in left if entry["path"].startswith(tuple(PATHS))], left
    assert leftovers(host) == ""
    # Once, and not again: not at the next start, not after the confirmation
    confirmed = succeed(host, "confirm")
    assert (confirmed["state"], confirmed["carry_late"]["status"]) == ("clean", "done")
    host.sh("echo v3 > /srv/app/data")
    host.powerloss()
    host.start()
    host.sh("sync")
    assert host.sh("cat /opt/one") == "two"
    host.sh("echo v3 > /srv/app/data; sync")
    host.reboot()
    assert host.sh("cat /srv/app/data") == "v3"
    in_top(host, "grep v2 @rootfs/srv/app/data")


# How the new system finds the one before, after what was done there in the last second; and what is said of it
BROKEN: t.Final[dict[str, tuple[str, str]]] = {
    "gone": ("rm -r /srv/app", "/srv/app is not there any more"),
    "link": ("mv /srv/app /srv/other; ln -s other /srv/app", "neither a directory nor a regular file"),
    "type": ("rm /opt/one; mkdir /opt/one", "/opt/one is of another type"),
    "subvolume": ("btrfs subvolume create /srv/app/sub; touch /srv/app/sub/x", "/srv/app/sub is a subvolume"),
    "parent": ("mv /srv /srv2; ln -s srv2 /srv", "/srv/app has a parent"),
    "locked": ("touch /srv/app/locked; chattr +i /srv/app/locked", "/srv/app/locked is immutable"),
}


def test_what_cannot_be_brought_ends_in_the_fallback(make_host: MakeHost) -> None:
    """On trial nobody goes on with old data; the system before is as it was left."""
    host = debian(make_host)
    for number, name in enumerate(("type", "subvolume"), 1):
        how, reason = BROKEN[name]
        succeed(host, "upgrade", {"carry_late": PATHS, "force": True})
        host.sh(f"{how}; echo last-{number} > /srv/app/data; sync")
        before = host.boots
        host.run(["systemctl", "reboot"], check=False)
        host.wait_boot(before + 2)
        seen = succeed(host, "info", {"full": True})
        assert (seen["state"], root(host)) == ("fallback", "@rootfs"), seen
        assert reason in seen["trial"]["reason"], seen["trial"]
        assert host.sh("cat /srv/app/data") == f"last-{number}"
        failed = f"@rootfs.overc-{number}/srv/app"
        in_top(host, f"test -e {failed}/data && test ! -e {failed}.overc-new && ! grep last-{number} {failed}/data")
        assert_refused(call(host, "confirm"), "backup_boot")
        host.sh("chattr -R -i /srv/app; rm -rf /srv2 /srv/other; test ! -L /srv/app || rm /srv/app")
        host.sh(
            "btrfs subvolume delete /srv/app/sub 2>/dev/null; rm -rf /opt/one; mkdir -p /srv/app; echo one > /opt/one"
        )
        assert succeed(host, "rollback")["state"] == "clean"


def test_a_program_that_cannot_start_ends_in_the_fallback(make_host: MakeHost) -> None:
    host = debian(make_host)
    succeed(host, "upgrade", {"carry_late": PATHS})
    in_top(host, "echo damaged > @rootfs.overc-1/usr/lib/overc/late-carry.pyz; sync")
    before = host.boots
    host.run(["systemctl", "reboot"], check=False)
    host.wait_boot(before + 2)
    assert (succeed(host, "info")["state"], root(host)) == ("fallback", "@rootfs")


REFUSED: t.Final[dict[str, tuple[str, str]]] = {
    "/": ("bad_argument", "whole system"),
    "/etc": ("bad_argument", "carry_over takes it"),
    "/etc/passwd": ("bad_argument", "carry_over takes it"),
    "/usr/bin": ("bad_argument", "system itself"),
    "/boot": ("bad_argument", "boot loader"),
    "/var": ("bad_argument", "package manager"),
    "/var/lib/dpkg": ("bad_argument", "package manager"),
    "/run/x": ("bad_argument", "made anew"),
    "/lab-disk": ("bad_argument", "stays anyway"),
    "/srv/../home": ("bad_argument", "usable path"),
    "/srv/none": ("bad_argument", "does not exist"),
    "/srv/link": ("bad_argument", "neither a directory"),
    "/srv/link/x": ("bad_argument", "symbolic link"),
    "/srv/locked": ("bad_argument", "immutable"),
}


def test_what_is_refused_before_anything_is_built(make_host: MakeHost) -> None:
    host = debian(make_host)
    host.sh(
        "ln -s app /srv/link; touch /srv/locked; chattr +i /srv/locked; mkdir /lab-disk; mount -t tmpfs none /lab-disk"
    )
    for path, (error_id, said) in REFUSED.items():
        for check in (True, False):
            assert_refused(call(host, "upgrade", {"carry_late": ["/home", path]}, check=check), error_id, said)
    assert_refused(call(host, "rollback", {"carry_late": ["/etc"]}), "bad_argument", "carry_over takes it")
    assert succeed(host, "info")["state"] == "clean"


# Each is a point between two things that the program makes durable: what is called there, and how often before it dies
_POINTS: t.Final = (
    ("wish.syscalls.write_durably", 1),
    ("wish.syscalls.write_durably", 2),
    ("wish.syscalls.write_durably", 4),
    ("wish.syscalls.write_durably", 7),
    ("bring.clone_tree", 1),
    ("bring.clone_tree", 2),
    ("tree.clone_entry", 1),
    ("tree.clone_entry", 5),
    ("bring.syscalls.rename", 1),
    ("bring.syscalls.rename", 2),
    ("bring.shutil.rmtree", 1),
    ("program.pieces.remove", 1),
)
_DIE: t.Final = """\
import importlib, os, sys
sys.path.insert(0, "/usr/lib/overc/late-carry.pyz")
late = "ansible_collections.overc.system.plugins.module_utils.host.late"
program = importlib.import_module(late + ".program")
module, *way, name = {point!r}.split(".")
place = importlib.import_module(late + "." + module)
for part in way:
    place = getattr(place, part)
known, calls = getattr(place, name), []
def dying(*args, **more):
    done = known(*args, **more)
    calls.append(name)
    if len(calls) == {count}:
        os.kill(os.getpid(), 9)
    return done
setattr(place, name, dying)
sys.exit(program.main())
"""
# In the place of the program's script: dies at the first start, hangs so that the power can be cut, and works at the next
_SCRIPT: t.Final = """\
#!/bin/sh
if [ ! -e /lab-once ]; then
  touch /lab-once
  python3 /lab-die.py
  echo $? >/lab-died
  sync -f /lab-died
  systemctl --force --force reboot
  sleep infinity
fi
exec python3 -I /usr/lib/overc/late-carry.pyz
"""


def _wait_boots(host: Host, count: int) -> None:
    wait_for(lambda: host.boots == count, "the first start", timeout=60, interval=0.005)


@pytest.mark.crash
@pytest.mark.parametrize("cut", ["kill", "power"])
def test_killed_at_any_point_and_repeated(host: Host, cut: str) -> None:
    """With manual protection the same root starts again, and goes on: the old content or the new, and in the end the new."""
    host.sh(_BEFORE)
    for number, (point, count) in enumerate(rotating(_POINTS, 4)):
        host.sh(
            f"{_AFTER if number == 0 else ''}\necho before-{number} > /srv/app/data; echo before-{number} > /opt/one"
        )
        staged = upgrade_to(host, "v2", carry_late=PATHS, force=True)
        wanted = f"after-{number}"
        host.sh(f"echo {wanted} > /srv/app/data; echo {wanted} > /opt/one; echo {wanted} > /home/u/mail; rm -f /lab-*")
        seen = host.sh(_SEEN)
        host.write("/run/die.py", _DIE.format(point=point, count=count))
        host.write("/run/script", _SCRIPT)
        in_top(
            host,
            f"cp /run/die.py {staged['staged']}/lab-die.py; cp /run/script {staged['staged']}/usr/lib/overc/late-carry; "
            f"rm -f {staged['staged']}/lab-once {staged['staged']}/lab-died; sync",
        )
        before = host.boots
        host.run(["systemctl", "reboot"], check=False)
        if cut == "power":
            _wait_boots(host, before + 1)
            with host.top() as top:
                died = top / staged["staged"] / "lab-died"
                wait_for(died.exists, f"the program to die at {point}", timeout=60, interval=0.005)
            host.powerloss()
            host.start()
        else:
            host.wait_boot(before + 2)
        assert host.sh("cat /lab-died") == "137", (point, host.console()[-3000:])
        assert host.sh(_SEEN) == seen, (point, count)
        assert (late(host)["status"], late(host)["brought"]) == ("done", sorted(PATHS)), (point, late(host))
        assert leftovers(host) in ("", "/usr/lib/overc/late-carry"), (point, leftovers(host))
        succeed(host, "confirm")


def test_a_rollback_brings_the_data_of_what_is_left(make_host: MakeHost) -> None:
    """What the older system had stays beside; without the option, and in a fallback, nothing is brought."""
    host = debian(make_host)
    succeed(host, "upgrade", {"carry_late": ["/srv/app"]})
    host.reboot()
    succeed(host, "confirm")
    host.sh("echo v2 > /srv/app/data; echo two > /opt/one; sync")
    wanted = {"carry_late": ["/srv/app", "/opt"]}
    planned = succeed(host, "rollback", {**wanted, "arm": False}, check=True, diff=True)
    assert steps(planned) == ["install_guard", "declare_late", "record", "disarm"]
    assert "brought over at the first start: /opt" in planned["diff"]["after"]
    staged = succeed(host, "rollback", {**wanted, "arm": False})
    assert (staged["state"], staged["carry_late"], late(host)["status"]) == ("staged", ["/opt", "/srv/app"], "waiting")
    # Taken back, it is forgotten: whoever starts that system by hand gets it as it was
    assert succeed(host, "rollback", {"to": "1"})["state"] == "clean"
    assert succeed(host, "info", {"full": True})["carry_late"]["status"] == "done"
    # A trial that fails brings nothing, and takes nothing away
    assert succeed(host, "rollback", {**wanted, "to": "0"})["changed"]
    in_top(host, "mv @rootfs/usr/lib/systemd/systemd @rootfs/usr/lib/systemd/away; sync")
    before = host.boots
    host.run(["systemctl", "reboot"], check=False)
    wait_for(lambda: host.boots >= before + 1 and root_or_none(host) == "@rootfs.overc-1", "the fallback", timeout=90)
    host.wait_ssh()
    assert succeed(host, "info")["state"] == "fallback"
    assert host.sh("cat /srv/app/data /opt/one") == "v2\ntwo"
    in_top(host, "mv @rootfs/usr/lib/systemd/away @rootfs/usr/lib/systemd/systemd; grep one @rootfs/opt/one; sync")
    in_top(host, "test ! -e @rootfs/opt.overc-replaced")
    assert succeed(host, "rollback")["state"] == "clean"
    in_top(host, "ls .overc/late | grep -c . | grep -x 1")  # that of the running system alone
    succeed(host, "rollback", {**wanted, "to": "0"})
    host.sh("echo last > /srv/app/data; sync")
    host.reboot()
    assert root(host) == "@rootfs", host.console()[-2000:]
    assert host.sh("cat /srv/app/data /opt/one") == "last\ntwo"
    assert host.sh("cat /srv/app.overc-replaced/data /opt.overc-replaced/one") == "v1\none"
    done = succeed(host, "confirm")["carry_late"]
    assert done["replaced"] == {"/opt": "/opt.overc-replaced", "/srv/app": "/srv/app.overc-replaced"}
    assert leftovers(host) == ""
    # What was left keeps all it had, so this can be taken back, too
    in_top(host, "grep last @rootfs.overc-1/srv/app/data; grep two @rootfs.overc-1/opt/one")
    # and beside what is kept nothing can be kept
    succeed(host, "rollback", {"to": "1"})
    host.reboot()
    succeed(host, "confirm")
    assert_refused(
        call(host, "rollback", {**wanted, "to": "0"}), "bad_argument", "/opt.overc-replaced", "look what is in there"
    )


def root_or_none(host: Host) -> str | None:
    try:
        return root(host)
    except LabError:
        return None


def test_two_fixed_entries_there_and_back(host: Host) -> None:
    host.sh(_BEFORE)
    upgrade_to(host, "v2", carry_late=["/srv/app"])
    # Cancelled, nothing is brought by whatever takes that name later
    assert succeed(host, "rollback")["state"] == "clean"
    assert host.sh("ls /.overc 2>/dev/null; true") == ""
    upgrade_to(host, "v2", carry_late=["/srv/app"])
    host.sh("echo v2 > /srv/app/data; sync")
    host.reboot()
    assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("2.0", "v2")
    succeed(host, "confirm")
    host.sh("echo v3 > /srv/app/data; sync")
    assert steps(succeed(host, "rollback", {"carry_late": ["/srv/app"]}))[0] == "declare_late"
    assert succeed(host, "rollback", {"carry_late": ["/srv/app"]})["changed"] is False
    host.sh("echo v4 > /srv/app/data; sync")
    host.reboot()
    assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("1.0", "v4")
    assert host.sh("cat /srv/app.overc-replaced/data") == "v2"
    assert succeed(host, "confirm")["carry_late"]["replaced"] == {"/srv/app": "/srv/app.overc-replaced"}


def test_with_manual_protection_what_failed_is_not_confirmed(host: Host) -> None:
    host.sh(_BEFORE)
    upgrade_to(host, "v2", carry_late=PATHS)
    host.sh("rm /opt/one; mkdir /opt/one; echo last > /srv/app/data; sync")
    host.reboot()
    assert host.rpm_version("lab-app") == "2.0"
    assert_refused(call(host, "confirm"), "late_carry_failed", "/opt/one is of another type", "overc_host_rollback")
    assert (late(host)["status"], late(host)["brought"]) == ("failed", ["/home"])
    assert "overc-late-carry.service" in host.sh("systemctl --failed --no-legend")
    host.reboot()
    assert_refused(call(host, "confirm"), "late_carry_failed")
    succeed(host, "rollback")
    host.reboot()
    assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("1.0", "last")
    assert succeed(host, "confirm")["carry_late"] is None


@pytest.mark.crash
@pytest.mark.parametrize("flavour", ["debian13", "overc"])
def test_killed_around_its_step(make_host: MakeHost, flavour: str) -> None:
    """Nothing is half declared: undone with the run, or there for the root that was staged."""
    host = debian(make_host) if flavour != "overc" else make_host()
    if flavour == "overc":
        host.sh(_BEFORE)
        host.release("v2")
    for when in ("before", "after"):
        kill_at(host, "upgrade", when, "declare_late", {"carry_late": PATHS})
        staged = succeed(host, "upgrade", {"carry_late": PATHS})
        assert (staged["state"], late(host)["status"]) == ("staged", "waiting")
        # The last moment: what was declared before, or what is declared now
        kill_at(host, "upgrade", when, "declare_late", {"carry_late": ["/srv/app"]})
        assert succeed(host, "info", {"full": True})["state"] == "interrupted"
        again = succeed(host, "upgrade", {"carry_late": ["/srv/app"]})
        assert (again["state"], late(host)["paths"]) == ("staged", ["/srv/app"])
        assert succeed(host, "rollback")["state"] == "clean"
        in_top(host, 'test -z "$(ls .overc/late)"')
