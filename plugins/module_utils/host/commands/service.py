# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run has the host out of service: noted on the host, for the run that finds it after the one that was cut off."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..carry_out import repair_preview
from ..plan.refusals import refuse_unless_usable
from ..result import nothing_to_do
from ..store.record import write_record

if t.TYPE_CHECKING:
    from ..session import Host


def service(host: Host, *, out: bool) -> dict[str, t.Any]:
    """Note that the host is taken out of service, or that it is back, and that nothing is left to be done about its switch.

    Since when it is out is kept where it was noted before. Raises OvercError.
    """
    facts, state = host.observe()
    preview = repair_preview(host, facts, state)
    if preview is not None:
        return preview
    refuse_unless_usable(state, rollback=True)
    old = facts.record
    since = (old.out_of_service or host.now) if out else None
    over = not out and state.name in ("clean", "trial")
    new = replace(old, out_of_service=since, unfinished=None if over else old.unfinished)
    reason = f"a run has the host out of service since {since}" if out else "the host is in service"
    result = nothing_to_do(facts, state, reason)
    if new != old and facts.top is not None:
        if not host.check_mode:
            write_record(facts.top, new)
        result.update(changed=True, out_of_service=since)
        if over:
            result["unfinished"] = None
    return result


__all__ = ("service",)
