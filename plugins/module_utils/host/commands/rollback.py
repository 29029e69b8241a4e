# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: to the previous deployment, from a staged one, or from the backup."""

from __future__ import annotations

import typing as t

from ...errors import OvercError
from ...system.failed_units import failed_units
from ...system.mount_table import is_below
from ...values import decimal
from ..carry_out import carry_out, repair_preview
from ..observe.brought_back import brought_back
from ..observe.late_paths import outermost, refuse_by_name, refuse_late, refuse_late_return
from ..observe.state_at_risk import state_at_risk
from ..plan.commands import plan_rollback
from ..plan.late import declared, idle
from ..result import difference, nothing_to_do

if t.TYPE_CHECKING:
    from ..observe.facts import HostFacts
    from ..plan.model import Plan
    from ..session import Host


def rollback(
    host: Host, *, arm: bool = True, to: str = "previous", carry_late: tuple[str, ...] | None = None
) -> dict[str, t.Any]:
    """Return to the previous deployment, cancel a staged one, or restore the backup; ``arm`` as for an upgrade.

    ``to``: ``previous``, or the id of a deployment. ``carry_late``: paths of what runs now that the system to return to
    brings over when it starts. Raises bad_argument.
    """
    number = decimal(to) if to != "previous" else None
    if number is None and to != "previous":
        raise OvercError("bad_argument", f"to={to!r} is neither 'previous' nor the id of a deployment.")
    for path in carry_late or ():
        refuse_by_name(path)
    late = outermost(carry_late) if carry_late is not None else None
    facts, state = host.observe(full=True)
    preview = repair_preview(host, facts, state)
    if preview is not None:
        return preview
    plan = plan_rollback(facts, state, arm=arm, to=number, late=late)
    result: dict[str, t.Any] = {"operation": plan.operation, "failed_units": failed_units(host.runner, host.warnings)}
    said = idle(facts, plan, late)
    host.warnings += [said] if said else []
    if plan.operation != "cancel":
        result["carry_late"] = declared(facts, plan, late)
        refuse_late(facts, late or ())
        target = facts.by_uuid(plan.context.target or "") if plan.context is not None else None
        if target is not None and plan.operation == "rollback" and "declare_late" in plan.steps:
            refuse_late_return(facts, target, late or ())
    if not plan.changed:
        return {**result, **nothing_to_do(facts, state, plan.reason)}
    result["state_at_risk"] = _at_risk(facts, late or ()) if plan.operation != "cancel" else []
    result["brought_back"] = _brought_back(facts, plan)
    result["diff"] = difference(facts, plan.context.root_name if plan.context else None, (), plan)
    return carry_out(host, facts, state, plan, result)


def _at_risk(facts: HostFacts, late: tuple[str, ...]) -> list[dict[str, t.Any]]:
    return [found for found in state_at_risk(facts) if not any(is_below(found["path"], path) for path in late)]


def _brought_back(facts: HostFacts, plan: Plan) -> list[dict[str, str]]:
    """Only where the running root is left for an older one: a cancel and a restore go on with what runs."""
    target = facts.by_uuid(plan.context.target or "") if plan.context is not None else None
    if plan.operation != "rollback" or target is None or facts.top is None or facts.booted is None:
        return []
    if target.uuid == facts.booted.uuid:
        return []
    return brought_back(f"{facts.top}/{facts.booted.path}", f"{facts.top}/{target.path}")


__all__ = ("rollback",)
