# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an overlay shows: the place in the container, whether its table of mounts is read, and mounts on the host."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..errors import OvercError
from ..system import overlayfs, safe_path
from ..system.safe_path import printable
from . import lxc, mount_flags
from .layers.remove import empty
from .site import Site
from .table import Mounted


def empty_under(
    site: Site,
    directory: str,
    known: int | None,
    *,
    made: t.Sequence[int] | None = None,
    jobs: int | None = None,
) -> None:
    """Empty what lies under the mount point. ``open_directory`` refuses when the overlay itself is mounted there.

    ``known``, ``made``: see ``empty``; raises ``container_changed`` for what is not known, which stays.
    """
    fd = site.open_directory(directory)
    try:
        left = empty(fd, known=known, made=made, jobs=jobs)
    finally:
        os.close(fd)
    if left:
        where = printable(site.root + directory)
        raise OvercError(
            "container_changed",
            f"Somebody wrote into {where} while the module worked on it: {printable(left[0])}"
            f" ({len(left)} such place(s)). It is kept there, where the container does not see it. Move it away, and into"
            " the container if it belongs there, then run the same command again.",
            paths=[f"{where}/{printable(path)}" for path in left[:100]],
        )


def prepare_table(site: Site) -> None:
    """See to it that LXC reads a table at all; without effect as long as the table is empty."""
    if site.config is None or site.config.fstab is not None or site.table.kind != "lxc":
        return
    record = site.record()
    record.fstab_added = True
    site.store.write(record)
    found = safe_path.read_file("config", site.fd)
    if found is not None:
        text = lxc.with_fstab(os.fsdecode(found[0]), f"{site.path}/fstab", legacy=site.config.legacy)
        if safe_path.read_file("fstab", site.fd) is None:
            safe_path.write_atomically("fstab", b"", site.fd)
        safe_path.write_atomically("config", os.fsencode(text), site.fd, like=found[1])
        site.config = dataclasses.replace(site.config, fstab=f"{site.path}/fstab")


def tidy_table(site: Site) -> bool:
    """Take back what ``prepare_table`` did, when no overlay needs it; True if it is (now) gone."""
    if site.mounted():
        return False
    table = safe_path.read_file("fstab", site.fd)
    if table is not None and table[0].strip():
        return True  # somebody else's lines came in: theirs now
    found = safe_path.read_file("config", site.fd)
    if found is not None:
        before, path = os.fsdecode(found[0]), f"{site.path}/fstab"
        text = lxc.without_fstab(before, path)
        if text != before:
            safe_path.write_atomically("config", os.fsencode(text), site.fd, like=found[1])
        if lxc.parse_config(lxc.with_includes(text)).fstab == path:
            return True  # somebody else names it, too, and LXC starts nothing without it
    if table is not None:
        os.unlink("fstab", dir_fd=site.fd)
    return True


def mount_on_host(site: Site, directory: str, missing: Mounted | None = None) -> None:
    """Mount now what the host would mount at boot. Nothing to do if it is, or if LXC mounts it.

    ``missing``: an overlay that the table does not name yet.
    """
    found = missing or site.mounted().get(directory)
    if found is None or site.table.kind == "lxc" or site.host_mounts(directory):
        return
    options = overlayfs.options(found.layers, overlayfs.supported_safety())
    overlayfs.mount(options, site.root + directory, mount_flags.number(mount_flags.wanted(site)))


def unmount_on_host(site: Site, directory: str) -> None:
    where = site.root + directory
    for found in reversed(site.host_mounts(directory)):
        if found.fstype != "overlay" or found.target != where:
            raise OvercError("container_running", f"{printable(found.target)} is mounted; unmount it first.")
        try:
            overlayfs.unmount(where)
        except OSError as error:
            raise OvercError("container_running", f"{printable(where)} is in use ({error.strerror}).") from error


__all__ = ("empty_under", "mount_on_host", "prepare_table", "tidy_table", "unmount_on_host")
