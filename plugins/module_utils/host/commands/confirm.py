# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running deployment is made permanent."""

from __future__ import annotations

import typing as t

from ..carry_out import carry_out, repair_preview
from ..plan.commands import plan_confirm
from ..result import nothing_to_do

if t.TYPE_CHECKING:
    from ..session import Host


def confirm(host: Host) -> dict[str, t.Any]:
    """Make the running deployment permanent."""
    facts, state = host.observe()
    preview = repair_preview(host, facts, state)
    if preview is not None:
        return preview
    plan = plan_confirm(facts, state)
    if not plan.changed:
        return nothing_to_do(facts, state, plan.reason)
    saved = f"the normal entry boots {plan.context.root_name if plan.context else ''}"
    return carry_out(host, facts, state, plan, {"diff": {"before": f"{saved} on trial\n", "after": f"{saved}\n"}})


__all__ = ("confirm",)
