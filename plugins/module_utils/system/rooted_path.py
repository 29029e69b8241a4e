# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths inside a root that is not ours: what they mean there, never what they would mean on the host."""

from __future__ import annotations

import os
import stat
import typing as t

from .presence import is_plain_file

_MAX_LINKS: t.Final = 40  # as the kernel: path_resolution(7)


def resolve_in_root(root: str, path: str, *, may_be_missing: bool = False) -> str | None:
    """The absolute host path of what ``path`` names for somebody whose ``/`` is ``root``; None if it does not exist.

    Symbolic links, absolute ones included, are resolved inside the root; ``..`` does not leave it. For trees that only
    root writes to: between this answer and its use nothing else may change them. ``may_be_missing``: where it would be, if
    it existed; None then means that there can be no such place.
    """
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if done:
                done.pop()
            continue
        here = os.path.join(root, *done, part)
        try:
            mode = os.lstat(here).st_mode
        except FileNotFoundError:
            if not may_be_missing:
                return None
            done.append(part)
            continue
        except NotADirectoryError:
            return None
        if not stat.S_ISLNK(mode):
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            return None
        target = os.readlink(here)
        if target.startswith("/"):
            done = []
        todo.extend(piece for piece in reversed(target.split("/")) if piece not in ("", "."))
    return os.path.join(root, *done) if done else root


def regular_file_in_root(root: str, path: str) -> str | None:
    """``resolve_in_root``, if that is a regular file."""
    found = resolve_in_root(root, path)
    return found if found is not None and is_plain_file(found) else None


def plain_parent(root: str, path: str) -> str | None:
    """The host path of ``path``'s parent directory if every component of it is a real directory, else None."""
    here = root
    for part in path.strip("/").split("/")[:-1]:
        here = os.path.join(here, part)
        try:
            if not stat.S_ISDIR(os.lstat(here).st_mode):
                return None
        except FileNotFoundError:
            return None
    return here


__all__ = ("plain_parent", "regular_file_in_root", "resolve_in_root")
