# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Smart and dpkg print -> values. Pure.

The shapes were recorded from the real program; tests/unit/transcripts/smart-1.5 holds the recordings and the comments
name them.
"""

from __future__ import annotations

import re
import typing as t

from ...values import decimal
from .. import rpmdb
from ..contract import Package
from .plan import Offer, Plan

_DEFAULT_DATA: t.Final = "/var/lib/smart"
DPKG_QUERY: t.Final = ("dpkg-query", "-W", "-f", r"${db:Status-Abbrev}|${Package}|${Version}\n")


class UnreadableOutput(ValueError):
    """Smart's output does not look as recorded; the message says where."""


def parse_package(text: str) -> Package:
    """``name-[epoch:]version-release@arch`` (rpm) or ``name_version`` (deb, no architecture) -> Package."""
    rest, at, arch = text.rpartition("@")
    if at:
        name, version, release = [*rest.rsplit("-", 2), "", ""][:3]
        # A repository may claim any name, and it may end up among Smart's arguments: -name means "remove" there
        if name[:1] not in ("", "-", "+") and version and release:
            return Package(name, arch, rpmdb.without_zero_epoch(f"{version}-{release}"))
    else:
        name, underscore, version = text.partition("_")
        if underscore and name[:1] not in ("", "-", "+") and version:
            return Package(name, "", version)
    raise UnreadableOutput(f"{text!r} is no package")


_SECTION: t.Final = re.compile(r"^(\w+) packages \((\d+)\):$")
_SECTIONS: t.Final = ("Upgrading", "Installing", "Removing", "Downgrading")
# What Smart says of a package below "Upgrades:" that will not be there any more
_GOES: t.Final = ("(upgraded)", "(downgraded)", "(removed)")


class _PlanReader:
    """Reads one plan line by line: sections, below each its packages, below each package what it replaces."""

    def __init__(self) -> None:
        self.sections: dict[str, list[Package]] = {}
        self.announced: dict[str, int] = {}
        self.replaces: dict[Package, tuple[Package, ...]] = {}
        self._section: list[Package] | None = None
        self._heading = ""

    def line(self, line: str) -> None:
        head = _SECTION.match(line)
        indent = len(line) - len(line.lstrip())
        if head is not None:
            self._section = self.sections.setdefault(head.group(1), [])
            self.announced[head.group(1)] = decimal(head.group(2)) or 0
        elif indent < 2 or not line.strip():
            self._section = None
        elif self._section is None:
            return
        elif indent == 2:
            # One a line with its channels in brackets, or in columns without them
            self._section += [parse_package(word) for word in line.partition(" [")[0].split()]
            self._heading = ""
        elif indent == 4:
            self._heading = line.strip()
        elif self._heading in ("Upgrades:", "Downgrades:") and self._section:
            self._goes(self._section[-1], line.split())

    def _goes(self, package: Package, words: list[str]) -> None:
        if words[1:] and words[1] in _GOES:
            self.replaces[package] = (*self.replaces.get(package, ()), parse_package(words[0]))


def parse_plan(text: str) -> Plan:
    """stdout of `smart upgrade`, explained or in columns -> Plan (transcripts upgrade-dry-run-*, upgrade-yes-explain).

    Each section announces its count. An output that neither announces anything nor says that there is nothing raises
    UnreadableOutput.
    """
    reader = _PlanReader()
    for line in text.splitlines():
        reader.line(line)
    for title, packages in reader.sections.items():
        if title not in _SECTIONS:
            raise UnreadableOutput(f"unknown section {title!r}")
        if len(packages) != reader.announced[title]:
            raise UnreadableOutput(f"{len(packages)} packages in section {title!r} of {reader.announced[title]}")
    if not reader.sections and "No interesting upgrades available." not in text:
        raise UnreadableOutput("neither a plan nor the word that there is none")
    return Plan(
        upgrading=tuple(reader.sections.get("Upgrading", ())),
        installing=tuple(reader.sections.get("Installing", ())),
        removing=tuple(reader.sections.get("Removing", ())),
        downgrading=tuple(reader.sections.get("Downgrading", ())),
        replaces=reader.replaces,
    )


def parse_newer(text: str) -> tuple[Offer, ...]:
    """stdout of `smart newer`, with or without ``--quiet`` -> its rows; no table, no rows (transcripts newer-*)."""
    offers = []
    lines = iter(text.splitlines())
    for line in lines:
        if re.match(r"^-+\+[-+ ]+$", line):
            break
    for line in lines:
        cells = [cell.strip() for cell in line.split(" | ")]
        if len(cells) != 5:
            break
        installed, available = cells[1].split(), cells[2].split()
        if not available:
            raise UnreadableOutput(f"no version in {line!r}")
        offers.append(
            Offer(
                name=cells[0],
                installed=None if cells[1].startswith("(") or not installed else rpmdb.without_zero_epoch(installed[0]),
                available=rpmdb.without_zero_epoch(available[0]),
                channel=cells[3],
                size=decimal(cells[4]),
            )
        )
    return tuple(offers)


QUERY_FORMAT: t.Final = r"--show-format=$name|$version\n"


def parse_query(text: str) -> tuple[Package, ...]:
    """stdout of `smart --quiet query` with ``QUERY_FORMAT`` -> packages, sorted (transcripts query-*-format-*)."""
    found = set()
    for line in text.splitlines():
        name, divider, version = line.partition("|")
        if divider and version and not name.endswith("..."):
            number, _at, arch = version.rpartition("@") if "@" in version else (version, "", "")
            found.add(Package(name, arch, rpmdb.without_zero_epoch(number)))
    return tuple(sorted(found))


def parse_data_directory(text: str) -> str:
    """stdout of `smart --help` -> the compiled-in data directory, without a trailing slash (transcript cli-help)."""
    match = re.search(r"Data directory \(default is ([^)]+?)/*\)", text)
    return match.group(1) if match is not None else _DEFAULT_DATA


def parse_dpkg(text: str) -> tuple[Package, ...]:
    """Output of ``DPKG_QUERY`` -> packages that are not merely remembered, sorted, without architecture like Smart."""
    found = set()
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) == 3 and fields[0][1:2] not in ("n", "c"):
            found.add(Package(fields[1], "", fields[2]))
    return tuple(sorted(found))


__all__ = (
    "DPKG_QUERY",
    "QUERY_FORMAT",
    "UnreadableOutput",
    "parse_data_directory",
    "parse_dpkg",
    "parse_newer",
    "parse_package",
    "parse_plan",
    "parse_query",
)
