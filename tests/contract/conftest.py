# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and fixtures of the contract tests; see harness.py for what the options mean.

The harness imports the collection, so it is loaded by the fixtures: a conftest that is loaded at the start of pytest
would come before the collection can be found.
"""

from __future__ import annotations

import os
import typing as t

import pytest

if t.TYPE_CHECKING:
    import pathlib

    from tests.contract.harness import Host


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("overc contract")
    group.addoption("--smart", default=os.environ.get("OVERC_SMART"), help="a real `smart` program to test")
    group.addoption("--smart-root", default=os.environ.get("OVERC_SMART_ROOT"), help="a root that contains `smart`")


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    from tests.contract import harness

    return harness.make_pool(tmp_path_factory)


@pytest.fixture
def host(request: pytest.FixtureRequest, pool: pathlib.Path, tmp_path: pathlib.Path) -> t.Iterator[Host]:
    from tests.contract import harness

    yield from harness.make_host(request.config, pool, tmp_path)
