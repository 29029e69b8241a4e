# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that exist and are left out, each told in a sentence: zypper leaves them out without a word in what is parsed."""

from __future__ import annotations

import fnmatch
import re
import typing as t

from .errors import problems, words

if t.TYPE_CHECKING:
    from ..contract import Package
    from .commands import Commands
    from .output import Row, Update

_VENDOR: t.Final = re.compile(r"candidate for '(.+?)' from vendor '(.*?)', while the current vendor is '(.*?)'")
_ASKED_AT_ONCE: t.Final = 20


def left_out(
    updates: t.Iterable[Update], rows: t.Iterable[Row], installed: t.Iterable[Package], exclude: t.Collection[str]
) -> tuple[Update, ...]:
    """The newer versions that neither the transaction nor the host has, without those that are not wanted, sorted by name."""
    coming = {(row.name, row.arch, row.available) for row in rows}
    going = {row.name for row in rows if row.available is None}
    coming |= {(package.name, package.arch, package.version) for package in installed}
    found = {update.name: update for update in updates if (update.name, update.arch, update.version) not in coming}
    return tuple(update for name, update in sorted(found.items()) if name not in going and not matches(name, exclude))


def matches(name: str, patterns: t.Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def matching(names: t.Iterable[str], patterns: t.Collection[str]) -> list[str]:
    """Those of the names that a name or glob means, in their order."""
    return [name for name in names if matches(name, patterns)]


def sentences(
    commands: Commands, found: t.Sequence[Update], locks: t.Sequence[str], directory: str | None
) -> list[str]:
    """One for each. Of those that are not locked zypper is asked for the reason, by name and all at once."""
    free = [update.name for update in found if not matches(update.name, locks)][:_ASKED_AT_ONCE]
    said = ""
    if free:
        asked = ("update", "--type", "package", "--dry-run", "--no-force-resolution", "--no-allow-vendor-change")
        said = words(commands.zypper("--no-refresh", *asked, "--", *free, directory=directory, quiet=True))
    return [
        f"{each.name} {each.version} from {each.repository} is left out: {_why(each, said, locks)}." for each in found
    ]


def _why(update: Update, said: str, locks: t.Sequence[str]) -> str:
    if matches(update.name, locks):
        return "the package is locked (zypper locks)"
    for name, new, old in _VENDOR.findall(said):
        if name == update.name:
            return f"it comes from vendor {new}, and the installed one from {old}"
    mine = re.compile(rf"(?<![\w.+-]){re.escape(update.name)}-\d")
    for problem in problems(said):
        if mine.search(problem):
            return problem
    return "zypper would have to change or break other packages for it"


__all__ = ("left_out", "matches", "matching", "sentences")
