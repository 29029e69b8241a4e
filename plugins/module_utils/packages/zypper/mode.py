# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of zypper's two kinds of upgrade a distribution is brought up to date with.

`update` keeps what is installed and follows versions upwards; `dup` makes the host what its repositories hold, downwards and with
removals, too. A rolling openSUSE is upgraded by `dup` only (its release notes); everything else by `update`, unless it is said.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ..contract import Mode

_FILES: t.Final = ("/etc/os-release", "/usr/lib/os-release")
_ROLLING: t.Final = ("opensuse-tumbleweed", "opensuse-slowroll", "opensuse-microos", "opensuse-aeon", "opensuse-kalpa")
_ID: t.Final = re.compile(r"^ID=[\"']?([a-z0-9._-]+)[\"']?\s*$", re.MULTILINE)


def mode_of(os_release: str) -> Mode:
    """The one for a system with this text of os-release(5)."""
    found = _ID.search(os_release)
    return "dup" if found and found.group(1) in _ROLLING else "update"


def ask(runner: Runner) -> Mode:
    """The one for the root behind ``runner``."""
    for path in _FILES:
        shown = runner.run(["cat", path])
        if shown.rc == 0:
            return mode_of(shown.stdout)
    return mode_of("")


__all__ = ("ask", "mode_of")
