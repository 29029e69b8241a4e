# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which crash points were tried and how they ended: a row of each, and one line about all of them in the end."""

from __future__ import annotations

import fcntl
import json
import os
import time
import typing as t
from collections import Counter
from pathlib import Path

import pytest

from tests.lab.settings import REPOSITORY

# Its value: the command, the point and the way it went on, with spaces between them
PROPERTY = "crash point"


class Row(t.TypedDict):
    """``outcome`` is passed or failed, as the test is."""

    command: str
    point: str
    way: str
    outcome: str
    day: str


def results() -> Path:
    return Path(os.environ.get("OVERC_CRASH_RESULTS", REPOSITORY / "build/crash-results.jsonl"))


def read() -> list[Row]:
    if not results().exists():
        return []
    return [json.loads(line) for line in results().read_text().splitlines()]


def _rows(report: pytest.TestReport) -> list[Row]:
    """Empty for what is no crash point. One whose host could not even be prepared was not tried."""
    if report.when != "call" or report.outcome == "skipped":
        return []
    values = [str(value).split(" ") for name, value in report.user_properties if name == PROPERTY]
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return [
        {"command": command, "point": point, "way": way, "outcome": report.outcome, "day": day}
        for command, point, way in values
    ]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    rows = _rows(report)
    if not rows or "PYTEST_XDIST_WORKER" in os.environ:  # the process that started the workers gets their reports
        return
    results().parent.mkdir(parents=True, exist_ok=True)
    with results().open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    rows = [row for report in reports if isinstance(report, pytest.TestReport) for row in _rows(report)]
    if not rows:
        return
    failed = sum(row["outcome"] != "passed" for row in rows)
    outcome = f"{failed} FAILED" if failed else "all converged"
    tried, ways = Counter(row["command"] for row in rows), Counter(row["way"] for row in rows)
    counts = ", ".join(f"{name} {count}" for name, count in tried.items())
    then = ", ".join(f"{name} {count}" for name, count in ways.items())
    terminalreporter.write_line(f"crash points: {counts}; total {len(rows)} (then {then}): {outcome}")
