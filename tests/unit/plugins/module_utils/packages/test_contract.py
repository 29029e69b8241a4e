# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageChange, PackagePlan

CHANGE = PackageChange("a", "x86_64", "1", "2", "repo", 5)


def test_commands_are_part_of_the_fingerprint_in_their_order_and_word_by_word() -> None:
    plans = [
        PackagePlan((CHANGE,), run=run)
        for run in ((), (("a", "b"),), (("a b",),), (("a",), ("b",)), (("b",), ("a",)), (("a\nrun []",),))
    ]
    assert len({plan.fingerprint for plan in plans}) == len(plans)
    assert PackagePlan(run=(("true",),)).fingerprint == PackagePlan(run=(("true",),)).fingerprint


def test_advisories_tell_and_do_not_make_another_plan() -> None:
    advised = PackageChange("a", "x86_64", "1", "2", "repo", 5, ("ADV-1",))
    assert PackagePlan((advised,)).fingerprint == PackagePlan((CHANGE,)).fingerprint
    assert advised.as_dict()["advisories"] == ["ADV-1"]
    assert "advisories" not in CHANGE.as_dict()


def test_a_plan_of_commands_alone_is_not_empty() -> None:
    assert PackagePlan().is_empty
    assert not PackagePlan(run=(("true",),)).is_empty
    assert not PackagePlan((CHANGE,)).is_empty
