# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading all claims there are on this host: of every container, wherever containers are, of the host, of active mounts.

What cannot be read is not taken for "nobody": OvercError.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from dataclasses import replace

from ..errors import OvercError
from ..system import fstab
from ..system.mount_table import Mount, parse_mountinfo, unescape
from ..system.presence import is_directory, is_file, status
from ..system.safe_path import printable
from . import claims, lxc
from .claims import Claim
from .services import of_services

# Where LXC and OverC keep containers; what else a host has is found by its configuration and by what runs.
_USUAL_PLACES: t.Final = ("/opt/container", "/var/lib/lxc")
_UNITS: t.Final = (
    "/etc/systemd/system.control",
    "/etc/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_UNIT_KINDS: t.Final = (".automount", ".mount", ".path", ".service", ".socket", ".swap")
_NSPAWN: t.Final = ("/etc/systemd/nspawn", "/run/systemd/nspawn", "/var/lib/machines")
# Of a process that ended, or that a confined root may not look at (a host that is a container itself): none of this host's
UNSEEN: t.Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.EINVAL, errno.EACCES, errno.EPERM))


def _read(path: str, *, goes_away: bool = False) -> str:
    """Empty for what is not there. ``goes_away``: of a device, so ENODEV says that it went while it was looked at."""
    try:
        return lxc.read_text(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        if goes_away and error.errno == errno.ENODEV:
            return ""
        raise OvercError(
            "inconsistent",
            f"{printable(path)} cannot be read ({error.strerror}), so whether somebody uses what would be removed is not known."
            " Mend or remove it, then run the same command again.",
        ) from error


def _entries(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise OvercError("inconsistent", f"{printable(path)} cannot be listed: {error.strerror}.") from error


def places(known: t.Iterable[str]) -> list[str]:
    """Every directory of containers that can be found, each once, by whatever name."""
    running = map(os.path.dirname, lxc.running_containers())
    found = [*known, *_USUAL_PLACES, *lxc.default_places(), *_places_of_users(), *running]
    out: dict[tuple[int, int], str] = {}
    for path in found:
        found_there = status(path, follow=True)
        if found_there is not None:
            out.setdefault((found_there.st_dev, found_there.st_ino), path)
    return list(out.values())


def _places_of_users() -> list[str]:
    """Where people without privileges keep containers, who may mount what they can read."""
    fields = [line.split(":") for line in _read("/etc/passwd").split("\n")]
    homes = sorted({line[5] for line in fields if len(line) > 6 and line[5].startswith("/") and line[5] != "/"})
    out = [f"{home}/.local/share/lxc" for home in homes]
    for home in homes:
        out += lxc.default_places(f"{home}/.config/lxc/lxc.conf")
    return out


def copies_elsewhere(container: str) -> list[str]:
    """Where LXC has noted that it made clones of a container: ``lxc_snapshots``, pairs of lines."""
    return [line for line in _read(f"{container}/lxc_snapshots").split("\n")[::2] if line.startswith("/")]


def of_container(container: str, name: str) -> list[Claim]:
    """What the configuration and the table of mounts of a container use, and of the snapshots that LXC made of it."""
    own = _read(f"{container}/config")
    text = lxc.with_includes(own)
    config = lxc.parse_config(text)
    claim = Claim("", "root", f"container {printable(name)!r}", f"{printable(container)}/config", container=container)
    out = [replace(claim, path=path) for path in lxc.layers_of_root(config)]
    out += [replace(claim, path=path, how="named") for path in (*lxc.named_paths(text), *lxc.included(own))]
    for entry in lxc.mount_entries(text):
        out += claims.of_entry(entry, replace(claim, directory=entry.target))
    for table in dict.fromkeys(filter(None, (config.fstab, f"{container}/fstab"))):
        for entry in fstab.parse(_read(table)):
            out += claims.of_entry(entry, replace(claim, where=printable(table), directory=entry.target))
    for snapshot in _entries(f"{container}/snaps"):
        out += of_container(f"{container}/snaps/{snapshot}", f"{name}/snaps/{snapshot}")
    return out


def of_containers(known: t.Iterable[str]) -> list[Claim]:
    """Of all containers in all places."""
    out: list[Claim] = []
    for place in places(known):
        for name in _entries(place):
            if not name.startswith(".") and is_directory(f"{place}/{name}"):
                out += of_container(os.path.realpath(f"{place}/{name}"), name)
    return out


def _of_units(units: str) -> list[Claim]:
    out: list[Claim] = []
    for directory in dict.fromkeys(map(os.path.realpath, (units, *_UNITS))):
        for name in _entries(directory):
            files = [name] if name.endswith(_UNIT_KINDS) else []
            if name.endswith(".d") and name[:-2].endswith(tuple(kind[1:] for kind in _UNIT_KINDS)):
                files = [f"{name}/{file}" for file in _entries(f"{directory}/{name}") if file.endswith(".conf")]
            for file in files:
                path = f"{directory}/{file}"
                if is_file(path):
                    out += claims.of_units(_read(path), Claim("", "", "the host", printable(path)))
    return out


def _of_nspawn() -> list[Claim]:
    out: list[Claim] = []
    for directory in _NSPAWN:
        for name in _entries(directory):
            path = f"{directory}/{name}"
            if name.endswith(".nspawn") and is_file(path):
                who = f"container {printable(name[: -len('.nspawn')])!r}"
                out += claims.of_nspawn(_read(path), Claim("", "", who, printable(path)))
    return out


def _of_block_devices() -> list[Claim]:
    out: list[Claim] = []
    for device in _entries("/sys/block"):
        backing = f"/sys/block/{device}/loop/backing_file"
        path = _read(backing, goes_away=True).rstrip("\n") if device.startswith("loop") else ""
        if path.startswith("/"):
            out.append(Claim(path, "source", f"loop device /dev/{device}", backing))
    for line in _read("/proc/swaps").split("\n")[1:]:
        path = unescape(line.split(" ", 1)[0].split("\t", 1)[0])
        if path.startswith("/"):
            out.append(Claim(path, "source", "the host", "/proc/swaps"))
    return out


def _of_sockets() -> list[Claim]:
    """Sockets in the file system: whoever has bound one is reached by that very file only, and not by its copy."""
    out: list[Claim] = []
    for line in _read("/proc/net/unix").split("\n")[1:]:
        path = line.split(" ", 7)[-1] if line.count(" ") >= 7 else ""
        there = status(path, follow=False) if path.startswith("/") else None
        if there is not None and stat.S_ISSOCK(there.st_mode):
            out.append(Claim(path, "named", "a program of the host", "socket"))
    return out


def of_host(units: str) -> list[Claim]:
    """Of the host's own table, of systemd's units and nspawn settings, of loop devices and swap files, of services."""
    out: list[Claim] = []
    table = Claim("", "", "the host", "/etc/fstab")
    for entry in fstab.parse(_read("/etc/fstab")):
        out += claims.of_entry(entry, table)
        if entry.target.startswith("/"):
            out.append(replace(table, path=entry.target, how="target"))
    services = of_services(_read, _entries)
    return [*out, *_of_units(units), *_of_nspawn(), *_of_block_devices(), *_of_sockets(), *services]


def namespaces() -> t.Iterator[tuple[int, tuple[Mount, ...]]]:
    """One process of each mount namespace, and what is mounted there."""
    seen: set[str] = set()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            namespace = os.readlink(f"/proc/{name}/ns/mnt")
            if namespace in seen:
                continue
            with open(f"/proc/{name}/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                found = parse_mountinfo(file.read())
        except OSError as error:
            if error.errno in UNSEEN:
                continue
            what = f"What process {name} has mounted cannot be seen: {error.strerror}."
            raise OvercError("inconsistent", what) from error
        seen.add(namespace)
        yield int(name), found


def name_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="backslashreplace") as file:
            return f"process {pid} ({file.read().strip()})"
    except OSError:
        return f"process {pid}"


def of_mounts() -> list[Claim]:
    """Of everything that is mounted for anybody."""
    out: list[Claim] = []
    for pid, found in namespaces():
        top = next((mount for mount in reversed(found) if mount.target == "/"), None)
        root = "" if top is None else f"{top.device} {top.root}"
        for mount in found:
            where = f"mounted at {printable(mount.target)}"
            out += claims.of_mount(mount, Claim("", "", name_of(pid), where, through=f"/proc/{pid}/root", root=root))
    return out


def all_claims(known: t.Iterable[str], units: str) -> list[Claim]:
    """``known``: directories of containers, the one that is asked about first; ``units``: where mount units are."""
    return [*of_containers(known), *of_host(units), *of_mounts()]


__all__ = (
    "UNSEEN",
    "all_claims",
    "copies_elsewhere",
    "name_of",
    "namespaces",
    "of_container",
    "of_containers",
    "of_host",
    "of_mounts",
    "places",
)
