# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two directories of our own on a host: what must outlive a reboot, and what must not."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..errors import OvercError
from . import selinux, syscalls
from .presence import is_directory

# In the top-level tree, outside of every root: the journal and the record.
STATE_DIR: t.Final = ".overc"
# In memory: locks, private mount points, progress.
RUNTIME_DIR: t.Final = "/run/overc-system"


def state_dir(top: str) -> str:
    """Where our records live; refuses a link or somebody else's directory. Does not create it."""
    path = os.path.join(top, STATE_DIR)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return path
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise OvercError(
            "inconsistent",
            f"{STATE_DIR!r} in the top-level tree is not a directory of root's own. Look what it is, then move it away, or give "
            "it to root (mode 700).",
        )
    return path


def create_state_dir(top: str) -> str:
    """``state_dir``, made durable if it was not there."""
    path = state_dir(top)
    if not is_directory(path):
        os.mkdir(path, 0o700)
        # The top-level tree is seen by no policy, and what is in it by whom it confines
        selinux.label_like("/var/lib", path)
        syscalls.fsync_directory(top)
    return path


def ensure_runtime_dir() -> str:
    """The directory of locks and private mount points; refuses one that somebody else made."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(RUNTIME_DIR, 0o700)
    found = os.lstat(RUNTIME_DIR)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise OvercError(
            "inconsistent", f"{RUNTIME_DIR} is not a directory that only root can write to; remove it and try again."
        )
    if found.st_mode & 0o077:  # made by Ansible for a job in the background, with the results of others in it
        os.chmod(RUNTIME_DIR, 0o700)
    return RUNTIME_DIR


__all__ = ("RUNTIME_DIR", "STATE_DIR", "create_state_dir", "ensure_runtime_dir", "state_dir")
