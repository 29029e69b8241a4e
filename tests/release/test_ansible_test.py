# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test on every supported Python that this machine has; no ignore file."""

from __future__ import annotations

import interpreters
import pytest

from tests.conformance.ansible_test import NEWEST, PER_PYTHON, ansible_test
from tests.lab.settings import REPOSITORY

FOUND = list(interpreters.found())
# What runs on hosts and controllers; the other unit tests are about the files of this checkout
PLUGINS = "tests/unit/plugins/"


def test_nothing_is_ignored() -> None:
    assert not list((REPOSITORY / "tests" / "sanity").glob("ignore*"))


def test_all_sanity_tests() -> None:
    ansible_test("sanity", "--venv", "--python", NEWEST)


@pytest.mark.parametrize("python", FOUND)
def test_sanity_on_the_host(python: str) -> None:
    tests = [option for name in PER_PYTHON for option in ("--test", name)]
    ansible_test("sanity", "--venv", "--python", python, *tests)


@pytest.mark.parametrize("python", FOUND)
def test_units(python: str) -> None:
    ansible_test("units", "--venv", "--python", python, PLUGINS)
