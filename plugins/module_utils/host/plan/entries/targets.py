# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollback leads, where each deployment has a boot entry of its own. Pure."""

from __future__ import annotations

import typing as t

from ....errors import OvercError

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ....boot.entries.menu import Entry
    from ...observe.facts import HostFacts


def came_back_by(facts: HostFacts, booted: str) -> str | None:
    """What led to the running deployment, if that was a way back already: run again, a rollback does nothing."""
    ended = [
        entry
        for entry in facts.record.events
        if (entry.get("outcome") in ("done", "repaired") or entry.get("completed"))
        and entry.get("operation") in ("upgrade", "rollback", "cancel")
    ]
    led_here = next((entry for entry in reversed(ended) if entry.get("to") == booted), None)
    if led_here is None or led_here["operation"] == "upgrade":
        return None
    if led_here["operation"] == "cancel" and led_here is not ended[-1]:
        return None
    return str(led_here["operation"])


def wanted(facts: HostFacts, boot: EntryBoot, booted: str, to: int | None) -> Entry:
    """The deployment with the id ``to``, or the one before that with the UUID ``booted``. Raises no_target."""
    if to is not None:
        found = boot.menu.of(to)
        if found is None:
            known = ", ".join(str(entry.id) for entry in reversed(boot.menu.entries))
            raise OvercError("no_target", f"There is no deployment {to} on this host; there are: {known}.")
        return found
    mine = facts.record.deployments.get(booted)
    entry = next((each for each in boot.menu.entries if mine and each.uuid == mine.previous), None)
    if entry is None:
        raise OvercError(
            "no_target",
            "There is no deployment on this host that is known to have run before this one. overc_host_info lists them; name "
            "one with the option to.",
        )
    return entry


__all__ = ("came_back_by", "wanted")
