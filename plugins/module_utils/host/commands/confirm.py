# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running deployment is made permanent."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..carry_out import carry_out, repair_preview
from ..observe.late_paths import late_of
from ..plan.commands import plan_confirm
from ..result import nothing_to_do
from ..store.record import write_record

if t.TYPE_CHECKING:
    from ..session import Host


def confirm(host: Host, *, finished: bool = True) -> dict[str, t.Any]:
    """Make the running deployment permanent; ``finished`` is whether nothing is left to be done about its switch."""
    result = _confirm(host)
    if finished and result.get("unfinished") and result["state"] in ("clean", "trial"):
        if not host.check_mode:
            facts, _state = host.observe()
            if facts.top is not None:
                write_record(facts.top, replace(facts.record, unfinished=None))
        result.update(changed=True, unfinished=None)
    return result


def _confirm(host: Host) -> dict[str, t.Any]:
    facts, state = host.observe()
    preview = repair_preview(host, facts, state)
    if preview is not None:
        return preview
    plan = plan_confirm(facts, state)
    late = late_of(facts, facts.booted)
    told = {"carry_late": late.shown() if late else None}
    if not plan.changed:
        return {**nothing_to_do(facts, state, plan.reason), **told}
    place = facts.entry_boot.place if facts.entry_boot is not None else None
    who = place.loader if place is not None else "the normal entry"
    saved = f"{who} boots {plan.context.root_name if plan.context else ''}"
    diff = {"before": f"{saved} on trial\n", "after": f"{saved}\n"}
    return carry_out(host, facts, state, plan, {"diff": diff, **told})


__all__ = ("confirm",)
