# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt-get's output says -> values. Pure.

Facts come from apt-get(8) and the recorded outputs in tests/unit/transcripts/apt: apt 2.6 and 3.0, which print the same but
for what is deferred.
"""

from __future__ import annotations

import posixpath
import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from ...values import decimal


class UnreadableOutput(ValueError):
    """apt-get's output does not look as recorded; the message says where."""


@dataclass(frozen=True)
class Row:
    """A package that comes, goes or is replaced. ``arch`` is "" where apt does not name it; versions have no zero epoch."""

    name: str
    arch: str
    installed: str | None
    available: str | None
    origin: str | None = None


@dataclass(frozen=True)
class Simulation:
    """What `apt-get -s` would do. ``kept_back`` and ``deferred`` (by phasing) are names, with ``:ARCH`` for a foreign one.

    ``unfinished``: packages that are not fully installed before anything is done, as apt counts them.
    """

    rows: tuple[Row, ...] = ()
    kept_back: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    unfinished: int = 0


def without_zero_epoch(version: str) -> str:
    return version.removeprefix("0:")


_ROW: t.Final = re.compile(r"^(Inst|Remv|Purg|Conf) (\S+)(?: \[([^]]+)\])?(?: \((\S+) (?:(.*) )?\[([^]]+)\]\))?")
_SUMMARY: t.Final = re.compile(
    r"^(\d+) upgraded, (\d+) newly installed, (?:(\d+) reinstalled, )?(?:(\d+) downgraded, )?"
    r"(\d+) to remove and (\d+) not upgraded\.$",
    re.MULTILINE,
)
_UNFINISHED: t.Final = re.compile(r"^(\d+) not fully installed or removed\.$", re.MULTILINE)
_KEPT_BACK: t.Final = "The following packages have been kept back:"
_DEFERRED: t.Final = "The following upgrades have been deferred due to phasing:"


def parse_simulation(text: str) -> Simulation:
    """stdout of `apt-get -s`. Raises UnreadableOutput unless the lines are as many as the summary says."""
    rows: list[Row] = []
    for line in text.splitlines():
        if not line.startswith(("Inst ", "Remv ", "Purg ")):
            continue
        match = _ROW.match(line)
        if match is None or (match.group(1) == "Inst" and match.group(4) is None):
            raise UnreadableOutput(f"the line {line!r}")
        rows.append(_row(match))
    found = _SUMMARY.search(text)
    if found is None:
        raise UnreadableOutput("no summary of what would be done")
    upgraded, new, reinstalled, downgraded, removed, _left = (int(number or 0) for number in found.groups())
    counted = (
        sum(row.available is not None and row.installed is not None for row in rows),
        sum(row.installed is None for row in rows),
        sum(row.available is None for row in rows),
    )
    if counted != (upgraded + reinstalled + downgraded, new, removed):
        raise UnreadableOutput(f"{counted} packages replaced, new and removed, but the summary says {found.group(0)!r}")
    unfinished = _UNFINISHED.search(text)
    return Simulation(
        tuple(rows),
        _names_below(text, _KEPT_BACK),
        _names_below(text, _DEFERRED),
        int(unfinished.group(1)) if unfinished else 0,
    )


def _row(match: re.Match[str]) -> Row:
    _kind, word, installed, available, origin, arch = match.groups()
    name, _colon, foreign = word.partition(":")
    return Row(
        name,
        arch or foreign,
        without_zero_epoch(installed) if installed else None,
        without_zero_epoch(available) if available else None,
        origin,
    )


def _names_below(text: str, heading: str) -> tuple[str, ...]:
    """The names in the indented, wrapped lines below a heading."""
    _before, found, rest = text.partition(f"{heading}\n")
    names: list[str] = []
    for line in rest.splitlines() if found else ():
        if not line.startswith(" "):
            break
        names += line.split()
    return tuple(names)


@dataclass(frozen=True)
class Fetch:
    """One line of `apt-get --print-uris`: where from, under which name, and how many bytes (None where apt does not know)."""

    uri: str
    file: str
    size: int | None

    @property
    def path(self) -> str | None:
        """The file in this host's own tree that the address means, if it does."""
        if not self.uri.startswith("file:"):
            return None
        return urllib.parse.unquote("/" + self.uri[len("file:") :].lstrip("/"))

    @property
    def package(self) -> tuple[str, str, str] | None:
        """Name, architecture and version that the name of a package's file tells."""
        parts = posixpath.basename(self.file).removesuffix(".deb").split("_")
        if not self.file.endswith(".deb") or len(parts) != 3:
            return None
        return parts[0], parts[2], without_zero_epoch(urllib.parse.unquote(parts[1]))


_FETCH: t.Final = re.compile(r"^'([^']+)' (\S+) (\d+)(?: .*)?$")


def parse_uris(text: str) -> tuple[Fetch, ...]:
    """The lines of `apt-get --print-uris` that are addresses; the human table around them is left out."""
    matches = (_FETCH.match(line) for line in text.splitlines())
    return tuple(Fetch(found.group(1), found.group(2), decimal(found.group(3))) for found in matches if found)


_UNMET: t.Final = "The following packages have unmet dependencies:"


def unmet_dependencies(text: str) -> str:
    """apt's explanation why something cannot be installed, as one line; "" if it gives none."""
    _before, found, rest = text.partition(f"{_UNMET}\n")
    lines = []
    for line in rest.splitlines() if found else ():
        if not line.startswith(" "):
            break
        lines.append(" ".join(line.split()))
    return "; ".join(lines)


_NEEDS: t.Final = re.compile(r"^ (\S+) (?:pre-)?depends on ", re.MULTILINE)


def dependents(text: str) -> tuple[str, ...]:
    """Whom `dpkg --simulate --remove` names as needing what is to go, as dpkg calls them, without repetitions."""
    return tuple(dict.fromkeys(_NEEDS.findall(text)))


__all__ = (
    "Fetch",
    "Row",
    "Simulation",
    "UnreadableOutput",
    "dependents",
    "parse_simulation",
    "parse_uris",
    "unmet_dependencies",
    "without_zero_epoch",
)
