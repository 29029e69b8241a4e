# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a container: its LXC configuration, and whether it runs.

Configuration keys: lxc.container.conf(5); ``lxc.mount`` and ``lxc.rootfs`` are what ``lxc.mount.fstab`` and
``lxc.rootfs.path`` were called before LXC 2.1, which installations of the original tool still have.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

FSTAB_KEYS: t.Final = ("lxc.mount.fstab", "lxc.mount")
_ROOTFS_KEYS: t.Final = ("lxc.rootfs.path", "lxc.rootfs")
_IDMAP_KEYS: t.Final = ("lxc.idmap", "lxc.id_map")


@dataclass(frozen=True)
class Config:
    """``fstab`` is the path of the file of mounts, None if the container has none; ``mapped``: it has a user map."""

    fstab: str | None
    rootfs: str | None
    mapped: bool
    legacy: bool


def parse_config(text: str) -> Config:
    """The last value of a key counts; an empty one clears it."""
    values: dict[str, str] = {}
    for line in text.split("\n"):
        key, sep, value = line.partition("=")
        key = key.strip()
        if sep and not key.startswith("#"):
            values[key] = value.strip()

    def first(keys: t.Sequence[str]) -> str | None:
        return next((values[key] for key in keys if values.get(key)), None)

    rootfs = first(_ROOTFS_KEYS)
    legacy = "lxc.rootfs" in values and "lxc.rootfs.path" not in values
    return Config(first(FSTAB_KEYS), rootfs, first(_IDMAP_KEYS) is not None, legacy)


_DEPTH: t.Final = 10  # includes within includes


def with_includes(text: str, depth: int = _DEPTH) -> str:
    """The configuration with every ``lxc.include`` replaced by what it names: a file, or the ``*.conf`` of a directory.

    Whoever starts the container is told by LXC of what cannot be read; here it is left out.
    """
    out = []
    for line in text.split("\n"):
        key, sep, value = line.partition("=")
        if not sep or key.strip() != "lxc.include":
            out.append(line)
        elif depth:
            out += [with_includes(found, depth - 1) for found in map(_text, _files(value.strip())) if found is not None]
    return "\n".join(out)


def _files(path: str) -> list[str]:
    try:
        return [f"{path}/{name}" for name in sorted(os.listdir(path)) if name.endswith(".conf")]
    except OSError:
        return [path]


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def root_directory(config: Config) -> str | None:
    """The path that ``lxc.rootfs.path`` names, "" for a root that is no plain directory, None if the key is not there."""
    if config.rootfs is None:
        return None
    kind, sep, path = config.rootfs.partition(":")
    if sep and not kind.startswith("/"):
        return path if kind in ("dir", "btrfs") else ""
    return config.rootfs


FSTAB_COMMENT: t.Final = "# added for shared directories (overc_overlay)"


def with_fstab(text: str, path: str, *, legacy: bool) -> str:
    """The configuration with a file of mounts named in it."""
    if text and not text.endswith("\n"):
        text += "\n"
    return f"{text}{FSTAB_COMMENT}\n{FSTAB_KEYS[legacy]} = {path}\n"


def without_fstab(text: str) -> str:
    """The configuration without what ``with_fstab`` added."""
    lines = text.split("\n")
    while FSTAB_COMMENT in lines:
        index = lines.index(FSTAB_COMMENT)
        del lines[index : index + 2]
    return "\n".join(lines)


def root_in_use(status: os.stat_result, proc: str = "/proc") -> int | None:
    """A process whose root directory is this one (LXC, nspawn and chroot all show so), or None."""
    wanted = (status.st_dev, status.st_ino)
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            root = os.stat(f"{proc}/{name}/root")
        except OSError:  # gone meanwhile, or a kernel thread
            continue
        if (root.st_dev, root.st_ino) == wanted:
            return int(name)
    return None


def monitor_listens(container: str, sockets: str = "/proc/net/unix") -> bool:
    """Whether LXC's monitor holds the command socket ``@<path of the container>/command``."""
    try:
        with open(sockets, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            text = file.read()
    except OSError:
        return False
    return f"@{container}/command" in (line.split(" ")[-1] for line in text.split("\n"))


__all__ = (
    "FSTAB_COMMENT",
    "FSTAB_KEYS",
    "Config",
    "monitor_listens",
    "parse_config",
    "root_directory",
    "root_in_use",
    "with_fstab",
    "with_includes",
    "without_fstab",
)
