# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with boot entries for its deployments is given back: its distribution's own menu boots what runs.

What leads the boot loader to our entries goes first; a run that was cut off is simply repeated.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ...boot import guard
from ...errors import certain
from ...system import syscalls
from ...system.presence import text_of
from ..observe.entries.state import number_of
from ..plan.refusals import refuse_unless_usable
from ..store.record import write_record
from . import own_menu
from .adopt import refuse_mid_switch, reload_units, result_of

if t.TYPE_CHECKING:
    from ..observe.facts import HostFacts
    from ..observe.state_model import HostState
    from ..session import Host


def absent(host: Host, facts: HostFacts, derived: HostState) -> dict[str, t.Any]:
    """Give the host back: the distribution's own menu boots what runs."""
    boot = facts.entry_boot
    if boot is None or boot.place is None:
        left = guard.there("/")
        if left and not host.check_mode:
            guard.remove("/")
            reload_units(host)
        return {
            "changed": bool(left),
            "state": host.state,
            "protection": "manual",
            "boot_method": None,
            "selector": None,
            "left": [],
            "grub_config": None,
            "environment": None,
            "diff": {"before": "", "after": ""},
        }
    refuse_mid_switch(derived)
    if derived.name == "interrupted":
        refuse_unless_usable(derived, rollback=True)
    place, runs = boot.place, number_of(facts, boot)
    hook_before = text_of(place.hook) or ""
    others = [entry.subvolume for entry in boot.menu.entries if entry.id != runs and facts.of_entry(entry.id)]
    changed = own_menu.refuse_impossible(host, facts, place) if own_menu.is_needed(facts, place, runs) else None
    if not host.check_mode:
        if changed is not None:
            host.warnings.extend(own_menu.let_distribution_boot(host, facts, changed))
        place.leave()
        _forget(facts)
        guard.remove("/")
        syscalls.syncfs("/")
        place.remove()
        reload_units(host)
    if others:
        host.warnings.append(
            f"These roots stay, as snapshots that snapper knows and its cleanup passes over: {', '.join(others)}. Delete them "
            "with snapper delete NUMBER when you are sure."
            if place.by_default
            else f"These roots stay, and our menu boots them no more: {', '.join(others)}. Delete them with btrfs subvolume "
            "delete when you are sure."
        )
    return {**result_of(host, facts, place, True, (hook_before, place.hook_without(hook_before))), "left": others}


def _forget(facts: HostFacts) -> None:
    """What was a deployment is a subvolume like any other again. The highest number stays, so none is used twice."""
    record = facts.record
    known = {uuid: replace(entry, number=None) for uuid, entry in record.deployments.items()}
    top = certain(facts.top, "the top-level tree")
    write_record(top, replace(record, deployments=known, pending=None, unfinished=None))


__all__ = ("absent",)
