# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract tests of drivers in a real root share: what is pending, an upgrade as the product makes it, refusals."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Applied,
    PackageManager,
    PackagePlan,
    PackageRequest,
)

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root

AnyRoot = t.TypeVar("AnyRoot", bound="Root")
EVERYTHING = PackageRequest()
DIRECTORY = "/run/overc-packages"


def applied(
    driver: t.Callable[[AnyRoot], PackageManager],
    root: AnyRoot,
    request: PackageRequest,
    plan: PackagePlan,
    *without: str,
    before: str,
) -> tuple[Applied, AnyRoot]:
    """Download in the running root, install in a snapshot of it that lacks ``without``; ``before``: shell in the snapshot."""
    root.sh(f"rm -rf {DIRECTORY}; mkdir -m 700 {DIRECTORY}")
    driver(root).download(request, plan, DIRECTORY)
    new = root.snapshot(*without)
    if before:
        new.sh(before)
    return driver(new).apply(request, plan, DIRECTORY), new


def told(plan: PackagePlan) -> dict[str, tuple[str | None, str | None]]:
    return {change.name: (change.installed, change.available) for change in plan.changes}


def failing(call: t.Callable[[], t.Any], error_id: str, *words: str) -> OvercError:
    with pytest.raises(OvercError) as caught:
        call()
    assert caught.value.error_id == error_id, (caught.value.message, caught.value.facts)
    for word in words:
        assert word in caught.value.message
    return caught.value


__all__ = ("DIRECTORY", "EVERYTHING", "applied", "failing", "told")
