# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security advisories as DNF 4 tells them: which name an upgrade."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

if t.TYPE_CHECKING:
    from ..contract import PackageChange

# Advisory, severity and kind, package: LAB-2026:1 Important/Sec. own-b-1.5-1.noarch
_ROW: t.Final = re.compile(r"^(\S+)\s+\S+/Sec\.\s+(\S+)-([^-\s]+-[^-\s]+)\.(\w+)$")
LIST: t.Final = ("-q", "updateinfo", "list", "--security", "--updates")


def with_advisories(planned: t.Iterable[PackageChange], listed: str) -> tuple[PackageChange, ...]:
    """The changes, with the advisories that `updateinfo list` (``LIST``) names for what they upgrade."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in listed.splitlines():
        match = _ROW.match(line.strip())
        if match is not None:
            found.setdefault((match.group(2), match.group(4)), []).append(match.group(1))
    return tuple(
        replace(change, advisories=tuple(sorted(set(found.get((change.name, change.arch), ())))))
        if change.available  # a kernel comes beside the one that is installed
        else change
        for change in planned
    )


__all__ = ("LIST", "with_advisories")
