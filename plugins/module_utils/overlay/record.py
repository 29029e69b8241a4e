# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we remember of a container's overlays, in a directory of our own beside its root.

``<container>/.overc-overlay/`` (mode 0700, out of the container's sight) holds

record.json   the finished overlays by directory, and requests that wait for the next boot
journal       exists only while an operation is under way: its intent first (durable), then a line per step
<id>/         a btrfs subvolume per overlay: its layers
<id>.<n>      read-only snapshots of sources, gone when the operation is done

Which tree the container sees is NOT decided here but by its table of mounts, the one file that is replaced atomically;
the record says what is ours and so may be removed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import typing as t
from dataclasses import asdict, dataclass, field

from ..errors import OvercError
from ..system.safe_path import open_dir, printable, read_file, write_atomically
from ..system.unfinished import NEW_SUFFIX
from ..values import build, load_object, texts

HOME: t.Final = ".overc-overlay"
_RECORD: t.Final = "record.json"
_JOURNAL: t.Final = "journal"
_VERSION: t.Final = 1
# What earlier records have in an overlay, and nothing was ever decided by
_FORMER: t.Final = frozenset({"empty"})


@dataclass(frozen=True)
class Origin:
    """A tree of a source as it was shared: to tell later whether it has changed since, or is gone."""

    source: str
    uuid: str  # of the btrfs subvolume
    generation: int  # of that subvolume, when it was snapshotted
    subvolume: str  # its path, to look again
    below: str  # the directory, below the subvolume
    time: int  # just before the snapshot, nanoseconds
    layer: str  # the name of the layer below the overlay's own directory
    inode: int = 0  # of the directory; 0 where it was not noted yet


@dataclass(frozen=True)
class Overlay:
    """A finished overlay."""

    id: str
    directory: str
    sources: tuple[str, ...]
    essential_root: str
    origins: tuple[Origin, ...]
    totals: dict[str, int]
    seconds: float
    sealed: int = 0  # the generation of its subvolume when it was finished; lower layers never change after that


@dataclass(frozen=True)
class Request:
    """Work that waits for the next boot."""

    state: str
    directories: tuple[str, ...]
    sources: tuple[str, ...]
    essential_root: str


@dataclass(frozen=True)
class Intent:
    """An operation under way. ``new`` and ``old`` are overlay ids, "" for none; ``original``: see overlay_original."""

    operation: str
    directory: str
    new: str = ""
    old: str = ""
    original: dict[str, t.Any] | None = None


@dataclass
class Record:
    overlays: dict[str, Overlay] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    # the container's configuration got its ``lxc.mount.fstab`` from us, and the file too
    fstab_added: bool = False
    # ids of overlays under whose mount copies may be left; only as long as their snapshot is there (``kept.being_emptied``)
    emptying: list[str] = field(default_factory=list)


def overlay_from(data: dict[str, t.Any]) -> Overlay:
    """From the record, or from the notes beside its layers. Raises ValueError, KeyError or TypeError for anything else."""
    known = {name: value for name, value in data.items() if name not in _FORMER}
    return build(Overlay, known, origins=tuple(build(Origin, origin) for origin in data["origins"]))


def _dump(data: t.Any) -> bytes:
    # ensure_ascii keeps names that are not UTF-8: their surrogate escapes survive as \udcNN
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=True).encode("ascii") + b"\n"


