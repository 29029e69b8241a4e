# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that tables give to places of a container: they may be links, other mounts, or what a moved container was called.

The same directory is recognised by device and inode, so ``/opt/container/c1`` and ``/var/lib/lxc/c1`` can be one.
"""

from __future__ import annotations

import os
import typing as t

from ..system.overlayfs import Layers
from ..system.presence import is_directory, is_there, status
from ..system.safe_path import is_below
from .record import HOME

TEMP: t.Final = "_temp"
OVER: t.Final = "_over"
MASK: t.Final = "_mask"


def below(path: str, directory: str) -> str | None:
    """The rest of an absolute path below a directory, with its slash, "" for the directory itself, None if it is elsewhere.

    Nothing below the directory is looked at: that may be a container's.
    """
    path = os.path.normpath(path.partition("\0")[0]).replace("//", "/", 1)
    if path == directory or is_below(path, directory):
        return path[len(directory.rstrip("/")) :]
    wanted = status(directory, follow=True)
    parts = path.strip("/").split("/")
    for depth in range(1, len(parts) + 1):
        found = status("/" + "/".join(parts[:depth]), follow=True)
        if wanted is None or found is None:  # no such place, so not this one
            return None
        if os.path.samestat(found, wanted):
            return "".join(f"/{part}" for part in parts[depth:])
    return None


def same_place(path: str, directory: str) -> bool:
    """Whether a path is another name of a directory, or its own."""
    path = path.partition("\0")[0]
    return bool(path) and (os.path.realpath(path) == os.path.realpath(directory) or below(path, directory) == "")


def _moved(path: str, container: str) -> str | None:
    """``below`` for a layer of ours whose container was moved: nothing is where the path leads, and the layer is here."""
    _before, sep, rest = path.rpartition(f"/{HOME}/")
    if not sep or is_there(path) or not is_directory(f"{container}/{HOME}/{rest}"):
        return None
    return f"/{HOME}/{rest}"


def canonical(layers: Layers, container: str) -> tuple[Layers, bool]:
    """The layers by the container's own path, and whether a path is the one of before it was moved."""
    moved = False

    def name(path: str) -> str:
        nonlocal moved
        if not path.startswith("/"):
            return path
        rest = below(path, container)
        if rest is None:
            rest = _moved(path, container)
            moved = moved or rest is not None
        return path if rest is None else container + rest

    return Layers(tuple(map(name, layers.lower)), name(layers.upper), name(layers.work)), moved


def our_id(upper: str, container: str) -> str:
    """The overlay id in the (canonical) path of an upper layer of ours, else ""."""
    prefix = f"{container}/{HOME}/"
    return upper[len(prefix) :].partition("/")[0] if upper.startswith(prefix) else ""


def is_original(layers: Layers, container: str) -> bool:
    """Whether the original tool made it: ``<d>_temp`` in the container's root, or ``<d>_over`` and ``<d>_mask``."""
    return not our_id(layers.upper, container) and (
        layers.upper.endswith(TEMP) or layers.work.endswith(OVER) or any(path.endswith(MASK) for path in layers.lower)
    )


def owner_of(layers: Layers, container: str) -> str:
    """The directory of another container whose overlay of ours this is by its layers, "" if it is none of ours."""
    owner, sep, rest = layers.upper.partition(f"/{HOME}/")
    prefix = f"{owner}/{HOME}/{rest.partition('/')[0]}/"
    ours = sep and owner != container and all(path.startswith(prefix) for path in (*layers.lower, layers.work))
    return owner if ours else ""


__all__ = ("MASK", "OVER", "TEMP", "below", "canonical", "is_original", "our_id", "owner_of", "same_place")
