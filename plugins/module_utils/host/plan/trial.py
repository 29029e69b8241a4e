# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a plan that is automatic protection: where its steps go, and what a repair does about them. Pure.

GRUB's environment block on the boot partition is the one commit record. From ``arm_fallback`` on any cut boots the backup
pair, which is complete and is not touched again; ``arm_trial``, the last step, lets the next boot try the new deployment
once. So what happens in between needs no order. It keeps the one of manual protection all the same: if GRUB did not obey
the block for a reason that nobody could see, every middle would still boot.
"""

from __future__ import annotations

import time
import typing as t

from ..observe.bootable import lacks

if t.TYPE_CHECKING:
    from ..observe.facts import HostFacts
    from ..observe.state import HostState
    from .model import Context, Plan

_SWITCHES: t.Final = ("cancel_kernel", "swap_kernel", "set_default")
_NO_WORD: t.Final = (
    "it did not come up, and had no chance to say why "
    "(its kernel could not be loaded, panicked or hung, the power was cut, or somebody chose another entry in the boot menu)"
)


def with_trial(steps: t.Sequence[str], *, arm: bool, cancel: bool = False) -> tuple[str, ...]:
    """The steps of a switch with those of automatic protection in their places.

    The guard goes in as soon as the root is there that will be tried. A cancel tries nothing: it ends with the normal
    entry booting again.
    """
    result = list(steps)
    if not cancel:
        built = [result.index(step) for step in ("create_root", "keep_modules") if step in result]
        result.insert(max(built) + 1 if built else 0, "install_guard")
    result.insert(min(result.index(step) for step in _SWITCHES if step in result), "arm_fallback")
    if cancel:
        result.insert(result.index("set_default") + 1, "disarm")
    else:
        result.append("arm_trial" if arm else "await_trial")
    return tuple(result)


def trial_context(facts: HostFacts, *, arm: bool = False) -> dict[str, t.Any]:
    """What the steps and a repair must know of the environment block; nothing on a host with manual protection."""
    boot = facts.trial_boot
    if not boot.automatic or boot.protected is None:
        return {}
    return {
        "backup_entry": boot.protected.backup_entry,
        "arm": arm,
        "was_armed": boot.armed,
        "unconfirmed": boot.unconfirmed and _is_unconfirmed(facts),
    }


def _is_unconfirmed(facts: HostFacts) -> bool:
    # While a deployment only waits for its first boot, the running one is as good as it was.
    booted, default = facts.booted, facts.default
    if booted is None or default is None:
        return False
    return booted.id == default.id or booted.path == facts.layout.backup


def failed_trial(facts: HostFacts, state: HostState) -> dict[str, t.Any] | None:
    """What the history is told about a trial that failed, or is given up now; None if there was none.

    ``bad`` is whether its plan is remembered: not if the trial never began.
    """
    pending, default = facts.record.pending, facts.default
    if state.name not in ("trial", "fallback") or pending is None or default is None or pending.uuid != default.uuid:
        return None
    return {
        "operation": pending.operation,
        "to": default.path,
        "fingerprint": pending.fingerprint,
        "since": pending.since,
        "reason": reason_of(facts, state),
        "bad": state.name == "trial" or facts.trial_boot.tried,
    }


def reason_of(facts: HostFacts, state: HostState) -> str | None:
    """Why a deployment is not the one that runs for good, in words for people."""
    if state.name == "trial":
        return "it was given up while it was on trial"
    if state.name != "fallback":
        return None
    if not facts.trial_boot.tried:
        return "it was not tried: the host was started anew before its trial was armed"
    return facts.trial_boot.note or _NO_WORD


def trial_facts(facts: HostFacts, state: HostState, uptime: float, now: float) -> dict[str, t.Any] | None:
    """What is not confirmed yet; None where everything is. ``uptime`` of the host in seconds, ``now`` since the epoch."""
    boot, pending, default = facts.trial_boot, facts.record.pending, facts.default
    if not boot.unconfirmed or boot.protected is None or default is None:
        return None
    known = pending if pending is not None and pending.uuid == default.uuid else None
    if state.name == "trial":
        outcome = "running"
    elif state.name == "fallback":
        outcome = "failed" if boot.tried else "not_tried"
    else:
        outcome = "armed" if boot.armed else "not_armed"
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - uptime))
    deadline = boot.protected.settings.confirm_deadline
    return {
        "outcome": outcome,
        "operation": known.operation if known else None,
        "subvolume": default.path,
        "fingerprint": known.fingerprint if known else None,
        "staged": known.since if known else None,
        "booted": started if state.name in ("trial", "fallback") else None,
        "reason": reason_of(facts, state) if state.name == "fallback" else None,
        "confirm_deadline": deadline,
        "seconds_left": max(0, round(deadline - uptime)) if outcome == "running" and deadline else None,
    }


def foretold_trial(facts: HostFacts, plan: Plan) -> dict[str, t.Any] | None:
    """What ``trial_facts`` will be once a plan with steps was carried out; ``staged``, the time of that, is not known."""
    boot, context = facts.trial_boot, plan.context
    if context is None or boot.protected is None or not boot.automatic or plan.operation in ("confirm", "cancel"):
        return None
    by_entry = facts.entry_boot is not None and facts.entry_boot.place is not None
    armed = "arm_trial" in plan.steps
    if not by_entry and context.backup_entry is None:
        return None
    if facts.entry_boot is not None and not armed and context.number == facts.entry_boot.default:
        return None  # back to what boots for good, or to what runs
    pending = facts.record.pending
    waits = pending is not None and context.target in (None, pending.uuid) and "record" not in plan.steps
    return {
        "outcome": "armed" if armed or (waits and boot.armed) else "not_armed",
        "operation": plan.operation,
        "subvolume": context.root_name,
        "fingerprint": context.fingerprint,
        "staged": pending.since if pending is not None and waits else None,
        "booted": None,
        "reason": None,
        "confirm_deadline": boot.protected.settings.confirm_deadline,
        "seconds_left": None,
    }


def backup_is_complete(facts: HostFacts) -> bool:
    """Whether the backup entry would boot: its root with what it needs, its kernel, and modules of that kernel."""
    root = facts.roots.get(facts.layout.backup)
    kernel = facts.boot_files.get(facts.names.backup_kernel) if facts.names else None
    if root is None or kernel is None or kernel.defect or lacks(root) or root.read_only:
        return False
    return kernel.release is None or not root.modules or kernel.release in root.modules


def settle(facts: HostFacts, context: Context, begun: t.Collection[str], *, forward: bool) -> tuple[str, ...]:
    """The last steps of a repair: what GRUB boots next must fit what the repair leaves.

    ``forward``: the transaction is completed, else it is undone. Whoever runs the backup because a power cut came in the
    middle goes on running it: no trial begins by itself there.
    """
    if context.backup_entry is None:
        return ()
    booted = facts.booted.uuid if facts.booted else None
    if forward and context.operation == "cancel":
        return ("disarm",)
    if forward:
        target = context.target or (facts.default.uuid if facts.default else None)
        if booted == target:
            return ()
        return ("arm_trial",) if context.arm and booted == context.base else ("await_trial",)
    # Nobody has confirmed a staged root that was being replaced, also where somebody chose it in the boot menu
    if context.unconfirmed or (booted is not None and booted == context.root_prior):
        return ()
    still_staged = context.operation == "cancel" or (
        context.replaces_staged and not {"cancel_kernel", "cancel_default"} & set(begun)
    )
    if not still_staged:
        return ("disarm",)
    return ("arm_trial",) if context.was_armed and booted == context.base else ()


__all__ = (
    "backup_is_complete",
    "failed_trial",
    "foretold_trial",
    "reason_of",
    "settle",
    "trial_context",
    "trial_facts",
    "with_trial",
)
