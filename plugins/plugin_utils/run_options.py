# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may ask of a fleet run: which hosts, in which waves, and when."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from ..module_utils.errors import OvercError
from ..module_utils.values import whole_number

_CLOCK: t.Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")
_STAMP: t.Final = "%Y-%m-%dT%H:%M:%SZ"


class FleetError(ValueError):
    """An option that cannot be meant; the message is one sentence for people."""


def choose(target: t.Any, matched: t.Sequence[str], exclude: str = "", *, action: str = "change") -> list[str]:
    """The hosts of a run. There is no default: who does not say which hosts means none."""
    if not target:
        raise FleetError(f"Say which hosts to {action}: -e target=GROUP (a host, a group or a pattern).")
    if not matched:
        left = f" without {exclude}" if exclude else ""
        raise FleetError(f"target={target}{left} names no host of this inventory, so there is nothing to {action}.")
    return list(matched)


def count_of(value: t.Any, total: int, option: str) -> int:
    """A number of hosts from ``3`` or ``"25%"``; a percentage is at least one host."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d{1,9})(%?)", text)
    if match is None or (match[2] and int(match[1]) > 100):
        raise FleetError(f"{option}: {text!r} is neither a number of hosts nor a percentage.")
    if not match[2]:
        return int(match[1])
    return max(1, total * int(match[1]) // 100)


def percentage(value: t.Any, option: str) -> float:
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 100:
        raise FleetError(f"{option}: {value!r} is not a percentage between 0 and 100.")
    return number


def seconds_of(value: t.Any, option: str) -> int:
    try:
        return whole_number(option, value)
    except OvercError as error:
        raise FleetError(error.message) from None


def waves(hosts: t.Sequence[str], canary: t.Any, serial: t.Any) -> list[list[str]]:
    """Canary first, then steps; the last step repeats until all hosts are in a wave."""
    steps = serial.split(",") if isinstance(serial, str) else serial if isinstance(serial, (list, tuple)) else [serial]
    sizes = [count_of(step, len(hosts), "fleet_serial") for step in steps]
    if not sizes or 0 in sizes:
        raise FleetError("fleet_serial: a wave needs at least one host.")
    first = count_of(canary, len(hosts), "fleet_canary")
    found = [list(hosts[:first])] if first and hosts else []
    position = first if found else 0
    while position < len(hosts):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        found.append(list(hosts[position : position + size]))
        position += size
    return found


def _minutes(window: str) -> tuple[int, int]:
    match = _CLOCK.fullmatch(window.strip())
    if match is None:
        raise FleetError(f"fleet_window: {window!r} is not of the form 22:00-04:00 (UTC).")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begin == end:
        raise FleetError(f"fleet_window: {window!r} is empty.")
    return begin, end


def closed(now: str, window: str = "", not_after: str = "") -> str | None:
    """Why nothing may be started now, or None. ``now`` and ``not_after`` as 2026-12-01T04:00:00Z; all of it is UTC."""
    if not_after:
        try:
            limit = dt.datetime.strptime(not_after.strip(), _STAMP)  # noqa: DTZ007 - compared with its like
        except ValueError:
            raise FleetError(f"fleet_not_after: {not_after!r} is not of the form 2026-12-01T04:00:00Z (UTC).") from None
        if dt.datetime.strptime(now, _STAMP) > limit:  # noqa: DTZ007
            return f"it is after {not_after.strip()}"
    if window:
        begin, end = _minutes(window)
        minute = int(now[11:13]) * 60 + int(now[14:16])
        inside = begin <= minute < end if begin < end else minute >= begin or minute < end
        if not inside:
            return f"it is {now[11:16]} UTC, outside the window {window.strip()}"
    return None


__all__ = (
    "FleetError",
    "choose",
    "closed",
    "count_of",
    "percentage",
    "seconds_of",
    "waves",
)
