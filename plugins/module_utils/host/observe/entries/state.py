# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive the state of a host whose deployments have boot entries of their own, from facts alone. Pure."""

from __future__ import annotations

import typing as t

from ....boot.entries.menu import TRY
from ..requirements import LAYOUT_ERRORS
from ..state_model import HostState, State
from .requirements import entry_requirements

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ..facts import HostFacts
    from ..requirements import Requirement

Waiting = t.Literal["upgrade", "rollback", "restore"]


def derive_with_entries(facts: HostFacts, boot: EntryBoot) -> HostState:
    """``staged``: something else than what runs waits to be booted; ``fallback``: it was tried and did not stay;
    ``elsewhere``: somebody chose in the menu what is not the default.
    """
    requirements = entry_requirements(facts, boot)

    def state(name: State, contradictions: tuple[str, ...] = (), waiting: Waiting | None = None) -> HostState:
        return HostState(name, requirements, contradictions, waiting, own_entries=True)

    if facts.damage:
        return state("inconsistent", facts.damage)
    if facts.journal is not None:
        return state("busy" if facts.holder or facts.journal.is_written else "interrupted")
    if _violated(requirements):
        return state("unsupported")
    runs = number_of(facts, boot)
    if facts.of_entry(boot.newest) is None or facts.of_entry(boot.default) is None:
        return state("elsewhere")
    if runs == boot.newest:
        if runs == boot.default:
            return state("clean")
        return state("trial" if boot.on_trial and boot.number == runs else "elsewhere")
    if boot.newest == boot.default:
        # A rollback out of a trial, or manual protection: the default was changed, and waits for the reboot
        waiting = _waiting(facts, boot)
        waits = boot.waiting == boot.default and not (waiting == "upgrade" and has_run(facts, boot.default))
        return state("staged", (), waiting) if waits else state("elsewhere")
    if boot.trying is not None or boot.values.get(TRY) is None:
        return state("staged", (), _waiting(facts, boot)) if runs == boot.default else state("elsewhere")
    return state("fallback" if runs == boot.default else "elsewhere")


def _violated(requirements: t.Iterable[Requirement]) -> bool:
    return any(not entry.ok and entry.error_id in LAYOUT_ERRORS for entry in requirements)


def number_of(facts: HostFacts, boot: EntryBoot) -> int | None:
    """The id of the deployment that runs."""
    booted = facts.booted
    return next((entry.id for entry in boot.menu.entries if booted and entry.uuid == booted.uuid), None)


def has_run(facts: HostFacts, number: int) -> bool:
    """Whether a deployment was written to since it was staged: then it ran, and may hold what nobody else has."""
    subvolume = facts.of_entry(number)
    known = facts.record.deployments.get(subvolume.uuid) if subvolume else None
    sealed = known.sealed if known else None
    return subvolume is not None and (sealed is None or subvolume.generation > sealed)


def _waiting(facts: HostFacts, boot: EntryBoot) -> Waiting:
    pending = facts.record.pending
    if pending is None or boot.waiting != boot.newest or pending.operation not in ("upgrade", "rollback", "restore"):
        return "upgrade"
    return t.cast("Waiting", pending.operation)


__all__ = ("derive_with_entries", "has_run", "number_of")