class Store:
    """Reads and writes the record and the journal of one container; ``container_fd`` is its directory, ``path`` its name."""

    def __init__(self, container_fd: int, path: str) -> None:
        self.container_fd = container_fd
        self.path = path

    def open(self) -> int | None:
        """Our directory, opened by the caller's leave; None when there is none."""
        try:
            return open_dir(HOME, self.container_fd)
        except FileNotFoundError:
            return None

    def _read(self, name: str) -> bytes | None:
        home = self.open()
        if home is None:
            return None
        try:
            found = read_file(name, home)
        finally:
            os.close(home)
        return None if found is None else found[0]

    def read(self) -> Record:
        raw = self._read(_RECORD)
        if raw is None:
            return Record()
        try:
            data = load_object(raw)
            if data["version"] != _VERSION:
                raise ValueError(f"version {data['version']!r:.40}")
            return Record(
                {name: overlay_from(item) for name, item in data["overlays"].items()},
                [build(Request, item) for item in data["requests"]],
                bool(data["fstab_added"]),
                list(texts(data.get("emptying", []), "emptying")),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OvercError(
                "inconsistent",
                f"The record of shared directories cannot be read ({error}); nothing is guessed. It is"
                f" {printable(self.path)}/{HOME}/{_RECORD}: put a whole copy back.",
            ) from error

    def write(self, record: Record) -> None:
        """Durable when it returns. An empty record takes our directory with it."""
        if not record.overlays and not record.requests and not record.fstab_added:
            self._forget()
            return
        home = self.make()
        try:
            data = {
                "version": _VERSION,
                "overlays": {name: asdict(item) for name, item in record.overlays.items()},
                "requests": [asdict(item) for item in record.requests],
                "fstab_added": record.fstab_added,
                **({"emptying": record.emptying} if record.emptying else {}),
            }
            write_atomically(_RECORD, _dump(data), home)
        finally:
            os.close(home)

    def make(self) -> int:
        try:
            os.mkdir(HOME, 0o700, dir_fd=self.container_fd)
            os.fsync(self.container_fd)
        except FileExistsError:
            pass
        return open_dir(HOME, self.container_fd)

    def make_durable(self) -> None:
        """What a run that was cut off removed is perhaps only gone in memory: its directory, or the journal."""
        home = self.open()
        try:
            os.fsync(self.container_fd)
            if home is not None:
                os.fsync(home)
        finally:
            if home is not None:
                os.close(home)

    def is_hollow(self) -> bool:
        """Whether our directory holds nothing: a run was cut off while it was removed."""
        home = self.open()
        if home is None:
            return False
        try:
            return not set(os.listdir(home)) - {f".{_RECORD}{NEW_SUFFIX}"}
        finally:
            os.close(home)

    def _forget(self) -> None:
        home = self.open()
        if home is None:
            return
        try:
            for name in (_RECORD, f".{_RECORD}{NEW_SUFFIX}", _JOURNAL):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=home)
        finally:
            os.close(home)
        try:
            os.rmdir(HOME, dir_fd=self.container_fd)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            return  # something else is in there; not ours to remove
        os.fsync(self.container_fd)

    # -- the journal --------------------------------------------------------------------------------------------

    def intent(self) -> Intent | None:
        """The operation under way; None when there is none (a journal without a whole first line had not begun)."""
        raw = self._read(_JOURNAL)
        if raw is None:
            return None
        first, sep, _rest = raw.partition(b"\n")
        if not sep:
            return None
        try:
            return build(Intent, load_object(first))
        except ValueError as error:
            raise OvercError(
                "inconsistent",
                f"The journal {printable(self.path)}/{HOME}/{_JOURNAL} cannot be read ({error}); nothing is guessed.",
            ) from error

    def steps(self) -> list[str]:
        """What the journal says was begun and done, for the report of a repair."""
        raw = self._read(_JOURNAL) or b""
        return [line.decode("ascii", "replace") for line in raw.split(b"\n")[1:] if line]

    def begin(self, intent: Intent) -> None:
        home = self.make()
        try:
            line = json.dumps(asdict(intent), sort_keys=True, ensure_ascii=True).encode("ascii") + b"\n"
            write_atomically(_JOURNAL, line, home)
        finally:
            os.close(home)

    def note(self, line: str, *, durable: bool = False) -> None:
        """A step's name, before and after. Mostly not synced: a repair goes by the intent and the table of mounts."""
        home = self.open()
        if home is None:
            return
        try:
            fd = os.open(_JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=home)
            try:
                os.write(fd, line.encode("ascii") + b"\n")
                if durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
        except FileNotFoundError:
            pass
        finally:
            os.close(home)

    def end(self) -> None:
        home = self.open()
        if home is None:
            return
        try:
            os.unlink(_JOURNAL, dir_fd=home)
            os.fsync(home)
        except FileNotFoundError:
            pass
        finally:
            os.close(home)


__all__ = ("HOME", "Intent", "Origin", "Overlay", "Record", "Request", "Store", "overlay_from")
