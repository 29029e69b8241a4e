# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the list of work for the next boot, its unit and its code lie on a host, and how files there are written and removed."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ...system import syscalls
from ...system.alone import alone
from ...system.presence import is_directory
from ...system.safe_path import OPEN_DIR, read_file, write_atomically

UNIT: t.Final = "overc-overlay-boot.service"
_PATIENCE: t.Final = 30.0  # seconds: nobody holds the lock for longer than a few files take


class Places:
    """Where things go; the tests use others."""

    def __init__(self, base: str = "/var/lib/overc/overlay", units: str = "/etc/systemd/system") -> None:
        self.base = base
        self.units = units
        self.pending = f"{base}/pending"
        self.code = f"{base}/boot.pyz"
        self.installed = f"{base}/installed.json"
        self.wants = f"{units}/multi-user.target.wants/{UNIT}"


@contextlib.contextmanager
def held(places: Places) -> t.Iterator[None]:
    """Nobody else changes the list, the unit or its code: runs for other containers do so, too.

    The lock is on the directory that has the one of the units, which is there before and after all that is made here.
    """
    path = os.path.dirname(places.units)
    while not is_directory(path):
        path = os.path.dirname(path)
    fd = os.open(path, OPEN_DIR & ~os.O_NOFOLLOW)
    try:
        what = "Another run changes the list of work for the next boot; try again later."
        with alone(fd, what, patience=_PATIENCE):
            yield
    finally:
        os.close(fd)


def read(path: str) -> bytes | None:
    directory, name = os.path.split(path)
    try:
        fd = os.open(directory, OPEN_DIR)
    except FileNotFoundError:
        return None
    try:
        found = read_file(name, fd)
    finally:
        os.close(fd)
    return None if found is None else found[0]


def write(path: str, data: bytes) -> bool:
    """Returns whether the file was another one before."""
    if read(path) == data:
        return False
    directory, name = os.path.split(path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    fd = os.open(directory, OPEN_DIR)
    try:
        write_atomically(name, data, fd)
    finally:
        os.close(fd)
    return True


def sync_above(path: str) -> None:
    """What was removed there stays removed."""
    while not is_directory(path):
        path = os.path.dirname(path)
    syscalls.fsync_directory(path)


def unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


__all__ = ("UNIT", "Places", "held", "read", "sync_above", "unlink", "write")
