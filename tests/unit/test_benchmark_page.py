# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/benchmarks.md says what was measured, what was missed, and what nobody measured."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import large_repository, page
from bench.fleet import Cost, goals
from tests.marked import replace

HOST = {
    "table": [
        {"what": "small:", "seconds": None, "least": None, "most": None, "compared_to": "", "ratio": None, "goal": None,
         "verdict": ""},
        {"what": "ours", "seconds": 2.41, "least": 2.3, "most": 2.5, "compared_to": "dnf", "ratio": 2.81, "goal": 1.1,
         "verdict": "MISSED"},
    ],
    "raw": {"upgrade bulk": {}, "upgrade many": {}, "switch": {}},
}  # fmt: skip
OVERLAY = {
    "a": {
        "spread": {"warm": {"ours": [0.4, 0.6, 5]}},
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


FLEET = {
    "hosts": {"10": {"ours": vars(Cost(5.0, 4.0, 100.0, 30))}},
    "raw": {"10": {"ours": [vars(Cost(5.0, cpu, 100.0, 30)) for cpu in (3.0, 4.0, 6.0)]}},
    "goals": [],
}
FLOORS = {"floors": {"start": {"median": 0.0123, "least": 0.012, "most": 0.02}}, "file system": "btrfs", "repeats": 5}
AROUND = {"meanwhile": {"busy": 0.9, "steal": 0.002}, "seconds": 600, "failed": False}


def result(**more: t.Any) -> dict[str, t.Any]:
    parts: dict[str, dict[str, t.Any]] = {"floors": FLOORS, "host": HOST, "overlay": OVERLAY, "fleet": FLEET}
    return {
        "commit": "abc123", "modified": False, "time": "2026-12-01T02:25:06Z", "smoke": False,
        "machine": {"processors": 2, "kernel": "6.18.44-x", "python": "3.13.5"},
        "before": {"busy": 0.01, "steal": 0.0, "load": [0.1, 0.2, 0.3], "quiet": True},
        "parts": {name: {**part, **AROUND} for name, part in parts.items()},
        **more,
    }  # fmt: skip


def made(directory: Path, content: dict[str, t.Any], before: str = "") -> str:
    text = before or (page.REPOSITORY / "docs/benchmarks.md").read_text()
    (directory / "page.md").write_text(text)
    (directory / "bench.json").write_text(json.dumps(content))
    page.write(directory / "page.md", directory / "bench.json")
    return (directory / "page.md").read_text()


def test_page_has_a_place_for_each_result(tmp_path: Path) -> None:
    text = made(tmp_path, result())
    assert "Not measured yet" not in text
    assert "Commit `abc123`, 2026-12-01T02:25:06Z, 2 processors, Linux 6.18.44, Python 3.13.5." in text
    assert "The machine was quiet" in text
    assert "| start | 12.3 | 12 | 20 |" in text
    assert "| ours | 2.41 | 2.30 | 2.50 | dnf | 2.81x | 1.10x | MISSED |" in text
    assert "In this run not measured: an upgrade with nothing to do." in text
    assert "Goals: 1 met, 1 missed, 1 not measured." in text
    assert "| growth | not measured | 1.25 |  |" in text
    assert "| ours | 0.50 | 0.40 - 0.60 | 0.50x | 3.00 |  | 0.75x |" in text
    assert "| read both (floor) | 0.004 |  | 0.004x | not measured |  |  |" in text
    assert "At most 149 MB of memory." in text
    assert text.count("Not measured in this run.") == 4, "three pairs of trees, and the growth"
    assert "| 10 | ours | 5.00 | 0.40 | 0.30 - 0.60 | 10.00 | 3.00 |" in text
    assert made(tmp_path, result(), text) == text, "once more changes nothing"


def test_no_figure_of_an_earlier_day_remains(tmp_path: Path) -> None:
    before = made(tmp_path, result())
    parts = {**result()["parts"], "host": {**AROUND, "failed": True}, "fleet": {**AROUND, "failed": True}}
    after = made(tmp_path, result(commit="def456", modified=True, parts=parts), before)
    assert "abc123" not in after
    assert "with changes that are in no commit" in after
    for figure in ("2.41", "0.30 - 0.60"):
        assert figure in before
        assert figure not in after
    busy = {"busy": 0.6, "steal": 0.02, "load": [9.0, 9.0, 9.0], "quiet": False}
    assert "**not quiet**" in made(tmp_path, result(before=busy), before)


@pytest.mark.parametrize("more", [{"smoke": True}, {"parts": {"host": {**HOST, **AROUND}}}, {"parts": {}}])
def test_a_part_of_a_run_makes_no_page(tmp_path: Path, more: dict[str, t.Any]) -> None:
    before = made(tmp_path, result())
    assert made(tmp_path, result(commit="def456", **more), before) == before


def test_people_write_no_figures_into_the_page() -> None:
    """They would be of another day than the tables."""
    text = (page.REPOSITORY / "docs/benchmarks.md").read_text()
    written = re.sub(r"<!-- begin: .*?<!-- end: \w+ -->", "", text, flags=re.DOTALL)
    assert re.findall(r"\d+", written) == []


def test_a_repository_of_any_size_is_one_for_a_package_manager() -> None:
    files = large_repository.metadata(100)
    primary = gzip.decompress(files["primary.xml.gz"])
    root = ET.fromstring(primary)  # noqa: S314 - our own
    assert (root.get("packages"), len(root)) == ("100", 100)
    repomd = ET.fromstring(files["repomd.xml"])  # noqa: S314 - our own
    sums = {element.tag.rpartition("}")[2]: element.text for element in repomd.iter()}
    assert sums["checksum"] == hashlib.sha256(files["primary.xml.gz"]).hexdigest()
    assert sums["open-checksum"] == hashlib.sha256(primary).hexdigest()


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
