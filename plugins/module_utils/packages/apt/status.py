# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dpkg has on record about every package of a root, the unfinished ones above all. Pure.

A good exit code and `apt-get check` say nothing about scripts that failed: only the status of each package does.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..contract import Package
from .output import without_zero_epoch

QUERY: t.Final = ("dpkg-query", "-W", "-f", r"${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n")
# dpkg-query(1): the second letter of the abbreviation
_STATES: t.Final = {
    "H": "half-installed",
    "U": "unpacked, not configured",
    "F": "half-configured",
    "W": "waiting for triggers",
    "t": "waiting for triggers",
}
JOURNAL: t.Final = "/var/lib/dpkg/updates"


@dataclass(frozen=True)
class Entry:
    """One package of dpkg's database: what is wanted of it, what it is, and whether it must be installed anew."""

    package: Package
    wanted: str
    state: str
    error: str = " "

    @property
    def is_installed(self) -> bool:
        """Whether anything of it but its configuration is there."""
        return self.state not in "nc"

    @property
    def is_held(self) -> bool:
        return self.wanted == "h" and self.is_installed

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, None for nothing."""
        return _STATES.get(self.state) or (None if self.error == " " else "to be installed anew")


def parse_entries(text: str) -> tuple[Entry, ...]:
    """Output of ``QUERY``, sorted. Raises ValueError for a line that is none."""
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 4 or len(fields[0]) < 2:
            raise ValueError(f"the line {line!r}")
        status, name, arch, version = fields
        package = Package(name, arch, without_zero_epoch(version))
        found.append(Entry(package, status[0], status[1], (status[2:] or " ")[0]))
    return tuple(sorted(found, key=lambda entry: entry.package))


def installed(entries: t.Iterable[Entry]) -> tuple[Package, ...]:
    return tuple(entry.package for entry in entries if entry.is_installed)


def troubles(entries: t.Iterable[Entry]) -> tuple[str, ...]:
    """A sentence for each package that is not what it should be."""
    return tuple(
        f"{entry.package.name} {entry.package.version} is {entry.trouble}." for entry in entries if entry.trouble
    )


def journal_names(listing: str) -> tuple[str, ...]:
    """The files of dpkg's journal among the names in its directory: dpkg writes what was cut off to 0001, 0002, ..."""
    return tuple(sorted(name for name in listing.splitlines() if name.isdigit()))


__all__ = ("JOURNAL", "QUERY", "Entry", "installed", "journal_names", "parse_entries", "troubles")
