# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to come and to go in one transaction of DNF 4: as lines for `dnf shell`, the only command of it that takes both.

`dnf shell FILE` ends with 0 whatever happened, after a last "Nothing to do." (observed, DNF 4.14). So its answer counts only
with the table, and with the words of the refusal where one was ordered.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from .. import rpm_edits
from ..dnf_words import problems
from ..rpm_edits import come_and_go
from ..written import split
from .errors import failure, unknown_packages, unsuccessful

if t.TYPE_CHECKING:
    from ...runner import Completed
    from ..contract import Package, PackageChange, PackageRequest

# Removing something takes along what it needed, and nobody else does, unless DNF is told otherwise
SETTINGS: t.Final = {"clean_requirements_on_remove": "False"}
_ERROR: t.Final = re.compile(r"^Error: (?!Operation aborted)", re.MULTILINE)
_LOCKED: t.Final = re.compile(r"already locked by (\d+)")


@dataclass(frozen=True)
class Edits:
    """Names of what is to come and is not there, name and architecture of what is to go and is there."""

    come: tuple[str, ...] = ()
    go: tuple[str, ...] = ()
    upgrade: bool = False

    @property
    def script(self) -> str:
        """For `dnf shell`; "" where nothing comes or goes. The commands with a suffix take names for nothing else."""
        if not self.come and not self.go:
            return ""
        come = [f"install-n{'a' if split(name)[1] else ''} {name}" for name in self.come]
        lines = [*(["upgrade"] if self.upgrade else []), *come, *(f"remove-na {name}" for name in self.go), "run"]
        return "".join(f"{line}\n" for line in lines)


def edits(request: PackageRequest, installed: t.Sequence[Package]) -> Edits:
    return Edits(*come_and_go(request, installed), request.upgrade)


def answered(completed: Completed, *, with_table: bool) -> bool:
    """Whether a shell that was to refuse its consent did so, for a table. Raises what it failed with otherwise."""
    text = f"{completed.stdout}\n{completed.stderr}"
    found = _LOCKED.search(text)
    if found is not None:
        raise OvercError(
            "locked", f"Process {found.group(1)} holds DNF's lock; wait for it to end.", **completed.facts()
        )
    if completed.rc == 0 and with_table and "Operation aborted" in text:
        return True
    known = failure(completed)
    unknown = unknown_packages(text)
    if known is None and unknown:
        raise OvercError(
            "package_unknown",
            f"No repository offers a package of this very name: {', '.join(unknown)}.",
            packages=list(unknown),
            **completed.facts(),
        )
    raise known or unsuccessful(completed, "resolving what is to come and to go")


def has_failed(completed: Completed, script: str) -> bool:
    """Whether the command failed: its exit code says so only where it is no shell."""
    return completed.rc != 0 or bool(script and _ERROR.search(completed.stderr))


def refuse_missing(wanted: Edits, planned: t.Iterable[PackageChange], completed: Completed) -> None:
    """Raises package_manager_failed, package_unknown. A problem may be that of another package, where a name is unknown."""
    why = () if unknown_packages(completed.stdout) else problems(completed.stderr)
    rpm_edits.refuse_missing(wanted.come, planned, why, completed)


__all__ = ("SETTINGS", "Edits", "answered", "edits", "has_failed", "refuse_missing")
