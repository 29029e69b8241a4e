# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays made by the original tool: what must be known to stop them.

For a directory ``/<d>`` of a container it made ``rootfs/<d>_temp`` (the upper layer; the directory itself, renamed), and
beside ``rootfs`` the directories ``<d>_mask`` (a layer of whiteouts) and ``<d>_over`` (the work directory); and a line in the
container's fstab whose first field is ``overlay``. Its other lower layers are other containers' live directories or the
host's (of a container that is shared itself, ``<d>_temp``), so they are opened like everything that a container could aim
elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..errors import OvercError
from ..system.overlayfs import Layers
from ..system.presence import text_of
from ..system.safe_path import OPEN_DIR, components, open_beneath, open_if_there, printable
from .layers.remove import empty
from .names import MASK, OVER, TEMP
from .site import Site

# The original's list of what to restore at the next boot; a line names a container
_REQUESTS: t.Final = "overlayrestore"
_WORDS: t.Final = re.compile(r"[\s:,;/]+")


def _open(path: str) -> int:
    """Open a layer by its path on the host; below what may be a container's root nothing is followed."""
    way = components(path)
    if "rootfs" not in way:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    depth = way.index("rootfs") + 1
    base = os.open("/" + "/".join(way[:depth]), OPEN_DIR)
    try:
        return open_beneath(base, way[depth:])
    finally:
        os.close(base)


def open_layers(site: Site, directory: str, layers: Layers) -> list[int]:
    """All layers, topmost first. Refuses when the upper one is not the container's own."""
    if layers.upper != f"{site.root}{directory}{TEMP}":
        raise OvercError(
            "inconsistent",
            f"The upper layer {printable(layers.upper)} is not the one that the original tool makes for"
            f" {printable(directory)} of this container.",
        )
    opened: list[int] = []
    try:
        for path in (layers.upper, *layers.lower):
            opened.append(_open(path))
    except OSError as error:
        for fd in opened:
            os.close(fd)
        raise OvercError(
            "inconsistent",
            f"Layer {printable(path)} cannot be opened ({error.strerror}); without it the tree is not known. Put it back; or, if"
            " it was never there or is lost for good, make an empty directory in its place, then run the same command again.",
        ) from error
    return opened


def _made(site: Site, directory: str, layers: Layers) -> list[tuple[int, list[str]]]:
    """What the original made for a directory, as far as the fstab line named it: where to look, and the way from there."""
    places = (
        (f"{site.root}{directory}{TEMP}", site.root_fd, site.root),
        (f"{site.path}{directory}{MASK}", site.fd, site.path),
        (f"{site.path}{directory}{OVER}", site.fd, site.path),
    )
    named = {layers.upper, layers.work, *layers.lower}
    return [(fd, components(path[len(base) :])) for path, fd, base in places if path in named]


def open_made(site: Site, directory: str, stack: contextlib.ExitStack) -> list[int]:
    """Those directories, opened for as long as the stack is; without those that are gone."""
    found = site.mounted().get(directory)
    out: list[int] = []
    for fd, way in _made(site, directory, found.layers) if found is not None else ():
        with contextlib.suppress(OSError):
            out.append(open_beneath(fd, way))
            stack.callback(os.close, out[-1])
    return out


def waiting(site: Site) -> str | None:
    """What the original tool was told to do with this container at the next boot, in words; None if nothing.

    It then removes the directory and puts back its own layer, whatever is there by that time.
    """
    name = os.path.basename(site.path)
    for path in dict.fromkeys((f"{site.containers_dir}/{_REQUESTS}", f"/var/lib/lxc/{_REQUESTS}")):
        lines = (text_of(path) or "").splitlines()
        if any(name in _WORDS.split(line) for line in lines):
            return (
                f"the original tool is asked to restore container {printable(name)!r} at the next boot ({printable(path)}), and"
                " would remove what is there then"
            )
    return None


def refuse_waiting(site: Site) -> None:
    """Raises inconsistent where a request of the original tool waits."""
    found = waiting(site)
    if found is not None:
        raise OvercError(
            "inconsistent",
            f"{found[0].upper()}{found[1:]}. Nothing was changed: let it finish, or take its line out of the file, then run the"
            " same command again.",
        )


def remove(site: Site, directory: str, layers: Layers) -> None:
    """Delete what the original made for the directory: exactly what the fstab line named at exactly the original's places."""
    for base, (*above, name) in _made(site, directory, layers):
        parent = open_if_there(base, above)
        if parent is None:  # not there any more, or not what it was
            continue
        try:
            fd = open_if_there(parent, (name,))
            if fd is None:
                continue
            try:
                empty(fd)
                os.rmdir(name, dir_fd=parent)
            finally:
                os.close(fd)
        finally:
            os.close(parent)


__all__ = ("open_layers", "open_made", "refuse_waiting", "remove", "waiting")
