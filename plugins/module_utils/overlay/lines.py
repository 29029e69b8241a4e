# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of mounts that was put back as it was at another time: it lacks a line of ours, or has one that names nothing.

An old fstab from a backup, or the units of a host's root that was rolled back. Without its line the container sees an empty
directory, while all its files lie in the layers: the line is put back. With a line whose layers are gone it cannot start, while
its own files lie under the mount: the line goes.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..errors import OvercError
from ..system import overlayfs
from ..system.overlayfs import Layers
from ..system.presence import is_directory
from ..system.safe_path import printable
from . import lxc, mount_flags
from .mount import mount_on_host, prepare_table
from .record import HOME, Overlay, Record
from .site import Site
from .table import Mounted

_PICK: t.Final = re.compile("pick([0-9]+)")


def _layers(site: Site, overlay: Overlay) -> Layers | None:
    """The layers of an overlay by what is there of it, None when it is not all there."""
    base = site.layer_paths(overlay.id)
    try:
        names = os.listdir(base)
    except (FileNotFoundError, NotADirectoryError):
        return None
    picks = sorted(int(found[1]) for found in map(_PICK.fullmatch, names) if found)
    lower = [f"pick{number}" for number in picks] + (["lower"] if "lower" in names else [])
    if not lower or not {"upper", "work"} <= set(names):
        return None
    return Layers(tuple(f"{base}/{name}" for name in lower), f"{base}/upper", f"{base}/work")


def missing(site: Site, record: Record) -> dict[str, Mounted]:
    """The finished overlays whose layers are there and that no line of the table names, by directory."""
    mounted, intent = site.mounted(), site.intent()
    out: dict[str, Mounted] = {}
    for directory, overlay in record.overlays.items():
        if directory not in mounted and (intent is None or intent.directory != directory):
            layers = _layers(site, overlay)
            if layers is not None:
                out[directory] = Mounted(directory, layers, overlay.id, missing=True)
    return out


def _is_dead(site: Site, found: Mounted) -> bool:
    """Whether a line names layers of ours that are gone."""
    return bool(found.id) and not is_directory(f"{site.path}/{HOME}/{found.id}")


def _is_on_host(site: Site, found: Mounted) -> bool:
    """Whether the overlay is mounted on the host, with or without a line: nobody can look under it then."""
    ours = f"/{HOME}/{found.id}/"
    return any(
        mount.fstype == "overlay" and ours in ",".join(mount.of_filesystem)
        for mount in site.host_mounts(found.directory)
    )


def _first_below(site: Site, directory: str) -> str | None:
    """Something that lies in a directory of the container itself, None if nothing does. Raises OvercError."""
    fd = site.open_directory(directory)
    try:
        with os.scandir(fd) as entries:
            return next((entry.name for entry in entries), None)
    finally:
        os.close(fd)


def shown(site: Site, record: Record) -> dict[str, Mounted]:
    """The overlays by directory, as they are when ``mend`` has been there."""
    out = dict(site.mounted())
    for directory, found in list(out.items()):
        if _is_dead(site, found) and not _is_on_host(site, found) and _first_below(site, directory) is not None:
            del out[directory]
    return {**missing(site, record), **out}


def refuse(site: Site, directory: str, found: Mounted) -> None:
    """Refuse a directory of which nobody can tell what the container should see there."""
    if found.missing and not _is_on_host(site, found):
        name = _first_below(site, directory)
        if name is not None:
            where = printable(f"{site.path}/{HOME}/{found.id}")
            raise OvercError(
                "inconsistent",
                f"{printable(directory)} of container {printable(site.name)!r} was shared, its line is gone from the container's"
                f" table of mounts, and {printable(name)!r} lies in the directory now; nothing was changed. To have what was"
                f" shared, move away what lies there; to have that instead, delete {where} (btrfs subvolume delete). Then run"
                " the same command again.",
            )
    if _is_dead(site, found):
        raise OvercError(
            "inconsistent",
            f"The layers of {printable(directory)} of container {printable(site.name)!r} are gone, and nothing lies under their"
            " mount: what the container had is not known; nothing was changed. Put back"
            f" {printable(f'{site.path}/{HOME}/{found.id}')}, or the files themselves at {printable(site.root + directory)}, then"
            " run the same command again.",
        )


def _is_unread(site: Site) -> bool:
    """Whether the container's configuration names no table, though one of ours has something in it."""
    unread = site.config is not None and site.config.fstab is None and site.table.kind == "lxc"
    return unread and any(not found.foreign for found in site.mounted().values())


def problems(site: Site, found: Mounted) -> list[str]:
    """What a container does not see because of its table."""
    out = []
    if found.missing:
        out.append("its line is gone from the container's table of mounts; overc_overlay puts it back")
    elif _is_unread(site):
        out.append("the container's configuration names no lxc.mount.fstab any more; overc_overlay puts it back")
    idmap = lxc.map_of_root(site.config) if site.config is not None else None
    if idmap is not None:
        out.append(
            f"lxc.rootfs.options {printable(idmap)}: LXC starts no container with an overlay in such a root; remove that option,"
            " or stop sharing (state=absent)"
        )
    return out


def _to_mend(site: Site, record: Record) -> tuple[list[Mounted], list[Mounted]]:
    """(lines to put back, lines to take away). What cannot be decided is left to ``refuse``; what runs, to the next boot."""
    if site.running():
        return [], []
    gone, dead = [], []
    after = shown(site, record)
    for directory, found in after.items():
        if found.missing and (_is_on_host(site, found) or _first_below(site, directory) is None):
            gone.append(found)
    dead = [found for directory, found in site.mounted().items() if directory not in after]
    return gone, dead


def would_mend(site: Site, record: Record) -> str | None:
    """What ``mend`` would do, for people; None for nothing."""
    gone, dead = _to_mend(site, record)
    told = [f"the line of {printable(f.directory)} would be put back into the table of mounts" for f in gone]
    told += [f"the line of {printable(f.directory)}, whose layers are gone, would be removed" for f in dead]
    if _is_unread(site):
        told.append("the table of mounts would be named in the container's configuration again")
    return "; ".join(told) or None


def mend(site: Site) -> str | None:
    """Put back the lines that are missing, remove those that name nothing; says what it did."""
    gone, dead = _to_mend(site, site.record())
    told = []
    for found in gone:
        site.table.check(found.directory)
        prepare_table(site)
        # Before its line, by which the next run would take it for done
        mount_on_host(site, found.directory, found)
        options = overlayfs.options(found.layers, overlayfs.supported_safety())
        site.table.commit(found.directory, mount_flags.with_flags(options, mount_flags.wanted(site)))
        told.append(f"the line of {printable(found.directory)}, which the table of mounts had lost, was put back")
    for found in dead:
        site.table.commit(found.directory, None)
        told.append(f"the line of {printable(found.directory)}, whose layers are gone, was removed")
    if _is_unread(site) and not site.running():
        prepare_table(site)
        told.append("the table of mounts is named in the container's configuration again")
    return "; ".join(told) or None


__all__ = ("mend", "missing", "problems", "refuse", "shown", "would_mend")
