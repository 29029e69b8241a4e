# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root is to bring over when it first starts, and what came of that: one file for each root, outside of every root.

It is named after the root's own uuid, so a snapshot of that root is another root, with nothing to bring. Whatever is written
replaces the file as a whole, durably.
"""

from __future__ import annotations

import json
import os
import stat
import typing as t
from dataclasses import asdict, dataclass, field

from ...errors import OvercError
from ...system import syscalls
from ...system.own_dirs import STATE_DIR, create_state_dir, state_dir
from ...system.presence import status, text_of
from ...values import build, load_object

DIRECTORY: t.Final = "late"
_ENDING: t.Final = ".json"
WAITING: t.Final = "waiting"
DONE: t.Final = "done"
FAILED: t.Final = "failed"


@dataclass(frozen=True)
class Late:
    """``uuid``: of the root that brings ``paths`` over from the subvolume with the uuid ``source``.

    ``keep``: what was at a path stays beside it, see ``replaced`` (path -> where it is). ``copies``: path -> inode of a copy
    that is whole and on the disk, and may have taken its place already. ``brought`` are the paths that are done. ``reason``
    says why it failed.
    """

    uuid: str
    source: str
    paths: tuple[str, ...]
    declared: str | None = None
    keep: bool = False
    status: str = WAITING
    reason: str | None = None
    copies: t.Mapping[str, str] = field(default_factory=dict)
    brought: tuple[str, ...] = ()
    replaced: t.Mapping[str, str] = field(default_factory=dict)
    finished: str | None = None

    def shown(self) -> dict[str, t.Any]:
        """As a result shows it."""
        return {
            "paths": list(self.paths),
            "status": self.status,
            "reason": self.reason,
            "brought": list(self.brought),
            "replaced": dict(self.replaced),
            "declared": self.declared,
            "finished": self.finished,
        }


def _path(top: str, uuid: str) -> str:
    return os.path.join(state_dir(top), DIRECTORY, uuid + _ENDING)


def _kind(top: str, *names: str) -> int | None:
    """The type of what is in the place of these files, or of one of them; None where nothing is."""
    found = status(os.path.join(state_dir(top), DIRECTORY, *names))
    return stat.S_IFMT(found.st_mode) if found is not None else None


def _refuse_other(kind: int | None, wanted: int, *names: str) -> None:
    """That nothing was declared is not inferred from something else in this place. Raises inconsistent."""
    if kind not in (None, wanted):
        what = "a directory" if wanted == stat.S_IFDIR else "a regular file"
        raise OvercError(
            "inconsistent",
            f"{'/'.join((STATE_DIR, DIRECTORY, *names))} in the top-level tree, where it is written what is to be brought over "
            f"at a first start, is not {what}. Look what it is and move it away: then nothing is declared, until carry_late is "
            "given again.",
        )


def read_late(top: str, uuid: str) -> Late | None:
    """What the root with this uuid is to bring, or brought; None if nothing was declared. Raises inconsistent."""
    _refuse_other(_kind(top), stat.S_IFDIR)
    name = uuid + _ENDING
    kind = _kind(top, name)
    _refuse_other(kind, stat.S_IFREG, name)
    if kind is None:
        return None
    try:
        text = text_of(_path(top, uuid))
        if text is None:
            raise ValueError("it is too long")
        found = build(Late, load_object(text.encode("utf-8", "surrogateescape")))
        if found.uuid != uuid or found.status not in (WAITING, DONE, FAILED):
            raise ValueError("it is not of this root")
    except ValueError as error:
        raise OvercError(
            "inconsistent",
            f"What was declared to be brought over at the first start, {STATE_DIR}/{DIRECTORY}/{name} in the top-level tree, "
            f"cannot be read: {error}. "
            "Return with overc_host_rollback, or move the file away if nothing has to be brought.",
        ) from None
    return found


def write_late(top: str, late: Late) -> None:
    """Durably. Raises OSError."""
    directory = os.path.join(create_state_dir(top), DIRECTORY)
    if _kind(top) is None:
        os.mkdir(directory, 0o700)
        syscalls.fsync_directory(os.path.dirname(directory))
    syscalls.write_durably(_path(top, late.uuid), json.dumps(asdict(late), indent=1).encode())


def drop_late(top: str, uuid: str) -> bool:
    """Durably; False if there was none."""
    path = _path(top, uuid)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    syscalls.fsync_directory(os.path.dirname(path))
    return True


def _uuids(top: str) -> list[str]:
    """Raises inconsistent where something else is in the place of these files or of one of them."""
    kind = _kind(top)
    _refuse_other(kind, stat.S_IFDIR)
    names = sorted(os.listdir(os.path.join(state_dir(top), DIRECTORY))) if kind is not None else []
    for name in names:
        if name.endswith(_ENDING):
            _refuse_other(_kind(top, name), stat.S_IFREG, name)
    return [name[: -len(_ENDING)] for name in names if name.endswith(_ENDING)]


def read_all(top: str, uuids: t.Container[str]) -> dict[str, Late]:
    """By uuid, of those roots that are there. What cannot be read counts as failed: nothing else depends on it.

    Raises inconsistent where it cannot even be told of which there is any.
    """
    found = {uuid: _readable(top, uuid) for uuid in _uuids(top) if uuid in uuids}
    return {uuid: late for uuid, late in found.items() if late is not None}


def _readable(top: str, uuid: str) -> Late | None:
    try:
        return read_late(top, uuid)
    except OvercError as error:
        return Late(uuid, "", (), status=FAILED, reason=error.message)


def forget_waiting(top: str, pending: str | None) -> None:
    """What waits belongs to the switch that is ``pending``: a root that is not to come up any more brings nothing, ever."""
    for uuid in _uuids(top):
        if uuid != pending:
            try:
                late = read_late(top, uuid)
            except OvercError:  # whoever starts that root is told
                continue
            if late is not None and late.status == WAITING:
                drop_late(top, uuid)


def forget_gone(top: str, uuids: t.Container[str]) -> None:
    """Those of roots that are there no more."""
    for uuid in _uuids(top):
        if uuid not in uuids:
            drop_late(top, uuid)


__all__ = (
    "DONE",
    "FAILED",
    "WAITING",
    "Late",
    "drop_late",
    "forget_gone",
    "forget_waiting",
    "read_all",
    "read_late",
    "write_late",
)
