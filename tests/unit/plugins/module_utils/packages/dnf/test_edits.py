# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.advised import unadvised
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import advisories, edits
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

THERE = (Package("a", "noarch", "1-1"), Package("glibc", "i686", "2-1"), Package("glibc", "x86_64", "2-1"))


def completed(stdout: str = "", stderr: str = "") -> Completed:
    return Completed(("dnf",), 0, stdout, stderr)


def test_what_is_so_already_is_no_work() -> None:
    assert edits.edits(PackageRequest(install=("a", "glibc.i686"), remove=("b",)), THERE).script == ""
    wanted = edits.edits(PackageRequest(install=("b", "python3.11", "zlib.i686"), remove=("glibc", "a.noarch")), THERE)
    assert wanted.script.splitlines() == [
        *("upgrade", "install-n b", "install-n python3.11", "install-na zlib.i686"),
        *("remove-na glibc.i686", "remove-na glibc.x86_64", "remove-na a.noarch", "run"),
    ]
    assert "upgrade" not in edits.edits(PackageRequest(install=("b",), upgrade=False), THERE).script


def test_a_shell_that_ends_well_says_nothing_by_that() -> None:
    assert edits.answered(completed(stderr="Error: Operation aborted."), with_table=True)
    for answer, error_id in (
        (
            completed("No match for argument: x\nNothing to do.\n", "Error: Unable to find a match: x\n"),
            "package_unknown",
        ),
        (completed(stderr="Error: Failed: metadata already locked by 77\n"), "locked"),
        (completed("Nothing to do.\nComplete!\n"), "package_manager_failed"),
        (
            completed(
                stderr=" Problem: The operation would result in removing the following protected packages: dnf\n"
            ),
            "package_needed",
        ),
    ):
        with pytest.raises(OvercError) as caught:
            edits.answered(answer, with_table=False)
        assert caught.value.error_id == error_id
    assert edits.has_failed(completed(stderr="Error: Error downloading packages"), "run")
    assert not edits.has_failed(completed(stderr="Error: Operation aborted."), "run")


def test_what_only_provides_a_name_is_another_package() -> None:
    wanted = edits.Edits(come=("virtual",))
    other = (PackageChange("real", "noarch", None, "1-1"),)
    with pytest.raises(OvercError, match="of this very name: virtual") as caught:
        edits.refuse_missing(wanted, other, completed())
    assert caught.value.error_id == "package_unknown"
    conflict = completed(stderr="\n Problem: package virtual-1 conflicts with a\n  - conflicting requests\n")
    with pytest.raises(OvercError, match="cannot be installed"):
        edits.refuse_missing(wanted, other, conflict)
    edits.refuse_missing(edits.Edits(come=("real", "real.noarch")), other, completed())


def test_advisories_are_told_of_what_they_upgrade() -> None:
    listed = "LAB-2:1 Important/Sec. b-1.5-1.noarch\nLAB-2:3 Low/Sec.  b-1.6-1.noarch\nLAB-2:2 bugfix a-2-1.noarch\n"
    changes = (PackageChange("b", "noarch", "1-1", "2-1"), PackageChange("a", "noarch", "1-1", "2-1"))
    told = advisories.with_advisories(changes, listed)
    assert [change.advisories for change in told] == [("LAB-2:1", "LAB-2:3"), ()]


def test_a_repository_without_advisories_is_named() -> None:
    index = "/var/cache/dnf/{}-0123456789abcdef/repodata/repomd.xml\n"
    older = "/var/cache/dnf/mixed-aaaaaaaaaaaaaaaa/repodata/repomd.xml\n"
    everything = "".join(index.format(name) for name in ("told", "silent", "mixed", "a-b")) + older
    advised = "".join(index.format(name) for name in ("told", "mixed", "a-b"))
    enabled = ("told", "silent", "mixed", "never-fetched", "a-b")
    assert unadvised(enabled, everything, advised) == ("mixed", "never-fetched", "silent")
