# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is carried out or, in check mode, shown: how every command that changes something ends."""

from __future__ import annotations

import typing as t

from ..boot import signature
from ..errors import OvercError
from ..failures import as_error
from . import transaction, words
from .busy_packages import refuse_busy_packages
from .observe.facts import HostFacts, observe
from .observe.state import HostState
from .plan.model import Plan
from .plan.repair import plan_repair
from .plan.trial import foretold_trial
from .result import planned, summary

if t.TYPE_CHECKING:
    from .session import Host
    from .steps.context import Upgrade


def repair_preview(host: Host, facts: HostFacts, state: HostState) -> dict[str, t.Any] | None:
    """Check mode on an interrupted host: the repair comes first, and what comes after it depends on its outcome."""
    if state.name != "interrupted" or not host.check_mode:
        return None
    facts = observe(host.runner, host.layout, digests=True)
    plan = plan_repair(facts)
    return {
        "changed": True,
        "msg": f"{plan.reason}; what follows can be told only after that",
        "actions": planned(plan),
        **summary(facts, state),
    }


def carry_out(
    host: Host, facts: HostFacts, state: HostState, plan: Plan, result: dict[str, t.Any], upgrade: Upgrade | None = None
) -> dict[str, t.Any]:
    """``result`` completed by what was done, or in check mode would be: ``actions``, and the host as it is then.

    ``upgrade`` is what an upgrade's steps need beside the plan. Raises what the steps raise, after they were undone.
    """
    result.update({"changed": True})
    if plan.warning:
        host.warnings.append(plan.warning)
    if host.layout.kernel_certificate and plan.operation not in ("cancel", "confirm"):
        signature.check_possible(host.runner, host.layout.kernel_certificate)
    if "create_root" in plan.steps:
        refuse_busy_packages(host, facts)
    if host.check_mode:
        found = summary(facts, state)
        return {
            **result,
            "msg": words.would(plan, result.get("upgrades") or (), found["next_boot"]),
            "actions": planned(plan),
            **found,
            "trial": foretold_trial(facts, plan),
            **words.predicted(plan),
        }
    actions, at = transaction.apply(host.runner, facts, plan, host.now, lock_fds=host.lock_fds, upgrade=upgrade)
    host.warnings += at.warnings
    try:
        after, state = host.observe()
    except (OvercError, OSError) as raised:
        raise _unseen(plan, {**at.result, "actions": actions}, as_error(raised, "Looking at the host")) from raised
    reached = summary(after, state)
    if state.name == "inconsistent":
        raise _contradicted(plan, {**at.result, "actions": actions}, reached, state)
    _say_who_else_chose(host, plan, reached)
    msg = words.done(plan, result.get("upgrades") or (), reached["next_boot"])
    return {**result, **at.result, "msg": msg, "actions": actions, **reached}


def _contradicted(plan: Plan, result: dict[str, t.Any], reached: dict[str, t.Any], state: HostState) -> OvercError:
    """All was done, and somebody else did something meanwhile that does not go with it."""
    facts = {**result, **reached, "changed": True, "contradictions": list(state.contradictions)}
    return OvercError(
        "inconsistent",
        f"The {plan.operation} was carried out to its end, and somebody else changed the host meanwhile: "
        f"{' '.join(state.contradictions)} Do not reboot before that is mended.",
        **facts,
    )


def _say_who_else_chose(host: Host, plan: Plan, reached: dict[str, t.Any]) -> None:
    wanted = words.predicted(plan).get("next_boot")
    if wanted is not None and wanted != reached["next_boot"]:
        host.warnings.append(
            f"{wanted} was to boot next, and what boots next is {reached['next_boot'] or 'not known'}: somebody else changed "
            "that meanwhile."
        )


def _unseen(plan: Plan, result: dict[str, t.Any], error: OvercError) -> OvercError:
    """The work was done, and what came of it could not be looked at."""
    error.message = (
        f"The {plan.operation} was carried out to its end, but the host could not be looked at afterwards: "
        f"{error.message.rstrip('.')}. overc_host_info tells its state."
    )
    error.facts.update(result, changed=True, state=None)
    if plan.operation not in ("cancel", "confirm") and plan.context is not None:
        error.facts.update(state="staged", staged=plan.context.root_name, reboot_required=True)
    return error


__all__ = (
    "carry_out",
    "repair_preview",
)
