# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a source, and whether a layer, still is what it was when it was shared."""

from __future__ import annotations

import itertools
import os
import stat
import typing as t

from ..btrfs import ioctl
from ..btrfs.paths import LONGEST, Paths
from ..system import safe_path
from ..system.presence import NOT_THERE, is_plain_directory, status
from ..system.safe_path import OPEN_DIR, open_if_there
from .record import HOME, Origin, Overlay
from .site import ESSENTIAL, NOTES, Site, layers_name

_TICK: t.Final = 10_000_000  # nanoseconds: the coarsest clock tick that a change time may lag behind


def _is_no_directory(path: bytes, fd: int) -> bool:
    """Files are what is picked from a source; its directories move when its own overlay is merely mounted."""
    if len(path) >= LONGEST:
        return True  # nobody can tell
    try:
        return not stat.S_ISDIR(os.stat(path, dir_fd=fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _place_within(site: Site, origin: Origin) -> bytes:
    """The path of the containers below the source's subvolume, if it is in what was shared; else empty."""
    shared = f"{origin.subvolume.rstrip('/')}/{origin.below}"
    if not safe_path.is_below(site.containers_dir, shared):
        return b""
    return os.fsencode(site.containers_dir[len(shared) - len(origin.below) :])


def _shown_otherwise(layer: str, found: os.stat_result) -> bool:
    """Whether a layer has another file at a path than what the source has there; not where the layer has none.

    In a snapshot a file is the same one; a picked file is a copy, with the modification time of what it is of.
    """
    kept = status(layer)
    if kept is None or (kept.st_ino, kept.st_ctime_ns) == (found.st_ino, found.st_ctime_ns):
        return False
    return _facts(kept) != _facts(found)


def _facts(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_mtime_ns)


def _without_a_trace(site: Site, overlay_id: str, origin: Origin, fd: int, paths: Paths) -> t.Iterator[bytes]:
    """Paths in the source that no time says are changed, and that are: a clock may have been set back since.

    What was only stored elsewhere (deduplication, defragmentation) is what it was; of what no layer has nobody sees anything.
    """
    below = os.fsencode(origin.below)
    layer = os.path.join(site.layer_paths(overlay_id), origin.layer)
    silent = ioctl.silent_changes(fd, origin.generation + 1, origin.time - _TICK)
    for inode, made in sorted(silent.items()):
        path = paths.within(inode, below)
        if path is None or len(path) >= LONGEST:
            continue
        try:
            found = os.stat(path, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
        inside = os.path.join(layer, os.fsdecode(path[len(below) :]).lstrip("/"))
        if made > origin.generation or stat.S_ISDIR(found.st_mode) or _shown_otherwise(inside, found):
            yield path


def _without(site: Site, origin: Origin) -> str:
    """What to say of a source whose tree is not there any more."""
    there = origin.source != ESSENTIAL and is_plain_directory(f"{site.containers_dir}/{origin.source}/rootfs")
    return "changed" if there else "gone"


def _is_there_still(origin: Origin, fd: int) -> bool:
    """Whether the directory is the one that was shared: one above it can be moved or replaced, and nothing in it is written."""
    view = safe_path.detached_view(fd)  # as it was snapshotted: without what is mounted on it
    try:
        found = open_if_there(view, origin.below.split("/") if origin.below else ())
    finally:
        os.close(view)
    if found is None:
        return False
    try:
        return origin.inode in (0, os.fstat(found).st_ino)
    finally:
        os.close(found)


def has_changed(site: Site, overlay_id: str, origin: Origin) -> str | None:
    """``"gone"``, ``"changed"`` or None: how a source's tree is now, compared with when it was shared.

    A source that is there, but not that tree of it (it shared then, or does now), has changed. The place of the containers,
    where it lies in that tree, is left out: what we write there is no change of the source.
    """
    try:
        fd = os.open(origin.subvolume, OPEN_DIR)
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise
        return _without(site, origin)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode) or not ioctl.is_subvolume(fd):
            return _without(site, origin)
        if ioctl.subvolume_info(fd).uuid.hex() != origin.uuid:
            return "changed"
        ioctl.sync(fd)
        below = os.fsencode(origin.below)
        if not _is_there_still(origin, fd):
            return "changed"
        own = _place_within(site, origin)
        paths = Paths(fd)
        since, shared = origin.generation + 1, origin.time - _TICK
        told = (paths.within(inode, below) for inode in sorted(ioctl.changed_inodes(fd, since, changed_after=shared)))
        for path in itertools.chain(told, _without_a_trace(site, overlay_id, origin, fd, paths)):
            if path is None or (own and (path == own or path.startswith(own + b"/"))):
                continue
            if origin.layer == "lower" or _is_no_directory(path, fd):
                return "changed"
        return None
    finally:
        os.close(fd)


def changed_underneath(site: Site, overlay: Overlay, lower: t.Sequence[str]) -> bool:
    """Whether a lower layer is not what it was when the overlay was finished: the kernel makes no promise then.

    The generation finds what was written since, of which a mere access time is no change: only a change time is.
    """
    base = f"{site.path}/{HOME}/{overlay.id}"
    prefixes = [os.fsencode(path[len(base) + 1 :]) for path in lower if safe_path.is_below(path, base)]
    fd = os.open(base, OPEN_DIR)
    try:
        ioctl.sync(fd)
        complete = os.stat(f"{layers_name(overlay.id)}/{NOTES}", dir_fd=fd, follow_symlinks=False).st_ctime_ns
        paths = Paths(fd)
        found = sorted(ioctl.changed_inodes(fd, overlay.sealed + 1, changed_after=complete + 1))
        return any(paths.within(inode, prefix) is not None for inode in found for prefix in prefixes)
    finally:
        os.close(fd)


__all__ = ("changed_underneath", "has_changed")
