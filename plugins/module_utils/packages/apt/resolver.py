# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking apt what an upgrade would be, and why something is left out of it."""

from __future__ import annotations

import typing as t

from ...errors import OvercError
from . import security
from .edits import edits, refuse_unknown
from .errors import unsuccessful
from .names import is_excluded, pins, select, spec
from .output import Fetch, Simulation, UnreadableOutput, parse_simulation, parse_uris, unmet_dependencies
from .resolution import held_sentence, told
from .status import installed
from .targets import pockets

if t.TYPE_CHECKING:
    from ..contract import PackageChange, PackageRequest
    from .commands import Commands
    from .status import Entry

_MOST_REASONS: t.Final = 20  # each costs a simulation of its own


class Resolver:
    """One request for a root with these packages. ``settings`` are given to apt-get with every question."""

    def __init__(
        self, commands: Commands, request: PackageRequest, entries: tuple[Entry, ...], settings: str = ""
    ) -> None:
        self._commands = commands
        self._request = request
        self._entries = entries
        self._settings = settings
        self._asked = 0
        self._edits = edits(request, entries)
        self.pins = pins(request.exclude, installed(entries))
        # What every call for this request is given beside the pins
        self.always = ""
        self.unadvised: tuple[str, ...] = ()
        self._pockets: tuple[security.Pocket, ...] = ()
        if request.advisories is not None:
            self._pockets = pockets(commands, settings)
            self.pins += security.pins(self._pockets)
            self.unadvised = security.unadvised(self._pockets)
            self.always = security.NO_DEFAULT
            self._settings += self.always

    def resolve(self) -> tuple[Simulation, tuple[str, ...]]:
        """What apt would do, and a sentence for each upgrade that it leaves out."""
        if self._edits.go:
            self._refuse_essential()
        if self._edits.words or not self._request.upgrade:
            simulation = self._edited() if self._edits.words else Simulation()
            refuse_unknown(self._edits, simulation)
            return simulation, self._told(simulation) if self._request.upgrade else ()
        if self._request.advisories is not None:
            simulation = self._simulate("dist-upgrade")
            security.refuse_others(simulation, self._pockets)
            return simulation, self._told(simulation)
        if not self._request.packages:
            simulation = self._simulate("dist-upgrade")
            return simulation, self._told(simulation)
        exclude = self._request.exclude
        chosen = [e for e in select(self._request.named, self._entries) if not is_excluded(e.package, exclude)]
        sentences = [held_sentence(entry.package.name) for entry in chosen if entry.is_held]
        names = [spec(entry.package) for entry in chosen if not entry.is_held]
        try:
            simulation = self._simulate_named(names)
        except OvercError as error:
            if "unmet" not in error.facts:
                raise
            # apt does all of them or nothing: those that can be upgraded are found one by one
            unmet = {name: self._unmet(name) for name in names}
            sentences += [f"{name.partition(':')[0]} is kept back: {why}." for name, why in unmet.items() if why]
            simulation = self._simulate_named([name for name, why in unmet.items() if not why])
        return simulation, (*sentences, *self._told(simulation))

    def _edited(self) -> Simulation:
        """Where apt finds no solution because what must stay needs what is to go, it names neither. Raises package_needed."""
        try:
            return self._simulate(*self.selection(()))
        except OvercError as error:
            unresolved = self._edits.go and error.error_id == "package_manager_failed"
            users = self._commands.essential_users(self._going()) if unresolved else ()
            if not users:
                raise
            raise OvercError(
                "package_needed",
                f"{', '.join(users)} is essential or protected, and needs {', '.join(name for name, _arch in self._edits.go)}; "
                "nothing was changed",
                packages=list(users),
                **error.facts,
            ) from error

    def _going(self) -> list[str]:
        return [f"{name}:{arch}" for name, arch in self._edits.go]

    def _refuse_essential(self) -> None:
        """Raises package_needed: apt would say so, or that something else cannot be resolved without them."""
        names = self._commands.essential(self._going())
        if names:
            raise OvercError(
                "package_needed",
                f"{', '.join(names)} is essential or protected; nothing was changed",
                packages=list(names),
            )

    def selection(self, planned: t.Iterable[PackageChange]) -> list[str]:
        """The command that performs what was found for the request, without the names that nothing was found for."""
        if self._edits.words:
            return ["dist-upgrade" if self._request.upgrade else "install", "--", *self._edits.words]
        if not self._request.upgrade:
            return ["check"]
        if not self._request.packages:
            return ["dist-upgrade"]
        replaced = {(change.name, change.installed) for change in planned if change.installed and change.available}
        chosen = [entry.package for entry in select(self._request.named, self._entries)]
        names = [spec(package) for package in chosen if (package.name, package.version) in replaced]
        return named(names) if names else ["check"]

    def addresses(self, planned: t.Iterable[PackageChange], settings: str = "") -> tuple[Fetch, ...]:
        """From where the packages come that apt does not have yet."""
        asked = ("-y", "--print-uris", *self.selection(planned))
        completed = self._commands.apt_get(*asked, settings=f"{self._settings}{settings}", pins=self.pins)
        if completed.rc != 0:
            raise unsuccessful(completed, "asking where the packages come from")
        return parse_uris(completed.stdout)

    def _told(self, simulation: Simulation) -> tuple[str, ...]:
        return told(simulation, self._entries, self._request.exclude, self._reason)

    def _simulate_named(self, names: t.Sequence[str]) -> Simulation:
        return self._simulate(*named(names)) if names else Simulation()

    def _simulate(self, *arguments: str) -> Simulation:
        """With ``-y``, so that apt refuses here what it would refuse later."""
        completed = self._commands.apt_get("-s", "-y", *arguments, settings=self._settings, pins=self.pins)
        if completed.rc != 0:
            error = unsuccessful(completed, "resolving the upgrade")
            unmet = unmet_dependencies(completed.stdout)
            if unmet:
                error = OvercError(error.error_id, f"{error.message} ({unmet})", **error.facts, unmet=unmet)
            raise error
        try:
            return parse_simulation(completed.stdout)
        except UnreadableOutput as error:
            raise OvercError(
                "package_manager_failed",
                f"apt's answer was not understood, so what is pending is unknown ({error}).",
                **completed.facts(),
            ) from error

    def _unmet(self, name: str) -> str:
        """Why this package alone cannot be upgraded; "" if it can."""
        try:
            self._simulate_named([name])
        except OvercError as error:
            if "unmet" not in error.facts:
                raise
            return str(error.facts["unmet"])
        return ""

    def _reason(self, name: str) -> str:
        """Why apt keeps a package back, as far as it says when that one is asked for."""
        self._asked += 1
        if self._asked > _MOST_REASONS:
            return "apt gives no reason"
        try:
            alone = self._simulate_named([name])
        except OvercError as error:
            return str(error.facts.get("unmet") or error.message).rstrip(".")
        gone = sorted(row.name for row in alone.rows if row.available is None)
        return f"its upgrade would remove {', '.join(gone)}" if gone else "apt gives no reason"


def named(names: t.Sequence[str]) -> list[str]:
    """The command that upgrades these packages, and installs none that is not there but what they need."""
    return ["install", "--only-upgrade", "--", *names]


__all__ = ("Resolver", "named")
