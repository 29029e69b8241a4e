# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of crash points says what a whole run has shown, and a part of a run does not get there."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.integration import crash_table
from tests.integration.crash_report import Row
from tests.integration.crash_table import expected, write

HEAD = "# Page\n\n<!-- begin: crash points (make) -->\n"
TAIL = "<!-- end: crash points -->\n\nMore.\n"


def a_run() -> list[Row]:
    return [
        {"command": command, "point": point, "way": "reboot", "outcome": "passed", "day": "2026-11-25"}
        for command, point in expected()
    ]


def written(directory: Path, rows: list[Row]) -> str:
    page = directory / "page.md"
    page.write_text(HEAD + TAIL)
    write(rows, page)
    return page.read_text()


def test_points_are_told_apart() -> None:
    assert len(set(expected())) == len(expected()) > 200


def test_a_whole_run_is_written(tmp_path: Path) -> None:
    text = written(tmp_path, a_run())
    assert text.startswith(HEAD)
    assert text.endswith(TAIL)
    assert f"2026-11-25: {len(expected())} points, {len(expected())} kills." in text
    assert "| upgrade, while packages are installed | 3 | 3 | 0 | 0 | 0 | all converge |" in text
    assert text.count("all converge |") == len({command for command, _point in expected()})


def test_a_failure_is_shown(tmp_path: Path) -> None:
    rows = a_run()
    assert "FAILED" not in written(tmp_path, [{**rows[0], "outcome": "failed"}, *rows]), "it was tried again"
    text = written(tmp_path, [*rows, {**rows[0], "outcome": "failed"}])
    assert text.count("| 1 FAILED |") == 1


def test_a_part_of_a_run_is_not_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(HEAD + TAIL)
    count = len(expected())
    for rows, tried in ((a_run()[1:], count - 1), ([], 0)):
        with pytest.raises(SystemExit, match=f"^{tried} of {count} crash points were tried; page.md is left as it is"):
            write(rows, page)
    assert page.read_text() == HEAD + TAIL


OTHERS: t.Final = {
    "crash points of package managers": "| zypper: upgrade, while packages are installed | 3 | 0 | 3 | 0 | 0 | all converge |",
    "crash points of snapper": "| rollback taken back before the reboot | 4 | 0 | 4 | 0 | 0 | all converge |",
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_have_a_table_of_their_own(tmp_path: Path, name: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(crash_table.DOCUMENT.read_text())
    points = crash_table.TABLES[name].points()
    assert len(set(points)) == len(points) > 90
    rows: list[Row] = [
        {"command": command, "point": point, "way": "powerloss", "outcome": "passed", "day": "2026-11-28"}
        for command, point in points
    ]
    write(rows, page, name)
    assert OTHERS[name] in page.read_text()
    with pytest.raises(SystemExit, match=f"{len(points) - 1} of {len(points)}"):
        write(rows[1:], page, name)


def test_the_page_has_the_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(crash_table.DOCUMENT.read_text())
    write(a_run(), page)
