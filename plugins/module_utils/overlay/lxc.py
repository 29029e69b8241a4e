# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a container: its LXC configuration, and whether it runs.

Configuration keys: lxc.container.conf(5); ``lxc.mount`` and ``lxc.rootfs`` are what ``lxc.mount.fstab`` and
``lxc.rootfs.path`` were called before LXC 2.1, which installations of the original tool still have.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system import fstab
from ..system.presence import NOT_THERE, is_there, status
from ..system.safe_path import OPEN_FILE, printable
from .service_files import words

FSTAB_KEYS: t.Final = ("lxc.mount.fstab", "lxc.mount")
_ROOTFS_KEYS: t.Final = ("lxc.rootfs.path", "lxc.rootfs")
_IDMAP_KEYS: t.Final = ("lxc.idmap", "lxc.id_map")


@dataclass(frozen=True)
class Config:
    """``fstab`` is the path of the file of mounts, None if the container has none; ``mapped``: it has a user map.

    ``options``: with which its root is mounted.
    """

    fstab: str | None
    rootfs: str | None
    mapped: bool
    legacy: bool
    options: tuple[str, ...] = ()


def _settings(line: str) -> t.Iterator[tuple[str, str]]:
    """The key and the value of a line of a configuration, if it has them; quotes around a whole value are not part of it."""
    key, sep, value = line.partition("=")
    key, value = key.strip(), value.strip()
    if sep and not key.startswith("#"):
        if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
            value = value[1:-1]
        yield key, value


def _lines(text: str) -> t.Iterator[tuple[str, str]]:
    return (setting for line in text.split("\n") for setting in _settings(line))


def parse_config(text: str) -> Config:
    """The last value of a key counts; an empty one clears it."""
    values = dict(_lines(text))

    def first(keys: t.Sequence[str]) -> str | None:
        return next((values[key] for key in keys if values.get(key)), None)

    rootfs = first(_ROOTFS_KEYS)
    legacy = "lxc.rootfs" in values and "lxc.rootfs.path" not in values
    options = tuple(filter(None, (word.strip() for word in values.get("lxc.rootfs.options", "").split(","))))
    return Config(first(FSTAB_KEYS), rootfs, first(_IDMAP_KEYS) is not None, legacy, options)


def mount_entries(text: str) -> list[fstab.Entry]:
    """The mounts that a configuration names itself (``lxc.mount.entry``); an empty value clears those before it."""
    found: list[fstab.Entry] = []
    for key, value in _lines(text):
        if key != "lxc.mount.entry":
            continue
        entry = fstab.parse_line(value)
        if entry is not None:
            found.append(entry)
        elif not value:
            found = []
    return found


# Keys whose values are told apart elsewhere
_TOLD_APART: t.Final = frozenset((*_ROOTFS_KEYS, "lxc.mount.entry"))


def named_paths(text: str) -> list[str]:
    """Every other path of the host that a configuration names: hooks, its table, what it includes, profiles, logs.

    Of some it is the program's own, so that it may not be one of the host after all.
    """
    out: list[str] = []
    for key, value in _lines(text):
        if key not in _TOLD_APART:
            out += [path for path in (value, *words(value)) if path.startswith("/")]
    return list(dict.fromkeys(out))


def layers_of_root(config: Config) -> list[str]:
    """The host paths that ``lxc.rootfs.path`` names: one root, or the layers of an overlay.

    LXC writes ``overlay:<lower>[:<lower>...]:<upper>`` without escapes, so a path with a colon in it is tried whole too.
    """
    kind, sep, rest = (config.rootfs or "").partition(":")
    if not sep or kind.startswith("/"):
        return [config.rootfs] if config.rootfs else []
    parts = rest.split(":")
    return [path for path in dict.fromkeys([*parts, rest.rpartition(":")[0], rest]) if path.startswith("/")]


_DEPTH: t.Final = 10  # includes within includes


def with_includes(text: str, depth: int = _DEPTH) -> str:
    """The configuration with every ``lxc.include`` replaced by what it names: a file, or the ``*.conf`` of a directory.

    Whoever starts the container is told by LXC of what cannot be read; here it is left out.
    """
    out = []
    for line in text.split("\n"):
        path = next((value for key, value in _settings(line) if key == "lxc.include"), None)
        if path is None:
            out.append(line)
        elif depth:
            out += [with_includes(found, depth - 1) for found in map(_text, _files(path)) if found is not None]
    return "\n".join(out)


def included(text: str, depth: int = _DEPTH) -> list[str]:
    """The paths of all that is included."""
    out = []
    for key, value in _lines(text):
        if key == "lxc.include" and depth:
            for path in _files(value):
                out += [path, *included(_text(path) or "", depth - 1)]
    return [path for path in out if path.startswith("/")]


def _files(path: str) -> list[str]:
    try:
        return [f"{path}/{name}" for name in sorted(os.listdir(path)) if name.endswith(".conf")]
    except (FileNotFoundError, NotADirectoryError):
        return [path]


def _text(path: str) -> str | None:
    try:
        return read_text(path)
    except ValueError:  # no name of a file
        return None
    except OSError as error:
        if error.errno in (*NOT_THERE, errno.EISDIR, errno.EINVAL):
            return None
        raise


