# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dpkg database of a root."""

from __future__ import annotations

import typing as t

from ..errors import OvercError
from .locks import Database, Lock

if t.TYPE_CHECKING:
    from ..runner import Runner

_DIRECTORY: t.Final = "/var/lib/dpkg"


def database() -> Database:
    """apt and its relatives take the lock of the front end first, dpkg itself both (dpkg 1.19.1)."""
    return Database(
        (_DIRECTORY,), (Lock(f"{_DIRECTORY}/lock-frontend", "fcntl", make=True), Lock(f"{_DIRECTORY}/lock", "fcntl"))
    )


def installed_since(runner: Runner, since: int) -> tuple[str, ...]:
    """See ``PackageManager.installed_since``: dpkg writes the list of a package's files when it unpacks it."""
    said = runner.run(
        ["find", f"{_DIRECTORY}/info", "-name", "*.list", "-newermt", f"@{since - 1}", "-printf", r"%f\n"]
    )
    if said.rc != 0:
        raise OvercError("package_manager_failed", "The dpkg database cannot be read.", **said.facts())
    return tuple(sorted(name.removesuffix(".list").partition(":")[0] for name in said.stdout.splitlines()))


def owners(runner: Runner, paths: t.Sequence[str]) -> dict[str, str]:
    """Path -> package, as dpkg registered it."""
    found = {}
    for path in paths:
        said = runner.run(["dpkg-query", "-S", path])
        if said.rc == 0 and ": " in said.stdout:
            found[path] = said.stdout.partition(": ")[0].partition(":")[0].partition(",")[0]
    return found


__all__ = ("database", "installed_since", "owners")
