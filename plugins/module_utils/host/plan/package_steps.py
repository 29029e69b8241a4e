# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps of an upgrade its packages and commands need. Pure."""

from __future__ import annotations

import shlex
import typing as t

if t.TYPE_CHECKING:
    from ...packages.contract import PackagePlan

_OF_PACKAGES: t.Final = ("download_packages", "run_packages")
_OF_COMMANDS: t.Final = ("run_commands",)


def needed(steps: t.Iterable[str], packages: PackagePlan) -> list[str]:
    """``steps`` without those that have nothing to do: commands alone need no package manager, packages no commands."""
    idle = (*(() if packages.run else _OF_COMMANDS), *(_OF_PACKAGES if packages.run and not packages.changes else ()))
    return [step for step in steps if step not in idle]


def command_lines(packages: PackagePlan) -> tuple[str, ...]:
    """The commands as people read them, and as they are put on record."""
    return tuple(shlex.join(argv) for argv in packages.run)


__all__ = ("command_lines", "needed")
