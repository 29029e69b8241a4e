# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unprivileged user of the host can plant, read or hold: see docs/threat-model.md."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed, upgrade_to
from tests.integration.disk_facts import assert_runs, in_top, snapshot_of_disk
from tests.lab import Host

_USER = "setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs"


def as_user(host: Host, command: str) -> tuple[int, str]:
    done = host.run(["/bin/sh", "-c", f"cd /home/user && exec {_USER} sh -c {shlex.quote(command)}"], check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def host(host: Host) -> Host:
    host.sh("mkdir -p /home/user && chown 1000:1000 /home/user")
    return host


def test_a_subvolume_with_a_forged_name(host: Host) -> None:
    """btrfs lets every user make subvolumes, and its list shows a newline in a name as a newline."""
    claims = [
        f"ID {number} gen 9 parent 5 top level 5 parent_uuid -    uuid {number} path {name}"
        for number, name in ((9001, "rootfs_bakup"), (9002, "rootfs_upgrade"), (9003, "rootfs_upgrade.overc-new"))
    ]
    for claim in claims:
        code, said = as_user(host, f"btrfs subvolume create {shlex.quote('a' + chr(10) + claim)}")
        assert code == 0, said
    before = succeed(host, "info")
    assert (before["state"], before["backup"], before["previous"]) == ("clean", None, None)
    as_user(host, 'for name in a*; do echo mine > "$name/file"; done')
    named = assert_refused_with_data(host)
    assert all(claim in named for claim in claims)
    as_user(host, "rm a*/file")
    upgrade_to(host, "v2")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert host.rpm_version("lab-app") == "2.0"


def assert_refused_with_data(host: Host) -> str:
    """No snapshot contains a subvolume, so one with data in it would be lost to the new system."""
    before = snapshot_of_disk(host)
    result = call(host, "upgrade", {"force": True})
    assert_refused(result, "state_at_risk")
    assert_unchanged(before, host)
    return str(result["msg"])


def test_what_a_user_can_read_and_hold(host: Host) -> None:
    host.sh("mkdir -m 0755 -p /run/overc-system/async")  # as Ansible leaves it for a job in the background
    host.sh("rmdir /run/overc-system/async")
    succeed(host, "upgrade", {"force": True})
    for path in ("/run/overc-system", "/run/overc-system/lock"):
        assert as_user(host, f"flock -n {path} true")[0] != 0, path
        assert as_user(host, f"cat {path}; ls {path}")[1].count("Permission denied") == 2, path
    assert as_user(host, "mkdir /run/overc-system.x")[0] != 0
    modes = host.sh("stat -c '%a %u %n' /run/overc-system /run/overc-system/*").splitlines()
    assert modes[0] == "700 0 /run/overc-system"
    assert all(line.split()[1] == "0" and line.split()[0] in ("600", "700") for line in modes), modes
    with host.top() as top:
        found = {path.name: path.stat() for path in [top / ".overc", *(top / ".overc").iterdir()]}
    assert {name: (oct(entry.st_mode & 0o777), entry.st_uid) for name, entry in found.items()} == {
        ".overc": ("0o700", 0),
        "record.json": ("0o600", 0),
        "reserve": ("0o600", 0),
    }


def test_a_runtime_directory_of_somebody_else(host: Host) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    for make in (
        "mkdir -m 0755 /run/overc-system && chown 1000 /run/overc-system",
        "mkdir -m 0777 /run/overc-system",
        "ln -s /home/user /run/overc-system",
        "mkdir -m 0700 /run/overc-system && ln -s /etc/passwd /run/overc-system/lock",
    ):
        host.sh(f"rm -rf /run/overc-system; umask 0; {make}")
        assert_refused(call(host, "upgrade"), "inconsistent", "/run/overc-system")
    assert host.sh("grep -c root /etc/passwd").strip() == "1"
    assert snapshot_of_disk(host) == before


def test_a_record_of_somebody_else(host: Host) -> None:
    host.release("v2")
    for make in ("ln -s rootfs/home/user .overc", "mkdir .overc && chown 1000 .overc", "mkdir -m 0777 .overc"):
        in_top(host, f"rm -rf .overc; umask 0; {make}")
        assert_refused(call(host, "upgrade"), "inconsistent", ".overc")
    assert as_user(host, "ls -A")[1] == ""


def test_planted_links_in_shared_directories(host: Host) -> None:
    """The one directory we make in a shared place has a name nobody can guess, and is ours alone."""
    as_user(host, "for d in /tmp /var/tmp; do ln -s /etc/passwd $d/overc-check-; ln -s /etc $d/overc-system; done")
    before = host.sh("sha256sum /etc/passwd; ls -la /etc")
    host.release("v2")
    result = succeed(host, "upgrade", check=True)
    assert result["changed"]
    succeed(host, "upgrade")
    assert host.sh("sha256sum /etc/passwd; ls -la /etc") == before
    left = host.sh("ls /var/tmp /tmp").split()
    assert [name for name in left if name.startswith("overc-check-") and name != "overc-check-"] == []
    assert "Traceback" not in json.dumps(result)
