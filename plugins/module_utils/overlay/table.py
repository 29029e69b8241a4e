# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of mounts that decides which tree a container sees, and its two kinds.

An LXC container has its own fstab, read at every start, in its own mount namespace. Anything else (and an LXC container
with a user map, whose own namespace may not mount with trusted marks) gets a systemd mount unit on the host, ordered
before the container's service. Both are ONE file, replaced or removed atomically: the commit of every operation.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system import fstab, mount_unit, overlayfs, syscalls
from ..system.presence import is_directory, is_file, is_link, is_there
from ..system.safe_path import OPEN_DIR, is_below, printable, read_file, write_atomically
from ..system.unfinished import NEW_SUFFIX
from . import lxc
from .names import below, canonical, is_original, our_id, owner_of


@dataclass(frozen=True)
class Mounted:
    """An overlay that a table names: where, its layers, and the id of ours it belongs to ("" if it is not ours).

    ``original``: the original tool made it. ``moved``: the table names the layers by a path of before the container was
    moved; ``owner``: the container whose overlay of ours it is, of which this one is a copy. A layer that the table does not
    name is "" or missing. ``missing``: the table itself lacks it (see ``lines``).
    ``bent``: the table names other layers than those that are there (see ``damaged``), which ``layers`` has.
    ``options``: those that have no value.
    """

    directory: str
    layers: overlayfs.Layers
    id: str
    original: bool = False
    moved: bool = False
    owner: str = ""
    missing: bool = False
    bent: bool = False
    options: tuple[str, ...] = ()

    @property
    def foreign(self) -> bool:
        return not self.id and not self.original and not self.owner


def _mounted(directory: str, options: str, container: str) -> Mounted:
    layers, moved = canonical(overlayfs.named_layers(options), container)
    whole = bool(layers.lower and layers.upper and layers.work)
    id_ = our_id(layers.upper, container)  # whatever became of the rest of its line
    owner = owner_of(layers, container) if whole and not id_ else ""
    flags = tuple(item for item in overlayfs.split_escaped(options, ",", keep_backslash=True) if "=" not in item)
    original = whole and not owner and is_original(layers, container)
    return Mounted(directory, layers, id_, original, moved, owner, options=flags)


class Table(t.Protocol):
    """What an operation needs from either kind."""

    kind: t.ClassVar[str]

    def check(self, directory: str) -> None:
        """Refuse a path that this kind cannot carry."""

    def directory_of(self, target: str) -> str | None:
        """The directory inside the container that a target of this kind means; None if it is not of this container."""

    def in_the_way(self, directory: str) -> str | None:
        """What of somebody else is mounted there, or above, so that the container would not see what is shared."""

    def overlays(self) -> list[Mounted]:
        """The overlays the table names now, ours and others'."""

    def commit(self, directory: str, options: str | None) -> None:
        """Atomically and durably: mount this at the directory from now on, or (None) nothing of ours any more."""

    def make_durable(self) -> None:
        """What the table says was perhaps only seen in memory: a run can be cut off between its rename and the sync."""

    def tidy(self) -> None:
        """Remove, durably, what a commit that was cut off left beside the table: the container might not start with it."""


