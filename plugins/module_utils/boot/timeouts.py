# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a trial may take: the time-outs of automatic protection, their defaults and what may be asked for."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, fields

from ..errors import OvercError


@dataclass(frozen=True)
class Timeouts:
    """Seconds: until a panicked kernel reboots, until a trial must have come up, until it must be confirmed (0: ever)."""

    panic_timeout: int = 30
    boot_timeout: int = 300
    confirm_deadline: int = 900


TIMEOUTS_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    entry.name: {"type": "int", "default": entry.default} for entry in fields(Timeouts)
}


def timeouts_from(params: t.Mapping[str, t.Any]) -> Timeouts:
    """Check the options. Raises bad_argument."""
    found = Timeouts(params["panic_timeout"], params["boot_timeout"], params["confirm_deadline"])
    if not 1 <= found.panic_timeout <= 3600 or not 30 <= found.boot_timeout <= 86400:
        raise OvercError(
            "bad_argument", "panic_timeout must be 1 to 3600 seconds and boot_timeout 30 to 86400 seconds."
        )
    if found.confirm_deadline and not found.boot_timeout <= found.confirm_deadline <= 7 * 86400:
        raise OvercError(
            "bad_argument", "confirm_deadline must be 0 (never) or at least boot_timeout, and at most seven days."
        )
    return found


__all__ = ("TIMEOUTS_SPEC", "Timeouts", "timeouts_from")
