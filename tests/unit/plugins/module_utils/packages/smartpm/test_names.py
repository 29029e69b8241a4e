# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and exclusions: what is meant by them, where Smart would take them otherwise."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.smart_host import Replay, driver, packages_of


class Excluding(Replay):
    """The plan follows the packages named, as Smart's does; overc-demo drags overc-lib along."""

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        if self.key(argv) != "dry":
            return super().run(argv)
        self.calls.append(tuple(argv))
        names = {word for word in argv if word.startswith("overc-")} or {"overc-demo", "overc-lib"}
        names |= {"overc-lib"} if "overc-demo" in names else set()
        text = "".join(f"  {name}-1.1-1@{'x86_64' if name == 'overc-lib' else 'noarch'}\n" for name in sorted(names))
        return Completed(tuple(argv), 0, f"\nUpgrading packages ({len(names)}):\n{text}\n", "")


def test_exclusion_names_the_others() -> None:
    runner = Excluding("rpm-oe", [packages_of("rpm-oe", "overc-demo=1.0-1", "overc-lib=1.0-1")])
    plan = driver(runner).pending(PackageRequest((), ("*-demo",)))
    assert [change.name for change in plan.changes] == ["overc-lib"]
    dry = [call for call in runner.calls if Replay.key(call) == "dry"]
    assert dry[-1][-1] == "overc-lib"
    assert dry[-1].index("-y") < dry[-1].index("overc-lib")


def test_exclusion_that_cannot_be_kept_is_refused() -> None:
    runner = Excluding("rpm-oe", [packages_of("rpm-oe", "overc-demo=1.0-1", "overc-lib=1.0-1")])
    with pytest.raises(OvercError, match="overc-lib cannot be excluded") as caught:
        driver(runner).pending(PackageRequest((), ("overc-lib",)))
    assert caught.value.error_id == "bad_argument"


@pytest.mark.parametrize("name", ["-y", "+overc-new", "./x.rpm", ""])
def test_operators_are_no_names(name: str) -> None:
    with pytest.raises(OvercError) as caught:
        driver(Replay("rpm-oe")).pending(PackageRequest((name,)))
    assert caught.value.error_id == "bad_argument"


# --- names, exclusions, lists ------------------------------------------------------------------------------------------
class Obsoleting(Replay):
    """overc-demo takes overc-data in; overc-new takes the place of overc-old."""

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        if self.key(argv) != "dry":
            return super().run(argv)
        self.calls.append(tuple(argv))
        named = {word for word in argv if word.startswith("overc-")} or {"overc-demo", "overc-old"}
        blocks = {
            "overc-demo": ("overc-demo", ("overc-demo", "overc-data")),
            "overc-old": ("overc-new", ("overc-old",)),
        }
        shown = [
            f"  {new}-2-1@noarch [main]\n    Upgrades:\n"
            + "".join(f"      {old}-1-1@noarch (upgraded)\n" for old in gone)
            for name, (new, gone) in blocks.items()
            if name in named
        ]
        text = (
            f"\nUpgrading packages ({len(shown)}):\n{''.join(shown)}\n"
            if shown
            else "No interesting upgrades available.\n"
        )
        return Completed(tuple(argv), 0, text, "")


OBSOLETE = packages_of("rpm-oe", "overc-demo=1-1", "overc-data=1-1", "overc-old=1-1")


@pytest.mark.parametrize(
    ("exclude", "changed", "told"),
    [
        ("overc-data", ["overc-new", "overc-old"], "overc-data is excluded"),
        ("overc-old", ["overc-data", "overc-demo"], "overc-old is excluded"),
        ("overc-new", ["overc-data", "overc-demo"], ""),
        ("overc-*", [], "is excluded"),
    ],
)
def test_what_is_replaced_can_be_excluded(exclude: str, changed: list[str], told: str) -> None:
    plan = driver(Obsoleting("rpm-oe", [OBSOLETE])).pending(PackageRequest((), (exclude,)))
    assert [change.name for change in plan.changes] == changed
    assert told in " ".join(plan.held_back)


def test_names_mean_what_is_written() -> None:
    runner = Obsoleting("rpm-oe", [[*OBSOLETE, Package("OVERC-OLD", "noarch", "1-1")]])
    driver(runner).pending(PackageRequest(("overc-d*",)))
    assert next(call for call in runner.calls if Replay.key(call) == "dry")[-2:] == ("overc-data", "overc-demo")
    with pytest.raises(OvercError) as caught:
        driver(runner).pending(PackageRequest(("overc-O*",)))
    assert caught.value.error_id == "package_unknown"
