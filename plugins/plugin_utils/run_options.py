# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may ask of a fleet run: in which waves, and when."""

from __future__ import annotations

import datetime as dt
import typing as t

from .option_kinds import STAMP, count_of, minutes, moment, steps


def waves(hosts: t.Sequence[str], canary: t.Any, serial: t.Any) -> list[list[str]]:
    """Canary first, then steps; the last step repeats until all hosts are in a wave."""
    sizes = [count_of(step, len(hosts), "fleet_serial") for step in steps("fleet_serial", serial)]
    first = count_of(canary, len(hosts), "fleet_canary")
    found = [list(hosts[:first])] if first and hosts else []
    position = first if found else 0
    while position < len(hosts):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        found.append(list(hosts[position : position + size]))
        position += size
    return found


def closed(now: str, window: str = "", not_after: str = "") -> str | None:
    """Why nothing may be started now, or None. ``now`` and ``not_after`` as 2026-12-01T04:00:00Z; all of it is UTC."""
    limit = moment("fleet_not_after", not_after)
    if limit and dt.datetime.strptime(now, STAMP) > dt.datetime.strptime(limit, STAMP):  # noqa: DTZ007 - both are UTC
        return f"it is after {limit}"
    if window:
        begin, end = minutes("fleet_window", window)
        minute = int(now[11:13]) * 60 + int(now[14:16])
        inside = begin <= minute < end if begin < end else minute >= begin or minute < end
        if not inside:
            return f"it is {now[11:16]} UTC, outside the window {window.strip()}"
    return None


__all__ = ("closed", "waves")
