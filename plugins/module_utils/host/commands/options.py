# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ...packages.contract import PackageRequest


@dataclass(frozen=True)
class UpgradeOptions:
    """What an upgrade was asked for beyond the layout.

    ``run``: commands for the new root, each with ``run_timeout`` seconds, unless the path ``run_creates`` is there already.
    """

    request: PackageRequest
    update_cache: bool = True
    force: bool = False
    carry_over: tuple[str, ...] = ()
    carry_late: tuple[str, ...] | None = None
    refuse_state_at_risk: bool = False
    refuse_unsigned: bool = True
    refuse_hidden: bool = True
    arm: bool = True
    rejected: tuple[str, ...] = ()
    run: tuple[tuple[str, ...], ...] = ()
    run_timeout: int = 600
    run_creates: str | None = None

    @property
    def covered(self) -> tuple[str, ...]:
        """The paths whose content comes along, whatever is written to them until the reboot or right before it."""
        return (*self.carry_over, *(self.carry_late or ()))


__all__ = ("UpgradeOptions",)
