# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of ours that somebody changed: they name other layers than the overlay has, one directory twice, or another one.

What the container sees by such a line is not what it has, and what it has would go with the layers.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from dataclasses import replace

from ..errors import OvercError
from ..system import safe_path
from ..system.overlayfs import Layers
from ..system.presence import is_directory
from ..system.safe_path import open_beneath, printable
from .record import Record
from .site import Site, layers_name
from .table import Mounted

_PICK: t.Final = re.compile("pick([0-9]+)")


def layers(site: Site, id_: str) -> Layers | None:
    """The layers of an overlay by what is there of it, None when it is not all there. (A work directory has nothing in it.)"""
    base = site.layer_paths(id_)
    try:
        names = os.listdir(base)
    except (FileNotFoundError, NotADirectoryError):
        return None
    picks = sorted(int(found[1]) for found in map(_PICK.fullmatch, names) if found)
    lower = [f"pick{number}" for number in picks] + (["lower"] if "lower" in names else [])
    if not lower or "upper" not in names:
        return None
    return Layers(tuple(f"{base}/{name}" for name in lower), f"{base}/upper", f"{base}/work")


def is_dead(site: Site, found: Mounted) -> bool:
    """Whether a line names layers of ours that are gone: in a snapshot of the container, their subvolume is a bare name."""
    return bool(found.id) and not is_directory(site.layer_paths(found.id))


def gone(found: Mounted) -> str | None:
    """A layer that the line of an overlay of ours names and that is not there."""
    named = (found.layers.upper, *found.layers.lower) if found.id else ()
    return next((path for path in named if path and not is_directory(path)), None)


def _lines(site: Site, directory: str) -> list[Mounted]:
    return [found for found in site.table.overlays() if found.directory == directory and found.id]


def mended(site: Site, found: Mounted) -> Mounted:
    """The overlay with the layers that it has; ``bent`` if that is not what the table says, or it cannot be mounted so."""
    whole = layers(site, found.id) if found.id else None
    if whole is None or found.missing or gone(found) is not None:
        return found
    right = found.layers == whole and is_directory(whole.work) and len(_lines(site, found.directory)) < 2
    return found if right else replace(found, layers=whole, bent=True)


def strays(record: Record, shown: t.Mapping[str, Mounted]) -> dict[str, str]:
    """The directories whose lines name the layers of another one, by that one."""
    homes = {overlay.id: directory for directory, overlay in record.overlays.items()}
    out = {}
    for directory, found in shown.items():
        home = homes.get(found.id, directory) if found.id else directory
        if home != directory and home in shown and shown[home].id == found.id:
            out[directory] = home
    return out


def problem(site: Site, found: Mounted) -> str | None:
    """For people: what is wrong with the line."""
    if not mended(site, found).bent:
        return None
    return "its lines in the table of mounts are not those of its layers; overc_overlay puts that right"


def refuse(site: Site, directory: str, found: Mounted) -> None:
    """Refuse an overlay of which a layer is gone: nobody knows what the container had."""
    path = gone(found)
    if path is not None:
        raise OvercError(
            "inconsistent",
            f"Layer {printable(path)} of {printable(directory)} of container {printable(site.name)!r} is gone, so what the"
            " container had is not known; nothing was changed. Put it back; or, if it is lost for good, make an empty directory"
            " in its place, then run the same command again.",
        )


def make_work(site: Site, id_: str) -> None:
    """Have the directory in which the kernel prepares what it writes; nothing of the container is in it."""
    home = site.store.open()
    if home is None:
        return
    try:
        own = open_beneath(home, [id_, layers_name(id_)])
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir("work", 0o700, dir_fd=own)
            fresh = safe_path.reopen_dir(own)
            try:
                os.fsync(fresh)
            finally:
                os.close(fresh)
        finally:
            os.close(own)
    finally:
        os.close(home)


def forget_name(site: Site, id_: str) -> None:
    """Remove what is left of the name of layers that are gone, if nothing is in it."""
    home = site.store.open()
    if home is None:
        return
    try:
        with contextlib.suppress(OSError):
            os.rmdir(id_, dir_fd=home)
    finally:
        os.close(home)


__all__ = (
    "forget_name",
    "gone",
    "is_dead",
    "layers",
    "make_work",
    "mended",
    "problem",
    "refuse",
    "strays",
)
