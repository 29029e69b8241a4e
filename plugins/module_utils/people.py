# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and lists as people read them. Programs get the numbers themselves."""

from __future__ import annotations

import datetime as dt
import typing as t

# How many names a line holds before it says how many more there are
_NAMES: t.Final = 8


def plural(number: int, word: str) -> str:
    """``1 package``, ``2 packages``, ``2 directories``."""
    many = f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeou" else f"{word}s"
    return f"{number} {word if number == 1 else many}"


def human_bytes(number: float) -> str:
    """``1536`` -> ``1.5 KiB``."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= 1024 and len(units) > 1:
        number /= 1024
        del units[0]
    unit = units[0]
    return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"


def human_seconds(seconds: float) -> str:
    """``50`` -> ``50 seconds``, ``750`` -> ``12 minutes``, ``200000`` -> ``2 days``."""
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (size == 86400 and seconds >= size):
            return plural(int(seconds // size), word)
    return plural(round(seconds), "second")


def ago(then: str, now: str) -> str:
    """How long before ``now`` a moment was, both as ``2026-11-23T21:00:00Z``; nothing where one of them is no moment."""
    try:
        between = _moment(now) - _moment(then)
    except ValueError:
        return ""
    return f"{human_seconds(max(0.0, between.total_seconds()))} ago"


def _moment(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.timezone.utc)


def names(hosts: t.Sequence[str], limit: int = _NAMES) -> str:
    """``h1, h2 and 3 more``."""
    shown = ", ".join(hosts[:limit])
    return shown if len(hosts) <= limit else f"{shown} and {len(hosts) - limit} more"


def alike(said: t.Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Hosts of which the same is said, together, in the order in which it is said first."""
    groups: dict[str, list[str]] = {}
    for host, words in said.items():
        groups.setdefault(words, []).append(host)
    return list(groups.items())


__all__ = ("ago", "alike", "human_bytes", "human_seconds", "names", "plural")