class LxcTable:
    """The container's fstab. ``container`` is its directory, ``root`` its root.

    ``names``: what LXC takes for the root at the beginning of an absolute target, whatever is there. ``config``: the text
    of the container's configuration, which may have mounts too.
    """

    kind: t.ClassVar[str] = "lxc"

    def __init__(self, container: str, path: str, names: t.Sequence[str] = (), config: str = "") -> None:
        self.container = container
        self.path = path
        self.root = f"{container}/rootfs"
        self.names = tuple(names)
        self.config = config

    def check(self, directory: str) -> None:  # noqa: ARG002 - the other kind looks at it
        # The kernel takes it with a backslash before it, but LXC 5.0 splits there all the same (measured).
        if "," in self.container:
            raise OvercError("bad_argument", f"LXC cannot mount layers below {printable(self.container)!r}: a comma.")

    def _open(self) -> int:
        try:
            return os.open(os.path.dirname(self.path), OPEN_DIR & ~os.O_NOFOLLOW)
        except OSError as error:
            what = f"{printable(self.path)}, the table of mounts that the container's configuration names"
            raise OvercError("inconsistent", f"{what}, cannot be reached: {error.strerror}.") from error

    def _text(self, fd: int) -> tuple[str, os.stat_result | None]:
        try:
            found = read_file(os.path.basename(self.path), fd)
        except OSError as error:
            what = f"{printable(self.path)}, the container's table of mounts, is no regular file"
            hint = "Name the file itself as lxc.mount.fstab in the container's configuration."
            raise OvercError("inconsistent", f"{what} ({error.strerror}); nothing was changed. {hint}") from error
        return ("", None) if found is None else (os.fsdecode(found[0]), found[1])

    def _entries(self) -> list[fstab.Entry]:
        fd = self._open()
        try:
            text, _status = self._text(fd)
        finally:
            os.close(fd)
        return fstab.parse(text)

    def directory_of(self, target: str) -> str | None:
        """LXC takes targets relative to the root, or absolute with the root's name in it; others it leaves out."""
        rest: str | None = target
        if target.startswith("/"):
            rest = below(target, self.root)
            for name in self.names:
                before, sep, after = target.partition(name)
                if rest is None and sep and not before.strip("/") and after[:1] in ("", "/"):
                    rest = after
        return None if rest is None else os.path.normpath("/" + rest.strip("/")).replace("//", "/", 1)

    def overlays(self) -> list[Mounted]:
        out = []
        for entry in self._entries():
            directory = self.directory_of(entry.target) if entry.fstype == "overlay" else None
            if directory is not None:
                out.append(_mounted(directory, entry.options, self.container))
        return out

    def _is_ours(self, entry: fstab.Entry) -> bool:
        return entry.fstype == "overlay" and not _mounted("", entry.options, self.container).foreign

    def in_the_way(self, directory: str) -> str | None:
        places = [(entry, self.path) for entry in self._entries() if not self._is_ours(entry)]
        places += [(entry, f"{self.container}/config") for entry in lxc.mount_entries(self.config)]
        for entry, place in places:
            there = self.directory_of(entry.target)
            covers = there is not None and (there == directory or is_below(directory, there))
            if covers and "remount" not in entry.options.split(","):
                return f"{printable(entry.source)} at {printable(there or '')} ({printable(place)})"
        return None

    def commit(self, directory: str, options: str | None) -> None:
        entry = None if options is None else fstab.Entry("overlay", directory.lstrip("/"), "overlay", options)

        def is_it(found: fstab.Entry) -> bool:
            return self._is_ours(found) and self.directory_of(found.target) == directory

        def comes_after(found: fstab.Entry) -> bool:
            """What is mounted upon the directory; and what takes its source from it as the container sees it."""
            places = [self.directory_of(found.target)]
            if "relative" in found.options.split(","):
                places.append(os.path.normpath(f"/{found.source}"))
            return any(place is not None and (place == directory or is_below(place, directory)) for place in places)

        fd = self._open()
        try:
            text, status = self._text(fd)
            new = fstab.replace(text, is_it, entry, before=comes_after)
            if new != text:
                write_atomically(os.path.basename(self.path), os.fsencode(new), fd, like=status)
            else:
                self.make_durable()
        finally:
            os.close(fd)

    def make_durable(self) -> None:
        syscalls.syncfs(os.path.dirname(self.path))

    def tidy(self) -> None:
        pass  # it is one file


