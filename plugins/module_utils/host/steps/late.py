# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that lets a root bring declared paths over when it first starts."""

from __future__ import annotations

import sys
import typing as t

from ...errors import OvercError
from ...system import syscalls
from ..late import pieces
from ..late import program as _program  # noqa: F401 - the file that is put into the root is made of it
from ..late.bring import check_kinds, place_of
from ..late.wish import Late, drop_late, forget_gone, write_late

if t.TYPE_CHECKING:
    from .context import Apply


def declare_late(at: Apply) -> bool:
    """The program goes into the root, and what it is to do into the top-level tree; without paths both go. Durable.

    Nothing of it acts unless that very root starts. Raises late_carry_failed where the root could not do it.
    """
    target = at.target()
    root, paths = at.root(target).path, at.context.carry_late
    known = {entry.uuid for entry in at.facts.subvolumes}
    forget_gone(at.top, known)
    if not paths:
        dropped = drop_late(at.top, target.uuid)
        return pieces.remove(root) or dropped
    base = at.base().path
    try:
        for path in paths:
            check_kinds(place_of(base, path, at.context.base_name), place_of(root, path, at.context.root_name), path)
    except OvercError as error:
        error.message = (
            f"carry_late: {error.message.rstrip('.')}. Take it out of the list, then run the same command again."
        )
        raise
    pieces.install(root, sys.executable)
    syscalls.syncfs(at.top)
    keep = at.context.operation == "rollback"
    write_late(at.top, Late(target.uuid, at.context.base, tuple(paths), at.now, keep))
    at.result["carry_late"] = list(paths)
    return True


__all__ = ("declare_late",)
