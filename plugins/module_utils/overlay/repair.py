# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending an operation: its record, and what becomes of one that was cut off.

Two whole trees exist at the one moment that counts: the container's own files under the mount point, and the layers.
The table of mounts decides which of them the container sees, and replacing it is one rename. So before the commit
everything new can be thrown away, after it everything old, and the journal's intent says what is new and what is old.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..errors import OvercError
from ..system import overlayfs
from ..system.safe_path import printable
from . import copied, original, own_side
from .kept import being_emptied, delete_if_there, drop_snapshots, open_layers, read_notes, seal, trim
from .mount import empty_under, mount_on_host, tidy_table, unmount_on_host
from .record import Intent, Record
from .site import Site
from .table import Mounted

FILLING: t.Final = "after check_mount_point"


# In the journal when a container was started between the last look at it and the switch: it may see either tree.
STARTED_MEANWHILE: t.Final = "started meanwhile"


def refuse_while_started(site: Site) -> None:
    """Neither tree may go while a container that was started at the moment of the switch runs."""
    if STARTED_MEANWHILE in site.store.steps() and site.running():
        raise OvercError(
            "container_running",
            f"Container {printable(site.name)!r} was started at the very moment of a switch and may see either tree, so both"
            " are kept. Stop it, then run the same command again.",
        )


def settle(site: Site, directory: str, id_: str, *, seconds: float | None = None, emptying: bool = False) -> None:
    """Write the record for what the table says now, and close the journal. ``emptying``: copies are left under the mount."""
    record = site.record()
    if id_:
        overlay = read_notes(site, id_)
        if seconds is not None:
            overlay = dataclasses.replace(overlay, seconds=seconds)
        known = record.overlays.get(directory)
        overlay = dataclasses.replace(overlay, sealed=known.sealed if known and known.id == id_ else seal(site, id_))
        record.overlays[directory] = overlay
        record.emptying += [id_] if emptying else []
    else:
        record.overlays.pop(directory, None)
    record.emptying = sorted(set(being_emptied(site, record).values()))
    if record.fstab_added and tidy_table(site):
        record.fstab_added = False
    site.table.tidy()
    site.store.write(record)
    site.store.end()


def is_switched(site: Site, intent: Intent) -> bool:
    """Whether the table of mounts, which decides, says already what the operation was to bring."""
    active = site.mounted().get(intent.directory)
    if intent.operation in ("create", "reshare"):
        return active is not None and active.id == intent.new
    return active is None


def foretold(site: Site) -> Record:
    """The record as ``repair`` would leave it; nothing is changed."""
    record, intent = site.record(), site.intent()
    if intent is not None and is_switched(site, intent):
        record.overlays.pop(intent.directory, None)
        if intent.new:
            record.overlays[intent.directory] = read_notes(site, intent.new)
    return record


def open_shown(site: Site, directory: str, active: Mounted) -> list[int]:
    """The layers of an overlay, whoever made it, topmost first. Raises inconsistent when they cannot be opened."""
    if active.id:
        return open_layers(site, active.layers, active.id)
    if active.owner:
        return copied.open_layers(active.owner, active.layers)
    return original.open_layers(site, directory, active.layers)


def _unfill(site: Site, directory: str, active: Mounted | None) -> None:
    """Remove what was being made below the mount, and nothing that somebody else put there meanwhile."""
    layers = open_shown(site, directory, active) if active is not None else None
    try:
        empty_under(site, directory, None, made=layers)
    finally:
        for fd in layers or ():
            os.close(fd)


def repair(site: Site) -> str | None:
    """Take up an operation that was cut off: what the table says decides whether it is undone or finished.

    Returns a sentence about it, or None when there was nothing.
    """
    intent = site.intent()
    if intent is None:
        site.store.make_durable()
        return None
    refuse_while_started(site)
    directory = intent.directory
    active = site.mounted().get(directory)
    home = site.store.make()
    known = own_side.opened(home, intent.new, site, directory) if intent.new else None
    try:
        unmount_on_host(site, directory)
        forward = is_switched(site, intent)
        if not forward:
            if intent.operation != "create":
                # It was being filled below the mount, by us: the check before that step found it empty.
                if FILLING in site.store.steps():
                    _unfill(site, directory, active)
            if intent.new:
                delete_if_there(intent.new, home)
                drop_snapshots(home, intent.new)
            keep = intent.old if active is not None and active.id else ""
        else:
            site.table.make_durable()  # nothing goes before the switch is on disk
            if intent.new:
                # By the snapshot it is known what may go. Without it all of that went before: what is there came since.
                if known is not None:
                    empty_under(site, directory, known)
                trim(home, intent.new)
                drop_snapshots(home, intent.new)
            if intent.old:
                delete_if_there(intent.old, home)
            if intent.original is not None:
                layers = overlayfs.Layers(
                    tuple(intent.original["lower"]), intent.original["upper"], intent.original["work"]
                )
                original.remove(site, directory, layers)
            keep = intent.new
        # Before the journal is closed: the next run would take what is not mounted for done
        mount_on_host(site, directory)
        settle(site, directory, keep)
    finally:
        if known is not None:
            os.close(known)
        os.close(home)
    how = "finished" if forward else "undone"
    return f"{intent.operation} of {printable(directory)}, cut off in an earlier run, was {how}"


__all__ = (
    "FILLING",
    "STARTED_MEANWHILE",
    "foretold",
    "is_switched",
    "open_shown",
    "refuse_while_started",
    "repair",
    "settle",
)
