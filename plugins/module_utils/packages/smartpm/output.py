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


def parse_plan(text: str) -> Plan:
    """stdout of `smart upgrade` with ``_DRY_RUN`` -> Plan (transcripts upgrade-dry-run-*).

    Packages stand in columns, each section announces its count. An output that neither announces anything nor says
    that there is nothing raises UnreadableOutput.
    """
    sections: dict[str, list[Package]] = {}
    announced: dict[str, int] = {}
    current: list[Package] | None = None
    for line in text.splitlines():
        head = _SECTION.match(line)
        if head is not None:
            current = sections.setdefault(head.group(1), [])
            announced[head.group(1)] = decimal(head.group(2)) or 0
        elif not line.startswith("  ") or not line.strip():
            current = None
        elif current is not None:
            current += [parse_package(word) for word in line.split()]
    for title, packages in sections.items():
        if title not in ("Upgrading", "Installing", "Removing", "Downgrading"):
            raise UnreadableOutput(f"unknown section {title!r}")
        if len(packages) != announced[title]:
            raise UnreadableOutput(f"{len(packages)} packages in section {title!r} of {announced[title]}")
    if not sections and "No interesting upgrades available." not in text:
        raise UnreadableOutput("neither a plan nor the word that there is none")
    return Plan(
        upgrading=tuple(sections.get("Upgrading", ())),
        installing=tuple(sections.get("Installing", ())),
        removing=tuple(sections.get("Removing", ())),
        downgrading=tuple(sections.get("Downgrading", ())),
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


def parse_upgrades(text: str) -> dict[Package, tuple[Package, ...]]:
    """stdout of `smart --quiet query NAME… --show-upgrades --show-providedby` -> package: what it would replace.

    The blocks are told apart by indentation (transcript query-show-upgrades).
    """
    result: dict[Package, tuple[Package, ...]] = {}
    current: Package | None = None
    in_upgrades = in_providers = False
    for line in text.splitlines():
        indent, word = len(line) - len(line.lstrip()), line.strip()
        if indent == 0 and word:
            current = _package_or_none(word)
            in_upgrades = in_providers = False
        elif indent == 2:
            in_upgrades, in_providers = word == "Upgrades:", False
        elif indent == 4:
            in_providers = False
        elif indent == 6:
            in_providers = in_upgrades and word == "Provided By:"
        elif indent == 8 and word and in_providers and current is not None:
            provider = _package_or_none(word.split()[0])
            if provider is not None:
                result[current] = (*result.get(current, ()), provider)
    return result


def _package_or_none(text: str) -> Package | None:
    try:
        return parse_package(text)
    except UnreadableOutput:
        return None


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
    "parse_upgrades",
)
