# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that share with one another in a ring: each run for one changes what the next one shares with, without end."""

from __future__ import annotations

import os
import typing as t

from ..errors import OvercError
from ..system.presence import status
from ..system.safe_path import OPEN_DIR, is_below
from .record import Record, Store
from .site import ESSENTIAL, Site

# A container's root (device and inode: it may have several names) and the directory in it that is shared
_Node = tuple[tuple[int, int], str]
# Whom to share with, and the root of the host for the source that is the host
Asked = tuple[t.Sequence[str], str]


def _overlap(one: str, other: str) -> bool:
    return one == other or is_below(one, other) or is_below(other, one)


def _container(containers_dir: str, source: str, essential_root: str) -> str:
    """Where the container is that a source is; "" if it is none. The root given for the host may be a container's."""
    if source != ESSENTIAL:
        return f"{containers_dir}/{source}"
    place, name = os.path.split(os.path.realpath(essential_root))
    return place if name == "rootfs" else ""


def _identity(path: str) -> tuple[int, int] | None:
    """Which root a container has; None if there is no such container."""
    found = status(f"{path}/rootfs") if path else None
    return None if found is None else (found.st_dev, found.st_ino)


def _record(path: str) -> Record:
    """What a container shares. Nothing where its record is damaged: every run for it is refused, so it goes round no ring."""
    try:
        fd = os.open(path, OPEN_DIR & ~os.O_NOFOLLOW)
    except FileNotFoundError:  # destroyed meanwhile
        return Record()
    try:
        return Store(fd, path).read()
    except OvercError:
        return Record()
    finally:
        os.close(fd)


def _onward(record: Record, directory: str) -> t.Iterator[tuple[str, Asked]]:
    """Where a container shares, or will after the next boot, what overlaps a directory, and with whom."""
    for shared, overlay in record.overlays.items():
        if _overlap(shared, directory):
            yield shared, (overlay.sources, overlay.essential_root)
    for request in record.requests:
        for shared in request.directories:
            if request.state == "present" and _overlap(shared, directory):
                yield shared, (request.sources, request.essential_root)


def ring(site: Site, directory: str, asked: Asked) -> tuple[str, ...]:
    """The containers from this one round to itself, if it shares the directory with these sources; empty if there is no ring."""
    home = _identity(site.path)
    seen: set[_Node] = set()
    ways: list[tuple[tuple[str, ...], str, Asked]] = [((site.name,), directory, asked)]
    while ways:
        way, shared, (sources, essential_root) = ways.pop(0)  # the shortest ring first
        for source in sources:
            path = _container(site.containers_dir, source, essential_root)
            found = _identity(path)
            if found is None:
                continue
            if found == home and _overlap(shared, directory):
                return (*way, source)
            for deeper, further in _onward(_record(path), shared):
                if (found, deeper) not in seen:
                    seen.add((found, deeper))
                    ways.append(((*way, source), deeper, further))
    return ()


__all__ = ("ring",)
