# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a plan that is late carry: where its step goes, and what a confirmation makes of it. Pure.

The step only writes what nothing acts upon until the new root starts, so its place is anywhere before the switch. Whatever a
cut leaves there belongs to a root that is not booted, or to one that was to bring these paths anyway.
"""

from __future__ import annotations

import typing as t

from ...errors import OvercError
from ..late.wish import DONE, FAILED, WAITING

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ..late.wish import Late
    from ..observe.facts import HostFacts
    from .model import Plan

Paths = t.Optional["tuple[str, ...]"]
STEP: t.Final = "declare_late"
# It comes before the first of these that is in the plan
_BEFORE: t.Final = ("write_kernel", "swap_kernel", "set_default", "name_root", "record")


def with_late(steps: t.Sequence[str], paths: Paths, *, declared: bool = False) -> tuple[str, ...]:
    """The steps of a switch with that of late carry, if there is anything to bring, or to forget of an earlier switch."""
    result = list(steps)
    if paths or declared:
        result.insert(min(result.index(step) for step in _BEFORE if step in result), STEP)
    return tuple(result)


def late_differs(facts: HostFacts, root: Subvolume, paths: Paths) -> bool:
    """Whether what waits for its first start is to bring other paths than it would."""
    known = facts.late.get(root.uuid)
    waiting = known.paths if known is not None and known.status == WAITING else ()
    return paths is not None and (_is_lost(known) or tuple(paths) != tuple(waiting))


def _is_lost(known: Late | None) -> bool:
    """Of what waits for its first start: it cannot be read what it is to bring, so it would bring nothing and fail."""
    return known is not None and known.status == FAILED


def refuse_lost(facts: HostFacts, root: Subvolume, paths: Paths, also: str = "") -> None:
    """Raises late_carry_failed for what waits and would fail at its first start, unless it is declared anew; ``also``: what else
    mends it.
    """
    known = facts.late.get(root.uuid)
    if known is None or not _is_lost(known) or paths is not None:
        return
    raise OvercError(
        "late_carry_failed",
        f"{root.path} waits for its reboot, and would not bring over what it was to: {known.reason or 'it failed before'} "
        f"Nothing was changed. Give carry_late once more (an empty list, if nothing is to be brought){also}.",
        carry_late=known.shown(),
    )


def declared(facts: HostFacts, plan: Plan, paths: Paths) -> list[str]:
    """What is brought over at the first start of what waits after a plan: what the plan declares, or what was declared before."""
    if STEP in plan.steps:
        return list(paths or ())
    if plan.context is not None and plan.context.target == plan.context.base:  # what runs stays
        return []
    booted, default = facts.booted, facts.default
    waits = default is not None and booted is not None and default.id != booted.id and "create_root" not in plan.steps
    known = facts.late.get(default.uuid) if waits and default is not None else None
    return list(known.paths) if known is not None and known.status == WAITING else []


def idle(facts: HostFacts, plan: Plan, paths: Paths) -> str | None:
    """What to say where paths are given, and nothing starts after this that could bring them over."""
    if not paths or (plan.operation != "cancel" and declared(facts, plan, paths)):
        return None
    return f"carry_late: nothing is brought over, because no other system starts ({plan.reason})."


def dropped_with(facts: HostFacts, root: Subvolume, paths: Paths) -> str | None:
    """What to say where ``root`` was to bring something over when it first starts, and what takes its place is not to."""
    known = facts.late.get(root.uuid)
    if known is None or paths is not None or known.status == DONE:
        return None
    what = ", ".join(known.paths) or "what it was to (that cannot be read any more)"
    return (
        f"{root.path} is replaced, and would have brought over {what} when it first started; what takes its place brings nothing "
        "over. Give carry_late once more if it should."
    )


def to_forget(facts: HostFacts, uuid: str) -> bool:
    """Whether something was declared for a root earlier that it did not bring, and is not to bring now."""
    known = facts.late.get(uuid)
    return known is not None and known.status != DONE


def last_moment_steps(*, carry: bool, late: bool, arm: bool) -> tuple[str, ...]:
    """Right before a reboot into what is staged."""
    wanted = {"carry_over": carry, STEP: late, "arm_trial": arm}
    return tuple(step for step, there in wanted.items() if there)


def last_moment_reason(name: str, steps: t.Collection[str]) -> str:
    if "carry_over" in steps:
        return f"declared paths changed since {name} was staged"
    return f"other paths are to be brought over to {name}" if STEP in steps else f"{name} waits for its trial"


def refuse_not_brought(facts: HostFacts) -> None:
    """Raises late_carry_failed where what runs was to bring data over, and did not: it is not good."""
    late = facts.late.get(facts.booted.uuid) if facts.booted is not None else None
    if late is None or late.status == DONE:
        return
    why = late.reason.rstrip(".") if late.reason else "the unit overc-late-carry.service did not run to its end"
    raise OvercError(
        "late_carry_failed",
        f"What runs did not bring over {', '.join(late.paths) or 'what was declared'}: {why}. The system before it has it all, "
        "untouched: return to it with overc_host_rollback.",
        carry_late=late.shown(),
    )


__all__ = (
    "STEP",
    "Paths",
    "declared",
    "dropped_with",
    "idle",
    "last_moment_reason",
    "last_moment_steps",
    "late_differs",
    "refuse_lost",
    "refuse_not_brought",
    "to_forget",
    "with_late",
)
