# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to come and to go as one command of DNF 5, and its advisories."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import advisories, edits
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

INSTALLED = [Package("a", "noarch", "1-1"), Package("b", "i686", "1-1"), Package("b", "x86_64", "1-1")]


@pytest.mark.parametrize(
    ("install", "remove", "come", "go"),
    [
        (("a", "a.noarch", "b.i686"), (), (), ()),
        (("c", "c", "b.aarch64", "a*"), (), ("c", "b.aarch64", "a*"), ()),
        ((), ("b", "gone", "b.i686"), (), ("b.i686", "b.x86_64")),
        ((), ("a*", "a-1-1"), (), ()),
    ],
)
def test_only_what_changes_something_is_asked_for(
    install: tuple[str, ...], remove: tuple[str, ...], come: tuple[str, ...], go: tuple[str, ...]
) -> None:
    assert edits.edits(PackageRequest(install=install, remove=remove), INSTALLED) == edits.Edits(come, go)


@pytest.mark.parametrize(
    ("request_", "wanted", "words"),
    [
        (PackageRequest(("a",), ("x",)), edits.Edits(), ["--exclude=x", "upgrade", "--store=d", "--", "a"]),
        (PackageRequest(advisories="security"), edits.Edits(), ["upgrade", "--security", "--store=d", "--"]),
        (
            PackageRequest(upgrade=False),
            edits.Edits(("c",)),
            ["do", "--type=package", "--store=d", "--action=install", "c"],
        ),
        (
            PackageRequest(exclude=("x",)),
            edits.Edits(("c",), ("a.noarch",)),
            [
                *("--exclude=x", "do", "--type=package", "--allowerasing", "--store=d", "--action=upgrade", "*"),
                *("--action=install", "c", "--action=remove", "a.noarch"),
            ],
        ),
    ],
)
def test_the_command(request_: PackageRequest, wanted: edits.Edits, words: list[str]) -> None:
    assert edits.command(request_, wanted, "--store=d") == words


@pytest.mark.parametrize(
    ("stderr", "error_id"),
    [("", "package_unknown"), ("Problem: conflicting requests\n  - x conflicts with y\n", "package_manager_failed")],
)
def test_what_only_provides_a_name_is_not_taken_for_it(stderr: str, error_id: str) -> None:
    wanted, completed = edits.Edits(("c", "virtual")), Completed(("dnf5",), 1, "", stderr)
    planned = [PackageChange("c", "noarch", None, "1-1"), PackageChange("provider", "noarch", None, "1-1")]
    with pytest.raises(OvercError) as caught:
        edits.refuse_missing(wanted, planned, completed)
    assert (caught.value.error_id, "virtual" in caught.value.message) == (error_id, True)
    edits.refuse_missing(edits.Edits(("c", "provider.noarch")), planned, completed)


def test_advisories_are_told_of_what_they_upgrade() -> None:
    changes = (PackageChange("a-b", "noarch", "1-1", "2-1"), PackageChange("c", "noarch", None, "2-1"))
    rows = ('{"name": "LAB-2", "nevra": "a-b-1:2-1.noarch"}', '{"name": "LAB-1", "nevra": "a-b-1.5-1.noarch"}')
    told = advisories.with_advisories(changes, f"[{', '.join(rows)}]")
    assert [change.advisories for change in told] == [("LAB-1", "LAB-2"), ()]
    for bad in ("", "{", "[1]", '[{"name": "x"}]', "3"):
        with pytest.raises(ValueError):  # noqa: PT011 - of any kind
            advisories.with_advisories(changes, bad)
