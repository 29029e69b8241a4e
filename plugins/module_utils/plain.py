# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool prints for a terminal, without what only a terminal understands.

A tool's words are cleaned where they go into a result: before that they are parsed, and a name may hold any byte.
"""

from __future__ import annotations

import re
import typing as t

# ECMA-48: control sequences, strings (titles, links) up to their end, and all other escapes
_ESCAPES: t.Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
)
_CONTROLS: t.Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Progress that is padded to the width of a terminal; the columns of a table are narrower
_PADDING: t.Final = re.compile(r" {60,}")


def plain(text: str) -> str:
    """The text without escapes and control characters; a carriage return begins a new line, wide gaps become two blanks."""
    if not text.isprintable():
        text = _ESCAPES.sub("", text)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = _CONTROLS.sub("", text)
    return _PADDING.sub("  ", text)


__all__ = ("plain",)
