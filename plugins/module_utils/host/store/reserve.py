# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room that is kept free for an undo: on a full file system it is given back, and the undo finds it.

btrfs has two kinds of room, and either can be used up: data (where the journal and the record grow) and metadata (which
every rename and every default subvolume reserves, several MiB at once). One file holds both: its own blocks, and extended
attributes of nearly one metadata block each. Measured on full file systems: without it nothing could be appended to the
journal; with 6 MiB of metadata two names could not be exchanged, with 12 MiB they could.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ...system import syscalls
from ...system.own_dirs import create_state_dir, state_dir
from ...system.presence import status

_NAME: t.Final = "reserve"
_DATA: t.Final = 4 << 20
_ATTRIBUTES: t.Final = 800
_ATTRIBUTE_SIZE: t.Final = 16_000  # the largest that fits into a metadata block of 16 KiB
# Below that much free room a run that has to end well gets it at once
LOW: t.Final = 64 << 20


def keep(top: str) -> None:
    """Reserve the room unless it is reserved already. Raises OSError: there is not that much."""
    path = os.path.join(create_state_dir(top), _NAME)
    if status(path) is not None:
        return
    unfinished = f"{path}.overc-new"
    _remove(unfinished)
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _DATA)
        for number in range(_ATTRIBUTES):
            os.setxattr(fd, f"trusted.overc.{number}", b"\0" * _ATTRIBUTE_SIZE)
        os.rename(unfinished, path)
    except OSError:
        _remove(unfinished)
        raise
    finally:
        os.close(fd)


def give_back(top: str) -> None:
    """Let it be used: the file goes, and btrfs writes that down, because only then its room is free."""
    directory = state_dir(top)
    if _remove(os.path.join(directory, _NAME)) | _remove(os.path.join(directory, f"{_NAME}.overc-new")):
        syscalls.syncfs(top)


def _remove(path: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        return True
    return False


__all__ = ("LOW", "give_back", "keep")
