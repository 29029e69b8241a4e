# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a root's /etc that name the subvolume that it is: fstab, and the words that kernel-install has for later kernels."""

from __future__ import annotations

import os
import stat
import typing as t

from ....boot.entries.command_line import arguments_for
from ....boot.entries.kernel_words import set_subvolume, text_of_words
from ....errors import OvercError
from ....system import fstab
from ....system.presence import is_plain_file, is_there, text_of
from ....system.rooted_path import plain_parent
from ....system.unfinished import NEW_SUFFIX

KERNEL_WORDS: t.Final = "etc/kernel/cmdline"


def rewrite_fstab(root: str, subvolume: str) -> bool:
    """Its line for / names this subvolume. Raises layout_unsupported."""
    parent = plain_parent(root, "etc/fstab")
    path = os.path.join(parent or root, "fstab")
    before = text_of(path) if parent and is_plain_file(path) else None
    if before is None:
        raise OvercError(
            "layout_unsupported", "/etc/fstab of the new root is no regular file, so it cannot be rewritten."
        )
    return _replace(path, before, fstab.set_subvolume(before, subvolume))


def rewrite_kernel_words(root: str, subvolume: str, *, make: bool) -> bool:
    """The same in /etc/kernel/cmdline. ``make``: also where there is none, because the distribution's entries are what
    kernel-install writes.

    What is no regular file in plain directories is left alone. Raises layout_unsupported.
    """
    parent = plain_parent(root, KERNEL_WORDS)
    if parent is None:
        return False
    path = os.path.join(parent, os.path.basename(KERNEL_WORDS))
    if is_plain_file(path):
        before = text_of(path) or ""
        return _replace(path, before, set_subvolume(before, subvolume))
    if is_there(path) or not is_there(parent) or not make:
        return False
    words = arguments_for(text_of("/proc/cmdline") or "", subvolume)
    return _replace(path, None, text_of_words(words))


def _replace(path: str, before: str | None, after: str) -> bool:
    if after == before:
        return False
    found, new = os.lstat(path) if before is not None else None, path + NEW_SUFFIX
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as stream:
        if found is not None:
            os.fchown(stream.fileno(), found.st_uid, found.st_gid)
        os.fchmod(stream.fileno(), stat.S_IMODE(found.st_mode) if found is not None else 0o644)
        stream.write(os.fsencode(after))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(new, path)
    return True


__all__ = ("KERNEL_WORDS", "rewrite_fstab", "rewrite_kernel_words")