class SystemdTable:
    """A mount unit per directory. ``units`` is where units are (/etc/systemd/system)."""

    kind: t.ClassVar[str] = "systemd"

    def __init__(self, container: str, name: str, units: str = "/etc/systemd/system") -> None:
        self.container = container
        self.root = f"{container}/rootfs"
        self.units = units
        self.services = (f"lxc@{name}.service", f"systemd-nspawn@{name}.service", f"container-{name}.service")
        # a mount that fails must stop the container from starting on a hollow directory; lxc.service starts all
        self.after = (*self.services, "lxc.service", "machines.target")

    def check(self, directory: str) -> None:
        where = self.root + directory
        if not mount_unit.can_name(where):
            raise OvercError(
                "bad_argument",
                f"{printable(where)!r}: a systemd mount unit cannot name a path with blanks, quotes or any of % \\ : , nor one"
                " that is not UTF-8.",
            )
        unit = self._unit(directory)
        names = [f".{unit}{NEW_SUFFIX}", *(os.path.dirname(link) for link in self._links(unit))]
        if max(len(os.fsencode(name)) for name in names) > mount_unit.LONGEST:
            raise OvercError(
                "bad_argument",
                f"{printable(where)!r}: the mount unit of so long a path, or what asks for it, would have a name of more than"
                f" {mount_unit.LONGEST} bytes, which no file can have.",
            )

    def _unit(self, directory: str) -> str:
        return mount_unit.unit_name(self.root + directory)

    def text(self, directory: str, options: str) -> str:
        where = self.root + directory
        return (
            "# Made by overc_overlay: the container's files that it shares. Removed by it, with state=absent.\n"
            "[Unit]\n"
            f"Description=Shared files of {where}\n"
            f"Before={' '.join(self.after)}\n"
            f"RequiresMountsFor={self.container}\n"
            "\n[Mount]\n"
            f"What=overlay\nWhere={where}\nType=overlay\nOptions={options}\n"
        )

    def _links(self, unit: str) -> list[str]:
        wanted = [f"{service}.requires/{unit}" for service in self.services]
        return [*wanted, f"local-fs.target.wants/{unit}"]

    def overlays(self) -> list[Mounted]:
        out = []
        try:
            names = sorted(name for name in os.listdir(self.units) if name.endswith(".mount"))
        except FileNotFoundError:
            return []
        for name in names:
            path = f"{self.units}/{name}"
            if not is_file(path):  # nor does systemd take a link to nothing, a device or a fifo for a unit
                continue
            try:
                values = dict(line.split("=", 1) for line in lxc.read_text(path).split("\n") if "=" in line)
            except FileNotFoundError:  # removed meanwhile
                continue
            directory = self.directory_of(values.get("Where", "")) if values.get("Type") == "overlay" else None
            if directory is not None:
                out.append(_mounted(directory, values.get("Options", ""), self.container))
        return out

    def directory_of(self, target: str) -> str | None:
        return (below(target, self.root) or None) if target.startswith("/") else None

    def in_the_way(self, directory: str) -> str | None:
        path = f"{self.units}/{self._unit(directory)}"
        mine = any(found.directory == directory and not found.foreign for found in self.overlays())
        return printable(path) if is_there(path) and not mine else None

    def commit(self, directory: str, options: str | None) -> None:
        unit = self._unit(directory)
        os.makedirs(self.units, exist_ok=True)
        fd = os.open(self.units, OPEN_DIR & ~os.O_NOFOLLOW)
        try:
            if options is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(unit, dir_fd=fd)
                os.fsync(fd)
                self._unlink(unit)
                return
            # The links first: as long as the unit is not there they are without effect.
            for link in self._links(unit):
                path = f"{self.units}/{link}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if not is_link(path):
                    os.symlink(f"../{unit}", path)
                # A unit that nothing asks for would let the container start without its mount
                syscalls.fsync_directory(os.path.dirname(path))
            write_atomically(unit, os.fsencode(self.text(directory, options)), fd)
        finally:
            os.close(fd)

    def make_durable(self) -> None:
        if is_directory(self.units):
            syscalls.syncfs(self.units)

    def tidy(self) -> None:
        """Links without their unit: the container's service would wait for a mount that is not there, and not start."""
        prefix = f"{mount_unit.unit_name(self.root).removesuffix('.mount')}-"
        stray: set[str] = set()
        for place in {os.path.dirname(f"{self.units}/{link}") for link in self._links("")}:
            names = os.listdir(place) if is_directory(place) else []
            ours = (name for name in names if name.startswith(prefix) and name.endswith(".mount"))
            stray |= {name for name in ours if is_link(f"{place}/{name}") and not is_there(f"{self.units}/{name}")}
        for unit in sorted(stray):
            self._unlink(unit)
        if stray:
            self.make_durable()

    def _unlink(self, unit: str) -> None:
        for link in self._links(unit):
            path = f"{self.units}/{link}"
            if is_link(path):
                os.unlink(path)
                with contextlib.suppress(OSError):  # others have links there
                    os.rmdir(os.path.dirname(path))


def table_for(
    container: str, name: str, config: lxc.Config | None, text: str = "", *, units: str = "/etc/systemd/system"
) -> Table:
    """The kind of table a container has. ``text``: its configuration."""
    if config is None or config.mapped:
        return SystemdTable(container, name, units)
    root = lxc.root_directory(config)
    names = [f"{place}/{name}/rootfs" for place in lxc.default_places()] + ([root] if root else [])
    return LxcTable(container, config.fstab or f"{container}/fstab", names, text)


def other_table(
    table: Table, container: str, name: str, named: str | None, *, units: str = "/etc/systemd/system"
) -> Table | None:
    """The kind of table that the container had if it was given, or lost, a configuration or a user map since.

    ``named``: the table that its configuration names. None where that is a link, which we never wrote.
    """
    if table.kind == "lxc":
        return SystemdTable(container, name, units)
    path = named or f"{container}/fstab"
    return None if is_link(path) else LxcTable(container, path)


__all__ = ("LxcTable", "Mounted", "SystemdTable", "Table", "other_table", "table_for")
