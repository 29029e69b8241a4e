# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages are meant."""

from __future__ import annotations

import shutil
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackagePlan, PackageRequest

from tests.contract.proofs import failing, told
from tests.contract.zypper.shared import GOOD, apply, driver, pending

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


def test_named_and_excluded(root: Root) -> None:
    root.offer(*GOOD, "lab-hold-2.0")
    assert list(told(pending(root, PackageRequest(packages=("lab-app",))))) == ["lab-app"]
    assert set(told(pending(root, PackageRequest(packages=("lab-*",), exclude=("lab-[n-z]*",))))) >= {
        "lab-app",
        "lab-hold",
    }
    assert driver(root).pending(PackageRequest(packages=("lab-app",), exclude=("lab-app",))) == PackagePlan()
    failing(
        lambda: pending(root, PackageRequest(packages=("lab-app",), exclude=("lab-a*",))), "package_unknown", "lab-app"
    )
    failing(lambda: pending(root, PackageRequest(packages=("nobody-*",))), "package_unknown", "nobody-*")
    assert pending(root, PackageRequest(packages=("lab-d*",))).changes == ()
    globs = PackageRequest(packages=("lab-a*", "lab-c*"))
    named = pending(root, globs)
    assert list(told(named)) == ["lab-app", "lab-conf"]
    assert apply(root, globs, named)[1].versions()["lab-epoch"] == "9.0"
    shutil.rmtree(root.scratch.parent / "new", ignore_errors=True)
    request = PackageRequest(exclude=("lab-h*", "lab-lib"))
    plan = pending(root, request)
    assert not {"lab-hold", "lab-lib"} & set(told(plan))
    assert plan.held_back == (), "what was asked for is no surprise"
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-hold"] == "1.0"
    assert new.sh("cat /etc/zypp/locks 2>/dev/null || true") == ""
    failing(lambda: pending(root, PackageRequest(exclude=("a\nsolvable_name: b",))), "bad_argument")


def test_nothing_for_those_that_are_named_is_not_everything(root: Root) -> None:
    """By force a new deployment is made all the same; zypper without a name would take all that is pending."""
    root.offer(*GOOD)
    for names in (("lab-down",), ("lab-d*", "lab-hold")):
        request = PackageRequest(packages=names)
        plan = pending(root, request)
        assert plan.changes == ()
        applied, new = apply(root, request, plan)
        assert applied.changes == ()
        assert new.versions() == root.versions()


@pytest.mark.parametrize("name", ["no-such-package", "lab-extra"])
def test_unknown_or_not_installed(root: Root, name: str) -> None:
    root.offer(*GOOD)
    error = failing(lambda: pending(root, PackageRequest(packages=("lab-app", name))), "package_unknown", name)
    assert error.facts["packages"] == [name]


def test_a_locked_package_that_is_named(root: Root) -> None:
    root.offer(*GOOD)
    root.sh("zypper --non-interactive addlock lab-app")
    failing(
        lambda: pending(root, PackageRequest(packages=("lab-app",))), "package_manager_failed", "conflicting requests"
    )
