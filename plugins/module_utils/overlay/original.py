# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays made by the original tool: recognising them, and what must be known to stop them.

For a directory ``<d>`` it made ``<d>_temp`` (the upper layer), ``<d>_over`` (the work directory) and ``<d>_mask`` (a
layer of whiteouts), and a line in the container's fstab whose first field is ``overlay``. Its lower layers are other
containers' live directories or the host's, so they are opened like everything that a container could aim elsewhere.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import OvercError
from ..system.overlayfs import Layers
from ..system.safe_path import OPEN_DIR, components, is_below, open_beneath, open_dir, printable
from .layers.remove import empty
from .site import Site
from .table import Mounted

_SUFFIXES: t.Final = ("_temp", "_over", "_mask")


def is_original(found: Mounted) -> bool:
    layers = found.layers
    return not found.id and (
        layers.upper.endswith("_temp")
        or layers.work.endswith("_over")
        or any(path.endswith("_mask") for path in layers.lower)
    )


def _open(site: Site, path: str) -> int:
    """Open a layer by its path on the host; below a container's root nothing is followed."""
    way = components(path)
    for depth in range(len(way) - 1):
        # By whatever name the line calls the directory of the containers: it may be a link
        if way[depth + 1] == "rootfs" and os.path.realpath("/" + "/".join(way[:depth])) == site.containers_dir:
            base = os.open(f"{site.containers_dir}/{way[depth]}/rootfs", OPEN_DIR)
            try:
                return open_beneath(base, way[depth + 2 :])
            finally:
                os.close(base)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_layers(site: Site, layers: Layers) -> list[int]:
    """All layers, topmost first. Refuses when the upper one is not the container's own."""
    if not is_below(layers.upper, site.root) or not layers.upper.endswith("_temp"):
        raise OvercError(
            "inconsistent",
            f"The upper layer {printable(layers.upper)} is not one that the original tool makes in this container.",
        )
    opened: list[int] = []
    try:
        for path in (layers.upper, *layers.lower):
            opened.append(_open(site, path))
    except OSError as error:
        for fd in opened:
            os.close(fd)
        raise OvercError(
            "inconsistent",
            f"Layer {printable(path)} cannot be opened ({error.strerror}); without it the tree is not known.",
        ) from error
    return opened


def remove(site: Site, layers: Layers) -> None:
    """Delete the directories that the fstab line named and that carry the original's names, in the container's root."""
    for path in (layers.upper, layers.work, *layers.lower):
        if not is_below(path, site.root) or not path.endswith(_SUFFIXES):
            continue
        *above, name = components(path[len(site.root) :])
        try:
            parent = open_beneath(site.root_fd, above)
        except OSError:
            continue  # not there any more, or not what it was
        try:
            fd = open_dir(name, parent)
        except OSError:
            os.close(parent)
            continue
        try:
            empty(fd)
            os.rmdir(name, dir_fd=parent)
        finally:
            os.close(fd)
            os.close(parent)


__all__ = ("is_original", "open_layers", "remove")
