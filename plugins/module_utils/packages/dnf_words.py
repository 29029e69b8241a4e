# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both generations of DNF say in the same words: rpm's, the resolver's and the downloader's. Pure."""

from __future__ import annotations

import re
import typing as t

from ..failures import FULL

# error_id, meaning, and the words
NO_SPACE: t.Final = (
    "no_space",
    "There is not enough free space",
    re.compile(
        r"more (?:space|inodes) needed on the|needs \S+ more (?:space|inodes) on the"
        rf"|{FULL}|Not enough (?:free )?space"
        r"|Failed writing received data to disk",  # curl error 23 while downloading
        re.IGNORECASE,
    ),
)
NEEDED: t.Final = (
    "package_needed",
    "DNF does not remove what the system needs",
    re.compile(r"result in removing (?:of )?(?:the following )?(?:protected packages|running kernel)", re.IGNORECASE),
)


def problems(text: str) -> tuple[str, ...]:
    """The resolver's explanations (``Problem 2: ...`` with its dash lines), each as one sentence-like line."""
    found: list[str] = []
    for line in text.splitlines():
        if re.match(r"^\s*Problem(?: \d+)?: ", line):
            found.append(line.split(": ", 1)[1].strip())
        elif found and re.match(r"^\s+- ", line):
            found[-1] += "; " + line.strip()[2:].strip()
    return tuple(found)


__all__ = ("NEEDED", "NO_SPACE", "problems")
