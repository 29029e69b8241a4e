# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount units of systemd: what one is called, and which paths it can name."""

from __future__ import annotations

import os
import string
import typing as t

LONGEST: t.Final = 255  # bytes in the name of a unit, and of any file
_PLAIN: t.Final = frozenset(string.ascii_letters + string.digits + ":_.")
_UNSAFE: t.Final = frozenset("%\"'\\:, \t\n\r")


def unit_name(path: str) -> str:
    """systemd-escape --path --suffix=mount."""
    out = []
    for index, byte in enumerate(os.fsencode(path.strip("/"))):
        char = chr(byte)
        if char == "/":
            out.append("-")
        elif char in _PLAIN and not (index == 0 and char == "."):
            out.append(char)
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out) + ".mount"


def can_name(path: str) -> bool:
    """Whether the lines of a unit, and the options of an overlay in one, can have a path in them.

    Of UTF-8 systemd takes no line with what Unicode keeps for no character.
    """
    codes = [ord(char) for char in path]
    odd = any(0xD800 <= c < 0xE000 or 0xFDD0 <= c < 0xFDF0 or c & 0xFFFE == 0xFFFE for c in codes)
    return not odd and not _UNSAFE & set(path)


__all__ = ("LONGEST", "can_name", "unit_name")
