# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a wave together: what the roles would otherwise find out with tasks of their own for each host. Pure.

A task costs a controller more than anything that it may do there; where nobody has anything to do in it, it is asked once.
"""

from __future__ import annotations

import typing as t

from .host_outcome import Answer, Entry, answered, returned, to_be_finished, upgraded
from .option_kinds import FleetError
from .options import complete
from .role_arguments import own_checks

# What is given for a single host, and what a run adds
_REJECTED: t.Final = "rejected_plans"


def options_of(command: str, asked: Answer, rejected: t.Iterable[str] = ()) -> Entry:
    """Every option of the role for one host, from those that the preflight has looked at and the plans that are known to be
    bad by now.
    """
    found = complete(f"host_{command}", asked)
    if _REJECTED in found:
        found[_REJECTED] = [*rejected, *(plan for plan in found[_REJECTED] if plan not in set(rejected))]
    return found


def puts_back(options: Answer) -> bool:
    """Whether there is somebody who takes the host out of service, or puts it back."""
    return bool(options.get("drain_tasks") or options.get("undrain_tasks"))


def others_needed(stage: Answer, options: Answer, check_mode: bool = False) -> bool:
    """Whether others than the module have something to do with a host: its own tasks, the soak, what an earlier run has left.

    Raises FleetError for a host that has not answered: of that one nobody knows.
    """
    if not answered(stage):
        raise FleetError("The host has not said what it is.")
    if check_mode:
        return False
    if to_be_finished(stage, puts_back(options)):
        return True
    others = puts_back(options) or own_checks(options)
    return others and bool(options.get("reboot")) and (bool(stage.get("reboot_required")) or "reboot" in stage)


def alone(stages: t.Mapping[str, Answer], options: t.Mapping[str, Answer]) -> bool:
    """Whether none of these hosts needs others, so that the wave is over; those that failed are looked after elsewhere."""
    for host, stage in stages.items():
        if stage.get("failed"):
            continue
        if not answered(stage) or others_needed(stage, options[host]):
            return False
    return True


def outcome(command: str, stage: Answer, options: Answer) -> Entry:
    """What became of a host of which only the module's answer is known; nothing where that is not all that is to be known."""
    if not answered(stage) or stage.get("failed") or others_needed(stage, options):
        return {}
    reboots = bool(options.get("reboot"))
    if command == "rollback":
        return returned(stage, {}, {}, reboots=reboots, check_mode=False)
    return upgraded(stage, {}, {}, status="upgraded" if reboots else "staged")


__all__ = ("alone", "options_of", "others_needed", "outcome", "puts_back")
