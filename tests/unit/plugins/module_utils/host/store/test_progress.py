# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress tells people how far it is, and never disturbs the work."""

from __future__ import annotations

import json
import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.store import progress
from ansible_collections.overc.system.plugins.module_utils.host.store.progress import Progress

# Log of a package manager -> what it writes for a package in its place, and what it writes besides
LOGS = {
    "dnf.rpm.log": (
        "2026-11-23T21:49:29+0000 SUBDEBUG Upgrade: app-2.0-1.noarch\n",
        "2026 SUBDEBUG Upgraded: app-1.0-1.noarch\n",
    ),
    "dpkg.log": (
        "2026-11-27 20:03:00 status installed app:all 2.0\n",
        "2026-11-27 20:03:00 status half-installed app:all 1.0\n2026-11-27 20:03:00 upgrade app:all 1.0 2.0\n",
    ),
}


def told(path: Path) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(path.read_text()))


def test_steps(tmp_path: Path) -> None:
    file = tmp_path / "progress.json"
    now = Progress("upgrade", 15, str(file))
    now.step(2, "run_packages", "run it")
    assert told(file) == {
        "operation": "upgrade", "total": 15, "pid": os.getpid(), "number": 2, "step": "run_packages",
        "description": "run it", "packages": None,
    }  # fmt: skip
    now.done()
    assert not file.exists()
    now.done()


@pytest.mark.parametrize("name", LOGS)
def test_packages_are_counted_from_what_is_added_to_the_log(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, besides = LOGS[name]
    monkeypatch.setattr(progress, "_EVERY", 0.01)
    root, file = tmp_path / "root", tmp_path / "progress.json"
    log = root / "var/log" / name
    log.parent.mkdir(parents=True)
    log.write_text(line * 7)
    now = Progress("upgrade", 15, str(file))
    with now.packages(str(root), 2):
        assert told(file)["packages"] == [0, 2]
        with log.open("a") as stream:
            stream.write(line + besides)
        deadline = time.monotonic() + 10
        while told(file)["packages"] != [1, 2]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("trouble", ["no directory", "no root", "link outside"])
def test_trouble_is_ignored(tmp_path: Path, trouble: str) -> None:
    root = tmp_path / "root"
    file = tmp_path / ("nowhere/p.json" if trouble == "no directory" else "p.json")
    if trouble == "link outside":
        (root / "var").mkdir(parents=True)
        (root / "var/log").symlink_to("/etc")
    now = Progress("upgrade", 1, str(file))
    now.step(1, "run_packages", "run it")
    with now.packages(str(root), 1):
        pass
    now.done()


def test_failure_of_the_work_passes_through(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Progress("upgrade", 1, str(tmp_path / "p")).packages(str(tmp_path), 1):
        raise RuntimeError
