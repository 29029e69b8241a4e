# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: remember how a test ended, so that a fixture can add what is needed to understand it."""

from __future__ import annotations

import collections
import typing as t

import pytest
from hypothesis import settings

from tests.sampling import day

REPORT_KEY = pytest.StashKey[dict[str, pytest.TestReport]]()


# A busy machine is slow now and then; where time is what is tested, the test says so itself
settings.register_profile("overc", deadline=None)
settings.load_profile("overc")


def pytest_configure() -> None:
    day()  # decided before the workers are started, so that all of them take the same part


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: t.Any) -> t.Any:
    """``--dist loadgroup`` goes by our own groups."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from tests.scheduling import Grouped

    return Grouped(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> t.Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash.setdefault(REPORT_KEY, {})[report.when or ""] = report
    return report


_COUNTED: t.Final = 25


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the time of a long run went, by file: whoever wants a shorter one begins there."""
    seconds: dict[str, float] = collections.defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0].removeprefix("tests/")] += report.duration
    total = sum(seconds.values())
    most_first = sorted(seconds.items(), key=lambda entry: -entry[1])
    if total > 300:
        most = ", ".join(f"{name} {spent:.0f}" for name, spent in most_first[:_COUNTED])
        terminalreporter.write_line(f"seconds by file, all workers together {total:.0f}: {most}")
