# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade from the lists to the proof, by update and by dup."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest, packages_digest
from ansible_collections.overc.system.plugins.module_utils.packages.zypper.driver import Zypper

from tests.contract.proofs import EVERYTHING, failing, told
from tests.contract.zypper.shared import CONF, DUP, GOOD, apply, driver, pending

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


def test_an_upgrade_from_lists_to_proof(root: Root) -> None:
    """Epochs, a new dependency, an obsolete package that goes, a kept configuration file; the running root does not change."""
    root.offer(*GOOD)
    assert driver(root).lists_age().seconds is None
    failing(lambda: pending(root, refresh=False), "repository_failed", "no package lists", "lab")
    assert driver(root).refresh()
    assert not driver(root).refresh()
    assert driver(root).lists_age().within(600)
    plan = pending(root, refresh=False)
    assert told(plan) == {
        "lab-app": ("1.0-1", "2.0-1"), "lab-lib": ("1.0-1", "2.0-1"), "lab-extra": (None, "1.0-1"),
        "lab-new": (None, "2.0-1"), "lab-old": ("1.0-1", None), "lab-epoch": ("9.0-1", "1:2.0-1"),
        "lab-conf": ("1.0-1", "2.0-1"),
    }  # fmt: skip
    assert {change.channel for change in plan.changes} == {"lab", None}
    assert (plan.held_back, plan.mode, plan.other_vendor) == ((), "update", ())
    assert plan.base == packages_digest(driver(root).installed())

    root.write(CONF, "mine\n")
    before = root.versions()
    applied, new = apply(root, plan=plan)
    assert {change.name: (change.installed, change.available) for change in applied.changes} == {
        **told(plan), "lab-new": (None, "2.0-1"),
    }  # fmt: skip
    assert root.versions() == before
    assert new.versions()["lab-extra"] == "1.0"
    assert "lab-old" not in new.versions()
    assert new.read(CONF) == "mine\n"
    assert applied.kept == (CONF,)
    assert f"{CONF}.rpmnew" in " ".join(applied.warnings)
    assert "<" not in applied.completed.stdout
    again = Zypper(new)
    new.offer(*GOOD)
    assert again.pending(EVERYTHING, refresh=True).changes == ()


def test_nothing_is_pending(root: Root) -> None:
    root.offer()
    for request in (EVERYTHING, DUP):
        plan = pending(root, request)
        assert (plan.changes, plan.held_back, plan.base) == ((), (), None)
        assert plan.mode == (request.mode or "update")


def test_check_mode_leaves_lists_and_logs_alone(root: Root) -> None:
    from tests.contract.apt_root import files_of

    root.offer(*GOOD)
    driver(root).refresh()
    root.sh("mkdir -m 700 /tmp/x && rpm -qa >/dev/null")
    before = files_of(root)
    root.offer(*GOOD, "lab-hold-2.0")
    here = files_of(root)
    root.sh("mkdir -p -m 700 /var/tmp/one /var/tmp/two")
    assert "lab-hold" not in told(pending(root, refresh=False, scratch="/var/tmp/one"))
    plan = pending(root, refresh=True, scratch="/var/tmp/two")
    assert plan.lists_changed
    assert "lab-hold" in told(plan)
    # A reader of rpm's database leaves its own mark in shared memory
    now, then = (
        {path: at for path, at in json.loads(text).items() if not path.endswith("-shm")}
        for text in (files_of(root), here)
    )
    assert now == then
    assert here != before


def test_update_leaves_out_and_tells_why(root: Root) -> None:
    """Locked, of another vendor, unsatisfiable, lower: each but the last is told with its reason."""
    root.offer("lab-app-2.0", "lab-hold-2.0", "lab-vendor-2.0", "lab-unsat-2.0", "lab-down-4.0")
    root.sh("zypper --non-interactive addlock lab-ho*")
    plan = pending(root)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1")}
    said = "\n".join(plan.held_back)
    assert "lab-hold 2.0-1 from lab is left out: the package is locked (zypper locks)." in said
    assert (
        "lab-vendor 2.0-1 from lab is left out: it comes from vendor somebody else, and the installed one from lab."
        in said
    )
    assert "lab-unsat 2.0-1 from lab is left out: nothing provides 'nowhere'" in said
    assert len(plan.held_back) == 3
    _applied, new = apply(root, plan=plan)
    assert {name for name, version in new.versions().items() if version == "2.0"} == {"lab-app"}


def test_dup_goes_down_and_tells_locks(root: Root) -> None:
    root.offer("lab-app-2.0", "lab-hold-2.0", "lab-down-4.0")
    root.sh("zypper --non-interactive addlock lab-hold")
    plan = pending(root, DUP)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1"), "lab-down": ("5.0-1", "4.0-1")}
    assert plan.mode == "dup"
    assert [said.split()[0] for said in plan.held_back] == ["lab-hold"]
    applied, new = apply(root, DUP, plan)
    assert new.versions()["lab-down"] == "4.0"
    assert {change.name for change in applied.changes} == {"lab-app", "lab-down"}


def test_dup_is_refused_where_it_cannot_decide(root: Root) -> None:
    root.offer("lab-app-2.0", "lab-unsat-2.0")
    failing(lambda: pending(root, DUP), "package_manager_failed", "nothing provides 'nowhere'")
    failing(lambda: pending(root, PackageRequest(mode="dup", packages=("lab-app",))), "bad_argument", "dup")


@pytest.mark.parametrize("mode", ["update", "dup"])
@pytest.mark.parametrize("configured", ["", "solver.allowVendorChange = true\nsolver.dupAllowVendorChange = true\n"])
def test_another_vendor(root: Root, mode: t.Any, configured: str) -> None:
    """It is refused, or left out and told, whatever zypp.conf says; and done where it was asked for."""
    root.write("/etc/zypp/zypp.conf", f"[main]\n{configured}")
    root.offer("lab-app-2.0", "lab-vendor-2.0")
    if mode == "dup":
        error = failing(lambda: pending(root, PackageRequest(mode=mode)), "vendor_change", "lab-vendor")
        assert "somebody else" in error.message
    else:
        plan = pending(root, PackageRequest(mode=mode))
        assert list(told(plan)) == ["lab-app"]
        assert "somebody else" in plan.held_back[0]
    request = PackageRequest(mode=mode, vendor_change=True)
    plan = pending(root, request)
    assert plan.other_vendor == ("lab-vendor",)
    _applied, new = apply(root, request, plan)
    assert new.sh("rpm -q --qf '%{VENDOR}' lab-vendor") == "somebody else"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("opensuse-tumbleweed", "dup"), ("opensuse-leap", "update"), ("sles", "update"), ("debian", "update")],
)
def test_the_mode_of_a_distribution(root: Root, name: str, expected: str) -> None:
    root.offer("lab-down-4.0")
    root.write("/etc/os-release", f'NAME="x"\nID="{name}"\nID_LIKE="opensuse suse"\n')
    plan = pending(root)
    assert (plan.mode, bool(plan.changes)) == (expected, expected == "dup")
