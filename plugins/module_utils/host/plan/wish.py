# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade shall do beyond its packages. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class UpgradeWish:
    """What an upgrade shall do beyond its packages.

    ``carry_over``: absolute paths to bring along; ``stale``: one of them differs between the running and the staged root,
    so it is brought over again. ``carry_late``: paths that the new root brings over itself; None: as they were declared before.
    ``arm``: with automatic protection, let the next boot try it. ``rejected``: fingerprints
    of plans that are not to be staged. ``asked``: what the record is told of, a line each.
    """

    force: bool = False
    carry_over: tuple[str, ...] = ()
    stale: bool = False
    carry_late: tuple[str, ...] | None = None
    arm: bool = True
    rejected: t.Collection[str] = ()
    asked: tuple[str, ...] = ()


__all__ = ("UpgradeWish",)
