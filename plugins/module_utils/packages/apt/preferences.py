# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of apt's pins (apt_preferences(5)): which of them name a release, and rewriting those. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .releases import is_moving, names_release, renamed


@dataclass(frozen=True)
class Pin:
    """One record. ``tied``: it names the release that is left; ``moving``: it names one by what it is at the moment."""

    package: str
    pin: str
    priority: str
    tied: bool
    moving: bool


_COMMENT: t.Final = "# "


def pins(text: str, release: str) -> tuple[Pin, ...]:
    """The records of a file, in order."""
    return tuple(_read(_lines(stanza), release) for stanza in _stanzas(text) if _is_record(stanza))


def rewritten(text: str, before: str, after: str, *, disable: bool) -> str:
    """The file with the records that name the release ``before`` naming ``after``, or commented out."""
    result = []
    for stanza in _stanzas(text):
        if not _is_record(stanza) or not _read(_lines(stanza), before).tied:
            result.append(stanza)
        elif disable:
            lines = re.findall(r"[^\n]*\n|[^\n]+", stanza)
            result.append("".join(line if _is_blank(line) else _COMMENT + line for line in lines))
        else:
            result.append(_renamed(stanza, before, after))
    return "".join(result)


def _stanzas(text: str) -> list[str]:
    """The text in pieces, each with the empty lines that follow it."""
    pieces: list[str] = []
    ended = True
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        if ended and not _is_blank(line):
            pieces.append("")
        ended = _is_blank(line)
        pieces = pieces or [""]
        pieces[-1] += line
    return pieces


def _is_blank(line: str) -> bool:
    return not line.strip(" \t\r\n")


def _lines(stanza: str) -> list[str]:
    return [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]


def _is_record(stanza: str) -> bool:
    return any(line.lower().startswith("pin:") for line in _lines(stanza))


def _read(lines: t.Sequence[str], release: str) -> Pin:
    fields = {key.strip().lower(): value.strip() for key, _colon, value in (line.partition(":") for line in lines)}
    pin = fields.get("pin", "")
    words = _release_words(pin)
    return Pin(
        fields.get("package", ""),
        pin,
        fields.get("pin-priority", ""),
        tied=any(names_release(word, release) for word in words),
        moving=any(is_moving(word) for word in words),
    )


def _release_words(pin: str) -> list[str]:
    """The archives and code names in ``release a=..., n=...`` or ``release NAME``."""
    kind, _blank, rest = pin.partition(" ")
    if kind.lower() != "release":
        return []
    found = []
    for word in rest.split(","):
        key, equals, value = word.strip().partition("=")
        if not equals or key.strip() in ("a", "n"):
            found.append((value if equals else key).strip().strip('"'))
    return found


def _renamed(stanza: str, before: str, after: str) -> str:
    lines = re.findall(r"[^\n]*\n|[^\n]+", stanza)
    return "".join(
        re.sub(r"[^\s=,\"]+", lambda word: renamed(word.group(), before, after), line)
        if line.lower().startswith("pin:")
        else line
        for line in lines
    )


__all__ = ("Pin", "pins", "rewritten")
