# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dpkg database of a root."""

from __future__ import annotations

import typing as t

from .locks import Database, Lock

if t.TYPE_CHECKING:
    from ..runner import Runner

_DIRECTORY: t.Final = "/var/lib/dpkg"


def database() -> Database:
    """apt and its relatives take the lock of the front end first, dpkg itself both (dpkg 1.19.1)."""
    return Database(
        (_DIRECTORY,), (Lock(f"{_DIRECTORY}/lock-frontend", "fcntl", make=True), Lock(f"{_DIRECTORY}/lock", "fcntl"))
    )


def owners(runner: Runner, paths: t.Sequence[str]) -> dict[str, str]:
    """Path -> package, as dpkg registered it."""
    found = {}
    for path in paths:
        said = runner.run(["dpkg-query", "-S", path])
        if said.rc == 0 and ": " in said.stdout:
            found[path] = said.stdout.partition(": ")[0].partition(":")[0].partition(",")[0]
    return found


__all__ = ("database", "owners")
