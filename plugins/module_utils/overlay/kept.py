# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we keep of one overlay beside the container: its layers, its notes, and snapshots while it is being made."""

from __future__ import annotations

import os

from ..btrfs import ioctl
from ..errors import OvercError
from ..system import overlayfs, safe_path, xattrs
from ..system.safe_path import open_beneath, open_dir, printable
from ..values import load_object
from .layers.remove import empty
from .record import Overlay, Record, overlay_from
from .site import NOTES, Site, layers_name


def new_id() -> str:
    return os.urandom(6).hex()


def unlock(fd: int) -> None:
    """Make a directory of ours neither immutable nor append-only."""
    flags = xattrs.flags(fd)
    if flags & xattrs.LOCKED:
        xattrs.set_flags(fd, flags & ~xattrs.LOCKED)


def delete_if_there(name: str, home: int) -> None:
    """Of a container that was copied to another place file by file, the subvolume has become a plain directory."""
    try:
        fd = open_dir(name, home)
    except FileNotFoundError:
        return
    try:
        plain = os.fstat(fd).st_ino != ioctl.SUBVOLUME_INODE
        if plain:
            empty(fd)
        elif xattrs.flags(fd) & xattrs.LOCKED:  # as the root was of which it is a snapshot: it could not be deleted
            ioctl.make_writable(fd)
            unlock(fd)
    finally:
        os.close(fd)
    if plain:
        os.rmdir(name, dir_fd=home)
    else:
        ioctl.delete_subvolume(name, home)


def open_layers(site: Site, layers: overlayfs.Layers, id_: str) -> list[int]:
    """The layers of an overlay of ours, topmost first."""
    opened: list[int] = []
    base = site.layer_paths(id_)
    home = site.store.open()
    if home is None:
        raise OvercError("inconsistent", f"The layers of {printable(base)} are gone.")
    try:
        own = open_beneath(home, [id_, layers_name(id_)])
        try:
            for path in (layers.upper, *layers.lower):
                opened.append(open_beneath(own, safe_path.components(path[len(base) :])))
        finally:
            os.close(own)
    except OSError as error:
        for fd in opened:
            os.close(fd)
        raise OvercError(
            "inconsistent", f"A layer below {printable(base)} cannot be opened ({error.strerror}); nothing was changed."
        ) from error
    finally:
        os.close(home)
    return opened


def own_snapshot(id_: str) -> str:
    """The name of the snapshot of the container itself, while an overlay is being made."""
    return f"{id_}.own"


def trim(home: int, id_: str, *, jobs: int | None = None) -> None:
    """Leave of a snapshot only our layers, so that it holds on to nothing else."""
    try:
        fd = open_dir(id_, home)
    except FileNotFoundError:
        return
    try:
        empty(fd, keep=layers_name(id_), jobs=jobs)
    finally:
        os.close(fd)


def being_emptied(site: Site, record: Record) -> dict[str, str]:
    """The directories under whose mount copies may be left, each with the id of its overlay.

    The snapshot by which it is known what may go is dropped last: without it, nothing is left to be done.
    """
    noted = {directory: overlay.id for directory, overlay in record.overlays.items() if overlay.id in record.emptying}
    home = site.store.open() if noted else None
    if home is None:
        return {}
    try:
        names = os.listdir(home)
    finally:
        os.close(home)
    return {directory: id_ for directory, id_ in noted.items() if own_snapshot(id_) in names}


def drop_snapshots(home: int, id_: str, *, own: bool = True) -> None:
    """Those of the sources and, with ``own``, that of the container."""
    prefix = f"{id_}."
    fresh = safe_path.reopen_dir(home)
    try:
        names = os.listdir(fresh)
    finally:
        os.close(fresh)
    for name in names:
        if name.startswith(prefix) and (name[len(prefix) :].isdigit() or (own and name == own_snapshot(id_))):
            delete_if_there(name, home)


def seal(site: Site, id_: str) -> int:
    """The generation of an overlay's subvolume, everything of ours being written."""
    home = site.store.make()
    try:
        own = open_dir(id_, home)
    finally:
        os.close(home)
    try:
        ioctl.sync(own)
        return ioctl.subvolume_info(own).generation
    finally:
        os.close(own)


def is_readonly(site: Site, id_: str) -> bool:
    """Whether the layers of an overlay are a read-only subvolume, as one that was received from a backup is."""
    home = site.store.open()
    if home is None:
        return False
    try:
        own = open_dir(id_, home)
    except FileNotFoundError:
        return False
    finally:
        os.close(home)
    try:
        return ioctl.filesystem_id(own) is not None and ioctl.subvolume_info(own).readonly
    finally:
        os.close(own)


def read_notes(site: Site, id_: str) -> Overlay:
    home = site.store.make()
    try:
        layers = open_beneath(home, [id_, layers_name(id_)])
    finally:
        os.close(home)
    try:
        found = safe_path.read_file(NOTES, layers)
    finally:
        os.close(layers)
    if found is None:
        raise OvercError("inconsistent", f"The notes of overlay {id_} are gone.")
    try:
        return overlay_from(load_object(found[0]))
    except (ValueError, KeyError, TypeError) as error:
        raise OvercError(
            "inconsistent", f"The notes of overlay {id_} cannot be read ({error}); nothing is guessed."
        ) from error


__all__ = (
    "NOTES",
    "being_emptied",
    "delete_if_there",
    "drop_snapshots",
    "is_readonly",
    "new_id",
    "open_layers",
    "own_snapshot",
    "read_notes",
    "seal",
    "trim",
    "unlock",
)
