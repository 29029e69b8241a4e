# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which subvolume a transaction made. Pure."""

from __future__ import annotations

import typing as t

from ...system.unfinished import NEW_SUFFIX

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ..observe.facts import HostFacts
    from .model import Context


def new_root_of(facts: HostFacts, context: Context) -> Subvolume | None:
    """The root that a transaction made, under its unfinished or its final name; None before it was made.

    Whatever holds one of the two names and is not what held the final name before: nothing had the unfinished name when
    the transaction began, or it would have been refused.
    """
    if context.target is not None:
        return None
    for name in (context.root_name, context.root_name + NEW_SUFFIX):
        found = facts.by_path(name)
        if found is not None and found.uuid != context.root_prior:
            return found
    return None


__all__ = ("new_root_of",)
