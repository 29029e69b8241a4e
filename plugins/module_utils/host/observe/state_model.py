# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a derived state is: its name, what the host lacks, what contradicts what. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .requirements import Requirement

State = t.Literal[
    "clean", "staged", "trial", "fallback", "elsewhere", "backup", "interrupted", "busy", "inconsistent", "unsupported"
]


@dataclass(frozen=True)
class HostState:
    """The derived state. ``contradictions`` are sentences; ``waiting`` is what a staged host waits to boot into.

    ``own_entries``: each deployment has a boot entry of its own.
    """

    name: State
    requirements: tuple[Requirement, ...]
    contradictions: tuple[str, ...] = ()
    waiting: t.Literal["upgrade", "rollback", "restore"] | None = None
    own_entries: bool = False


__all__ = ("HostState", "State")
