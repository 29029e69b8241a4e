# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dnf driver with the real DNF 5: what is pending, and that another one at work is not waited for without end."""

from __future__ import annotations

import shutil
import time
import typing as t
from pathlib import Path

import pytest

from tests.lab.packages import Package
from tests.lab.process import run
from tests.lab.rpms import _build

if t.TYPE_CHECKING:
    from tests.contract.dnf5_root import Root

_SHELL: t.Final = Package("lab-base", "1.0", (), {"/usr/share/lab-base": b"1"}, header=("Provides: /bin/sh",))
_OLD: t.Final = Package("lab-slow", "1.0", (), {"/usr/share/lab-slow": b"1"})
_NEW: t.Final = Package(
    "lab-slow", "2.0", (), {"/usr/share/lab-slow": b"2"}, scriptlets={"post": "touch /srv/begun; sleep 25"}
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Root]:
    from tests.contract import dnf5_root

    directory = tmp_path_factory.mktemp("dnf5")
    made = dnf5_root.unpack(directory)
    for package in (_SHELL, _OLD, _NEW):
        shutil.copy(_build(package, directory), made.path / ("srv/repo" if package is _NEW else "srv"))
    run(["createrepo_c", "--quiet", made.path / "srv/repo"])
    made.sh("rpm --nosignature --nodigest -i /srv/*.rpm")
    yield made
    shutil.rmtree(directory, ignore_errors=True)


def test_what_is_pending(root: Root) -> None:
    """A host with DNF 5 is served."""
    assert root.sh("dnf --version").startswith("dnf5 version 5.")
    assert "error_id" not in root.ask("refresh")
    assert [(c["name"], c["installed"], c["available"]) for c in root.ask("pending")["changes"]] == [
        ("lab-slow", "1.0-1", "2.0-1")
    ]


def test_another_one_at_work(root: Root) -> None:
    """It is waited for as long as was said, then refused with who it is; when it ended in time, the answer is right."""
    begun: Path = root.path / "srv/begun"
    # Into a file: nobody reads its output while it works
    other = root.start("sh", "-c", "exec dnf5 -y --setopt=gpgcheck=0 upgrade lab-slow >/srv/said 2>&1")
    try:
        deadline = time.monotonic() + 60
        while not begun.exists() and time.monotonic() < deadline and other.poll() is None:
            time.sleep(0.2)
        assert begun.exists(), (root.path / "srv/said").read_text()
        for what in ("pending", "refresh"):
            refused = root.ask(what, patience=2)
            assert refused.get("error_id") == "locked", refused
            assert "rpmtransaction.lock" in refused["holder"]["path"]
            assert 2 <= refused["seconds"] < 12
        waited = root.ask("pending", patience=60)
    finally:
        other.communicate(timeout=90)
    assert other.returncode == 0, (root.path / "srv/said").read_text()
    assert waited.get("changes") == [], waited
    assert waited["seconds"] > 2
