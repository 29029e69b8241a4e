# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services have failed on the running system: what had failed before an upgrade is not held against it."""

from __future__ import annotations

import os
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.runner import Runner

# Where systemd is the init, and only there: sd_booted(3)
_SYSTEMD: t.Final = "/run/systemd/system"
_ASK_SYSTEMD: t.Final = ("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--full")
_ASK_OPENRC: t.Final = ("rc-status", "--nocolor", "--crashed")


def failed_units(runner: Runner, warnings: list[str]) -> list[str]:
    """Their names, as the init of this host calls them. None are known where it cannot be asked, and that is a warning."""
    asked = _ASK_SYSTEMD if os.path.isdir(_SYSTEMD) else _ASK_OPENRC
    if runner.find(asked[0]) is None:
        return []
    done = runner.run(asked)
    if done.rc != 0:
        said = " ".join((done.stderr or done.stdout).split())
        warnings.append(f"Which units had failed before is not known: {asked[0]} ended with {done.rc} ({said}).")
        return []
    return parse(done.stdout)


def parse(output: str) -> list[str]:
    """The first word of each line, which is the unit's name in both formats."""
    return [words[0] for words in map(str.split, output.splitlines()) if words]


__all__ = ("failed_units", "parse")
