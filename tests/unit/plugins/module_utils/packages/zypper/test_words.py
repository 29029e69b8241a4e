# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zypper is called with: each name with the version meant, nothing that was not planned, nothing without a name."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.zypper import words

INSTALLED = (Package("app", "noarch", "1-1"), Package("lib", "x86_64", "1-1"), Package("lib", "i586", "1-1"))
UPGRADE = PackageChange("app", "noarch", "1-1", "2-1")
NEW = PackageChange("new", "noarch", None, "1-1")
NEED = PackageChange("need", "noarch", None, "1:3-1")
GONE = PackageChange("lib", "i586", "1-1", None)


def arguments(request: PackageRequest, *changes: PackageChange) -> list[str]:
    command = words.performing(request, PackagePlan(changes=changes), INSTALLED)
    return command[command.index("--") + 1 :] if "--" in command else command


def test_what_comes_as_a_need_is_not_asked_for() -> None:
    request = PackageRequest(install=("new",), upgrade=False)
    assert arguments(request, NEW, NEED) == ["new.noarch=1-1"]


def test_each_has_its_version_and_what_goes_a_minus() -> None:
    request = PackageRequest(install=("new.noarch",), remove=("lib.i586",))
    assert arguments(request, UPGRADE, NEW, NEED, GONE) == ["app.noarch=2-1", "new.noarch=1-1", "-lib.i586=1-1"]


def test_what_comes_in_the_place_of_something_is_asked_for() -> None:
    request = PackageRequest(install=("new",))
    assert "need.noarch=1:3-1" in arguments(request, NEW, NEED, GONE)
    assert "need.noarch=1:3-1" not in arguments(PackageRequest(install=("new",), upgrade=False), NEW, NEED, GONE)


def test_a_distribution_upgrade_may_bring_older_ones_and_all_of_it_is_named() -> None:
    older = PackageChange("app", "noarch", "1-1", "0-1")
    plan = PackagePlan((older, NEED), mode="dup")
    command = words.performing(PackageRequest(install=("new",), mode="dup"), plan, INSTALLED)
    assert "--oldpackage" in command
    assert command[-2:] == ["app.noarch=0-1", "need.noarch=1:3-1"]
    assert "--oldpackage" not in words.performing(PackageRequest(install=("new",)), PackagePlan((older,)), INSTALLED)


def test_another_version_beside_the_installed_one_is_asked_for() -> None:
    other = PackageChange("app", "noarch", None, "2-1")
    assert arguments(PackageRequest(remove=("lib.i586",)), other, GONE) == ["app.noarch=2-1", "-lib.i586=1-1"]


def test_all_there_already_is_an_upgrade_as_any_other() -> None:
    command = words.performing(PackageRequest(install=("app",)), PackagePlan((UPGRADE,), mode="update"), INSTALLED)
    assert (command[0], command[-1]) == ("update", "--")


@pytest.mark.parametrize(
    "request_",
    [
        PackageRequest(install=("app",), upgrade=False),
        PackageRequest(packages=("app",)),
        PackageRequest(advisories="security"),
        PackageRequest(),
    ],
)
def test_nothing_is_nothing(request_: PackageRequest) -> None:
    assert words.performing(request_, PackagePlan(), INSTALLED) == ["locks"]


def test_patches_are_those_of_the_plan() -> None:
    changes = (
        PackageChange("app", "noarch", "1-1", "2-1", advisories=("P-2", "P-1")),
        PackageChange("lib", "i586", "1-1", "2-1", advisories=("P-1",)),
        NEED,
    )
    command = words.performing(PackageRequest(advisories="security"), PackagePlan(changes), INSTALLED)
    assert command[:3] == ["install", "--type", "patch"]
    assert command[-3:] == ["--", "P-1", "P-2"]


@pytest.mark.parametrize("vendor", [False, True])
def test_nothing_is_ever_forced(vendor: bool) -> None:
    option = "--allow-vendor-change" if vendor else "--no-allow-vendor-change"
    for request in (
        PackageRequest(install=("new",), vendor_change=vendor),
        PackageRequest(advisories="security", vendor_change=vendor),
        PackageRequest(vendor_change=vendor),
    ):
        command = words.performing(request, PackagePlan((UPGRADE, NEW)), INSTALLED)
        assert {"--no-force-resolution", option} <= set(command)
        assert "--force-resolution" not in command
    # Only to be told what would go
    asked = words.going_along(PackageRequest(), words.Edits(("new",), ("lib.i586",)))
    assert {"--force-resolution", "--dry-run"} <= set(asked)
    assert asked[-3:] == ["--", "new", "-lib.i586"]
