# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a plan that labels a new root for SELinux. Pure."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ..observe.facts import HostFacts


def with_label(steps: t.Sequence[str], facts: HostFacts) -> tuple[str, ...]:
    """After all that packages, commands and tools write, and before it is decided whether the root can boot.

    What our own steps write later inherits its label from where it is written, or has that of what it is a copy of.
    """
    found = facts.surroundings.labelling
    if found is None or found.lacks:
        return tuple(steps)
    where = steps.index("check_root")
    return (*steps[:where], "label", *steps[where:])


__all__ = ("with_label",)
