# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that remembers what was done, and what the other steps put on record."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...btrfs import subvolumes
from ..store.record import Deployment, Pending, Record, write_record
from .context import Apply
from .etc.copies import drop_copies

# What is kept of what a transaction warned of: for whoever looks at the host later
_WARNINGS: t.Final = 10
_LONGEST: t.Final = 500


def record(at: Apply) -> bool:
    """Remember whose subvolumes are whose, and what waits for its reboot."""
    context = at.context
    cancelling = context.operation == "upgrade" and at.plan.operation == "repair" and not at.plan.notes.get("committed")
    before = with_failed_trial(at).with_event(
        event(at, "done" if at.plan.operation == context.operation else "repaired")
    )
    booted = at.facts.booted
    if context.operation == "confirm":
        drop_copies(at.top)
        keep_record(at, replace(before, pending=None))
        return True
    if context.operation == "cancel" or cancelling:
        if context.operation == "cancel":
            drop_copies(at.top)
        # A cancel cut off in its middle, with the staged root booted since: completing it is a rollback from that root.
        came_up = context.operation == "cancel" and booted is not None and booted.uuid == context.root_prior
        keep_record(
            at, replace(before, pending=Pending("rollback", context.base) if came_up else None, unfinished=None)
        )
        return True
    target = at.target()
    entries = _target_entries(at, target)
    backup = at.facts.by_path(context.backup_name)
    if context.operation == "upgrade":
        entries = [*base_entries(at, backup if backup and backup.parent_uuid == context.base else None), *entries]
    pending = Pending(context.operation, target.uuid, context.fingerprint, at.now)
    # With automatic protection what runs already still waits: to be confirmed.
    settled = booted is not None and booted.uuid == target.uuid and context.backup_entry is None
    after = before.with_deployments(*entries)
    keep_record(at, replace(after, pending=None if settled else pending, unfinished=pending))
    return True


def with_failed_trial(at: Apply) -> Record:
    """The record, told of the trial that ended without being confirmed, and of its plan if it was tried."""
    failed = at.context.failed
    if failed is None:
        return at.facts.record
    told = {key: failed.get(key) for key in ("operation", "to", "fingerprint", "since", "reason")}
    known = at.facts.record.with_event(
        {"time": at.now, **told, "outcome": "not_confirmed" if failed.get("bad") else "not_tried"}
    )
    return known.with_known_bad(failed.get("fingerprint")) if failed.get("bad") else known


def event(at: Apply, outcome: str, **more: t.Any) -> dict[str, t.Any]:
    """One line of the host's history."""
    return {
        "time": at.now,
        "operation": at.context.operation,
        "from": at.context.base_name,
        "to": at.context.root_name,
        "outcome": outcome,
        "fingerprint": at.context.fingerprint,
        **({"asked": list(at.context.asked)} if at.context.asked else {}),
        **({"warnings": [text[:_LONGEST] for text in at.warnings[:_WARNINGS]]} if at.warnings else {}),
        **more,
    }


def _target_entries(at: Apply, target: subvolumes.Subvolume) -> list[Deployment]:
    context, known = at.context, at.facts.record.deployments.get(target.uuid)
    if context.operation == "rollback":
        return [replace(known, files=at.target_files())] if known else []
    kept = at.notes.get("kept_modules", known.kept_modules if known else ())
    return [
        Deployment(
            uuid=target.uuid,
            origin=context.operation,
            files=at.target_files(),
            release=at.notes.get("new_release") or context.target_release,
            base=context.base,
            previous=context.base if context.operation == "upgrade" else None,
            fingerprint=context.fingerprint,
            kept_modules=tuple(kept),
            made=at.now,
            asked=context.asked,
        )
    ]


def base_entries(at: Apply, backup: subvolumes.Subvolume | None) -> list[Deployment]:
    """The base becomes known with its kernel, and so does the backup that was made of it."""
    context = at.context
    base = at.facts.record.deployments.get(context.base)
    base = base or Deployment(uuid=context.base, origin="adopted", made=at.now)
    entries = [replace(base, files=dict(context.base_files), release=at.context.base_release or base.release)]
    if backup is not None:
        entries.append(
            Deployment(
                uuid=backup.uuid,
                origin="backup",
                files=dict(context.base_files),
                release=at.context.base_release,
                base=context.base,
                made=at.now,
            )
        )
    return entries


def keep_record(at: Apply, new: Record) -> None:
    write_record(at.top, new)
    at.facts = replace(at.facts, record=new)


__all__ = ("base_entries", "event", "keep_record", "record", "with_failed_trial")
