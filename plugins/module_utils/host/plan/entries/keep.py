# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which deployments go when a newer one was found good. Pure."""

from __future__ import annotations

import typing as t

from ....boot.entries.boot import ADOPTED

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ...observe.facts import HostFacts


def prunable(
    facts: HostFacts, boot: EntryBoot, stays: t.Collection[int], good: t.Collection[int] = ()
) -> tuple[str, ...]:
    """The uuids of what is not to be kept, by the layout's ``keep``.

    ``stays``: ids that are kept in any case, beside what runs, boots, or will; ``good``: ids that count as found good,
    beside those of which the record says so. Only what the record knows as made by us is among them, and never the system
    as it was installed, which the distribution's own menu boots, nor what GRUB itself was installed from.
    """
    recorded = {
        entry.id: facts.record.deployments[entry.uuid]
        for entry in boot.menu.entries
        if entry.uuid in facts.record.deployments and facts.record.deployments[entry.uuid].number == entry.id
    }
    found_good = sorted((n for n, known in recorded.items() if known.confirmed or n in good), reverse=True)
    runs = facts.booted.uuid if facts.booted else None
    kept = {ADOPTED, *boot.begins_in, *stays, *found_good[: facts.layout.keep]}
    return tuple(
        known.uuid
        for number, known in sorted(recorded.items())
        if number not in kept and not known.pinned and known.uuid != runs and known.origin != "adopted"
    )


__all__ = ("prunable",)
