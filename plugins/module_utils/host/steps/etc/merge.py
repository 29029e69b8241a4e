# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc of the running root is merged into the one of the staged root, as a whole or not at all.

It is made anew each time from the same two copies and what is here now: a copy of what the upgrade made, changed beside and
exchanged. So it does not matter how often it is done, or where it was cut off; and what was written down in it says whether it
is up to date.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import typing as t
from dataclasses import dataclass

from ....errors import OvercError
from ....system import flags, syscalls, xattrs
from ....system.presence import files_below, is_plain_directory, is_plain_file, is_there, status
from ...observe.carried_over import NOTE, note_of
from .copies import BASE, THEIRS, copy_tree, etc_of, is_kept, keep, refuse_deep
from .three_way import Conflict, Decision, ThreeWay

if t.TYPE_CHECKING:
    from ....boot.guard import Piece
    from ....runner import Runner
    from .sides import Rewrite

ETC: t.Final = "/etc"
# Below /etc of the new root
ASIDE: t.Final = "overc/not-carried-over"
_WORK: t.Final = "etc.overc-new"


@dataclass(frozen=True)
class Etc:
    """A merge to be made: ``running`` and ``staged`` are the paths of the two roots, ``uuid`` is the staged one's.

    ``pieces`` are files of our own that the staged root has, ``rewrites`` see ``ThreeWay``.
    """

    top: str
    running: str
    staged: str
    uuid: str
    pieces: tuple[Piece, ...] = ()
    rewrites: t.Mapping[str, Rewrite] | None = None

    @property
    def aside(self) -> str:
        return f"{ASIDE}/{self.uuid}"

    @property
    def is_known(self) -> bool:
        """Whether it is known what there was before the upgrade."""
        return is_kept(self.top, self.uuid, BASE)

    def refuse_unknown(self) -> None:
        """Raises bad_argument where there is nothing to compare with."""
        for root in (self.running, self.staged):
            refuse_deep(root + ETC)
            if not is_plain_directory(root + ETC):
                raise OvercError("bad_argument", f"carry_over: {root}{ETC} is no directory. Take /etc out of the list.")
        if not self.is_known:
            name = os.path.basename(self.staged)
            raise OvercError(
                "bad_argument",
                f"carry_over: /etc was not in the list when {name} was staged, so it cannot be told what in its /etc the upgrade "
                f"changed. Nothing was carried over; with force: true {name} is made anew of what runs now.",
            )

    def three_way(self, ours: str | None = None) -> ThreeWay:
        """``ours``: a copy of the running root's /etc instead of itself.

        Raises bad_argument where it is not known what there was before the upgrade, OSError.
        """
        self.refuse_unknown()
        theirs = etc_of(self.top, self.uuid, THEIRS) if is_kept(self.top, self.uuid, THEIRS) else self.staged + ETC
        own = {piece.path.partition("/")[2] for piece in self.pieces}
        return ThreeWay(
            etc_of(self.top, self.uuid, BASE),
            ours or self.running + ETC,
            theirs,
            frozenset({*own, NOTE, ASIDE}),
            self.rewrites or {},
        ).decide()

    def is_current(self, wanted: ThreeWay) -> bool:
        """Whether the staged root has it already, and nothing else of ours is in it."""
        if is_there(os.path.join(self.staged, _WORK)):  # of a run that was cut off
            return False
        note = note_of(self.staged)
        if note.get("uuid") != self.uuid:  # it is as the upgrade made it
            return not wanted.decisions and not wanted.conflicts
        return note.get("fingerprint") == wanted.fingerprint()

    def told(self, conflicts: t.Sequence[Conflict]) -> list[dict[str, t.Any]]:
        """The conflicts as they are shown; ``kept`` is where in the new root the version from here is, if there is one."""
        return [
            {
                "path": f"{ETC}/{found.path}" if found.path else ETC,
                "here": found.here,
                "upgrade": found.there,
                "what": found.what,
                "kept": f"{ETC}/{self.aside}/{found.path}" if _goes_aside(self.running + ETC, found) else None,
            }
            for found in conflicts
        ]

    def merge(self, runner: Runner) -> tuple[bool, list[dict[str, t.Any]]]:
        """Make the staged root's /etc what it should be: whether that changed anything, and the conflicts."""
        work = os.path.join(self.staged, _WORK)
        if is_there(work):  # of a run that was cut off
            _remove(work)
        wanted = self.three_way()
        if self.is_current(wanted):
            return False, self.told(wanted.conflicts)
        if flags.is_locked(self.staged + ETC):
            raise OvercError("access_denied", f"{self.staged}{ETC} is immutable or append-only (lsattr -d).")
        keep(runner, self.top, self.uuid, THEIRS, self.staged + ETC)
        os.mkdir(work, 0o700)
        try:
            # A service may own a directory in /etc, and put a link in the place of what was looked at. It does not own this
            copy_tree(runner, self.running + ETC, f"{work}/here")
            wanted = self.three_way(f"{work}/here")
            told = self.told(wanted.conflicts)
            self._build(runner, wanted, f"{work}{ETC}", told)
            syscalls.syncfs(self.top)
            syscalls.rename(f"{work}{ETC}", self.staged + ETC, syscalls.RENAME_EXCHANGE)
        finally:
            syscalls.syncfs(self.top)
            _remove(work)
        return True, told

    def _build(self, runner: Runner, wanted: ThreeWay, etc: str, told: list[dict[str, t.Any]]) -> None:
        from ....boot import guard  # noqa: PLC0415 - only where something is to be done

        copy_tree(runner, wanted.theirs, etc)
        for decision in wanted.decisions:
            _carry_out(runner, decision, wanted, etc)
            _lock_alike(self.running + ETC, etc, decision.path)
        for found in wanted.conflicts:
            if _goes_aside(wanted.ours, found):
                target = os.path.join(etc, self.aside, found.path)
                _make_private(etc, os.path.dirname(os.path.relpath(target, etc)))
                if not is_there(target):
                    copy_tree(runner, os.path.join(wanted.ours, found.path), target)
        if self.pieces:
            guard.install(os.path.dirname(etc), self.pieces)
        for directory, names in files_below(self.staged + ETC):
            for name in names:
                _lock_alike(self.staged + ETC, etc, os.path.relpath(os.path.join(directory, name), self.staged + ETC))
        _make_private(etc, os.path.dirname(NOTE), 0o755)
        _remove(os.path.join(etc, NOTE))  # of the upgrade before
        note = {"uuid": self.uuid, "fingerprint": wanted.fingerprint(), "conflicts": told}
        with open(os.path.join(etc, NOTE), "x", encoding="ascii", opener=_private) as stream:
            json.dump(note, stream)


