# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a run that was cut off where each deployment has a boot entry of its own: forward or back. Pure.

What is recorded is complete: subvolume, kernel and entry are on the disk under their names. So a transaction that wrote its
record is completed, and any other is undone; what boots was not touched by it yet.
"""

from __future__ import annotations

import typing as t

from ....boot.entries.menu import TRY
from ..model import Context, Plan
from ..new_root import new_root_of
from .commands import CONFIRM_STEPS
from .commit import before_naming

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ....btrfs.subvolumes import Subvolume
    from ...observe.facts import HostFacts
    from ...store.journal import OpenJournal

_COMMITS: t.Final = ("arm_trial", "choose", "disarm")


def plan_entry_repair(facts: HostFacts, boot: EntryBoot, journal: OpenJournal, context: Context) -> Plan:
    """Bring an interrupted transaction to an end. Whatever runs by now is left alone."""
    runs_base = facts.booted is not None and facts.booted.uuid == context.base
    steps, forward = {
        "upgrade": _upgrade,
        "rollback": _rollback,
        "cancel": _cancel,
        "confirm": _confirm,
    }[context.operation](facts, boot, journal, context, runs_base)
    said = "was interrupted and is completed" if forward else "was interrupted and is undone"
    return Plan(
        "repair",
        f"{context.operation} {said}",
        context,
        (*steps, "clean_boot", "close"),
        notes={**journal.notes, "committed": forward},
    )


def _after_record(journal: OpenJournal, *, runs_base: bool) -> tuple[str, ...]:
    """What follows the record. Nobody's next boot is decided anew who has booted something else since."""
    left = journal.steps[journal.steps.index("record") + 1 :] if "record" in journal.steps else ()
    return tuple(step for step in left if runs_base or step not in _COMMITS)


def _upgrade(
    facts: HostFacts, boot: EntryBoot, journal: OpenJournal, context: Context, runs_base: bool
) -> tuple[tuple[str, ...], bool]:
    if "create_root" not in journal.steps:
        # Right before the reboot: what was brought over is repeated, or was in vain
        left = tuple(step for step in journal.steps if step not in journal.finished)
        return (left, True) if runs_base else ((), False)
    new = new_root_of(facts, context)
    if new is not None and new.uuid in facts.record.deployments:
        return _after_record(journal, runs_base=runs_base), True
    if new is not None and new.uuid == journal.notes.get("new_uuid") and _chosen_since(facts, boot, context, new):
        # It has its name, so it is complete, and what anybody made the default cannot go
        left = journal.steps[journal.steps.index("name_root") :]
        return tuple(step for step in left if step not in _COMMITS), True
    undone = ("drop_entry", "unplace_root", "drop_unfinished", "drop_downloads")
    again = (*before_naming(boot), "rearm") if _was_disarmed(boot, journal, context) and runs_base else ()
    return (*undone, *again), False


def _chosen_since(facts: HostFacts, boot: EntryBoot, context: Context, new: Subvolume) -> bool:
    """Whether somebody chose the new root by its name, which others see where the default subvolume is all that decides."""
    by_default = boot.place is not None and boot.place.by_default
    in_use = {found.uuid for found in (facts.booted, facts.default) if found is not None}
    return by_default and new.path == context.root_name and new.uuid in in_use


def _was_disarmed(boot: EntryBoot, journal: OpenJournal, context: Context) -> bool:
    """Whether a staged deployment was to be tried, and this transaction took that back; not where GRUB has tried it since."""
    left = boot.values.get(TRY) is None and boot.waiting is not None
    return context.was_armed and "disarm" in journal.begun and left


def _rollback(
    facts: HostFacts, boot: EntryBoot, journal: OpenJournal, context: Context, runs_base: bool
) -> tuple[tuple[str, ...], bool]:
    if boot.menu.of(context.number) is None or facts.by_uuid(context.target or "") is None:
        return (), False  # where it was to lead is gone since, and nobody could ever complete it
    if "record" not in journal.steps:
        return (journal.steps, True) if runs_base else ((), False)
    pending = facts.record.pending
    recorded = pending is not None and pending.operation == "rollback" and pending.uuid == context.target
    if recorded or "record" in journal.finished:
        return _after_record(journal, runs_base=runs_base), True
    return (), False


def _cancel(
    facts: HostFacts, boot: EntryBoot, journal: OpenJournal, context: Context, _runs_base: bool
) -> tuple[tuple[str, ...], bool]:
    listed = {entry.uuid for entry in boot.menu.entries}
    # GRUB may have shown a menu from before the entry was taken out. What runs without an entry waits for a reboot
    came_up = facts.booted is not None and facts.booted.uuid == context.root_prior and facts.booted.uuid in listed
    # A repair marks its own steps in the same journal: after one that was cut off as well, these are no begin of the cancel
    if came_up or not set(journal.begun) & set(journal.steps):
        return (), False
    return journal.steps, True


def _confirm(
    _facts: HostFacts, boot: EntryBoot, _journal: OpenJournal, context: Context, runs_base: bool
) -> tuple[tuple[str, ...], bool]:
    if runs_base:
        return CONFIRM_STEPS, True
    return (CONFIRM_STEPS[1:], True) if boot.default == context.number else ((), False)


__all__ = ("plan_entry_repair",)
