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
import string
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system import fstab, overlayfs, syscalls
from ..system.safe_path import OPEN_DIR, printable, read_file, write_atomically
from . import lxc
from .record import HOME


@dataclass(frozen=True)
class Mounted:
    """An overlay that a table names: where, its layers, and the id of ours it belongs to ("" if it is not ours)."""

    directory: str
    layers: overlayfs.Layers
    id: str


def our_id(upper: str, container: str) -> str:
    """The overlay id in the path of an upper layer of ours, else ""."""
    prefix = f"{container}/{HOME}/"
    return upper[len(prefix) :].partition("/")[0] if upper.startswith(prefix) else ""


class Table(t.Protocol):
    """What an operation needs from either kind."""

    kind: t.ClassVar[str]

    def check(self, directory: str) -> None:
        """Refuse a path that this kind cannot carry."""

    def overlays(self) -> list[Mounted]:
        """The overlays the table names now, ours and others'."""

    def commit(self, directory: str, options: str | None) -> None:
        """Atomically and durably: mount this at the directory from now on, or (None) nothing of ours any more."""


class LxcTable:
    """The container's fstab. ``container`` is its directory, ``root`` its root."""

    kind: t.ClassVar[str] = "lxc"

    def __init__(self, container: str, path: str) -> None:
        self.container = container
        self.path = path
        self.root = f"{container}/rootfs"

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
        found = read_file(os.path.basename(self.path), fd)
        return ("", None) if found is None else (os.fsdecode(found[0]), found[1])

    def directory_of(self, target: str) -> str:
        """The directory inside the container: LXC takes targets relative to the root, or absolute below its path."""
        root = self.root + "/"
        inside = target.removeprefix(root)
        return "/" + inside.strip("/")

    def overlays(self) -> list[Mounted]:
        fd = self._open()
        try:
            text, _status = self._text(fd)
        finally:
            os.close(fd)
        out = []
        for entry in fstab.parse(text):
            layers = overlayfs.parse_options(entry.options) if entry.fstype == "overlay" else None
            if layers is not None:
                out.append(Mounted(self.directory_of(entry.target), layers, our_id(layers.upper, self.container)))
        return out

    def commit(self, directory: str, options: str | None) -> None:
        entry = None if options is None else fstab.Entry("overlay", directory.lstrip("/"), "overlay", options)

        def is_it(found: fstab.Entry) -> bool:
            return found.fstype == "overlay" and self.directory_of(found.target) == directory

        fd = self._open()
        try:
            text, status = self._text(fd)
            new = fstab.replace(text, is_it, entry)
            if new != text:
                write_atomically(os.path.basename(self.path), os.fsencode(new), fd, like=status)
        finally:
            os.close(fd)


_PLAIN: t.Final = frozenset(string.ascii_letters + string.digits + ":_.")


def unit_name(path: str) -> str:
    """systemd-escape --path --suffix=mount."""
    out = []
    for index, byte in enumerate(os.fsencode(path.strip("/"))):
        char = chr(byte)
        if char == "/":
            out.append("-")
        elif char in _PLAIN and not (index == 0 and char == "."):
            out.append(char)
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out) + ".mount"


class SystemdTable:
    """A mount unit per directory. ``units`` is where units are (/etc/systemd/system)."""

    kind: t.ClassVar[str] = "systemd"
    _UNSAFE: t.Final = frozenset("%\"'\\:, \t\n")

    def __init__(self, container: str, name: str, units: str = "/etc/systemd/system") -> None:
        self.container = container
        self.root = f"{container}/rootfs"
        self.units = units
        self.services = (f"lxc@{name}.service", f"systemd-nspawn@{name}.service", f"container-{name}.service")
        # a mount that fails must stop the container from starting on a hollow directory; lxc.service starts all
        self.after = (*self.services, "lxc.service", "machines.target")

    def check(self, directory: str) -> None:
        where = self.root + directory
        if self._UNSAFE & set(where):
            raise OvercError(
                "bad_argument",
                f"{printable(where)!r}: a systemd mount unit cannot name a path with blanks, quotes or any of % \\ : ,",
            )

    def _unit(self, directory: str) -> str:
        return unit_name(self.root + directory)

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
            try:
                with open(f"{self.units}/{name}", encoding="utf-8", errors="surrogateescape") as file:
                    values = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
            except (FileNotFoundError, IsADirectoryError):  # a link to nothing is a unit of nobody
                continue
            where = values.get("Where", "")
            if values.get("Type") == "overlay" and where.startswith(self.root + "/"):
                layers = overlayfs.parse_options(values.get("Options", ""))
                if layers is not None:
                    out.append(Mounted(where[len(self.root) :], layers, our_id(layers.upper, self.container)))
        return out

    def commit(self, directory: str, options: str | None) -> None:
        unit = self._unit(directory)
        os.makedirs(self.units, exist_ok=True)
        fd = os.open(self.units, OPEN_DIR & ~os.O_NOFOLLOW)
        try:
            if options is None:
                try:
                    os.unlink(unit, dir_fd=fd)
                    os.fsync(fd)
                except FileNotFoundError:
                    pass
                self._unlink(unit)
                return
            # The links first: as long as the unit is not there they are without effect.
            for link in self._links(unit):
                path = f"{self.units}/{link}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if not os.path.islink(path):
                    os.symlink(f"../{unit}", path)
                # A unit that nothing asks for would let the container start without its mount
                syscalls.fsync_directory(os.path.dirname(path))
            write_atomically(unit, os.fsencode(self.text(directory, options)), fd)
        finally:
            os.close(fd)

    def _unlink(self, unit: str) -> None:
        for link in self._links(unit):
            path = f"{self.units}/{link}"
            if os.path.islink(path):
                os.unlink(path)
                with contextlib.suppress(OSError):  # others have links there
                    os.rmdir(os.path.dirname(path))


def table_for(container: str, name: str, config: lxc.Config | None, *, units: str = "/etc/systemd/system") -> Table:
    """The kind of table a container has."""
    if config is None or config.mapped:
        return SystemdTable(container, name, units)
    return LxcTable(container, config.fstab or f"{container}/fstab")


__all__ = ("LxcTable", "Mounted", "SystemdTable", "Table", "our_id", "table_for", "unit_name")
