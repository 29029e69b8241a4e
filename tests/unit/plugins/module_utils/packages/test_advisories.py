# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Advisories are shown with the packages that they are about: also with a kernel, which comes beside the installed one."""

from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageChange
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import advisories as of_4
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import advisories as of_5

PLANNED = (
    PackageChange("app", "noarch", "1-1", "2-1"),
    PackageChange("kernel", "x86_64", None, "2-1"),
    PackageChange("kernel", "x86_64", "1-1", None),
    PackageChange("need", "noarch", None, "1-1"),
)
WANTED = [("A-1",), ("A-1", "A-2"), (), ()]


def test_of_dnf_4() -> None:
    listed = """A-1 Important/Sec. app-1.5-1.noarch
A-1 Important/Sec. kernel-2-1.x86_64
A-2 Low/Sec.       kernel-2-1.x86_64
"""
    assert [change.advisories for change in of_4.with_advisories(PLANNED, listed)] == WANTED


def test_of_dnf_5() -> None:
    listed = """[{"name": "A-1", "nevra": "app-1.5-1.noarch"}, {"name": "A-1", "nevra": "kernel-0:2-1.x86_64"},
{"name": "A-2", "nevra": "kernel-0:2-1.x86_64"}]"""
    assert [change.advisories for change in of_5.with_advisories(PLANNED, listed)] == WANTED
