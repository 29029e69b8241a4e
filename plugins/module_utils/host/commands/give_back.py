# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with boot entries for its deployments is given back: its distribution's own menu boots what runs.

The lines that lead GRUB to our entries go first; a run that was cut off is simply repeated.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import replace

from ...boot import guard, partition
from ...boot.entries.menu import Menu, find_hook
from ...boot.entries.write import remove_unused, write_text
from ...errors import certain
from ...system import syscalls
from ...system.presence import is_plain_directory, text_of
from ..observe.entries.state import number_of
from ..plan.refusals import refuse_unless_usable
from ..store.record import write_record
from . import own_menu
from .adopt import mode_of, refuse_mid_switch, reload_units, result_of

if t.TYPE_CHECKING:
    from ...boot.entries.place import Place
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
    ours = find_hook(hook_before)
    hook_after = hook_before.replace(ours, "") if ours else hook_before
    others = [entry.subvolume for entry in boot.menu.entries if entry.id != runs and facts.of_entry(entry.id)]
    to_change = own_menu.is_needed(facts, place, runs)
    if to_change:
        own_menu.refuse_impossible(host, facts, place)
    if not host.check_mode:
        if to_change:
            host.warnings.extend(own_menu.let_distribution_boot(host, facts, place))
        if hook_after.strip():
            write_text(place.hook, hook_after, mode_of(place.hook))
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place.hook)
            partition.sync(os.path.dirname(place.hook))
        _forget(facts)
        guard.remove("/")
        syscalls.syncfs("/")
        _remove(place)
        reload_units(host)
    if others:
        host.warnings.append(
            f"These roots stay, and our menu boots them no more: {', '.join(others)}. Delete them with btrfs subvolume delete "
            "when you are sure."
        )
    return {**result_of(host, facts, place, True, (hook_before, hook_after)), "left": others}


def _forget(facts: HostFacts) -> None:
    """What was a deployment is a subvolume like any other again. The highest number stays, so none is used twice."""
    record = facts.record
    known = {uuid: replace(entry, number=None) for uuid, entry in record.deployments.items()}
    top = certain(facts.top, "the top-level tree")
    write_record(top, replace(record, deployments=known, pending=None, unfinished=None))


def _remove(place: Place) -> None:
    """Nothing leads GRUB here any more. The menu last: by it, whoever comes after a cut knows that there is more to remove."""
    remove_unused(place, Menu())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place.block)
    _remove_empty(place.files)
    partition.sync(place.directory)
    os.unlink(place.menu)
    _remove_empty(place.directory)
    partition.sync(os.path.dirname(place.directory))


def _remove_empty(path: str) -> None:
    """What somebody put into it stays, and with it the directory."""
    if is_plain_directory(path) and not os.listdir(path):
        os.rmdir(path)


__all__ = ("absent",)
