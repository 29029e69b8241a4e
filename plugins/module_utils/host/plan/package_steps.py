# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps of an upgrade its packages and commands need, and how it is put on record what was asked for. Pure."""

from __future__ import annotations

import shlex
import typing as t

if t.TYPE_CHECKING:
    from ...packages.contract import PackagePlan, PackageRequest

_OF_PACKAGES: t.Final = ("download_packages", "run_packages")
_OF_COMMANDS: t.Final = ("run_commands",)


def needed(steps: t.Iterable[str], packages: PackagePlan) -> list[str]:
    """``steps`` without those that have nothing to do: commands alone need no package manager, packages no commands."""
    idle = (*(() if packages.run else _OF_COMMANDS), *(_OF_PACKAGES if packages.run and not packages.changes else ()))
    return [step for step in steps if step not in idle]


def command_lines(packages: PackagePlan) -> tuple[str, ...]:
    """The commands as people read them."""
    return tuple(shlex.join(argv) for argv in packages.run)


def asked_for(request: PackageRequest, packages: PackagePlan) -> tuple[str, ...]:
    """A line for each thing that is to be so beside an upgrade."""
    return (
        *(f"install {name}" for name in request.install),
        *(f"remove {name}" for name in request.remove),
        *(f"run {line}" for line in command_lines(packages)),
    )


def not_asked_for_again(name: str, before: t.Sequence[str], now: t.Collection[str]) -> str | None:
    """What to say where a staged deployment of this name is replaced; None where the new one has all of it."""
    lost = [line for line in before if line not in now]
    if not lost:
        return None
    return (
        f"{name}, which was staged and is replaced, had been asked for more, of which nothing is in the new one: "
        f"{'; '.join(lost)}. If it is still wanted, give it together with what is wanted now."
    )


__all__ = ("asked_for", "command_lines", "needed", "not_asked_for_again")
