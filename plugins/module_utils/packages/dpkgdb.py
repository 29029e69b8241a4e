# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dpkg database of a root."""

from __future__ import annotations

import typing as t

from ..errors import OvercError
from ..system.rooted_path import resolve_in_root
from ..values import decimal
from .contract import Registered
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


def registered_in(runner: Runner, root: str) -> dict[str, Registered]:
    """See ``PackageManager.registered_in``; by name alone, as ``installed_since`` tells them. Raises package_manager_failed."""
    place = resolve_in_root(root, _DIRECTORY)
    if place is None:
        return {}
    states = runner.run(["dpkg-query", f"--admindir={place}", "-W", "-f", r"${db:Status-Status} ${Package}\n"])
    times = runner.run(["find", f"{place}/info", "-name", "*.list", "-printf", r"%T@ %f\n"])
    if states.rc != 0 or times.rc != 0:
        raise OvercError(
            "package_manager_failed",
            f"The dpkg database of {root} cannot be read.",
            **(states if states.rc != 0 else times).facts(),
        )
    rows = (line.partition(" ") for line in times.stdout.splitlines())
    at = {
        name.removesuffix(".list").partition(":")[0]: decimal(when.partition(".")[0]) or 0
        for when, _space, name in rows
    }
    installed = (line.partition(" ") for line in states.stdout.splitlines())
    return {name: Registered(name, at.get(name, 0)) for state, _space, name in installed if state == "installed"}


def owners(runner: Runner, paths: t.Sequence[str]) -> dict[str, str]:
    """Path -> package, as dpkg registered it."""
    found = {}
    for path in paths:
        said = runner.run(["dpkg-query", "-S", path])
        if said.rc == 0 and ": " in said.stdout:
            found[path] = said.stdout.partition(": ")[0].partition(":")[0].partition(",")[0]
    return found


__all__ = ("database", "installed_since", "owners", "registered_in")
