# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private mount namespace in which a module works.

Everything mounted in it is invisible to the host and vanishes with the process, however it ends: nothing can leak, not
even from a run that was killed.
"""

from __future__ import annotations

import contextlib
import os

from ..errors import OvercError
from ..failures import need_root
from ..system import syscalls
from ..system.own_dirs import ensure_runtime_dir
from .subvolumes import TOP_LEVEL_ID

_MS_NOATIME = 0x400
# What this process has mounted already: observing a second time finds the top-level tree where it is.
_mounted: set[str] = set()


def enter() -> None:
    """Move this process into a mount namespace of its own that neither sends nor receives mounts.

    Raises not_root, mount_failed.
    """
    need_root()
    try:
        syscalls.unshare_mounts()
    except OSError as error:
        raise OvercError(
            "mount_failed", f"Cannot make a private mount namespace: {error.strerror}. Run on the host itself, as root."
        ) from error


def mount_point(name: str) -> str:
    """A directory of this name to mount something on, made if it is not there. Raises OSError."""
    path = os.path.join(ensure_runtime_dir(), name)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    return path


def mount_btrfs(
    device: str, name: str, subvolume_id: int = TOP_LEVEL_ID, read_only: bool = False, flags: int = 0
) -> str:
    """Mount one subvolume of the file system on ``device``, by default the top-level tree; returns where.

    ``flags``: more of mount(2).
    """
    target = mount_point(name)
    if name in _mounted:
        return target
    try:
        syscalls.mount(
            device,
            target,
            "btrfs",
            _MS_NOATIME | (syscalls.MS_RDONLY if read_only else 0) | flags,
            f"subvolid={subvolume_id}",
        )
    except OSError as error:
        raise OvercError(
            "mount_failed", f"Cannot mount subvolume {subvolume_id} of {device}: {error.strerror}."
        ) from error
    _mounted.add(name)
    return target


def forget(name: str) -> None:
    """The mount called ``name`` was unmounted."""
    _mounted.discard(name)


__all__ = ("enter", "forget", "mount_btrfs", "mount_point")