def read_text(path: str) -> str:
    """A regular file, or a link to one. OSError for anything else: a fifo would never answer."""
    fd = os.open(path, OPEN_FILE & ~os.O_NOFOLLOW & ~os.O_NOATIME)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    with open(fd, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return file.read()


def table_of(container: str) -> str | None:
    """The path of the table of mounts that a container names, links followed; None if it names none.

    Raises inconsistent when that cannot be read.
    """
    config = f"{container}/config"
    try:
        table = parse_config(with_includes(read_text(config))).fstab
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OvercError(
            "inconsistent",
            f"{printable(config)} cannot be read ({error.strerror}), so whether that container has the same table of mounts is"
            " not known. Mend or remove it, then run the same command again.",
        ) from error
    return None if table is None else os.path.realpath(table)


def root_directory(config: Config) -> str | None:
    """The path that ``lxc.rootfs.path`` names, "" for a root that is no plain directory, None if the key is not there."""
    if config.rootfs is None:
        return None
    kind, sep, path = config.rootfs.partition(":")
    if sep and not kind.startswith("/"):
        return path if kind in ("dir", "btrfs") else ""
    return config.rootfs


def map_of_root(config: Config) -> str | None:
    """The option by which LXC mounts the root itself with a user map, which no overlay within can have; None without one."""
    return next((option for option in config.options if option.startswith("idmap=")), None)


_SETTINGS: t.Final = "/etc/lxc/lxc.conf"
_DEFAULT_PLACE: t.Final = "/var/lib/lxc"


def default_places(settings: str = _SETTINGS) -> list[str]:
    """Where LXC looks for containers if it is not told: ``lxc.lxcpath`` (lxc.system.conf(5))."""
    for line in (_text(settings) or "").split("\n"):
        key, sep, value = line.partition("=")
        if sep and key.strip() == "lxc.lxcpath" and value.strip():
            return [value.strip().rstrip("/") or "/"]
    return [_DEFAULT_PLACE]


FSTAB_COMMENT: t.Final = "# added for shared directories (overc_overlay)"


def with_fstab(text: str, path: str, *, legacy: bool) -> str:
    """The configuration with a file of mounts named in it."""
    if text and not text.endswith("\n"):
        text += "\n"
    return f"{text}{FSTAB_COMMENT}\n{FSTAB_KEYS[legacy]} = {path}\n"


def without_fstab(text: str, path: str) -> str:
    """The configuration without what ``with_fstab`` added; what somebody wrote there since is kept.

    (Of a container that was moved, it names what is not there any more.)
    """
    lines = text.split("\n")
    out: list[str] = []
    while lines:
        line = lines.pop(0)
        named = next(_settings(lines[0]), ("", "")) if line == FSTAB_COMMENT and lines else ("", "")
        if named[0] in FSTAB_KEYS and named[1] and (named[1] == path or not is_there(named[1])):
            lines.pop(0)
        else:
            out.append(line)
    return "\n".join(out)


def root_in_use(status: os.stat_result, proc: str = "/proc") -> int | None:
    """A process whose root directory is this one (LXC, nspawn and chroot all show so), or None."""
    wanted = (status.st_dev, status.st_ino)
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            root = os.stat(f"{proc}/{name}/root")
        except OSError as error:
            # Gone meanwhile, a kernel thread, or one that a security policy hides even from root
            if error.errno in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
                continue
            raise
        if (root.st_dev, root.st_ino) == wanted:
            return int(name)
    return None


_SOCKET_END: t.Final = "/command"


def _monitors(sockets: str) -> list[str]:
    """The names of the command sockets that monitors hold, without what they begin and end with."""
    try:
        with open(sockets, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        return []
    # Seven columns before the name, which may have blanks
    names = [line.split(None, 7)[-1] for line in lines if line.endswith(_SOCKET_END)]
    return [name[1 : -len(_SOCKET_END)] for name in names if name.startswith("@")]


def running_containers(sockets: str = "/proc/net/unix") -> list[str]:
    """The directories of containers whose monitor holds the command socket ``@<directory>/command``, as they were named.

    Not of those whose path is too long for the name of a socket: see ``monitor_listens``.
    """
    return [name for name in _monitors(sockets) if name.startswith("/")]


_FNV_BEGINS: t.Final = 0xCBF29CE484222325
_FNV_PRIME: t.Final = 0x100000001B3


def short_name(container: str) -> str:
    """What LXC calls the socket of a container whose path is too long for that: by a hash of it (FNV-1a, 64 bits)."""
    value = _FNV_BEGINS
    for byte in os.fsencode(container):
        value = (value ^ byte) * _FNV_PRIME % 2**64
    return f"lxc/{value:016x}"


def monitor_listens(container: str, sockets: str = "/proc/net/unix") -> bool:
    """Whether LXC's monitor runs for the container with this directory, by whatever name it was started.

    (Of one whose path is too long only by the name that is given.)
    """
    short = short_name(container)
    for name in _monitors(sockets):
        if name in (container, short):
            return True
        there, here = status(name, follow=True) if name.startswith("/") else None, status(container, follow=True)
        if there is not None and here is not None and os.path.samestat(there, here):
            return True
    return False


__all__ = (
    "FSTAB_COMMENT",
    "FSTAB_KEYS",
    "Config",
    "default_places",
    "included",
    "layers_of_root",
    "map_of_root",
    "monitor_listens",
    "mount_entries",
    "named_paths",
    "parse_config",
    "read_text",
    "root_directory",
    "root_in_use",
    "running_containers",
    "short_name",
    "table_of",
    "with_fstab",
    "with_includes",
    "without_fstab",
)
