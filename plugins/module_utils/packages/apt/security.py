# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades for security's sake: those of a distribution's security pocket, as unattended-upgrades takes them. Pure.

apt's lists name no advisories: that a version is in the pocket is what says so. So every other source is made less wanted
than what is installed: nothing is upgraded from it, and what is new and needed may still come from it.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...errors import OvercError

if t.TYPE_CHECKING:
    from .output import Row, Simulation

# No separator of a pin's words, and no pattern character, in what a release calls itself
_PLAIN: t.Final = re.compile(r"^[A-Za-z0-9 ._+~:/-]+$")
_LABEL: t.Final = "Debian-Security"
_SUFFIX: t.Final = "-security"
# A host's wish for one suite is a pin that would count before ours
NO_DEFAULT: t.Final = 'APT::Default-Release "";\n'


@dataclass(frozen=True)
class Pocket:
    """One source, and what its Release says of itself: "" for nothing. ``name`` as ``sources.Source`` has it."""

    name: str
    origin: str
    label: str
    suite: str
    codename: str

    @property
    def is_security(self) -> bool:
        named = self.suite.endswith(_SUFFIX) or self.codename.endswith(_SUFFIX) or self.label == _LABEL
        return named and all(_PLAIN.match(word) for word in (self.origin, self.label, self.suite, self.codename))


def pins(pockets: t.Iterable[Pocket]) -> str:
    """Text of a preferences file (apt_preferences(5)): the first record that matches a source counts."""
    secure = [f"release o={p.origin},l={p.label},a={p.suite},n={p.codename}" for p in pockets if p.is_security]
    records = [*((pin, 500) for pin in dict.fromkeys(secure)), ("release a=now", 100), ("release *", 50)]
    return "".join(f"Package: *\nPin: {pin}\nPin-Priority: {priority}\n\n" for pin, priority in records)


def unadvised(pockets: t.Iterable[Pocket]) -> tuple[str, ...]:
    """Names of the sources of which no security pocket is known: none of the same origin is among the sources."""
    listed = list(pockets)
    known = {pocket.origin for pocket in listed if pocket.is_security}
    return tuple(sorted({pocket.name for pocket in listed if pocket.origin not in known}))


def refuse_others(simulation: Simulation, pockets: t.Iterable[Pocket]) -> None:
    """Raises packages_unsupported for an upgrade from elsewhere: the host's own pin of one package wins over ours."""
    secure = {(pocket.label, pocket.suite) for pocket in pockets if pocket.is_security}
    others = sorted(
        row.name for row in simulation.rows if row.installed and row.available and not _places(row) & secure
    )
    if others:
        raise OvercError(
            "packages_unsupported",
            f"advisories: pins of this host have {', '.join(others)} upgraded from what is no security source. Leave out with "
            "the option exclude what is not to be upgraded so.",
            packages=others,
        )


def _places(row: Row) -> set[tuple[str, str]]:
    """(label, suite) of the sources that have the version: "Debian-Security:12/stable-security, Other:suite"."""
    words = (place.partition(":") for place in (row.origin or "").split(", "))
    return {(label, rest.rpartition("/")[2]) for label, _colon, rest in words}


__all__ = ("NO_DEFAULT", "Pocket", "pins", "refuse_others", "unadvised")
