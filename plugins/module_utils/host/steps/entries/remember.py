# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that remembers what was done where each deployment has a boot entry of its own."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ....btrfs import subvolumes
from ....errors import certain
from ...observe.entries.state import number_of
from ...observe.facts import with_choice
from ...store.record import Deployment, Pending, Record
from ..etc.copies import drop_copies
from ..record import event, keep_record, with_failed_trial

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ..context import Apply


def record(at: Apply) -> bool:
    """Whose subvolumes are whose, which is known to work, and what waits for its reboot."""
    context, boot = at.context, certain(at.facts.entry_boot, "the boot loader's menu")
    before = with_failed_trial(at).with_event(
        event(at, "done" if at.plan.operation == context.operation else "repaired")
    )
    before = replace(before, last_number=max(before.last_number, context.number or 0))
    if context.operation == "cancel":
        drop_copies(at.top)
        keep_record(at, replace(before, pending=None, unfinished=None))
    elif context.operation == "confirm":
        drop_copies(at.top)
        good = replace(_known(at, boot, context.base), confirmed=at.now)
        keep_record(at, replace(before.with_deployments(good), pending=None))
    elif context.operation == "rollback":
        keep_record(at, _returned(at, boot, before))
    else:
        keep_record(at, _upgraded(at, boot, before))
    # What waits follows from the record
    at.facts = with_choice(at.facts, certain(at.facts.entry_boot, "the boot loader's menu"))
    return True


def _known(at: Apply, boot: EntryBoot, uuid: str) -> Deployment:
    """What is recorded of a deployment; of one that nobody recorded yet, what the menu says."""
    known = at.facts.record.deployments.get(uuid)
    entry = next((each for each in boot.menu.entries if each.uuid == uuid), None)
    if known is None:
        known = Deployment(uuid=uuid, origin="adopted", release=entry.release if entry else None, made=at.now)
    return replace(known, number=entry.id, release=entry.release or known.release) if entry else known


def _returned(at: Apply, boot: EntryBoot, before: Record) -> Record:
    target = certain(at.context.target, "the deployment to return to")
    known = _known(at, boot, target)
    if at.facts.booted is not None and at.facts.booted.uuid == target:
        return replace(before.with_deployments(replace(known, confirmed=at.now)), pending=None)
    pending = Pending("rollback", target, None, at.now)
    return replace(before.with_deployments(known), pending=pending, unfinished=pending)


def _upgraded(at: Apply, boot: EntryBoot, before: Record) -> Record:
    context = at.context
    subvolumes.sync(at.top)
    at.refresh()
    made = at.made_root()
    base = _known(at, boot, context.base)
    if not boot.automatic and number_of(at.facts, boot) == base.number:
        base = replace(base, confirmed=base.confirmed or at.now)
    new = Deployment(
        uuid=made.uuid,
        origin="upgrade",
        files=dict(at.notes.get("new_files", {})),
        release=at.notes.get("new_release"),
        base=context.base,
        previous=context.base,
        fingerprint=context.fingerprint,
        made=at.now,
        number=context.number,
        sealed=made.generation,
        asked=context.asked,
    )
    pending = Pending("upgrade", made.uuid, context.fingerprint, at.now)
    return replace(before.with_deployments(base, new), pending=pending, unfinished=pending)


def seal(at: Apply) -> None:
    """The staged root was written to by us: that is no sign that it ran."""
    subvolumes.sync(at.top)
    at.refresh()
    made = at.made_root()
    known = at.facts.record.deployments.get(made.uuid)
    if known is not None:
        keep_record(at, at.facts.record.with_deployments(replace(known, sealed=made.generation)))


__all__ = ("record", "seal")
