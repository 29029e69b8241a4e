# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is: everything there is to know, nothing changed."""

from __future__ import annotations

import typing as t

from .. import words
from ..deployments import deployments_of
from ..late.wish import FAILED
from ..left_behind import left_behind
from ..observe.carried_over import conflicts_of
from ..observe.late_paths import late_of
from ..observe.newer_kernel import shown as kernel_in_place
from ..observe.protection import method_of, protection_of, trial_requirements
from ..observe.state import boots_next
from ..observe.state_at_risk import state_at_risk
from ..result import deployment, known_defects, trial_now, unfinished

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ..observe.facts import HostFacts
    from ..session import Host


def info(host: Host, *, sizes: bool = False) -> dict[str, t.Any]:
    """Everything there is to know, nothing changed. ``sizes``: also what each deployment holds alone."""
    facts, state = host.observe(full=True)
    booted, default = facts.booted, facts.default
    staged = default if booted and default and booted.id != default.id else None
    other = facts.by_path(host.layout.other_root(booted.path)) if booted and booted.path in host.layout.roots else None
    if facts.entry_boot is not None and booted is not None:
        known = facts.record.deployments.get(booted.uuid)
        other = facts.by_uuid(known.previous or "") if known else None
    journal = facts.journal
    lost = left_behind(host.runner, facts)
    late = late_of(facts, staged or booted)
    if lost is not None and late is not None and late.status != FAILED:
        lost = lost.without(late.paths)
    following, backup = boots_next(facts, state), facts.by_path(host.layout.backup)
    return {
        "changed": False,
        "msg": words.found(
            state.name,
            runs=booted.path if booted else None,
            boots=following.path if following else None,
            backup=_way_back(facts, backup, other),
            protection=protection_of(facts),
            unmet=[entry.id for entry in state.requirements if not entry.ok],
            defects=known_defects(facts, following) if following else (),
        ),
        "state": state.name,
        "waiting_for": state.waiting,
        "booted": deployment(facts, booted),
        "default": deployment(facts, default),
        "next_boot": deployment(facts, following),
        "staged": deployment(facts, staged),
        "previous": deployment(facts, other if other != staged else None),
        "backup": deployment(facts, backup),
        "boot_method": method_of(facts.entry_boot),
        "deployments": deployments_of(host.runner, facts, sizes=sizes),
        "protection": protection_of(facts),
        "trial": trial_now(facts, state),
        "unfinished": unfinished(facts, state),
        "out_of_service": facts.record.out_of_service,
        "known_bad": list(facts.record.known_bad),
        "package_manager": facts.manager.name,
        "last_event": dict(facts.record.events[-1]) if facts.record.events else None,
        "events": [dict(entry) for entry in facts.record.events],
        "free_space": {"root": facts.space.free, "boot": facts.space.boot_free},
        "kernel_in_place": kernel_in_place(facts),
        "state_at_risk": state_at_risk(facts),
        "left_behind": lost.as_dict() if lost else None,
        "carry_late": late.shown() if late else None,
        "carry_conflicts": _carry_conflicts(facts, staged or booted),
        "requirements": [entry.as_dict() for entry in state.requirements],
        "protection_requirements": [entry.as_dict() for entry in trial_requirements(facts)],
        "contradictions": list(state.contradictions),
        "interrupted": {
            "operation": journal.operation,
            "started": journal.started,
            "step": journal.begun[-1] if journal.begun else None,
        }
        if journal
        else None,
        "holder": dict(facts.holder) if facts.holder else None,
    }


def _carry_conflicts(facts: HostFacts, root: Subvolume | None) -> list[dict[str, t.Any]]:
    """What of /etc did not come along to a root, as it is written in that root itself."""
    return conflicts_of(f"{facts.top}/{root.path}", root.uuid) if root and facts.top else []


def _way_back(facts: HostFacts, backup: Subvolume | None, previous: Subvolume | None) -> str | None:
    found = previous if facts.entry_boot is not None else backup
    return found.path if found and not known_defects(facts, found) else None


__all__ = ("info",)
