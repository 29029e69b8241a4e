# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulation comes to for the packages that are installed, and what is left out of it, in sentences. Pure."""

from __future__ import annotations

import typing as t

from ..contract import PackageChange
from .names import is_excluded

if t.TYPE_CHECKING:
    from .output import Fetch, Row, Simulation
    from .status import Entry


def changes(
    simulation: Simulation, entries: t.Sequence[Entry], fetches: t.Sequence[Fetch] = ()
) -> tuple[PackageChange, ...]:
    """The simulated rows as changes, sorted; ``fetches`` tell the sizes of what is not downloaded yet."""
    sizes = {fetch.package: fetch.size for fetch in fetches if fetch.package is not None}
    found = []
    for row in simulation.rows:
        arch = row.arch or _installed_arch(row, entries)
        size = sizes.get((row.name, arch, row.available or ""))
        origin = row.origin if row.available is not None else None
        found.append(PackageChange(row.name, arch, row.installed, row.available, origin, size))
    return tuple(sorted(found, key=lambda change: (change.name, change.arch)))


def _installed_arch(row: Row, entries: t.Sequence[Entry]) -> str:
    """The line of a removal names no architecture but a foreign one."""
    archs = [e.package.arch for e in entries if e.package.name == row.name and e.is_installed]
    exact = [
        e.package.arch
        for e in entries
        if (e.package.name, e.package.version) == (row.name, row.installed) and e.is_installed
    ]
    if len(archs) == 1:
        return archs[0]
    native = native_architecture(entries)
    return native if native in exact else "all" if "all" in exact else (exact or archs or [""])[0]


def native_architecture(entries: t.Sequence[Entry]) -> str:
    """dpkg itself is of the architecture that the root is of."""
    return next((e.package.arch for e in entries if e.package.name == "dpkg"), "")


def on_hold(entries: t.Iterable[Entry]) -> frozenset[str]:
    """Names, and names with architecture, of the packages on hold."""
    held = [entry.package for entry in entries if entry.is_held]
    return frozenset(word for package in held for word in (package.name, f"{package.name}:{package.arch}"))


def told(
    simulation: Simulation, entries: t.Sequence[Entry], exclude: t.Sequence[str], ask: t.Callable[[str], str]
) -> tuple[str, ...]:
    """A sentence for each upgrade that apt keeps back, with the reason as far as apt knows it.

    ``ask`` a name for the reason where neither a hold nor phasing is one.
    """
    held = on_hold(entries)
    excluded = {entry.package.name for entry in entries if is_excluded(entry.package, exclude)}
    said = []
    for name in simulation.kept_back:
        if name in held:
            said.append(held_sentence(name))
        elif name not in excluded:
            said.append(f"{name} is kept back: {ask(name)}.")
    said += [
        f"{name} is kept back: its upgrade is still being phased in, and this host's configuration leaves such upgrades out."
        for name in simulation.deferred
    ]
    return tuple(said)


def held_sentence(name: str) -> str:
    return f"{name} is kept back: it is on hold (`apt-mark showhold`)."


__all__ = ("changes", "held_sentence", "native_architecture", "on_hold", "told")
