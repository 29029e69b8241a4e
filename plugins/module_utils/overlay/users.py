# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else uses a directory that is about to be emptied or removed: claims compared with it by what they lead to.

Names lie: a directory of containers has several (links, bind mounts), and a subvolume can be mounted anywhere. So a path is
opened, and it and every directory above it are compared by device and inode; an active mount is compared by where it lies in
its file system.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system.mount_table import mounts
from ..system.presence import NOT_THERE
from ..system.safe_path import is_below, open_dir, printable
from . import claimants, writers
from .claims import Claim
from .site import Site
from .table import Mounted

_Id = tuple[int, int]
_LOOK: t.Final = os.O_PATH | os.O_CLOEXEC
_NOT_THERE: t.Final = frozenset((*NOT_THERE, errno.ESRCH))


def _id(fd: int) -> _Id:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _upwards(fd: int) -> list[_Id]:
    """A directory and all above it, up to the root of whoever sees them. Closes ``fd``."""
    out: list[_Id] = []
    while True:
        here = _id(fd)
        if out and out[-1] == here:
            os.close(fd)
            return out
        out.append(here)
        try:
            above = os.open("..", _LOOK | os.O_DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = above


def chain(path: str) -> tuple[list[_Id], bool]:
    """What is at a path and all directories above it; of what is not there, those above it that are (then False)."""
    there = True
    while True:
        try:
            fd = os.open(path, _LOOK)
            break
        except OSError as error:
            if error.errno not in _NOT_THERE or path in ("/", ""):
                raise OvercError("inconsistent", f"{printable(path)} cannot be looked at: {error.strerror}.") from error
            there = False
            path = os.path.dirname(path.rstrip("/"))
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        return _upwards(fd), there
    own = _id(fd)
    os.close(fd)
    above, _there = chain(os.path.dirname(path) or "/")
    return [own, *above], there


def place_in_filesystem(fd: int) -> tuple[str, str]:
    """The file system a descriptor lies on and its path in there, as mountinfo has them."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        mount_id = next((line.split()[1] for line in file if line.startswith("mnt_id:")), "")
    mount = next((mount for mount in mounts() if mount.id == mount_id), None)
    if mount is None:
        raise OvercError("inconsistent", f"The mount that {printable(path)} lies on cannot be found.")
    return mount.device, os.path.normpath(f"{mount.root}/{path[len(mount.target.rstrip('/')) :]}").replace("//", "/")


@dataclass(frozen=True)
class Object:
    """A directory that is about to be emptied (``whole`` False: removed, then only what lies in it matters).

    ``above`` are the directories above it within the container's root, ``further`` those from there to the directory of
    the containers.
    """

    name: str
    own: _Id
    device: str
    path: str
    above: frozenset[_Id]
    further: frozenset[_Id]
    root_path: str
    emptied: bool


def _object(site: Site, name: str, fd: int, *, emptied: bool) -> Object:
    device, path = place_in_filesystem(fd)
    _device, root_path = place_in_filesystem(site.root_fd)
    own = _id(fd)
    upwards = _upwards(os.dup(fd))
    root, place = _id(site.root_fd), chain(site.containers_dir)[0][0]
    inside = upwards[1 : upwards.index(root) + 1] if root in upwards else []
    further = upwards[len(inside) + 1 : upwards.index(place) + 1] if inside and place in upwards else []
    return Object(name, own, device, path, frozenset(inside), frozenset(further), root_path, emptied)


class Lookup:
    """Compares claims with objects; what a path leads to is looked up once."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._known: dict[str, tuple[list[_Id], bool]] = {}

    def _chain(self, path: str) -> tuple[list[_Id], bool]:
        if path not in self._known:
            self._known[path] = chain(path)
        return self._known[path]

    def hits(self, claim: Claim, target: Object) -> bool:
        if claim.device:
            return self._hits_mount(claim, target)
        # realpath: the directories above a link are those of where it leads
        named = claim.path.partition("\0")[0]  # as whoever mounts it takes it
        paths = [os.path.realpath(named)]
        if claim.through:
            paths.append(claim.through + named)
        return any(self._hits_path(claim, target, path) for path in paths)

    def _hits_path(self, claim: Claim, target: Object, path: str) -> bool:
        found, there = self._chain(path)
        if target.own in found:
            return True
        if not target.emptied or not there or claim.how in ("target", "named"):
            return False
        return found[0] in target.above or (claim.how == "layer" and found[0] in target.further)

    def _hits_mount(self, claim: Claim, target: Object) -> bool:
        if claim.device != target.device:
            return False
        if claim.path == target.path or is_below(claim.path, target.path):
            return True
        if not target.emptied or not is_below(target.path, claim.path):
            return False
        if claim.path != target.root_path:
            return is_below(claim.path, target.root_path)
        # The container's root may be a mount, and is one then by every name that the place has
        directory, name = os.path.split(claim.target)
        return name != "rootfs" or _id(self.site.fd) != self._chain(directory)[0][0]


def _is_own(site: Site, claim: Claim, directory: str, target: Object) -> bool:
    """Whether it is the container itself that says so, of the overlay in question."""
    if claim.root == f"{target.device} {target.root_path}":
        return True  # seen by the container only, which is stopped before anything is done
    own = claim.container == site.path
    if claim.how == "root" and (own or (not claim.container and site.table.kind != "lxc")):
        return True  # what mounts it for the host is there before any service
    if target.emptied:
        # A line of its own whose layers are gone: it is taken away before anything is done
        dead = site.mounted().get(directory)
        ours = dead is not None and bool(dead.id) and (own or (not claim.container and site.table.kind != "lxc"))
        return ours and site.table.directory_of(claim.directory) == directory
    if claim.how != "layer":
        return False
    if own or not claim.container:
        # (A line of the other kind of table is taken away before anything is done.)
        tables = [table for table in (site.table, site.other) if table is not None]
        return any(table.directory_of(claim.directory or claim.target) == directory for table in tables)
    return False


def known_places(site: Site) -> list[str]:
    return [site.containers_dir, *site.elsewhere, *claimants.copies_elsewhere(site.path)]


def _opened(
    site: Site, directory: str, found: Mounted | None, originals: t.Sequence[int], stack: contextlib.ExitStack
) -> list[tuple[str, int, bool]]:
    """What would be emptied (then True) or removed, opened for as long as the stack is: name, descriptor."""
    out: list[tuple[str, int, bool]] = []
    if found is None:
        out.append((printable(directory), site.open_directory(directory), True))
        stack.callback(os.close, out[0][1])
    elif found.id:
        home = site.store.open()
        if home is None:
            return []
        stack.callback(os.close, home)
        try:
            fd = open_dir(found.id, home)
        except FileNotFoundError:
            return []
        stack.callback(os.close, fd)
        out.append((f"the layers of {printable(directory)}", fd, False))
    names = (printable(os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))) for fd in originals)
    return [*out, *((name, fd, False) for name, fd in zip(names, originals))]


