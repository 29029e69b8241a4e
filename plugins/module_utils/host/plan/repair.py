# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a run that was cut off: forward or back. Pure."""

from __future__ import annotations

import typing as t

from ...errors import OvercError
from ..observe.facts import HostFacts
from .commands import CANCEL_FIRST, CONFIRM_STEPS
from .entries.repair import plan_entry_repair
from .model import Context, Plan, context_from
from .new_root import new_root_of
from .trial import settle

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ..store.journal import OpenJournal


def plan_repair(facts: HostFacts) -> Plan:
    """Bring an interrupted transaction to an end: forward once it was committed, else back. Derived from facts.

    Committed means: an upgrade has made its new root the default subvolume (a package's script may do that as well, long
    before it is finished, so our own step must have begun); the others have begun to replace the kernel (a
    kernel and its signature are two files, so half of them is no way back) or set the default. From every point this
    plan leads to the old or the new deployment, also when it is killed itself. A restore whose switch began goes back all
    the same where somebody chose the root that it replaces in the boot menu.
    """
    journal = facts.journal
    if journal is None:
        return Plan("repair", "no transaction is open")
    context = context_from(journal.context)
    if context.number is not None:
        return _with_entries(facts, journal, context)
    new = new_root_of(facts, context)
    target = context.target or (new.uuid if new else None)
    committed = target is not None and facts.default is not None and facts.default.uuid == target
    begun = set(journal.begun)
    steps: list[str] = []
    if context.operation == "confirm":
        # Who confirmed ran the trial. If it does not run any more, it was not confirmed in time.
        runs = facts.booted is not None and facts.booted.uuid == context.base
        return Plan(
            "repair",
            "confirm was interrupted: " + ("completing it" if runs else "the trial is over"),
            context,
            (*(CONFIRM_STEPS if runs else ()), "close"),
            notes={**journal.notes, "committed": runs},
        )
    if context.operation == "upgrade":
        committed = committed and ("set_default" in begun or "set_default" not in journal.steps)
        if committed:
            again = _carried_again(facts, journal, context)
            steps = [*again, "write_kernel", "swap_kernel", "install_efi", "record", "drop_replaced"]
        else:
            # First what boots: a script of the packages may have set another default, and been cut off with it
            alone = begun & {"run_packages", "run_commands"} and not begun & {"set_default", *CANCEL_FIRST}
            steps = [*(["restore_default"] if alone else []), "unplace_root"]
            if context.replaces_staged and begun & set(CANCEL_FIRST):
                came_up = facts.booted is not None and facts.booted.uuid == context.root_prior
                steps += ["keep_booted"] if came_up else [*CANCEL_FIRST, "record"]
            steps += ["finish_backup", "drop_unfinished", "drop_downloads"]
    elif "swap_kernel" in begun and not committed and _replaced_runs(facts, context, new):
        steps = ["keep_booted", "unplace_root", "drop_unfinished"]
    elif committed or "swap_kernel" in begun:
        committed = True
        steps = ["write_kernel", "swap_kernel", "set_default", "install_efi", "record"]
        if context.operation == "restore":
            steps.insert(0, "place_root")
        if context.operation != "rollback":
            steps.append("drop_replaced")
    elif context.operation == "restore":
        steps = ["unplace_root", "drop_unfinished"]
    steps += settle(facts, context, begun, forward=committed)
    return Plan(
        "repair",
        f"{context.operation} was interrupted " + ("after its switch: completing it" if committed else "and is undone"),
        context,
        (*steps, "clean_boot", "close"),
        notes={**journal.notes, "committed": committed},
    )


def _carried_again(facts: HostFacts, journal: OpenJournal, context: Context) -> tuple[str, ...]:
    """What was being brought over right before the reboot is repeated, but not over a system that runs by now."""
    runs_base = facts.booted is not None and facts.booted.uuid == context.base
    if not runs_base or "create_root" in journal.steps:
        return ()
    return tuple(step for step in ("carry_over", "declare_late") if step in journal.begun)


def _with_entries(facts: HostFacts, journal: OpenJournal, context: Context) -> Plan:
    if facts.entry_boot is None:
        raise OvercError(
            "inconsistent",
            "A run was interrupted that wrote to the menu of deployments, and that menu is not there now. Mount what it lies on "
            f"({facts.layout.boot_dir}, or the EFI system partition), then run any command again.",
        )
    return plan_entry_repair(facts, facts.entry_boot, journal, context)


def _replaced_runs(facts: HostFacts, context: Context, new: Subvolume | None) -> bool:
    """Whether somebody started the very root that a restore was replacing, or did before: its kernel was put back then, and
    the new root is gone already. What runs cannot be replaced.
    """
    if context.operation != "restore" or context.root_prior is None:
        return False
    return new is None or (facts.booted is not None and facts.booted.uuid == context.root_prior)


__all__ = ("plan_repair",)
