# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file in memory that a program can be given by its name: nothing is written anywhere, nothing is left."""

from __future__ import annotations

import contextlib
import os
import typing as t


@contextlib.contextmanager
def in_memory(text: str) -> t.Iterator[tuple[int, str]]:
    """A file with this text: its descriptor, which a program has to inherit, and the path by which that opens it."""
    fd = os.memfd_create("overc")
    try:
        with open(fd, "wb", closefd=False) as stream:
            stream.write(text.encode("utf-8", "surrogateescape"))
        yield fd, f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


__all__ = ("in_memory",)
