# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for tests: one lab per test process, hosts made and removed per test in well under a second."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPORT_KEY
from tests.integration import crash_report
from tests.integration.controller import Controller
from tests.lab import Host, Lab, LabError
from tests.lab.gc import TEST_LABS, collect
from tests.lab.process import locked
from tests.lab.settings import DEFAULT_DIRECTORY

MakeHost = Callable[..., Host]
# Where pytest looks for its hooks
pytest_runtest_logreport = crash_report.pytest_runtest_logreport
pytest_terminal_summary = crash_report.pytest_terminal_summary
_CONSOLE_LINES = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    """A lab of this process's own; the golden image is shared among all of them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with locked(DEFAULT_DIRECTORY / "gc.lock"):
        collect(DEFAULT_DIRECTORY)
    own = Lab(DEFAULT_DIRECTORY / TEST_LABS / f"{worker}-{os.getpid()}")
    try:
        own.up(owned=True)
    except LabError as error:
        own.down()
        pytest.exit(str(error), returncode=1)
    try:
        yield own
    finally:
        own.down()
        shutil.rmtree(own.directory, ignore_errors=True)


@pytest.fixture
def make_host(lab: Lab, request: pytest.FixtureRequest) -> t.Iterator[MakeHost]:
    """``make_host(start=True, **options of Lab.create)``: as many hosts as the test needs, gone after it."""
    made: list[Host] = []
    numbers = itertools.count(1)

    def make(name: str | None = None, *, start: bool = True, **options: t.Any) -> Host:
        host = lab.create(name or f"t{next(numbers)}", **options)
        made.append(host)
        if start:
            host.start()
        return host

    try:
        yield make
    finally:
        report = request.node.stash.get(REPORT_KEY, {}).get("call")
        for host in made:
            if report is not None and report.failed:
                tail = "\n".join(host.console().splitlines()[-_CONSOLE_LINES:])
                report.sections.append((f"console of {host.name}", tail))
        with contextlib.ExitStack() as stack:
            for host in made:
                stack.callback(host.destroy)


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    """One fresh, running host."""
    return make_host()


@pytest.fixture
def ansible(lab: Lab) -> Controller:
    return Controller(lab)
