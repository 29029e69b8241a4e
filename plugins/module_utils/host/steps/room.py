# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fails in a new root on a full file system is told as that, whatever the program that failed says of it."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ...errors import OvercError
from ...people import human_bytes

# Less than that is none: what programs write is more, and btrfs does not give out the last of it
_NOTHING: t.Final = 2 << 20
_UNCLEAR: t.Final = ("package_manager_failed", "run_failed")


@contextlib.contextmanager
def full_is_told(root: str) -> t.Iterator[None]:
    """``root``: where the new root is while it is worked in. rpm's database has "disk I/O error" for a full disk.

    Raises no_space instead of an error whose reason may be that.
    """
    try:
        yield
    except OvercError as error:
        if error.error_id not in _UNCLEAR:
            raise
        found = os.statvfs(root)
        free = found.f_bavail * found.f_frsize
        if free >= _NOTHING:
            raise
        raise OvercError(
            "no_space",
            f"{error.message.rstrip('.')}; and the file system of the new root is full ({human_bytes(free)} free). Free some "
            "space, then run the same command again.",
            **error.facts,
        ) from error


__all__ = ("full_is_told",)
