# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line at the end of the session: how many crash points were tried, and how many converged."""

from __future__ import annotations

from collections import Counter

import pytest

PROPERTY = "crash point"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tried: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    failed = 0
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == PROPERTY and report.when == "call":
                    transaction, way = str(value).split(" ")
                    tried[transaction] += 1
                    ways[way] += 1
                    failed += outcome == "failed"
    if not tried:
        return
    outcome = f"{failed} FAILED" if failed else "all converged"
    counts = ", ".join(f"{name} {count}" for name, count in tried.items())
    then = ", ".join(f"{name} {count}" for name, count in ways.items())
    terminalreporter.write_line(f"crash points: {counts}; total {sum(tried.values())} (then {then}): {outcome}")
