# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name in ``exclude`` that leaves nothing out is said: it was probably misspelt."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.commands.upgrade import _idle_exclusions
from ansible_collections.overc.system.plugins.module_utils.packages.contract import Package

INSTALLED = (Package("lab-app", "noarch", "1.0-1"), Package("postgresql-server", "x86_64", "15-1"))


@pytest.mark.parametrize("good", ["lab-app", "lab-*", "postgresql*", "lab-app.noarch", "lab-app-1.0-1", "lab-ap?"])
def test_a_name_that_leaves_something_out(good: str) -> None:
    assert _idle_exclusions([good], INSTALLED) == []


def test_names_that_leave_nothing_out() -> None:
    (said,) = _idle_exclusions(["lab-ap", "lab-app", "Lab-App", "mysql*"], INSTALLED)
    assert said == "exclude: lab-ap, Lab-App, mysql* matches no installed package. Is it misspelt?"
