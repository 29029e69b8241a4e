# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Fedora's GRUB makes of the snippets in /loader/entries: their order, and the entry of each. Facts: its own source."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cmp_to_key

_SEGMENT: t.Final = re.compile(r"\d+|[A-Za-z]+|[~+]")
_VARIABLE: t.Final = re.compile(r"\$(\w+) ?")


@dataclass(frozen=True)
class Snippet:
    """``id``: the name of its file without ``.conf``."""

    id: str
    title: str
    lines: tuple[str, ...]


def compare_versions(one: str, other: str) -> int:
    """As rpm does: by segments, numbers are newer than words, ``~`` is older than nothing and ``+`` newer."""
    left, right = _SEGMENT.findall(one), _SEGMENT.findall(other)
    for first, second in zip(left, right, strict=False):
        if first == second:
            continue
        for sign, older in (("~", True), ("+", False)):
            if sign in (first, second):
                return -1 if (first == sign) is older else 1
        if first.isdigit() != second.isdigit():
            return 1 if first.isdigit() else -1
        if first.isdigit():
            if int(first) != int(second):
                return 1 if int(first) > int(second) else -1
        else:
            return 1 if first > second else -1
    if len(left) == len(right):
        return 0
    longer = left if len(left) > len(right) else right
    newer = longer[min(len(left), len(right))] != "~"
    return 1 if (longer is left) is newer else -1


def _parts(name: str) -> tuple[str, str, str]:
    """Name, version and release, as of a package."""
    head, _, release = name.rpartition("-")
    first, _, version = head.rpartition("-")
    return (first, version, release) if head and first else (head or release, release if head else "", "")


def _newest_first(one: Snippet, other: Snippet) -> int:
    return next(
        (-found for pair in zip(_parts(one.id), _parts(other.id), strict=False) if (found := compare_versions(*pair))),
        0,
    )


def _snippet(name: str, text: str, value: Callable[[str], str]) -> Snippet | None:
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, rest = line.strip().partition(" ")
        if key.startswith("#"):
            continue
        if not rest:
            break  # seen in its source: the first line without a value ends the snippet
        fields.setdefault(key, []).append(rest.strip())
    if "linux" not in fields:
        return None
    options = _VARIABLE.sub(lambda match: f"{value(match[1])} ", fields.get("options", [""])[0])
    lines = [f"linux {fields['linux'][0]} {options}"]
    if "initrd" in fields:
        lines.append(f"initrd {' '.join(fields['initrd'])}")
    return Snippet(name, fields.get("title", fields["linux"])[0], tuple(lines))


def snippets(files: Iterable[tuple[str, str]], value: Callable[[str], str]) -> list[Snippet]:
    """The entries of these files (name, text), the newest first. ``value``: of a variable of GRUB."""
    names = [(name[: -len(".conf")], text) for name, text in files if name.endswith(".conf") and name[0] != "."]
    found = [_snippet(name, text, value) for name, text in names]
    return sorted((each for each in found if each is not None), key=cmp_to_key(_newest_first))


__all__ = ("Snippet", "compare_versions", "snippets")
