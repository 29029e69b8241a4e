# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's ``[ ... ]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# name of a file -> is it there, is it a directory, how many bytes has it
Kind = Callable[[str], "tuple[bool, bool, int]"]


def evaluate(words: Sequence[str], kind: Kind) -> bool:
    """Alternatives of ``-a``-joined terms, each with ``!`` in front or not. Parentheses are not understood."""
    return any(all(_term(term, kind) for term in _cut(alternative, "-a")) for alternative in _cut(list(words), "-o"))


def _cut(words: list[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == at:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _term(words: list[str], kind: Kind) -> bool:
    if words[:1] == ["!"]:
        return not _term(words[1:], kind)
    if len(words) == 3:
        left, operator, right = words
        if operator in ("=", "==", "!="):
            return (left == right) is not (operator == "!=")
        raise ValueError(f"[ {' '.join(words)} ] is not understood here")
    if len(words) == 2:
        return _file(words[0], words[1], kind)
    return len(words) == 1 and words[0] != ""


def _file(operator: str, name: str, kind: Kind) -> bool:
    if operator == "-n":
        return name != ""
    if operator == "-z":
        return name == ""
    there, directory, size = kind(name)
    if operator == "-e":
        return there
    if operator == "-d":
        return directory
    if operator in ("-f", "-s"):
        return there and not directory and (operator == "-f" or size > 0)
    return False
