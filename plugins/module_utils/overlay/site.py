# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observing: a container with what is ours in it, and the trees of its sources. Nothing here changes anything."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

from ..btrfs import ioctl
from ..compare.kin import enclosing_subvolume
from ..errors import OvercError
from ..system import safe_path
from ..system.mount_table import Mount, mounts
from ..system.presence import NOT_THERE, is_directory, is_plain_directory
from ..system.safe_path import OPEN_DIR, components, open_beneath, open_if_there, printable
from . import lxc
from .names import same_place
from .record import HOME, Intent, Record, Store
from .table import Mounted, Table, other_table, table_for

ESSENTIAL: t.Final = "essential"
# Directories that are the kernel's or the start's own business, in every container.
_NEVER: t.Final = frozenset(("proc", "sys", "dev", "run"))


# What is written of an overlay among its layers, once they are complete
NOTES: t.Final = "overlay.json"


def layers_name(id_: str) -> str:
    """Our directory inside an overlay's subvolume, whose root may be a snapshot full of somebody else's names."""
    return f".overc-{id_}"


def normal_directory(directory: str) -> str:
    parts = components(directory)
    if not parts or parts[0] in _NEVER:
        raise OvercError("bad_argument", f"{printable(directory)!r} cannot be shared; name a directory like /usr.")
    return "/" + "/".join(parts)


def _is_gone(containers_dir: str, name: str) -> bool:
    """Whether a container is certainly no more: others are in its place, so that a file system is mounted there, and it is not.

    One without its rootfs is there: what it has may be on a file system that is not mounted. Raises OSError.
    """
    names = os.listdir(containers_dir) if is_directory(containers_dir) else []
    return bool(names) and name not in names