def find(
    site: Site,
    directory: str,
    found: Mounted | None,
    *,
    originals: t.Sequence[int] = (),
    known: t.Sequence[Claim] | None = None,
) -> list[Claim]:
    """Everybody else who uses the directory (``found`` None: it would be emptied), or the layers of its overlay.

    ``originals``: open directories that the original tool made and that would be removed. ``known``: all claims, if they
    were read already; then nobody is asked what he has open. OvercError if something cannot be read or looked at.
    """
    with contextlib.ExitStack() as stack:
        opened = _opened(site, directory, found, originals, stack)
        objects = [_object(site, name, fd, emptied=emptied) for name, fd, emptied in opened]
        if not objects:
            return []
        everything = claimants.all_claims(known_places(site), site.units) if known is None else known
        lookup = Lookup(site)
        out = [
            claim
            for claim in everything
            if any(not _is_own(site, claim, directory, target) and lookup.hits(claim, target) for target in objects)
        ]
        # (Of a container that runs nothing is done before it was stopped, and what its programs have open is closed.)
        if known is None and not site.running():
            for (_name, fd, _emptied), target in zip(opened, objects):
                out += writers.find(fd, target.device)
    return out


__all__ = ("Lookup", "Object", "chain", "find", "known_places", "place_in_filesystem")