def drop_unfinished_merge(root: str) -> bool:
    """What a merge that was cut off left in a root: a copy of its /etc, passwords and all. Raises OSError."""
    work = os.path.join(root, _WORK)
    if not is_there(work):
        return False
    _remove(work)
    return True


def _goes_aside(ours: str, found: Conflict) -> bool:
    there = status(os.path.join(ours, found.path))
    return there is not None and not (found.what and stat.S_ISDIR(there.st_mode))


def _private(path: str, how: int) -> int:
    return os.open(path, how | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _carry_out(runner: Runner, decision: Decision, sides: ThreeWay, etc: str) -> None:
    ours, target = os.path.join(sides.ours, decision.path), os.path.join(etc, decision.path)
    if decision.kind == "leave":
        if is_plain_directory(target) and not os.listdir(target):
            os.rmdir(target)
        return
    if decision.kind == "meta":
        _copy_meta(ours, target)
        return
    if decision.kind == "drop" or (is_there(target) and decision.kind != "directory"):
        _remove(target)
    if decision.kind == "drop":
        return
    _make_like(sides.ours, etc, os.path.dirname(decision.path))
    if decision.kind == "directory":
        _make_like(sides.ours, etc, decision.path)
    elif decision.content is None:
        copy_tree(runner, ours, target)
    else:
        with open(target, "xb", opener=_private) as stream:
            stream.write(decision.content)
    if decision.kind == "put":
        _copy_meta(ours if decision.meta == "ours" else os.path.join(sides.theirs, decision.path), target)


def _make_like(source: str, target: str, path: str) -> None:
    """The directories of ``path`` below ``target`` that are not there, each as it is below ``source``."""
    parts = [part for part in path.split("/") if part]
    for number in range(1, len(parts) + 1):
        there = os.path.join(target, *parts[:number])
        if not is_plain_directory(there):
            os.mkdir(there, 0o700)
            _copy_meta(os.path.join(source, *parts[:number]), there)


def _make_private(etc: str, path: str, mode: int = 0o700) -> None:
    here = etc
    for part in path.split("/"):
        here = os.path.join(here, part)
        if not is_plain_directory(here):
            os.mkdir(here, mode if part != "overc" else 0o755)


def _copy_meta(source: str, target: str) -> None:
    found = os.lstat(source)
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(target, stat.S_IMODE(found.st_mode))
    for name in set(os.listxattr(target, follow_symlinks=False)) - set(os.listxattr(source, follow_symlinks=False)):
        os.removexattr(target, name, follow_symlinks=False)
    xattrs.copy(source, target, follow=False)
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def _lock_alike(before: str, etc: str, path: str) -> None:
    """A file that was immutable or append-only stays so: a copy does not keep that."""
    old, new = os.path.join(before, path), os.path.join(etc, path)
    if is_plain_file(old) and is_plain_file(new) and flags.is_locked(old):
        flags.lock_alike(old, new)


def _remove(path: str) -> None:
    """All of a tree of ours, whatever flags its files have."""
    found = status(path)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        flags.unlock(path)
        os.unlink(path)
        return
    for directory, names in files_below(path):
        for each in (directory, *(os.path.join(directory, name) for name in names)):
            flags.unlock(each)
    shutil.rmtree(path)


__all__ = ("ETC", "Etc", "drop_unfinished_merge")
