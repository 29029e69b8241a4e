# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest
from ansible_collections.overc.system.plugins.module_utils.packages.dnf.edits import Edits
from ansible_collections.overc.system.plugins.module_utils.packages.dnf.perform import perform
from ansible_collections.overc.system.plugins.module_utils.runner import Completed


class Calls:
    """What DNF would be called with."""

    def __init__(self) -> None:
        self.made: list[tuple[str, ...]] = []

    def run(self, _settings: t.Mapping[str, str], *argv: str, pass_fds: t.Sequence[int] = ()) -> Completed:
        self.made.append(argv)
        return Completed(argv, 0, "", str(pass_fds))


@pytest.mark.parametrize(
    ("request_", "meant"),
    [
        (PackageRequest(), ["upgrade", "--"]),
        (PackageRequest(packages=("a", "b"), exclude=("b",)), ["upgrade", "--exclude=b", "--", "a"]),
        # By force a new deployment is made all the same: without a name DNF would upgrade everything in it
        (PackageRequest(packages=("a",), exclude=("a",)), None),
        (PackageRequest(upgrade=False), None),
    ],
)
def test_nothing_that_is_asked_for_is_not_everything(request_: PackageRequest, meant: list[str] | None) -> None:
    dnf = Calls()
    done = perform(t.cast("t.Any", dnf), {}, ["-y"], request_, Edits())
    assert done.rc == 0
    assert dnf.made == ([("-y", *meant)] if meant is not None else [])