class Site:
    """One container, opened. Use as a context manager.

    ``units``: where systemd's units are; ``elsewhere``: other directories of containers that are known of.
    """

    def __init__(
        self,
        containers_dir: str,
        name: str,
        *,
        units: str = "/etc/systemd/system",
        elsewhere: t.Sequence[str] = (),
    ) -> None:
        if not name or "/" in name or name.startswith(".") or "\0" in name or name == ESSENTIAL:
            last = name.rstrip("/").rpartition("/")[2]
            advice = f" Give its name, {printable(last)}." if last and last != name and not last.startswith(".") else ""
            raise OvercError("bad_argument", f"{printable(name)!r} cannot be the name of a container.{advice}")
        components(containers_dir)
        self.containers_dir = os.path.realpath(containers_dir)
        self.name = name
        self.units = units
        self.elsewhere = tuple(elsewhere)
        self.path = f"{self.containers_dir}/{name}"
        self.root = f"{self.path}/rootfs"
        self._stack = contextlib.ExitStack()
        try:
            self.fd = self._open(self.path)
            self.root_fd = self._open(self.root)
        except OSError as error:
            self._stack.close()
            if error.errno not in NOT_THERE:
                raise
            raise OvercError(
                "container_unknown",
                f"There is no container {printable(name)!r} with a rootfs in {containers_dir}. `ls {containers_dir}` shows which "
                "there are; another place of containers is named with containers_dir.",
                gone=_is_gone(self.containers_dir, name),
            ) from error
        self.store = Store(self.fd, self.path)
        self.config: lxc.Config | None = None
        try:
            found = safe_path.read_file("config", self.fd)
        except OSError as error:
            self._stack.close()
            raise OvercError(
                "inconsistent",
                f"{printable(self.path)}/config, the container's configuration, is no regular file ({error.strerror}); nothing"
                " was changed. Put the file itself there.",
            ) from error
        text = ""
        if found is not None:
            own = os.fsdecode(found[0])
            text = lxc.with_includes(own)
            self.config = lxc.parse_config(text)
            self._own_config = lxc.parse_config(own)
        self.table: Table = table_for(self.path, name, self.config, text, units=units)
        named = self.config.fstab if self.config is not None else None
        self.other: Table | None = other_table(self.table, self.path, name, named, units=units)

    def _open(self, path: str) -> int:
        # Both lie above the container's root, so they are the host's; a link in their place is still a mistake.
        fd = os.open(path, OPEN_DIR)
        self._stack.callback(os.close, fd)
        return fd

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    # -- facts --------------------------------------------------------------------------------------------------

    def record(self) -> Record:
        return self.store.read()

    def intent(self) -> Intent | None:
        return self.store.intent()

    def running(self) -> bool:
        return lxc.monitor_listens(self.path) or lxc.root_in_use(os.fstat(self.root_fd)) is not None

    def mounted(self) -> dict[str, Mounted]:
        """The overlays that the table names, by directory; the last of two lines for one counts, as it would mount."""
        return {found.directory: found for found in self.table.overlays()}

    def host_mounts(self, directory: str) -> list[Mount]:
        """What is mounted on the host at or below a directory of the container."""
        where = self.root + directory
        return [m for m in mounts() if m.target == where or safe_path.is_below(m.target, where)]

    def open_directory(self, directory: str) -> int:
        """Open a directory of the container, following nothing. Refuses what is not the container's own file system."""
        try:
            fd = open_beneath(self.root_fd, components(directory))
        except OSError as error:
            raise OvercError(
                "bad_argument",
                f"{printable(directory)!r} is no directory of container {printable(self.name)!r} that can be shared:"
                f" {error.strerror} (links and mount points on the way are not followed).",
            ) from error
        # An overlay that is mounted answers for its own file system; deleting through it would leave whiteouts.
        if os.fstat(fd).st_dev != os.fstat(self.root_fd).st_dev or ioctl.filesystem_id(fd) != self.filesystem():
            os.close(fd)
            raise OvercError(
                "overlay_unsupported",
                f"{printable(directory)!r} of container {printable(self.name)!r} is a mount point or a subvolume of its"
                " own; only a plain directory of the container's root can be shared.",
            )
        return fd

    def filesystem(self) -> bytes:
        """The btrfs the container's root lies on; refuses others."""
        fsid = ioctl.filesystem_id(self.root_fd)
        if fsid is None:
            raise OvercError(
                "overlay_unsupported",
                f"{printable(self.path)} does not lie on btrfs. Sharing needs a source that cannot change under the"
                " container; only btrfs gives such a snapshot.",
            )
        if ioctl.filesystem_id(self.fd) != fsid:
            raise OvercError("overlay_unsupported", f"{self.root} is on another file system than its parent.")
        return fsid

    def check_config(self) -> None:
        """Refuse to share where the container's configuration says that its root or its table of mounts is another."""
        if self.config is None:
            return
        root = lxc.root_directory(self.config)
        if root is not None and not same_place(root, self.root):
            raise OvercError(
                "overlay_unsupported",
                f"The configuration of container {printable(self.name)!r} has its root at {printable(root or 'no directory')},"
                f" not at {printable(self.root)}; only a root that is that very directory can be shared.",
            )
        if self.table.kind != "lxc" or self.config.fstab is None:
            return
        if self.config.fstab != self._own_config.fstab:
            raise OvercError(
                "overlay_unsupported",
                f"Container {printable(self.name)!r} has its lxc.mount.fstab from a file that its configuration includes, so"
                " others may have it too. Name a file of its own in its own configuration.",
            )
        table = os.path.realpath(self.config.fstab)
        for other in containers(self.containers_dir):
            if other != self.name and table == lxc.table_of(f"{self.containers_dir}/{other}"):
                raise OvercError(
                    "overlay_unsupported",
                    f"Containers {printable(self.name)!r} and {printable(other)!r} name one file as lxc.mount.fstab,"
                    f" {printable(table)}: what is mounted for one would be for both. Give each a file of its own.",
                )

    def on_root(self) -> bool:
        """Whether the container lies on the very subvolume that is the running root."""
        fd = os.open("/", OPEN_DIR)
        try:
            return os.fstat(fd).st_dev == os.fstat(self.fd).st_dev and ioctl.filesystem_id(fd) is not None
        finally:
            os.close(fd)

    def layer_paths(self, id_: str) -> str:
        return f"{self.path}/{HOME}/{id_}/{layers_name(id_)}"


