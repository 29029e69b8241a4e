# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services have failed on the running system: what had failed before an upgrade is not held against it."""

from __future__ import annotations

import typing as t

from .presence import is_directory

if t.TYPE_CHECKING:
    from ..runner import Runner

# Where systemd is the init, and only there: sd_booted(3)
SYSTEMD: t.Final = "/run/systemd/system"
_ASK_SYSTEMD: t.Final = ("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--full")
_ASK_OPENRC: t.Final = ("rc-status", "--nocolor", "--crashed")


def look(runner: Runner) -> tuple[list[str], str]:
    """Their names, as the init of this host calls them, and why they are not known; an init of neither kind knows none."""
    asked = _ASK_SYSTEMD if is_directory(SYSTEMD) else _ASK_OPENRC
    if runner.find(asked[0]) is None:
        return [], ""
    done = runner.run(asked)
    if done.rc != 0:
        return [], f"{asked[0]} ended with {done.rc} ({' '.join((done.stderr or done.stdout).split())})"
    return parse(done.stdout), ""


def failed_units(runner: Runner, warnings: list[str]) -> list[str]:
    """Those that have failed now. That they are not known is a warning."""
    found, problem = look(runner)
    if problem:
        warnings.append(f"Which units had failed before is not known: {problem}.")
    return found


def parse(output: str) -> list[str]:
    """The first word of each line, which is the unit's name in both formats."""
    return [words[0] for words in map(str.split, output.splitlines()) if words]


__all__ = ("SYSTEMD", "failed_units", "look", "parse")
