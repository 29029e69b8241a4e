# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of the running transaction: what was planned, and which steps were begun and finished.

One file of JSON lines on the top-level tree, outside every root, so that whichever system boots finds it. The first line
holds the plan and the facts needed for a repair, each further line is one mark, fsynced before the work it announces. A
torn last line (power cut) is ignored: it announced work that had not begun.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import typing as t
from dataclasses import dataclass, field, replace

from ...errors import OvercError
from ...system import syscalls
from ...system.own_dirs import STATE_DIR, create_state_dir, state_dir
from ...system.presence import bytes_in, is_directory, open_at_once
from ...values import load_object, texts

_NAME: t.Final = "journal.jsonl"


@dataclass(frozen=True)
class OpenJournal:
    """An unfinished transaction as found on disk. ``is_written``: a living run has it open, whatever other locks say."""

    operation: str
    started: str
    context: t.Mapping[str, t.Any]
    steps: tuple[str, ...]
    begun: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    notes: t.Mapping[str, t.Any] = field(default_factory=dict)
    is_written: bool = False


def parse_journal(data: bytes) -> OpenJournal | None:
    """None for a journal whose first line never became complete: nothing had been done. Raises inconsistent."""
    lines = data.split(b"\n")
    records: list[dict[str, t.Any]] = []
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            record = load_object(line)
        except ValueError:
            if number == len(lines) - 1:
                break
            raise OvercError(
                "inconsistent",
                f"Line {number + 1} of the journal ({STATE_DIR}/{_NAME} in the top-level tree) is damaged, so the "
                "unfinished transaction cannot be repaired. Compare the subvolumes and boot files by hand, then move "
                "the journal away.",
            ) from None
        records.append(record)
    if not records:
        return None
    head, marks = records[0], records[1:]
    try:
        notes: dict[str, t.Any] = {}
        for mark in marks:
            if not isinstance(mark.get("note", {}), dict):
                raise ValueError("readable notes")
            notes.update(mark.get("note", {}))
        operation, started = texts([head["operation"], head["started"]], "the first line")
        if not isinstance(head["context"], dict):
            raise ValueError("a readable context")
        return OpenJournal(
            operation=operation,
            started=started,
            context=head["context"],
            steps=texts(head["steps"], "steps"),
            begun=texts([mark["step"] for mark in marks if mark.get("when") == "before"], "step"),
            finished=texts([mark["step"] for mark in marks if mark.get("when") == "after"], "step"),
            notes=notes,
        )
    except (KeyError, ValueError) as error:
        raise OvercError("inconsistent", f"The journal {STATE_DIR}/{_NAME} lacks {error}; it is not ours.") from None


def read_journal(top: str) -> OpenJournal | None:
    """The unfinished transaction of this host, None if there is none."""
    try:
        with open(os.path.join(state_dir(top), _NAME), "rb", opener=open_at_once) as stream:
            found = parse_journal(bytes_in(stream))
            return replace(found, is_written=not _lock(stream.fileno(), fcntl.LOCK_SH)) if found else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OvercError(
            "inconsistent", f"The journal {STATE_DIR}/{_NAME} in the top-level tree cannot be read: {error.strerror}."
        ) from None


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Journal:
    """Writes the journal of the transaction that is being applied.

    It is locked while it is open. The host's lock is a file in /run, which anybody may tidy away; this one goes only with the
    work that it stands for.
    """

    def __init__(self, top: str) -> None:
        self._path = os.path.join(create_state_dir(top), _NAME)
        self._fd = -1

    def open(self, operation: str, started: str, steps: t.Sequence[str], context: t.Mapping[str, t.Any]) -> None:
        """Announce a transaction, durably. An earlier journal must have been closed."""
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._take()
        os.ftruncate(self._fd, 0)
        self._write({"operation": operation, "started": started, "steps": list(steps), "context": dict(context)})
        syscalls.fsync_directory(os.path.dirname(self._path))

    def resume(self) -> None:
        """Go on writing behind the marks of a killed run; cuts off a torn last line first."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._take()
        size = os.fstat(self._fd).st_size
        data = os.pread(self._fd, size, 0)
        if data and not data.endswith(b"\n"):
            os.ftruncate(self._fd, data.rfind(b"\n") + 1)

    def mark(self, step: str, when: str, note: t.Mapping[str, t.Any] | None = None) -> None:
        """Record that a step begins (``before``) or ended (``after``), durably."""
        self._write({"step": step, "when": when, **({"note": dict(note)} if note else {})})

    def close(self) -> None:
        """The transaction is over: remove the journal, durably, also where a killed run had removed it already.

        With it goes what a killed run was just writing beside the record or the reserve.
        """
        self.let_go()
        directory = os.path.dirname(self._path)
        for name in (*(name for name in os.listdir(directory) if name.endswith(".overc-new")), _NAME):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, name))
        syscalls.fsync_directory(os.path.dirname(self._path))

    def let_go(self) -> None:
        """The journal stays, and whoever comes next goes on with it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self) -> None:
        if not _lock(self._fd, fcntl.LOCK_EX):
            self.let_go()
            raise OvercError(
                "locked", "Another run is at work on this host. Nothing was changed; wait for it to finish."
            )

    def _write(self, record: t.Mapping[str, t.Any]) -> None:
        data = json.dumps(record).encode() + b"\n"
        while data:
            data = data[os.write(self._fd, data) :]
        os.fsync(self._fd)


def discard_empty_journal(top: str) -> None:
    """A journal that was cut off in its first line announces nothing, so nothing was done: remove it."""
    if not is_directory(os.path.join(top, STATE_DIR)):
        return
    with (
        contextlib.suppress(FileNotFoundError),
        open(os.path.join(top, STATE_DIR, _NAME), "rb", opener=open_at_once) as stream,
    ):
        if not _lock(stream.fileno(), fcntl.LOCK_SH):
            return  # somebody is about to write it
    Journal(top).close()


__all__ = (
    "Journal",
    "OpenJournal",
    "create_state_dir",
    "discard_empty_journal",
    "parse_journal",
    "read_journal",
    "state_dir",
)
