# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run, written by Ansible itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import record_file, report_files
from ansible_collections.overc.system.plugins.plugin_utils.report_files import replace_file

REPOSITORY = Path(__file__).resolve().parents[2]


def report(directory: Path, *more: str, name: str = "upgrade", record: str | None = None) -> tuple[int, str]:
    said = run_of("2026-11-01T02:00:00Z") if record is None else record
    arguments = {"directory": str(directory), "name": name, "record": said}
    argv = [str(Path(sys.executable).parent / "ansible"), "localhost", "-c", "local", "-m", "overc.system.overc_report"]
    done = subprocess.run(
        [*argv, "-a", json.dumps(arguments), *more], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_written_once_and_not_in_check_mode(tmp_path: Path) -> None:
    directory = tmp_path / "a/b"
    for changed in ("CHANGED", "SUCCESS"):
        there = directory.exists()
        for options in (["--check"], []):
            status, said = report(directory, *options)
            assert status == 0, said
            assert changed in said
            assert directory.exists() is (there or not options)
    assert {path.name for path in directory.iterdir()} == {"upgrade.json", "upgrade.html"}
    assert json.loads((directory / "upgrade.json").read_text())["hosts"] == {"h1": {"status": "upgraded"}}
    assert "Upgrade of 1 host" in (directory / "upgrade.html").read_text()


@pytest.mark.parametrize("name", ["../upgrade", "", ".hidden", "a/b"])
def test_name_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    status, said = report(tmp_path / "here", name=name)
    assert status != 0
    assert "bad_argument" in said
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    for record in ("", "{}", "[]", '{"hosts": {"h1": {"status": "nosuch"}}}'):
        status, said = report(tmp_path / "here", "-e", "x=1", record=record)
        assert status != 0
        assert "bad_argument" in said
    assert list(tmp_path.iterdir()) == []


def test_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, said = report(tmp_path / "file/below")
    assert status != 0
    assert f"The report cannot be written to {tmp_path}/file" in said
    assert "Errno" not in said
    assert "Traceback" not in said


def test_an_old_report_stays_where_the_new_one_cannot_be_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(_source: str, _target: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            replace_file(str(path), "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"
    assert replace_file(str(path), "new")
    assert not replace_file(str(path), "new")


def run_of(started: str, status: str = "upgraded", **more: str) -> str:
    hosts = {"h1": {"status": status}}
    whole = {"command": "upgrade", "started": started, "updated": started, "counts": {}, "bad": [], "hosts": hosts}
    return json.dumps({**whole, **more})


def write(place: Path, record: str) -> None:
    found = record_file.read(record)
    assert found is not None
    report_files.write(str(place / "upgrade"), found)


def test_a_run_that_did_something_is_kept_when_the_next_one_is_written(tmp_path: Path) -> None:
    first, idle, third = (f"2026-11-{day:02}T02:00:00Z" for day in (1, 2, 3))
    write(tmp_path, run_of(first, "interrupted"))
    write(tmp_path, run_of(first))  # the same run, a wave later
    assert {path.name for path in tmp_path.iterdir()} == {"upgrade.json", "upgrade.html"}
    write(tmp_path, run_of(idle, "current"))
    kept = tmp_path / "upgrade-20261101T020000Z.json"
    assert json.loads(kept.read_text())["hosts"]["h1"]["status"] == "upgraded"
    assert kept.with_suffix(".html").exists()
    write(tmp_path, run_of(third))
    assert len(list(tmp_path.iterdir())) == 4, "one that did nothing is not kept"


def test_only_our_own_old_runs_are_forgotten(tmp_path: Path) -> None:
    others = (
        "upgrade-notes.json",
        "upgrade-20261101.json",
        "rollback-20261101T020000Z.json",
        "upgrade-20261101T020000Z.txt",
    )
    for name in others:
        (tmp_path / name).write_text("mine")
    for day in range(1, 20):
        write(tmp_path, run_of(f"2026-12-{day:02}T02:00:00Z"))
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= set(others)
    ours = sorted(name for name in names if name.endswith("Z.json") and name.startswith("upgrade-202612"))
    assert (len(ours), ours[-1]) == (10, "upgrade-20261218T020000Z.json")


@pytest.mark.parametrize("old", ["{", "[]", run_of("../../x"), run_of("yesterday"), run_of("")])
def test_what_is_no_record_is_kept_under_the_time_it_was_written(tmp_path: Path, old: str) -> None:
    (tmp_path / "upgrade.json").write_text(old)
    os.utime(tmp_path / "upgrade.json", (1_800_000_000, 1_800_000_000))
    write(tmp_path, run_of("2026-11-02T02:00:00Z"))
    names = {path.name for path in tmp_path.iterdir()} - {"upgrade-20270115T080000Z.html"}
    assert names == {"upgrade.json", "upgrade.html", "upgrade-20270115T080000Z.json"}
