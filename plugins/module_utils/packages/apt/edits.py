# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to come and to go, as apt-get takes it, and whether that is what it understood. Pure.

apt-get may take a name that it does not know for a pattern, for something provided, or for an instruction ("foo-", "foo+").
So each is given with its architecture, and counts only if the simulation has that very package.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from .resolution import native_architecture

if t.TYPE_CHECKING:
    from ..contract import PackageRequest
    from .output import Simulation
    from .status import Entry


@dataclass(frozen=True)
class Edits:
    """(name, architecture) of what is to come and is not there, and of what is to go and is there."""

    come: tuple[tuple[str, str], ...] = ()
    go: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """For apt-get's `install` and `dist-upgrade`."""
        return (*(f"{name}:{arch}" for name, arch in self.come), *(f"{name}:{arch}-" for name, arch in self.go))


def edits(request: PackageRequest, entries: t.Sequence[Entry]) -> Edits:
    """A name without an architecture means the root's own where it comes, and every one where it goes."""
    native = native_architecture(entries)
    there = [(e.package.name, e.package.arch) for e in entries if e.is_installed]
    wanted = [_split(name, native) for name in dict.fromkeys(request.install)]
    come = [(name, arch) for name, arch in wanted if not _has(there, name, arch, native)]
    go = []
    for word in dict.fromkeys(request.remove):
        name, colon, arch = word.partition(":")
        go += [found for found in there if found[0] == name and (not colon or _has([found], name, arch, native))]
    return Edits(tuple(dict.fromkeys(come)), tuple(dict.fromkeys((name, _own(arch, native)) for name, arch in go)))


def refuse_unknown(wanted: Edits, simulation: Simulation) -> None:
    """Raises package_unknown for what would not come although it is to come."""
    coming = [(row.name, row.arch) for row in simulation.rows if row.available is not None]
    unknown = sorted(name for name, arch in wanted.come if not {(name, arch), (name, "all")} & set(coming))
    if unknown:
        raise OvercError(
            "package_unknown", f"No source offers a package of this very name: {', '.join(unknown)}.", packages=unknown
        )


def _split(word: str, native: str) -> tuple[str, str]:
    name, _colon, arch = word.partition(":")
    return name, arch or native


def _has(there: t.Iterable[tuple[str, str]], name: str, arch: str, native: str) -> bool:
    """What is of "all" architectures counts as one of the root's own."""
    wanted = {(name, arch), *([(name, "all")] if arch == native else [])}
    return not wanted.isdisjoint(there)


def _own(arch: str, native: str) -> str:
    return native if arch == "all" else arch


__all__ = ("Edits", "edits", "refuse_unknown")
