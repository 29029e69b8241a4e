# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overlayfs writes into its layers: whiteouts, opaque marks, and the attributes that are its own.

overlayfs keeps its marks in ``trusted.overlay.*`` (kernel Documentation/filesystems/overlayfs.rst). Since 6.7 a mark
that somebody sets THROUGH an overlay is stored escaped, as ``trusted.overlay.overlay.*``. The ``user.overlay.*`` form
counts only on a mount with ``userxattr``, which is never used here, so it is an ordinary attribute.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

PREFIX: t.Final = "trusted.overlay."
_ESCAPED: t.Final = "trusted.overlay.overlay."
OPAQUE: t.Final = "trusted.overlay.opaque"
_PROTECTION: t.Final = "trusted.overlay.protattr"


def is_mark(attribute: str) -> bool:
    """Whether an extended attribute of this name is overlayfs's own."""
    return attribute.startswith(PREFIX)


def has_mark(target: int | str | bytes, *, follow: bool = True) -> bool:
    """Whether a file (or a path) carries any mark of overlayfs."""
    return any(map(is_mark, os.listxattr(target, follow_symlinks=follow)))


def seen_through(attribute: str) -> str | None:
    """The name under which a program sees an upper layer's attribute through the overlay; None if it does not."""
    if attribute.startswith(_ESCAPED):
        return PREFIX + attribute[len(_ESCAPED) :]
    return None if is_mark(attribute) else attribute


def protection(fd: int) -> int:
    """The inode flags (append-only, immutable) that the kernel keeps as a mark, because a layer's file must not have them."""
    try:
        value = os.getxattr(fd, _PROTECTION)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return 0
        raise
    return (0x20 if b"a" in value else 0) | (0x10 if b"i" in value else 0)


def is_whiteout(mode: int, device: int) -> bool:
    """Whether an entry of this ``st_mode`` and ``st_rdev`` hides the name in the layers below."""
    return stat.S_ISCHR(mode) and device == 0


def make_whiteout(name: str, dir_fd: int) -> None:
    os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=dir_fd)


def is_opaque(fd: int) -> bool:
    """Whether a directory hides all that the layers below have in it."""
    try:
        return os.getxattr(fd, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise


def make_opaque(fd: int) -> None:
    os.setxattr(fd, OPAQUE, b"y")


__all__ = (
    "OPAQUE",
    "PREFIX",
    "has_mark",
    "is_mark",
    "is_opaque",
    "is_whiteout",
    "make_opaque",
    "make_whiteout",
    "protection",
    "seen_through",
)
