# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of the running root is never taken in the middle of somebody else's package transaction."""

from __future__ import annotations

import contextlib
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, steps, succeed, upgrade_to
from tests.integration.disk_facts import snapshot_of_disk
from tests.integration.own_packages import build, install, offer
from tests.lab import Host
from tests.lab.packages import Package

LOCK = "/var/lib/rpm/.rpm.lock"
_HOLD = """\
import fcntl, os, sys, time
kind, path = sys.argv[1:]
if kind == "pid":
    open(path, "w").write(str(os.getpid()))
else:
    fd = os.open(path, os.O_RDONLY if kind == "flock" else os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(fd, fcntl.LOCK_EX) if kind == "flock" else fcntl.lockf(fd, fcntl.LOCK_EX)
print(os.getpid(), flush=True)
time.sleep(1000)
"""


@contextlib.contextmanager
def held(host: Host, path: str, kind: str = "fcntl", name: str = "python3") -> t.Iterator[None]:
    """Some other process holds a lock of the package manager."""
    host.sh(f"ln -sf $(readlink -f $(command -v python3)) /run/{name}; mkdir -p $(dirname {path})")
    with host.popen([f"/run/{name}", "-c", _HOLD, kind, path]) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        try:
            yield
        finally:
            host.sh(f"kill -9 {pid}")


@contextlib.contextmanager
def at_work(host: Host, command: list[str]) -> t.Iterator[subprocess.Popen[str]]:
    """A package transaction that is in the middle of its %post until the file /run/go is there."""
    host.sh("rm -f /run/go /run/in-post")
    with host.popen(command) as process:
        end = time.monotonic() + 60
        while host.run(["test", "-e", "/run/in-post"], check=False).returncode != 0:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)
        try:
            yield process
        finally:
            host.sh("touch /run/go")
            process.communicate(timeout=60)


def slow(version: str) -> Package:
    wait = "touch /run/in-post; n=0; while [ ! -e /run/go ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done"
    scripts = {} if version == "1.0" else {"post": wait}
    return Package("own-slow", version, (), {"/usr/share/own-slow/version": version.encode()}, scriptlets=scripts)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("own"), slow("1.0"), slow("2.0"))


@pytest.mark.parametrize("tool", ["dnf", "rpm"])
def test_another_transaction_is_at_work(host: Host, packages: dict[str, Path], tool: str) -> None:
    """Its half is in no snapshot; when it has ended, the same command goes on."""
    install(host, packages["own-slow-1.0"])
    host.release("v2")
    argv = {"dnf": ["dnf", "-y", "upgrade", "own-slow"], "rpm": ["rpm", "-U", "/srv/own/own-slow-2.0-1.noarch.rpm"]}
    offer(host, packages["own-slow-2.0"])
    args = {"exclude": ["own-slow"]}
    with at_work(host, argv[tool]) as other:
        before = snapshot_of_disk(host)
        for check in (True, False):
            result = call(host, "upgrade", args, check=check)
            assert_refused(result, "locked", f"{tool} (process ", LOCK if tool == "rpm" else "/var/lib/")
            assert result["holder"]["command"] == tool
            assert other.poll() is None
        assert_unchanged(before, host)
    succeed(host, "upgrade", args)
    with host.top() as top:
        for name in ("rootfs_upgrade", "rootfs_bakup"):
            assert (top / name / "usr/share/own-slow/version").read_text() == "2.0"
    assert host.sh("rpm -q --root /  own-slow") == "own-slow-2.0-1.noarch"


def test_somebody_removed_the_lock_of_a_transaction_at_work(host: Host, packages: dict[str, Path]) -> None:
    """As people do who think that it is stale: the next one makes the file anew, and keeps nobody out."""
    install(host, packages["own-slow-1.0"])
    offer(host, packages["own-slow-2.0"])
    host.release("v2")
    with at_work(host, ["rpm", "-U", "/srv/own/own-slow-2.0-1.noarch.rpm"]):
        host.sh(f"rm {LOCK}")
        before = snapshot_of_disk(host)
        for check in (True, False):
            assert_refused(call(host, "upgrade", check=check), "locked", "rpm (process ", LOCK)
        assert_unchanged(before, host)
    succeed(host, "upgrade")


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        (LOCK, "fcntl", "python3"),
        ("/var/lib/dnf/rpmdb_lock.pid", "pid", "dnf"),
        ("/run/dnf/rpmtransaction.lock", "fcntl", "dnf5"),
    ],
)
def test_a_lock_is_held(host: Host, path: str, kind: str, name: str) -> None:
    host.release("v2")
    with held(host, path, kind, name):
        before = snapshot_of_disk(host)
        for check in (True, False):
            result = call(host, "upgrade", check=check)
            assert_refused(result, "locked", path)
            assert result["holder"]["pid"] > 0
        assert_unchanged(before, host)
    succeed(host, "upgrade")
    assert host.run(["test", "-e", path], check=False).returncode == 0 or kind != "pid"


def test_somebody_begins_after_the_plan(host: Host) -> None:
    """The lock is taken once more around each snapshot, and what the snapshot holds is compared with the plan."""
    host.release("v2")
    before = snapshot_of_disk(host)
    prelude = """\
import subprocess
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def hook(when, step):
    if (when, step) == ("before", "create_root"):
        subprocess.run(["rpm", "-e", "lab-unsat"], check=True)
transaction.step_hook = hook
"""
    result = call(host, "upgrade", prelude=prelude)
    assert_refused(result, "locked", "after the upgrade was planned", changed=False)
    assert result["state"] == "clean"
    assert snapshot_of_disk(host).subvolumes == before.subvolumes
    succeed(host, "upgrade")


@pytest.mark.parametrize("when", ["create_root", "create_backup"])
def test_a_lock_is_taken_during_the_run(host: Host, when: str) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    prelude = f"""\
import subprocess
from ansible_collections.overc.system.plugins.module_utils.host import transaction
from ansible_collections.overc.system.plugins.module_utils.host.steps import backup
backup._PATIENCE = 0.5
HOLD = {_HOLD!r}
def hook(when, step):
    if (when, step) == ("before", {when!r}):
        p = subprocess.Popen(["python3", "-c", HOLD, "fcntl", {LOCK!r}], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True)
        p.stdout.readline()
transaction.step_hook = hook
"""
    result = call(host, "upgrade", prelude=prelude)
    host.sh(f"kill -9 {result['holder']['pid']}")
    assert_refused(result, "locked", "python3 (process ")
    assert_unchanged(before, host, history=False)
    succeed(host, "upgrade")


def test_a_restore_is_a_snapshot_too(host: Host) -> None:
    upgrade_to(host, "v2")
    host.boot_entry(1)
    host.reboot()
    with held(host, LOCK):
        before = snapshot_of_disk(host)
        for check in (True, False):
            assert_refused(call(host, "rollback", check=check), "locked", LOCK)
        assert_unchanged(before, host)
    assert "create_root" in steps(succeed(host, "rollback"))
