# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observing the directories that are asked for: are they shared already, by whom, and would sharing again do something?"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import OvercError
from ..system import overlayfs
from ..system.safe_path import is_below, printable
from . import estimate, lines, lxc, mount_flags, original, swap, under, users
from .changes import has_changed
from .claims import Claim
from .copied import owner_runs
from .kept import being_emptied, is_readonly
from .original import refuse_waiting
from .own_side import refuse_locked, refuse_quota, refuse_readonly
from .plan import DirectoryFacts, Wanted
from .record import Record, Request
from .rings import ring
from .site import Site, Tree, is_there, trees
from .table import Mounted


def made_by(found: Mounted | None) -> str:
    if found is None:
        return ""
    if found.id:
        return "ours"
    if found.owner:
        return "copied"
    return "original" if found.original else "foreign"


def queued_request(record: Record, directory: str) -> Request | None:
    return next((request for request in record.requests if directory in request.directories), None)


def _stale(site: Site, found: Mounted, record: Record, wanted: Wanted, now: t.Sequence[Tree], jobs: int | None) -> str:
    """Why sharing again would do something, "" if it would not."""
    overlay = record.overlays.get(found.directory)
    if found.missing and site.running():
        return "its line is gone from the container's table of mounts"
    if found.bent and site.running():
        return "its line in the container's table of mounts does not name the layers that are there"
    if not found.missing and mount_flags.differ(site, found):
        return "it is mounted with other flags than the container's root"
    if found.moved:
        return "its layers are named by a path of before the container was moved"
    if is_readonly(site, found.id):
        return "its layers are a read-only subvolume"
    if overlay is None:
        return "no record of how it was shared"
    if overlay.essential_root != wanted.essential_root:
        return "another root of the host"
    there = [(tree.source, tree.subvolume, "/".join(tree.below)) for tree in now if is_there(tree)]
    if there != [(origin.source, origin.subvolume, origin.below) for origin in overlay.origins]:
        return "the sources have other trees now"
    for origin in overlay.origins:
        state = has_changed(site, overlay.id, origin)
        if state is not None:
            return f"source {printable(origin.source)} has {state} since"
    count = estimate.worth(site, found, jobs=jobs)
    return f"{count} of the container's own files are equal to a source's now" if count else ""


def observe(site: Site, wanted: Wanted, record: Record, jobs: int | None) -> list[DirectoryFacts]:
    """The facts about every directory that is asked for."""
    mounted = lines.shown(site, record)
    freeing = being_emptied(site, record)
    out = []
    written = any(directory in mounted or queued_request(record, directory) for directory in wanted.directories)
    if wanted.state == "present" or written:
        refuse_readonly(site)
        refuse_locked(site)
        refuse_waiting(site)
    if wanted.state == "present":
        _refuse_mapped_root(site)
    for directory in wanted.directories:
        found = mounted.get(directory)
        if found is not None:
            lines.refuse(site, directory, found)
        active = made_by(found)
        overlay = record.overlays.get(directory)
        queued = queued_request(record, directory)
        stale = ""
        sources = overlay.sources if overlay and active == "ours" else ()
        if wanted.state == "present" or not active:
            _refuse_nested(mounted, directory)
        if wanted.state == "present":
            now = trees(site, directory, wanted.sources, wanted.essential_root)
            if not active:
                _refuse_unfit(site, directory)
            if found is not None and active == "ours" and sources == wanted.sources:
                stale = _stale(site, found, record, wanted, now, jobs)
            if active in ("", "ours"):
                stays = found is not None and sources == wanted.sources and not stale
                refuse_quota(site, found.id if found is not None and stays else "")
                if not stays:
                    swap.refuse(site, now)
        elif found is not None and found.owner:
            _refuse_clone(site, found)
            under.refuse(site, found)
        out.append(
            DirectoryFacts(
                directory,
                active,
                sources,
                stale,
                on_host=bool(active and site.host_mounts(directory)),
                queued=_same_request(queued, wanted),
                on_root=site.on_root(),
                owner_runs=found is not None and bool(found.owner) and owner_runs(found.owner),
                used_by=tuple(used_by(site, directory, found, wanted.state)),
                freeing=directory in freeing,
                ring=ring(site, directory, (wanted.sources, wanted.essential_root)),
            )
        )
    return out


def _same_request(queued: Request | None, wanted: Wanted) -> str:
    """present or absent when exactly this waits already; "other" when something else waits; "" when nothing does."""
    if queued is None:
        return ""
    same = queued.state == wanted.state and (
        wanted.state == "absent" or (queued.sources, queued.essential_root) == (wanted.sources, wanted.essential_root)
    )
    return queued.state if same else "other"


def _refuse_nested(mounted: t.Iterable[str], directory: str) -> None:
    for other in mounted:
        if is_below(other, directory) or is_below(directory, other):
            what = f"{printable(directory)!r} and {printable(other)!r}, which is shared, lie in one another."
            raise OvercError("bad_argument", f"{what} Name {printable(other)!r} itself.")


def _refuse_mapped_root(site: Site) -> None:
    idmap = lxc.map_of_root(site.config) if site.config is not None else None
    if idmap is not None:
        raise OvercError(
            "overlay_unsupported",
            f"Container {printable(site.name)!r} has lxc.rootfs.options {printable(idmap)}: LXC mounts its root with a user map,"
            " which the kernel gives to no overlay in it, so it would not start; nothing was changed. Only a root whose files"
            " belong to the mapped users themselves, without that option, can be shared.",
        )


def _refuse_unfit(site: Site, directory: str) -> None:
    """Refuse a directory that is not shared yet and cannot be."""
    os.close(site.open_directory(directory))
    site.table.check(directory)
    site.check_config()
    _refuse_mounts(site, directory)
    _refuse_hidden(site, directory)
    reason = overlayfs.kernel_refuses(site.path)
    if reason is not None:
        raise OvercError(
            "overlay_unsupported",
            f"The kernel of this host mounts no overlay ({reason}); nothing was changed. It needs overlayfs (modprobe overlay).",
        )


def _refuse_clone(site: Site, found: Mounted) -> None:
    try:
        site.check_config()
    except OvercError as error:
        raise OvercError(
            error.error_id,
            f"{error.message} It is a clone of {printable(found.owner)} with that one's layers: remove the line of"
            f" {printable(found.directory)} from its table of mounts, then stop the overlay of the other one (state=absent),"
            " which gives the files to both.",
        ) from error


def used_by(site: Site, directory: str, found: Mounted | None, state: str) -> list[Claim]:
    """Who else uses what would be emptied or removed."""
    active = made_by(found)
    if active not in {"present": ("", "ours"), "absent": ("ours", "original")}[state]:
        return []  # nothing is done, or it is refused
    with contextlib.ExitStack() as stack:
        made = original.open_made(site, directory, stack) if active == "original" else ()
        return users.find(site, directory, found, originals=made)


def _refuse_hidden(site: Site, directory: str) -> None:
    found = site.table.in_the_way(directory)
    if found is not None:
        raise OvercError(
            "overlay_unsupported",
            f"The container never sees its own {printable(directory)}, because this is mounted over it: {found}. Share what lies"
            " beside it, or take that mount away first.",
        )


def _refuse_mounts(site: Site, directory: str) -> None:
    for found in site.host_mounts(directory):
        raise OvercError(
            "overlay_unsupported",
            f"{printable(found.target)} is mounted inside the directory; unmount it first: it hides what is there.",
        )


__all__ = ("made_by", "observe", "queued_request", "used_by")
