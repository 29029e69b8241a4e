# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction that DNF 5 stored (`--store`, then `transaction.json`) -> values, and the same to be replayed. Pure.

DNF 5 would replay a stored package as one that somebody named on the command line: its signature is not checked then, whatever
the repository asks for, and the repository's key is not known. So what is replayed names the repositories themselves, whose
lists and packages are in the cache beside it.
"""

from __future__ import annotations

import json
import posixpath
import re
import typing as t
from dataclasses import dataclass

from .. import rpmdb
from ..contract import Package

if t.TYPE_CHECKING:
    from ..contract import PackageChange

NAME: t.Final = "transaction.json"
_COMING: t.Final = ("Install", "Upgrade", "Downgrade", "Reinstall")
_GOING: t.Final = ("Remove", "Replaced")
_ELSE: t.Final = ("Reason Change",)
_STORED: t.Final = re.compile(r"@stored_transaction\((.+)\)$")
_HERE: t.Final = "@System"
_NEVRA: t.Final = re.compile(r"(?P<name>.+)-(?P<evr>[^-]+-[^-]+)\.(?P<arch>[^.-]+)$")


class UnreadableTransaction(ValueError):
    """What was stored does not look as expected; the message says where."""


@dataclass(frozen=True)
class Stored:
    """``coming`` and ``going`` packages; ``files``: of each repository those that were fetched, relative to the directory.

    ``replay``: the text of the transaction to be replayed.
    """

    coming: frozenset[Package]
    going: frozenset[Package]
    files: t.Mapping[str, tuple[str, ...]]
    replay: str

    def differs_from(self, changes: t.Iterable[PackageChange]) -> tuple[str, ...]:
        """What is stored and was not announced, or the other way round, sorted."""
        announced = list(changes)
        coming = {f"{c.name}-{c.available}.{c.arch}" for c in announced if c.available is not None}
        going = {f"{c.name}-{c.installed}" for c in announced if c.installed is not None}
        return tuple(
            sorted(
                coming.symmetric_difference(f"{p.name}-{p.version}.{p.arch}" for p in self.coming)
                | going.symmetric_difference(f"{p.name}-{p.version}" for p in self.going)
            )
        )


def parse_stored(text: str) -> Stored:
    """The content of `transaction.json`. Raises UnreadableTransaction."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableTransaction("no JSON") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("rpms"), list):
        raise UnreadableTransaction("no list of packages")
    coming, going = set(), set()
    files: dict[str, list[str]] = {}
    for entry in whole["rpms"]:
        package, action, repository, path = _entry(entry)
        if action in _COMING:
            coming.add(package)
            stored = _STORED.match(repository)
            entry["repo_id"] = repository = stored.group(1) if stored else repository
            if path:
                files.setdefault(repository, []).append(path)
            entry.pop("package_path", None)
        elif action in _GOING:
            going.add(package)
        elif action not in _ELSE:
            raise UnreadableTransaction(f"unknown action {action!r}")
        if repository == _HERE:
            entry["repo_id"] = ""
    return Stored(
        frozenset(coming),
        frozenset(going),
        {name: tuple(paths) for name, paths in files.items()},
        json.dumps(whole, indent=1),
    )


def _entry(entry: t.Any) -> tuple[Package, str, str, str]:
    """Package, action, repository and path, "" where there is none."""
    words = [entry.get(key) for key in ("nevra", "action", "repo_id")] if isinstance(entry, dict) else []
    nevra, action, repository = words or (None, None, None)
    path = entry.get("package_path", "") if words else ""
    texts = [nevra, action, repository, path]
    match = _NEVRA.match(nevra) if isinstance(nevra, str) else None
    if match is None or not all(isinstance(each, str) and "\0" not in each for each in texts):
        raise UnreadableTransaction(f"an entry that is no package's: {str(entry)[:200]!r}")
    if path.startswith("/") or ".." in posixpath.normpath(path).split("/"):
        raise UnreadableTransaction(f"a package outside of the directory: {path!r}")
    package = Package(match["name"], match["arch"], rpmdb.without_zero_epoch(match["evr"]))
    return package, str(action), str(repository), path


__all__ = ("NAME", "Stored", "UnreadableTransaction", "parse_stored")
