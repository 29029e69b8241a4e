# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two copies of a new root's /etc, kept outside of every root until it is confirmed: as it was snapshotted, and as the
upgrade made it. What they are copies of is told by the uuid of its subvolume.
"""

from __future__ import annotations

import errno
import os
import shutil
import typing as t

from ....errors import OvercError
from ....failures import says_full
from ....system import syscalls
from ....system.own_dirs import create_state_dir, state_dir
from ....system.presence import is_plain_directory, is_there

if t.TYPE_CHECKING:
    from ....runner import Runner

COPIES: t.Final = "etc-copies"
BASE: t.Final = "base"
THEIRS: t.Final = "upgrade"
_DEEPEST: t.Final = 100


def copy_tree(runner: Runner, source: str, target: str) -> None:
    """All that a copy can keep; ``target`` must not be there. Raises no_space, io_error."""
    done = runner.run(("cp", "-a", "--reflink=auto", "--one-file-system", "--no-target-directory", source, target))
    if done.rc != 0:
        error_id = "no_space" if says_full(done.stderr) else "io_error"
        raise OvercError(
            error_id,
            f"Cannot copy {source}: {done.stderr.strip()}. Mend that and run the same command again.",
            **done.facts(),
        )


def refuse_deep(top: str, path: str = "/etc", deepest: int = _DEEPEST) -> None:
    """Who owns a directory in a tree could make it deeper than anybody can compare or remove it. ``path`` is what it is called.

    Raises bad_argument, OSError.
    """
    level, depth = [top] if is_plain_directory(top) else [], 0
    while level and depth <= deepest:
        inside: list[str] = []
        for directory in level:
            try:
                with os.scandir(directory) as entries:
                    inside += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                # Of long names fewer are too many for a path
                inside, depth = [directory], deepest
        level, depth = inside, depth + 1
    if level:
        raise OvercError(
            "bad_argument",
            f"carry_over: directories below {path} are nested more than {deepest} deep, or deeper than any path reaches. Nothing "
            f"was carried over; remove them, or take {path} out of the list.",
        )


def where(top: str, uuid: str, which: str) -> str:
    return os.path.join(state_dir(top), COPIES, uuid, which)


def is_kept(top: str, uuid: str, which: str) -> bool:
    """Whether the whole copy is there."""
    return is_plain_directory(where(top, uuid, which))


def keep(runner: Runner, top: str, uuid: str, which: str, source: str) -> bool:
    """Make the copy, whole and durable under its name or not at all; False if it was there."""
    path = where(top, uuid, which)
    if is_plain_directory(path):
        return False
    create_state_dir(top)
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    refuse_deep(source)
    part = path + ".part"
    if is_there(part):
        shutil.rmtree(part)
    # In a directory of its own that only root may enter, whatever the mode of what is copied
    os.mkdir(part, 0o700)
    copy_tree(runner, source, os.path.join(part, "etc"))
    syscalls.syncfs(top)
    os.rename(part, path)
    syscalls.fsync_directory(os.path.dirname(path))
    return True


def drop_copies(top: str, *, keep: t.Container[str] = (), only: str | None = None) -> None:
    """Remove those of every root but these, or of one alone. Raises OSError."""
    path = os.path.join(state_dir(top), COPIES)
    for uuid in os.listdir(path) if is_plain_directory(path) else ():
        if uuid not in keep and only in (None, uuid):
            shutil.rmtree(os.path.join(path, uuid))


def etc_of(top: str, uuid: str, which: str) -> str:
    return os.path.join(where(top, uuid, which), "etc")


__all__ = ("BASE", "THEIRS", "copy_tree", "drop_copies", "etc_of", "is_kept", "keep", "refuse_deep", "where")
