# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security advisories as DNF 5 tells them: which name an upgrade. Pure."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

if t.TYPE_CHECKING:
    from ..contract import PackageChange

LIST: t.Final = ("advisory", "list", "--security", "--updates", "--json")


def with_advisories(planned: t.Iterable[PackageChange], listed: str) -> tuple[PackageChange, ...]:
    """The changes, with the advisories that `advisory list` (``LIST``) names for what they upgrade. Raises ValueError."""
    found: dict[tuple[str, str], set[str]] = {}
    try:
        for each in json.loads(listed):
            package, _dot, arch = str(each["nevra"]).rpartition(".")
            found.setdefault((package.rsplit("-", 2)[0], arch), set()).add(str(each["name"]))
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return tuple(
        replace(change, advisories=tuple(sorted(found.get((change.name, change.arch), ()))))
        if change.available  # a kernel comes beside the one that is installed
        else change
        for change in planned
    )


__all__ = ("LIST", "with_advisories")
