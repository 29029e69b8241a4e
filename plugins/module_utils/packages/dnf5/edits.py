# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to come and to go in one transaction of DNF 5 (`dnf5 do`), and whether the plan has it. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .. import rpm_edits
from ..dnf_words import problems
from ..rpm_edits import come_and_go

if t.TYPE_CHECKING:
    from ...runner import Completed
    from ..contract import Package, PackageChange, PackageRequest


@dataclass(frozen=True)
class Edits:
    """Names of what is to come and is not there, name and architecture of what is to go and is there."""

    come: tuple[str, ...] = ()
    go: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.come or self.go)


def edits(request: PackageRequest, installed: t.Sequence[Package]) -> Edits:
    return Edits(*come_and_go(request, installed))


def settings(wanted: Edits) -> dict[str, str]:
    """Removing something takes along what it needed, and nobody else does, unless DNF is told otherwise."""
    return {"clean_requirements_on_remove": "False"} if wanted else {}


def command(request: PackageRequest, wanted: Edits, *options: str) -> list[str]:
    """The command that resolves, stores or performs it, with further options of that command."""
    excluded = [f"--exclude={name}" for name in request.exclude]
    if not wanted:
        security = ["--security"] if request.advisories else []
        # "--" keeps a name from being taken for an option
        return [*excluded, "upgrade", *security, *options, "--", *request.named]
    # What cannot be without what goes has to go along, as `dnf5 remove` does it
    erasing = ["--allowerasing"] if wanted.go else []
    return [
        *excluded,
        *("do", "--type=package", *erasing, *options),
        *(("--action=upgrade", "*") if request.upgrade else ()),
        *(("--action=install", *wanted.come) if wanted.come else ()),
        *(("--action=remove", *wanted.go) if wanted.go else ()),
    ]


def refuse_missing(wanted: Edits, planned: t.Iterable[PackageChange], completed: Completed) -> None:
    """Raises package_unknown, package_manager_failed."""
    rpm_edits.refuse_missing(wanted.come, planned, problems(completed.stderr), completed)


__all__ = ("Edits", "command", "edits", "refuse_missing", "settings")
