# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's package lists on the disk: which there must be, and which are missing. Pure.

Without lists apt says that nothing is to be upgraded, and means that it does not know.
"""

from __future__ import annotations

import re
import typing as t

from ...values import decimal
from .output import Fetch

_RELEASES: t.Final = ("InRelease", "Release")
# " <digest>  <size> main/binary-amd64/Packages"
_LISTED: t.Final = re.compile(r"^ [0-9a-f]{32,}\s+(\d+)\s+(\S+)$", re.MULTILINE)


def expected(fetches: t.Iterable[Fetch]) -> dict[str, tuple[str, ...]]:
    """Output of `apt-get --print-uris update`, which names the lists of every source as they will be called, read ->
    what the names of one source's lists begin with: the names of its lists of packages for one architecture.
    """
    names = [fetch.file for fetch in fetches]
    prefixes = [name[: -len("InRelease")] for name in names if name.endswith("_InRelease")]
    found: dict[str, list[str]] = {prefix: [] for prefix in prefixes}
    for name in names:
        # Packages of "all" are in the lists of each architecture, too, wherever there are no lists of their own
        if name.endswith("Packages") and "_binary-all_" not in name:
            owner = max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default=None)
            if owner is not None:
                found[owner].append(name)
    return {prefix: tuple(lists) for prefix, lists in found.items() if lists}


def addresses(fetches: t.Iterable[Fetch]) -> dict[str, str]:
    """What the names of one source's lists begin with -> its address."""
    return {
        fetch.file[: -len("InRelease")]: fetch.uri[: -len("/InRelease")]
        for fetch in fetches
        if fetch.file.endswith("_InRelease")
    }


def release_files(prefix: str, present: t.Container[str]) -> tuple[str, ...]:
    """The file that tells what a source has, if it is there; a source without one has no such promise."""
    return tuple(prefix + name for name in _RELEASES if prefix + name in present)[:1]


def absent(lists: t.Iterable[str], present: t.Iterable[str]) -> tuple[str, ...]:
    """Those of ``lists`` that are on the disk neither as they are nor compressed."""
    there = {re.sub(r"(?<=Packages)\.[a-z0-9]+$", "", name) for name in present}
    return tuple(name for name in lists if name not in there)


def are_of(architecture: str, prefix: str, names: t.Iterable[str]) -> tuple[str, ...]:
    """Those of one source's lists that have packages for an architecture; a flat source has one list for all."""
    ours = f"_binary-{architecture}_Packages"
    return tuple(name for name in names if name.endswith(ours) or name == f"{prefix}Packages")


def is_named(prefix: str, name: str, release: str) -> bool:
    """Whether a source's release file (its text) knows this list at all, be it an empty one; one that names none may have it."""
    key, known = name[len(prefix) :], [listed.replace("/", "_") for _size, listed in _LISTED.findall(release)]
    return not known or any(listed == key or listed.startswith(f"{key}.") for listed in known)


def is_promised(prefix: str, name: str, release: str) -> bool:
    """Whether a source's release file (its text) says that this list has anything in it."""
    key = name[len(prefix) :]
    sizes = {listed.replace("/", "_"): decimal(size) for size, listed in _LISTED.findall(release)}
    if key in sizes:
        return sizes[key] != 0
    return any(listed.startswith(f"{key}.") for listed in sizes)


__all__ = ("absent", "addresses", "are_of", "expected", "is_named", "is_promised", "release_files")
