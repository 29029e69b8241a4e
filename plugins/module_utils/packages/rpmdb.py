# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RPM database of a root, read with the `rpm` command."""

from __future__ import annotations

import re
import typing as t

from ..errors import OvercError
from ..failures import FULL, says_full
from ..redact import redact
from ..system.rooted_path import resolve_in_root
from ..values import decimal
from .contract import Package, Registered
from .locks import Database, Lock
from .tool import copy_directory

if t.TYPE_CHECKING:
    from ..runner import Completed, Runner

# An epoch that is not set prints as "(none)" (rpm(8), QUERY OPTIONS); the conditional prints nothing instead.
QUERY: t.Final = ("rpm", "-qa", "--qf", r"%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%|ARCH?{%{ARCH}}|\n")

_DATABASE: t.Final = "/var/lib/rpm"  # where the macro %_dbpath says nothing

# What rpm says when a package's script failed. A failing %pre or %preun fails the transaction element, but %post,
# %postun, %posttrans and triggers are only warnings and the exit code stays 0. rpm says the second form of its built-in
# Lua, dnf 4 adds the third form, dnf5 the fourth (dnf5/context.cpp).
_SCRIPTLET = re.compile(
    r"^.*(?:scriptlet failed, |error: lua script failed: |Error in \S+ scriptlet in rpm package |rror in \S+ scriptlet: ).*$",
    re.MULTILINE,
)


def without_zero_epoch(version: str) -> str:
    """``0:1.0-1`` and ``1.0-1`` are the same version; the collection writes the latter."""
    return version.removeprefix("0:")


def parse_query(text: str) -> tuple[Package, ...]:
    """Output of ``QUERY`` -> packages, sorted. Imported keys (``gpg-pubkey``) are no packages and are left out."""
    packages = set()
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 3 and fields[0] != "gpg-pubkey":
            packages.add(Package(fields[0], fields[2], without_zero_epoch(fields[1])))
    return tuple(sorted(packages))


def installed(runner: Runner) -> tuple[Package, ...]:
    """Every installed RPM, sorted.

    Raises package_manager_failed when the database cannot be read. No package at all is taken for that, too: rpm makes
    a new empty database where it finds none.
    """
    completed = runner.run(QUERY)
    packages = parse_query(completed.stdout)
    if completed.rc != 0 or not packages:
        raise _unreadable("The RPM database cannot be read, or it lists no package at all", completed)
    return packages


def _unreadable(what: str, completed: Completed) -> OvercError:
    """With the reason that rpm, or what loads it, gives: a full disk is not mended at the package."""
    lines = [line.strip() for line in completed.stderr.splitlines() if line.strip()]
    reasons = [line for line in lines if re.search(rf"{FULL}|error", line, re.IGNORECASE)] or lines
    return OvercError(
        "no_space" if says_full(completed.stderr) else "package_manager_failed",
        f"{what}{f': {redact(reasons[0])}' if reasons else ''}.",
        **completed.facts(),
    )


def verify(runner: Runner) -> None:
    """Let rpm check its database (``--verifydb``, unknown to some builds of rpm5); raises package_manager_failed."""
    completed = runner.run(["rpm", "--verifydb"])
    if completed.rc != 0 and "unknown option" not in completed.stderr:
        raise _unreadable("The RPM database is damaged", completed)


def database(runner: Runner) -> Database:
    """Where rpm keeps its database, and the lock of its transactions (rpmts(3): an fcntl lock on ``.rpm.lock`` there)."""
    said = runner.run(["rpm", "--eval", "%{_dbpath}", "--eval", "%{?_rpmlock_path}"])
    path, lock = [*(line.strip() for line in said.stdout.splitlines()), "", ""][:2] if said.rc == 0 else ("", "")
    path = path if path.startswith("/") else _DATABASE
    return Database((path,), (Lock(lock if lock.startswith("/") else f"{path}/.rpm.lock", "fcntl", make=True),))


def installed_since(runner: Runner, since: int) -> tuple[str, ...]:
    """See ``PackageManager.installed_since``. Raises package_manager_failed."""
    said = runner.run(["rpm", "-qa", "--qf", r"%{INSTALLTIME} %{NAME}-%{VERSION}-%{RELEASE}\n"])
    if said.rc != 0:
        raise _unreadable("The RPM database cannot be read", said)
    rows = (line.partition(" ") for line in said.stdout.splitlines())
    return tuple(sorted(name for at, _space, name in rows if (decimal(at) or 0) >= since))


def registered_in(runner: Runner, root: str, scratch: str) -> dict[str, Registered]:
    """See ``PackageManager.registered_in``; a copy is asked, because rpm writes beside what it reads.

    Raises package_manager_failed, no_space.
    """
    place = resolve_in_root(root, database(runner).directories[0])
    if place is None:
        return {}
    copy_directory(runner, place, scratch)
    said = runner.run(
        ["rpm", "--dbpath", scratch, "-qa", "--qf", r"%{INSTALLTIME} %{NAME} %{NAME}-%{VERSION}-%{RELEASE}\n"]
    )
    if said.rc != 0:
        raise _unreadable(f"The RPM database of {root} cannot be read", said)
    rows = [words for words in map(str.split, said.stdout.splitlines()) if len(words) == 3]
    return {label: Registered(name, decimal(at) or 0) for at, name, label in rows if name != "gpg-pubkey"}


def owners(runner: Runner, paths: t.Sequence[str]) -> dict[str, str]:
    """Path -> package; one process for each path, for the answers do not say which path they are about."""
    found = {}
    for path in paths:
        said = runner.run(["rpm", "-qf", "--qf", r"%{NAME}\n", path])
        if said.rc == 0 and said.stdout:
            found[path] = said.stdout.splitlines()[0]
    return found


def scriptlet_failures(text: str) -> tuple[str, ...]:
    """The lines of a transaction's output that tell of a failed package script, in order, without repetitions."""
    return tuple(dict.fromkeys(match.group(0).strip() for match in _SCRIPTLET.finditer(text)))


_KEPT: t.Final = re.compile(r"(/\S.*) created as /.+\.rpmnew$")


def kept_files(told: t.Iterable[str]) -> tuple[str, ...]:
    """Of rpm's warnings: the files that stayed as they were, although the packages brought others, sorted."""
    found = (_KEPT.match(line.removeprefix("warning: ")) for line in told)
    return tuple(sorted({match.group(1) for match in found if match}))


__all__ = (
    "QUERY",
    "database",
    "installed",
    "installed_since",
    "kept_files",
    "owners",
    "parse_query",
    "registered_in",
    "scriptlet_failures",
    "verify",
    "without_zero_epoch",
)
