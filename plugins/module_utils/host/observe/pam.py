# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PAM of a root knows about a service: its rules, and the modules that they name, read from the files of that root."""

from __future__ import annotations

import os
import typing as t

from ...system.presence import is_directory, text_of
from ...system.rooted_path import regular_file_in_root, resolve_in_root

# pam.d(5): the administrator's, and those of distributions
DIRECTORIES: t.Final = ("/etc/pam.d", "/usr/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d")
_LIBRARIES: t.Final = ("/usr/lib64", "/usr/lib", "/lib64", "/lib")


def has_rules(root: str, service: str) -> bool:
    return _file_of(root, service) is not None


def missing_modules(root: str, service: str) -> frozenset[str]:
    """Modules without which the rules of a service fail, and which the root does not have. Raises OSError."""
    directories = _module_directories(root)
    return frozenset(
        name
        for name in _needed(root, service, set())
        if not any(
            resolve_in_root(root, path)
            for path in ([name] if name.startswith("/") else [f"{directory}/{name}" for directory in directories])
        )
    )


def _file_of(root: str, name: str) -> str | None:
    """An included file may be named by its path."""
    places = [name] if name.startswith("/") else [f"{directory}/{name}" for directory in DIRECTORIES]
    return next((found for found in (regular_file_in_root(root, place) for place in places) if found), None)


def _needed(root: str, name: str, seen: set[str]) -> t.Iterator[str]:
    """``seen``: files that were read; one that includes itself is read once."""
    path = _file_of(root, name)
    if path is None or path in seen:
        return
    seen.add(path)
    text = text_of(path)
    for line in (text or "").replace("\\\n", " ").split("\n"):
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[0] == "@include":
            yield from _needed(root, words[1], seen)
        if len(words) < 3:
            continue
        kind, control, *rest = words
        if control.startswith("["):
            while not control.endswith("]") and rest:
                control += f" {rest.pop(0)}"
        if control in ("include", "substack") and rest:
            yield from _needed(root, rest[0], seen)
        elif rest and not kind.startswith("-") and control != "optional" and "module_unknown=ignore" not in control:
            yield rest[0]


def _module_directories(root: str) -> list[str]:
    """Where a root has its modules: in a directory of its architecture, or not."""
    found = []
    for library in _LIBRARIES:
        place = resolve_in_root(root, library)
        if place is not None and is_directory(place):
            names = sorted(entry for entry in os.listdir(place) if "-linux-" in entry)
            found += [f"{library}/security", *(f"{library}/{name}/security" for name in names)]
    return found


__all__ = ("DIRECTORIES", "has_rules", "missing_modules")
