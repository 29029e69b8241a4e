# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking zypper what one transaction would be: an upgrade, packages that come and go, or patches."""

from __future__ import annotations

import typing as t

from ...errors import OvercError
from .. import rpm_edits
from ..contract import PackageChange
from . import held, patches, words
from .errors import GOOD, not_understood, problems, readable, unknown_packages, unsuccessful
from .errors import words as said
from .output import Row, Stream, Summary, UnreadableOutput, parse_stream

if t.TYPE_CHECKING:
    from ...runner import Completed
    from ..contract import Advisories, Mode, Package, PackageRequest
    from .commands import Commands


class Resolver:
    """One request for a root with these packages; where ``directory`` is given, on the lists there."""

    def __init__(
        self, commands: Commands, request: PackageRequest, installed: tuple[Package, ...], directory: str | None
    ) -> None:
        self._commands = commands
        self._request = request
        self._installed = installed
        self._directory = directory

    def upgrade(self, chosen: Mode, without: t.Sequence[str] = ()) -> Summary:
        """What an upgrade would be, these left alone as well. Raises package_unknown, vendor_change, what zypper failed with."""
        request = self._request
        names = self._names() if request.packages else ()
        if request.packages and not names:  # without any it would be all
            return Summary()
        completed = self._run([*words.upgrade(request, chosen), "--dry-run", "--", *names], without)
        return self._understood(completed, names)

    def edited(self, wanted: words.Edits, chosen: Mode | None) -> Summary:
        """What comes and goes in one transaction, with all that is pending where an upgrade is ``chosen``.

        Raises package_unknown, vendor_change, package_manager_failed.
        """
        self._refuse_unlikely(wanted)
        along = self._along(wanted) if wanted.go else ()
        # As if what goes were not to be upgraded: so nothing comes that only its new version would need
        pending = self.upgrade(chosen, [row.name for row in along]).rows if chosen is not None else ()
        by_name = {package.name for package in self._installed}
        if chosen == "dup" or any(row.available is None for row in pending):  # something comes in the place of another
            by_name.update(row.name for row in pending)
        return self._transaction(wanted, chosen, words.named((*pending, *along), by_name))

    def _along(self, wanted: words.Edits) -> tuple[Row, ...]:
        """All that goes."""
        completed = self._run(words.going_along(self._request, wanted))
        summary = self._understood(completed, wanted.come, wanted)
        return tuple(row for row in summary.rows if row.available is None)

    def patched(self, category: Advisories) -> tuple[Summary, dict[str, frozenset[str]], tuple[str, ...]]:
        """What all needed patches of this category come to, the packages that each of them is about, and what is left out.

        zypper takes all patches or none: those that do not fit are found one by one. Raises vendor_change,
        package_manager_failed.
        """
        doing = "listing the patches"
        listed = self._commands.ask(*patches.LIST, doing=doing, directory=self._directory)
        names = patches.needed(listed.patches, category)
        if not names:
            return Summary(), {}, ()
        completed = self._patching(names)
        left: dict[str, str] = {}
        if _problems(completed):
            left = {name: "; ".join(found) for name in names if (found := _problems(self._patching((name,))))}
            names = tuple(name for name in names if name not in left)
            completed = self._patching(names) if names else completed
        summary = self._understood(completed, ()) if names else Summary()
        described = (
            self._commands.ask("info", "--type", "patch", "--", *names, doing=doing, directory=self._directory)
            if names
            else Stream()
        )
        about = patches.packages_of(described)
        sentences = tuple(f"The patch {name} is left out: {why}." for name, why in left.items())
        return summary, {name: about.get(name, frozenset()) for name in names}, sentences

    def _patching(self, names: t.Sequence[str]) -> Completed:
        command = words.patching(self._request, *names)
        command.insert(command.index("--"), "--dry-run")
        return self._run(command)

    def _transaction(self, wanted: words.Edits, chosen: Mode | None, arguments: t.Sequence[str]) -> Summary:
        command = words.coming_and_going(self._request, chosen, *wanted.come, *arguments)
        command.insert(command.index("--"), "--dry-run")
        completed = self._run(command)
        summary = self._understood(completed, wanted.come, wanted)
        rpm_edits.refuse_missing(
            wanted.come,
            (PackageChange(row.name, row.arch, row.installed, row.available) for row in summary.rows),
            (),
            readable(completed),
        )
        return summary

    @staticmethod
    def _refuse_unlikely(wanted: words.Edits) -> None:
        """What zypper would take for a repository's package or a file. Raises package_unknown."""
        unlikely = [name for name in wanted.come if ":" in name or name.endswith(".rpm")]
        if unlikely:
            raise unknown(unlikely, "No package of rpm's has such a name")

    def _names(self) -> tuple[str, ...]:
        """The packages that zypper is asked for: of a glob it would take one package, and of a name what provides it.

        Raises package_unknown.
        """
        request = self._request
        there = {package.name for package in self._installed if not held.matches(package.name, request.exclude)}
        missing = [name for name in request.named if not held.matching(there, [name])]
        if missing:
            raise unknown(missing)
        plain = [name for name in request.named if name in there]
        globs = [name for name in request.named if name not in there]
        doing = "listing what a glob matches"
        found = (
            self._commands.ask(
                "list-updates", "--type", "package", doing=doing, directory=self._directory, exclude=request.exclude
            ).updates
            if globs
            else ()
        )
        return tuple(dict.fromkeys([*plain, *held.matching(sorted(update.name for update in found), globs)]))

    def _run(self, command: t.Sequence[str], without: t.Sequence[str] = ()) -> Completed:
        exclude = (*self._request.exclude, *without)
        return self._commands.zypper("--no-refresh", *command, directory=self._directory, exclude=exclude, quiet=True)

    def _understood(self, completed: Completed, names: t.Sequence[str], wanted: words.Edits | None = None) -> Summary:
        """What was announced. ``names``: those that must be known; ``wanted``: what comes and goes, if it is that."""
        missing = unknown_packages(completed, names)
        if missing:
            raise unknown(missing, **readable(completed).facts())
        if completed.rc not in GOOD:
            raise self._with_locks(unsuccessful(completed, "resolving the upgrade"), completed, wanted)
        try:
            summary = parse_stream(completed.stdout).summary
        except UnreadableOutput as error:
            raise not_understood(completed, error) from error
        if summary.other_vendor and not self._request.vendor_change:
            raise OvercError(
                "vendor_change",
                f"These packages would come from another vendor: {', '.join(summary.other_vendor)}.",
                packages=list(summary.other_vendor),
                **readable(completed).facts(),
            )
        return summary

    def _with_locks(self, error: OvercError, completed: Completed, wanted: words.Edits | None) -> OvercError:
        """Of a locked package zypper says only that requests are in conflict."""
        if wanted is None or not problems(said(completed)):
            return error
        locks = self._commands.ask("locks", doing="listing the locks").locks
        names = [*wanted.come, *(name.rpartition(".")[0] for name in wanted.go)]
        locked = [name for name in dict.fromkeys(names) if held.matches(name, (*locks, *self._request.exclude))]
        if not locked:
            return error
        return OvercError(
            error.error_id, f"{error.message} Locked (zypper locks) or excluded: {', '.join(locked)}.", **error.facts
        )


def _problems(completed: Completed) -> tuple[str, ...]:
    """What zypper would have to ask."""
    return problems(said(completed)) if completed.rc not in GOOD else ()


def unknown(
    names: t.Sequence[str], why: str = "Not installed, excluded, or not known to any repository", **facts: t.Any
) -> OvercError:
    return OvercError("package_unknown", f"{why}: {', '.join(names)}.", packages=list(names), **facts)


__all__ = ("Resolver", "unknown")
