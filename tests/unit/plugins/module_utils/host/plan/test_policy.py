# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Space for another release is counted before anything is built."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.plan.policy import release_space
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    PackageChange,
    PackagePlan,
    ReleaseChange,
)

MIB = 1 << 20
CHANGES = (
    PackageChange("a", "amd64", "1", "2", size=100 * MIB),
    PackageChange("b", "amd64", None, "2", size=44 * MIB),
    PackageChange("c", "amd64", "1", None),
)
RELEASE = ReleaseChange("bookworm", "trixie")


def test_what_is_missing_is_said_in_bytes() -> None:
    with pytest.raises(OvercError, match=r"144 MiB come with trixie.*force: true") as raised:
        release_space(PackagePlan(CHANGES, release=RELEASE), 800 * MIB)
    assert raised.value.error_id == "no_space"
    assert raised.value.facts["missing_bytes"] == 64 * MIB


def test_enough_is_enough() -> None:
    release_space(PackagePlan(CHANGES, release=RELEASE), 864 * MIB)
    release_space(PackagePlan(CHANGES), 0)
    release_space(PackagePlan((), release=RELEASE), 0)
