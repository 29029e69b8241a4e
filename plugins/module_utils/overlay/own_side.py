# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's own side: nobody else writes into its directory unnoticed while an overlay of it is being made.

A stopped container writes nothing, but a program of the host may. So the container's subvolume is snapshotted before its
directory is compared: the switch is refused if anything was written since, and of the copies under the mount only those
go that are still what the snapshot shows.
"""

from __future__ import annotations

import os

from ..btrfs import ioctl
from ..btrfs.paths import unchanged_since
from ..compare.kin import enclosing_subvolume
from ..errors import OvercError
from ..system import xattrs
from ..system.safe_path import OPEN_DIR, OPEN_FILE, components, open_beneath, open_dir, printable
from .kept import own_snapshot
from .site import Site
from .table import LxcTable


def refuse_readonly(site: Site) -> None:
    """Refuse a container that cannot be changed, before anything is."""
    for fd, path in ((site.root_fd, site.root), (site.fd, site.path)):
        subvolume = ioctl.filesystem_id(fd) is not None and ioctl.subvolume_info(fd).readonly
        if subvolume or os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            what = "a read-only subvolume" if subvolume else "a read-only file system"
            remedy = f" Make it writable (btrfs property set {printable(path)} ro false)." if subvolume else ""
            raise OvercError(
                "overlay_unsupported", f"{printable(path)} lies on {what}; nothing was changed.{remedy}", paths=[path]
            )


def refuse_locked(site: Site) -> None:
    """Refuse where what has to be replaced or made cannot be: immutable or append-only files of the administrator."""
    table = site.table.path if isinstance(site.table, LxcTable) else ""
    for path in filter(None, (site.path, table, table and f"{site.path}/config")):
        try:
            fd = os.open(path, OPEN_FILE)
        except FileNotFoundError:
            continue
        try:
            locked = xattrs.flags(fd) & xattrs.LOCKED
        finally:
            os.close(fd)
        if locked:
            raise OvercError(
                "overlay_unsupported",
                f"{printable(path)} is immutable or append-only; nothing was changed. Take that flag away"
                f" (chattr -ia {printable(path)}), then run the same command again.",
                paths=[path],
            )


def bypassed_quotas(site: Site, id_: str) -> list[str]:
    """The quota groups that limit the container's root, but not the layers of its overlay ``id_`` ("" for none yet)."""
    ioctl.sync(site.root_fd)
    groups = ioctl.limited_by(site.root_fd)
    home = site.store.open() if groups and id_ else None
    if home is None:
        return groups
    try:
        layers = open_dir(id_, home)
    except FileNotFoundError:
        return groups
    finally:
        os.close(home)
    try:
        known = ioctl.limited_by(layers)
    finally:
        os.close(layers)
    return [group for group in groups if group not in known]


def refuse_quota(site: Site, id_: str = "") -> None:
    """Refuse a container with a quota: what it writes goes to a subvolume to which the quota does not apply.

    ``id_``: the overlay that stays as it is, "" if new layers would be made.
    """
    groups = bypassed_quotas(site, id_)
    if groups:
        raise OvercError(
            "overlay_unsupported",
            f"The root of container {printable(site.name)!r} has a quota (btrfs qgroup {groups[0]}). What it writes into a"
            " shared directory lies in another subvolume, so the quota would be bypassed. Nothing was changed. Leave this"
            " container unshared (state=absent), or lift the quota first"
            f" (btrfs qgroup limit none {groups[0]} {printable(site.root)}).",
        )


def snapshot(site: Site, home: int, id_: str) -> None:
    path, _below = enclosing_subvolume(site.root)
    fd = os.open(path, OPEN_DIR)
    try:
        ioctl.snapshot(fd, own_snapshot(id_), home, readonly=True)
    finally:
        os.close(fd)


def _way(site: Site, directory: str) -> list[str]:
    _path, below = enclosing_subvolume(site.root)
    return [*below, *components(directory)]


def opened(home: int, id_: str, site: Site, directory: str) -> int | None:
    """The container's directory as it was snapshotted; None when there is no such snapshot (any more), or of another root.

    A root that was put back since has the same inodes with the same times, and nobody asked for those to go.
    """
    try:
        top = open_dir(own_snapshot(id_), home)
    except FileNotFoundError:
        return None
    try:
        return open_beneath(top, _way(site, directory)) if _is_of_live_root(site, top) else None
    finally:
        os.close(top)


def _is_of_live_root(site: Site, top: int) -> bool:
    """Whether that is a snapshot, and of the very subvolume that the container's root lies in now."""
    if not ioctl.is_subvolume(top):
        return False
    path, _below = enclosing_subvolume(site.root)
    live = os.open(path, OPEN_DIR)
    try:
        return ioctl.subvolume_info(top).parent_uuid == ioctl.subvolume_info(live).uuid
    finally:
        os.close(live)


def refuse_changed(home: int, id_: str, site: Site, directory: str) -> None:
    """Refuse if the container's directory is no longer what was snapshotted, and so what was compared."""
    path, _below = enclosing_subvolume(site.root)
    live = os.open(path, OPEN_DIR)
    try:
        top = open_dir(own_snapshot(id_), home)
        try:
            same = unchanged_since(top, live, "/".join(_way(site, directory)))
        finally:
            os.close(top)
    finally:
        os.close(live)
    if not same:
        raise OvercError(
            "container_changed",
            f"Somebody wrote into {printable(site.root + directory)} while it was compared; nothing was switched over."
            " Find out who (fuser, lsof), stop it, then run the same command again.",
        )


__all__ = (
    "bypassed_quotas",
    "opened",
    "refuse_changed",
    "refuse_locked",
    "refuse_quota",
    "refuse_readonly",
    "snapshot",
)
