# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: remember how a test ended, so that a fixture can add what is needed to understand it."""

from __future__ import annotations

import collections
import typing as t

import pytest
from hypothesis import settings

from tests.sampling import SOME_VARIANTS, day, is_day_of, some_tests

REPORT_KEY = pytest.StashKey[dict[str, pytest.TestReport]]()


# A busy machine is slow now and then; where time is what is tested, the test says so itself
settings.register_profile("overc", deadline=None)
settings.load_profile("overc")


def pytest_configure() -> None:
    day()  # decided before the workers are started, so that all of them take the same part


_EXPENSIVE: t.Final = ("tests/integration/", "tests/contract/")


def _has_its_day(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("one_day_in")
    return mark is None or is_day_of(mark.args[0])


def _samples_itself(item: pytest.Item) -> bool:
    """By a rule of its own: two that know nothing of each other could leave it out for ever."""
    module = getattr(item, "module", None)
    return item.get_closest_marker("one_day_in") is not None or any(
        getattr(value, "__module__", "") == "tests.sampling" for value in vars(module).values()
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The day's part. Who asks for one file alone gets all of its tests: half of one is none, and a run of none fails."""
    if len({item.path for item in items}) <= 1:
        return
    many = [
        (item.nodeid.partition("[")[0], item)
        for item in items
        if SOME_VARIANTS and item.nodeid.startswith(_EXPENSIVE) and not _samples_itself(item)
    ]
    left = {id(item) for _name, item in many} - {id(item) for item in some_tests(many)}
    left |= {id(item) for item in items if not _has_its_day(item)}
    if left:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left])
        items[:] = [item for item in items if id(item) not in left]


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
