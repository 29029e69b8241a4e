# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackagePlan,
    packages_digest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.locks import Kind, Lock, quiet
from ansible_collections.overc.system.plugins.module_utils.packages.proof import check_base

_HOLD = """\
import fcntl, os, sys
kind, path = sys.argv[1:]
fd = os.open(path, os.O_RDONLY if kind == "flock" else os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX) if kind == "flock" else fcntl.lockf(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def other(kind: str, path: Path) -> t.Iterator[int]:
    argv = [sys.executable, "-c", _HOLD, kind, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.communicate()


@pytest.mark.parametrize("kind", ["fcntl", "flock"])
def test_holder_is_named(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "lock"
    path.touch()
    lock = Lock(str(path), kind)
    with other(kind, path) as pid, pytest.raises(OvercError) as refused, quiet([lock], patience=0.1):
        pass
    assert refused.value.error_id == "locked"
    assert refused.value.facts["holder"]["pid"] == pid
    assert str(path) in refused.value.message
    with quiet([lock], patience=0):
        pass


@pytest.mark.parametrize("kind", ["fcntl", "flock"])
def test_nobody_can_begin(tmp_path: Path, kind: Kind) -> None:
    """Who comes while the lock is held is kept out, and let in as soon as it is not."""
    path = tmp_path / "lock"
    path.touch()
    module = "lockf" if kind == "fcntl" else "flock"
    try_it = f"import fcntl; fcntl.{module}(open({str(path)!r}, 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with quiet([Lock(str(path), kind)], patience=0):
        assert subprocess.run([sys.executable, "-c", try_it], check=False, capture_output=True).returncode != 0
    subprocess.run([sys.executable, "-c", try_it], check=True)


def test_a_directory_is_locked(tmp_path: Path) -> None:
    """As Smart does with its data directory."""
    with other("flock", tmp_path), pytest.raises(OvercError), quiet([Lock(str(tmp_path), "flock")], patience=0):
        pass


def test_missing_lock_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with quiet(
        [Lock(str(path), "fcntl", make=True), Lock(str(tmp_path / "no/such"), "fcntl", make=True)], only_look=True
    ):
        assert not path.exists()
    with quiet([Lock(str(path), "fcntl", make=True), Lock(str(tmp_path / "other"), "fcntl")]):
        assert os.listdir(tmp_path) == ["lock"]


def test_a_lock_that_cannot_be_opened_is_not_a_free_one(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(OvercError, match="nobody can tell"), quiet([Lock(str(tmp_path / "lock"), "fcntl", make=True)]):
        pass
    with pytest.raises(OvercError, match="nobody can tell"), quiet([Lock(str(tmp_path), "pid")]):
        pass


def begun(process: subprocess.Popen[bytes]) -> int:
    """Its number, once the kernel shows its command line: that is set after the exec that Popen waits for."""
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
        time.sleep(0.001)
    return process.pid


def test_number_of_a_process(tmp_path: Path) -> None:
    path = tmp_path / "lock.pid"
    lock = Lock(str(path), "pid")
    with subprocess.Popen(["sleep", "100"]) as process:  # which is no dnf; this test may have one among its arguments
        for content in ("", "no number", "999999999", str(begun(process))):
            path.write_text(content)
            with quiet([lock], patience=0):
                pass
        process.kill()
    program = tmp_path / "dnf"
    shutil.copy2(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "100"]) as process:
        path.write_text(f"{begun(process)}\n")
        with pytest.raises(OvercError, match="dnf"), quiet([lock], patience=0):
            pass
        process.kill()


def test_number_of_a_process_that_began_meanwhile(tmp_path: Path) -> None:
    """Such a lock cannot be held against others, so it is looked at once more when the snapshot is made."""
    program = tmp_path / "dnf"
    shutil.copy2(shutil.which("sleep") or "", program)
    snapshot = quiet([Lock(str(tmp_path / "p"), "pid")])
    snapshot.__enter__()
    with subprocess.Popen([program, "100"]) as process:
        (tmp_path / "p").write_text(str(begun(process)))
        with pytest.raises(OvercError, match="dnf"):
            snapshot.__exit__(None, None, None)
        process.kill()


def test_base_of_a_plan() -> None:
    packages = (Package("a", "noarch", "1-1"), Package("b", "noarch", "1-1"))
    check_base(PackagePlan(base=packages_digest(packages)), reversed(packages))
    check_base(PackagePlan(), packages)
    for other_packages in (
        packages[:1],
        (*packages, Package("c", "noarch", "1-1")),
        (packages[0], Package("b", "noarch", "2-1")),
    ):
        with pytest.raises(OvercError, match="after the upgrade was planned"):
            check_base(PackagePlan(base=packages_digest(packages)), other_packages)


_HOLD_AND_REMOVE = """\
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(1)
os.unlink(sys.argv[1])
if len(sys.argv) > 2:
    fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    sys.stdin.read()
"""


@pytest.mark.parametrize("makes_another", [False, True], ids=["and ends", "and makes another"])
@pytest.mark.parametrize("make", [False, True], ids=["looked at", "made"])
def test_a_holder_that_removes_its_file(tmp_path: Path, make: bool, makes_another: bool) -> None:
    """As DNF 5 does: who waited has a file that counts for nobody any more, and is no holder himself."""
    path = tmp_path / "lock"
    path.touch()
    argv = [sys.executable, "-c", _HOLD_AND_REMOVE, str(path), *(["again"] if makes_another else [])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        begun = time.monotonic()
        if makes_another:
            with pytest.raises(OvercError) as refused, quiet([Lock(str(path), "fcntl", make)], patience=3):
                pass
            assert refused.value.facts["holder"]["pid"] == process.pid
        else:
            with quiet([Lock(str(path), "fcntl", make)], patience=30):
                assert time.monotonic() - begun < 10
                assert path.exists() is make
        process.communicate()
