# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an OSError, or an interruption by a person, to an error of ours with its id."""

from __future__ import annotations

import errno
import os
import re
import typing as t

from .errors import OvercError

# errno -> the id, and what to do before the same command is run again
_OF_THE_HOST: t.Final[tuple[tuple[str, tuple[int, ...], str], ...]] = (
    ("no_space", (errno.ENOSPC, errno.EDQUOT), "Free some space there"),
    ("read_only", (errno.EROFS,), "Find out why it is read-only (dmesg tells), and make it writable"),
    ("access_denied", (errno.EACCES, errno.EPERM), "Look for an immutable file (lsattr) or a security policy there"),
    ("no_resources", (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN), "Let the host have what it is short of"),
    ("in_use", (errno.EBUSY, errno.ETXTBSY), "Find out what uses it, and end that"),
    (
        "inconsistent",
        (errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP),
        "Look at what is there",
    ),
)


def need_root() -> None:
    """Raises not_root for an ordinary user, to whom much of a host looks as if it were not there."""
    if os.geteuid() != 0:
        raise OvercError("not_root", "This module needs root privileges on the host; run it with become: true.")


def is_full(error: OSError) -> bool:
    """Whether it is room that is missing."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


# What tools, rpm's database among them, say where room is missing, on the file system or by a quota
FULL: t.Final = r"No space left on device|Disk quota exceeded|database or disk is full"


def says_full(said: str) -> bool:
    """The same of what a tool has said."""
    return re.search(FULL, said, re.IGNORECASE) is not None


def host_error(error: OSError, doing: str) -> OvercError:
    """What a system call of the host failed with, as an error of ours. ``doing`` is the sentence's subject."""
    error_id, _numbers, remedy = next(
        (entry for entry in _OF_THE_HOST if error.errno in entry[1]),
        ("io_error", (), "Look into the kernel's log (dmesg) for the reason, and check that disk"),
    )
    on = f" on {os.fsdecode(error.filename)!r}" if isinstance(error.filename, (str, bytes)) else ""
    why = os.strerror(error.errno) if error.errno else str(error)
    return OvercError(error_id, f"{doing} failed{on}: {why}. {remedy}, then run the same command again.")


def as_error(raised: BaseException, doing: str = "This command") -> OvercError:
    """Whatever was raised as an error with an id; what is neither ours nor the host's nor a person's is a defect of ours."""
    if isinstance(raised, OvercError):
        return raised
    if isinstance(raised, KeyboardInterrupt):
        return OvercError("aborted", f"{doing} was stopped by a signal (SIGINT). Run the same command again.")
    if isinstance(raised, OSError):
        return host_error(raised, doing)
    return OvercError("internal", f"{type(raised).__name__}: {raised}. Please report this as a defect.")


__all__ = ("FULL", "as_error", "host_error", "is_full", "need_root", "says_full")