def containers(containers_dir: str) -> list[str]:
    """The names of all containers there, sorted. Raises bad_argument for what is no absolute path."""
    components(containers_dir)
    try:
        names = os.listdir(containers_dir)
    except FileNotFoundError:
        return []
    return sorted(n for n in names if not n.startswith(".") and is_directory(f"{containers_dir}/{n}/rootfs"))


@dataclass(frozen=True)
class Tree:
    """One tree to share with: a directory below a subvolume.

    ``whole``: the subvolume's root is the source's root, so a snapshot of it holds the source and nothing else.
    """

    source: str
    subvolume: str
    below: tuple[str, ...]
    whole: bool


def _source_root(site: Site, source: str, essential_root: str) -> str:
    if source == ESSENTIAL:
        return os.path.realpath(essential_root)
    if not source or "/" in source or source.startswith(".") or source == site.name:
        raise OvercError("bad_argument", f"{printable(source)!r} cannot be a source of {printable(site.name)!r}.")
    root = f"{site.containers_dir}/{source}/rootfs"
    if not is_plain_directory(root):
        raise OvercError("source_unknown", f"There is no container {printable(source)!r} in {site.containers_dir}.")
    return root


def _shared_trees(site: Site, source: str, directory: str) -> list[Tree]:
    """The layers of a source that is itself shared there: each is a tree to compare with, by the source's leave."""
    out: list[Tree] = []
    with Site(site.containers_dir, source) as other:
        for found in other.mounted().values():
            inside = directory == found.directory or safe_path.is_below(directory, found.directory)
            if not inside or not found.id:
                continue
            rest = components(directory)[len(components(found.directory)) :]
            base = f"{other.path}/{HOME}/{found.id}"
            for layer in (found.layers.upper, *found.layers.lower):
                way = layer[len(base) :].strip("/").split("/")
                out.append(Tree(source, base, (*way, *rest), whole=False))
    return out


def trees(site: Site, directory: str, sources: t.Sequence[str], essential_root: str) -> list[Tree]:
    """The trees of the sources, in order. Refuses unknown sources and those on another file system."""
    out: list[Tree] = []
    parts = tuple(components(directory))
    for source in sources:
        root = _source_root(site, source, essential_root)
        fd = os.open(root, OPEN_DIR)
        try:
            if ioctl.filesystem_id(fd) != site.filesystem():
                raise OvercError(
                    "overlay_unsupported",
                    f"Source {printable(source)!r} ({printable(root)}) does not lie on the btrfs of container"
                    f" {printable(site.name)!r}: it cannot be snapshotted, so it could change under the container.",
                )
        finally:
            os.close(fd)
        shared = [] if source == ESSENTIAL else _shared_trees(site, source, directory)
        out += shared or [_own_tree(site, source, root, parts)]
    return out


def _own_tree(site: Site, source: str, root: str, parts: tuple[str, ...]) -> Tree:
    """The tree of a directory below a root: in the innermost subvolume of the same btrfs that is there, mounted or nested."""
    subvolume, way = enclosing_subvolume(root)
    tree = Tree(source, subvolume, way + parts, whole=not way)
    fd = os.open(root, OPEN_DIR)
    try:
        for depth, part in enumerate(parts, 1):
            try:
                deeper = os.open(part, OPEN_DIR, dir_fd=fd)
            except OSError:
                break  # nothing there, or a link, which is not followed
            os.close(fd)
            fd = deeper
            if os.fstat(fd).st_ino == ioctl.SUBVOLUME_INODE and ioctl.filesystem_id(fd) == site.filesystem():
                tree = Tree(source, f"{root.rstrip('/')}/{'/'.join(parts[:depth])}", parts[depth:], whole=False)
    finally:
        os.close(fd)
    return tree


def is_there(tree: Tree) -> bool:
    fd = os.open(tree.subvolume, OPEN_DIR)
    try:
        found = open_if_there(fd, tree.below)
    finally:
        os.close(fd)
    if found is None:
        return False
    os.close(found)
    return True


__all__ = (
    "ESSENTIAL",
    "NOTES",
    "Site",
    "Tree",
    "containers",
    "is_there",
    "layers_name",
    "normal_directory",
    "trees",
)
