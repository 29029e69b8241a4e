# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zypper is called with to resolve, fetch and perform one transaction: the same words each time. Pure.

Packages that come and go are arguments of `install`, the only command that takes both: `-NAME` goes. What is carried out is never
told to force anything: what goes along is named as well, and what does not fit is refused by zypper itself.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .. import rpm_edits
from . import held

if t.TYPE_CHECKING:
    from ..contract import Mode, Package, PackageChange, PackagePlan, PackageRequest

# Where nothing is to be done: it changes nothing, and without a name an upgrade would be one of everything
NOTHING: t.Final = ("locks",)
_UNFORCED: t.Final = "--no-force-resolution"


class Line(t.Protocol):
    """What the words are made of: a row of zypper's, or a change of a plan."""

    @property
    def name(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def installed(self) -> str | None: ...
    @property
    def available(self) -> str | None: ...


@dataclass(frozen=True)
class Edits:
    """Names of what is to come and is not there, name and architecture of what is to go and is there."""

    come: tuple[str, ...] = ()
    go: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.come or self.go)


def edits(request: PackageRequest, installed: t.Sequence[Package]) -> Edits:
    return Edits(*rpm_edits.come_and_go(request, installed))


def upgrade(request: PackageRequest, chosen: Mode) -> list[str]:
    """The command of an upgrade, without names."""
    only = ["--type", "package"] if chosen == "update" else []
    return [chosen, *only, *_common(request)]


def coming_and_going(request: PackageRequest, chosen: Mode | None, *arguments: str) -> list[str]:
    """``arguments`` as ``named`` has them, with all that is pending where an upgrade is ``chosen``."""
    older = ["--oldpackage"] if chosen == "dup" else []  # as a dup does it
    return ["install", "--name", *older, *_common(request), "--", *arguments]


def going_along(request: PackageRequest, wanted: Edits) -> list[str]:
    """The question what goes along with what is to go, once what is to come is there."""
    options = [option for option in _common(request) if option != _UNFORCED]
    names = [*wanted.come, *(f"-{name}" for name in wanted.go)]
    return ["install", "--name", "--force-resolution", *options, "--dry-run", "--", *names]


def patching(request: PackageRequest, *patches: str) -> list[str]:
    """All patches in one transaction, those for zypper itself and those that ask for a reboot as well."""
    return ["install", "--type", "patch", *_common(request), "--", *patches]


def _common(request: PackageRequest) -> tuple[str, ...]:
    vendor = "--allow-vendor-change" if request.vendor_change else "--no-allow-vendor-change"
    return ("--details", _UNFORCED, vendor)


def named(lines: t.Iterable[Line], by_name: t.Collection[str]) -> list[str]:
    """Arguments for packages that come, change or go, each with the version meant.

    ``by_name``: which of those that come are asked for. The others are needs of them and left to the solver, so that zypper goes
    on knowing that nobody asked for them.
    """
    listed = list(lines)
    come = [line for line in listed if line.installed is not None or _written(line) & set(by_name)]
    return [
        *(f"{line.name}.{line.arch}={line.available}" for line in come if line.available is not None),
        *(f"-{line.name}.{line.arch}={line.installed}" for line in listed if line.available is None),
    ]


def _written(line: Line) -> set[str]:
    return {line.name, f"{line.name}.{line.arch}"}


def performing(request: PackageRequest, plan: PackagePlan, installed: t.Sequence[Package]) -> list[str]:
    """The command that fetches or installs what was planned, from what is ``installed``."""
    if not plan.changes:
        return list(NOTHING)
    if request.advisories is not None:
        return patching(request, *sorted({name for change in plan.changes for name in change.advisories}))
    wanted = edits(request, installed) if request.edits else Edits()
    if wanted:
        by_name = {*wanted.come, *(package.name for package in installed)}
        along = [line for line in plan.changes if line.available is None and not _written(line) & set(request.remove)]
        if plan.mode == "dup" or (request.upgrade and along):  # something may come in its place
            by_name.update(line.name for line in plan.changes)
        return coming_and_going(request, plan.mode, *named(plan.changes, by_name))
    names = _selection(request, plan.changes)
    return [*upgrade(request, plan.mode or "update"), "--", *names] if names or not request.packages else list(NOTHING)


def _selection(request: PackageRequest, changes: t.Iterable[PackageChange]) -> tuple[str, ...]:
    """The names that the plan was resolved for, as far as it has something for them; none where it is one of all packages."""
    if not request.packages:
        return ()
    found = [change.name for change in changes if None not in (change.installed, change.available)]
    return tuple(sorted(held.matching(found, request.named)))


__all__ = ("NOTHING", "Edits", "coming_and_going", "edits", "going_along", "named", "patching", "performing", "upgrade")
