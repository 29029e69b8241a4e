# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/benchmarks.md says what was measured, what was missed, and what nobody measured."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from bench import page
from bench.fleet import Cost, goals
from tests.marked import replace

MACHINE = {"cpus": 2, "kernel": "6.18.44-x", "load": [3.5, 5.25, 4.7]}
HOST = {
    "time": "2026-11-25T02:25:06Z",
    "machine": MACHINE,
    "table": [
        {"what": "small:", "seconds": None, "compared_to": "", "ratio": None, "goal": None, "verdict": ""},
        {"what": "ours", "seconds": 2.41, "compared_to": "dnf", "ratio": 2.81, "goal": 1.1, "verdict": "MISSED"},
    ],
    "raw": {"upgrade bulk": {}, "upgrade many": {}, "switch": {}},
}
OVERLAY = {
    "time": "2026-11-25T12:00:00Z",
    "machine": {"processors": 2, "kernel": "6.18.44", "python": "3.13.5", "load before": 1.0},
    "a": {
        "warm": {"ours": 0.5, "diff -rq": 1.0, "read both (floor)": 0.004},
        "cold": {"ours": 3.0, "diff -rq": 4.0},
        "end to end": {"compare": 0.5, "create": 1.0},
    },
    "tiny": {"warm": {"ours": 2.0}, "memory MB": 148.9},
    "goals": [
        {"goal": "warm", "measured": 0.5, "limit": 0.8, "met": True},
        {"goal": "cold", "measured": 0.75, "limit": 0.5, "met": False},
        {"goal": "growth", "measured": None, "limit": 1.25, "met": False},
    ],
}


def document(directory: Path) -> Path:
    text = (page.REPOSITORY / "docs/benchmarks.md").read_text()
    (directory / "page.md").write_text(text)
    return directory / "page.md"


def test_page_has_a_place_for_each_result(tmp_path: Path) -> None:
    copy = document(tmp_path)
    fleet = {"machine": MACHINE, "hosts": {"10": {"ours": vars(Cost(5.0, 4.0, 100.0, 30))}}, "goals": []}
    for name, content in (("bench", HOST), ("bench-overlay", OVERLAY), ("bench-fleet", fleet)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    page.write(copy, tmp_path)
    text = copy.read_text()
    assert "Not measured yet" not in text
    assert "| ours | 2.41 | dnf | 2.81x | 1.10x | MISSED |" in text
    assert "In this run not measured: an upgrade with nothing to do." in text
    assert "Goals: 1 met, 1 missed, 1 not measured." in text
    assert "| growth | not measured | 1.25 |  |" in text
    assert "| ours | 0.50 | 0.50x | 3.00 | 0.75x |" in text
    assert "| read both (floor) | 0.004 | 0.004x | not measured |  |" in text
    assert "At most 149 MB of memory." in text
    assert text.count("Not measured in this run.") == 4, "three pairs of trees, and the growth"
    assert "| 10 | ours | 5.00 | 0.40 | 10.00 | 3.00 |" in text
    page.write(copy, tmp_path)
    assert copy.read_text() == text, "once more changes nothing"


def test_without_a_new_result_a_part_stays(tmp_path: Path) -> None:
    copy = document(tmp_path)
    before = copy.read_text()
    page.write(copy, tmp_path)
    assert copy.read_text() == before
    (tmp_path / "bench-overlay.json").write_text(json.dumps(OVERLAY))
    page.write(copy, tmp_path)
    assert copy.read_text().partition("## Sharing")[0] == before.partition("## Sharing")[0]
    assert copy.read_text().partition("## Fleet")[2] == before.partition("## Fleet")[2]


def test_a_page_without_the_place_is_left_alone(tmp_path: Path) -> None:
    place = "<!-- begin: host (x) -->\n<!-- end: host -->\n"
    copy = tmp_path / "page.md"
    for text in ("", place + place):
        copy.write_text(text)
        with pytest.raises(SystemExit, match="no place"):
            replace(copy, "host", "new")
        assert copy.read_text() == text


def costs(cpu: float) -> dict[str, Cost]:
    names = ("ping", "ours, nothing to do", "ours", "by hand")
    return {name: Cost(1.0, cpu, 1.0, 1) for name in names}


def test_goals_of_a_fleet_that_was_not_measured() -> None:
    def judged(found: dict[int, dict[str, Cost]]) -> dict[str, dict[str, t.Any]]:
        return {goal["goal"]: goal for goal in goals(found)}

    one = judged({10: costs(1.0)})
    assert one["10 hosts: upgrade, controller cpu, to by hand"]["measured"] == 1.0
    assert not one["10 hosts: upgrade, controller cpu, to by hand"]["met"]
    assert one["50 hosts: nothing to do, wall, to ping"]["measured"] is None
    growth = "ours: controller cpu per host, largest fleet to smallest of several"
    assert one[growth]["measured"] is None
    assert judged({10: costs(1.0), 50: costs(5.0)})[growth]["met"]
