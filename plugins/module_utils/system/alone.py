# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One at a time: a lock on an open directory, which leaves nothing behind and ends with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import time
import typing as t

from ..errors import OvercError


@contextlib.contextmanager
def alone(fd: int, what: str, *, patience: float) -> t.Iterator[None]:
    """Hold the lock of a descriptor. Raises locked, with the sentence ``what``, if others have it for ``patience`` seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise OvercError("locked", what) from error
        time.sleep(0.01)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


__all__ = ("alone",)
