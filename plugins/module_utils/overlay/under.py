# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies under the mount of an overlay: nothing, as it should be, or files that the container does not see."""

from __future__ import annotations

import os

from ..errors import OvercError
from ..system.safe_path import printable
from .kept import being_emptied
from .record import HOME
from .site import Site
from .table import Mounted


def is_on_host(site: Site, found: Mounted) -> bool:
    """Whether the overlay is mounted on the host, with or without a line: nobody can look under it then."""
    ours = f"/{HOME}/{found.id}/"
    return any(
        mount.fstype == "overlay" and ours in ",".join(mount.of_filesystem)
        for mount in site.host_mounts(found.directory)
    )


def first(site: Site, directory: str) -> str | None:
    """Something that lies in a directory of the container itself, None if nothing does. Raises OvercError."""
    fd = site.open_directory(directory)
    try:
        with os.scandir(fd) as entries:
            return next((entry.name for entry in entries), None)
    finally:
        os.close(fd)


def _hidden(site: Site, found: Mounted) -> str | None:
    """What the container does not see of its own; None for nothing, and while something is mounted there on the host.

    While an operation is under way, or was cut off, what lies there may be what it makes, or copies that are to go.
    """
    intent = site.intent()
    if found.missing or (intent is not None and intent.directory == found.directory):
        return None
    if found.id and being_emptied(site, site.record()).get(found.directory) == found.id:
        return None
    if any(mount.target == site.root + found.directory for mount in site.host_mounts(found.directory)):
        return None
    return first(site, found.directory)


def problem(site: Site, found: Mounted) -> str | None:
    """For people: what is wrong with the mount point."""
    try:
        name = _hidden(site, found)
    except OvercError as error:
        return error.message
    if name is None:
        return None
    return (
        f"{printable(name)} lies under its mount, where the container does not see it (its root was put back as it was"
        " once?); overc_overlay with state=absent says what to do"
    )


def refuse(site: Site, found: Mounted) -> None:
    """Refuse an overlay over files of which nobody can tell whether the container should see them instead."""
    name = _hidden(site, found)
    if name is None:
        return
    where, place = printable(found.directory), printable(site.root + found.directory)
    instead = "remove the line from its table of mounts"
    if found.id:
        instead = f"delete what is shared, {printable(f'{site.path}/{HOME}/{found.id}')} (btrfs subvolume delete)"
    raise OvercError(
        "inconsistent",
        f"{where} of container {printable(site.name)!r} is not empty under its mount: {printable(name)!r} was not made here and"
        " the container does not see it (its root was put back as it was once, or somebody wrote there). Nothing was changed."
        f" To go on with what is shared, move away what lies in {place} while it is not mounted; to have that alone instead,"
        f" {instead}. Then run the same command again.",
    )


__all__ = ("first", "is_on_host", "problem", "refuse")
