# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is so after a command, in one line for people: the ``msg`` of a result. Pure."""

from __future__ import annotations

import typing as t

from ..people import plural

if t.TYPE_CHECKING:
    from .plan.model import Plan

# Steps of plans that decide what boots, or that it waits
_DECIDES: t.Final = frozenset(("create_root", "set_default", "record", "choose"))

Changes = t.Sequence[t.Mapping[str, t.Any]]


def packages_words(changes: Changes) -> str:
    """``5 packages upgraded, 1 new, 1 removed``; nothing for no change. ``changes`` as PackageChange.as_dict."""
    new = sum(change.get("installed") is None for change in changes)
    gone = sum(change.get("available") is None for change in changes)
    counts = {"upgraded": len(changes) - new - gone, "new": new, "removed": gone}
    said = [(number, what) for what, number in counts.items() if number]
    words = [f"{number} {what}" for number, what in said]
    if said:
        words[0] = f"{plural(said[0][0], 'package')} {said[0][1]}"
    return ", ".join(words)


def change_line(change: t.Mapping[str, t.Any]) -> str:
    """One package for people: name, version before and after. ``change`` as PackageChange.as_dict."""
    if change.get("installed") is None:
        return f"{change['name']} {change['available']} (new)"
    if change.get("available") is None:
        return f"{change['name']} {change['installed']} (removed)"
    return f"{change['name']} {change['installed']} -> {change['available']}"


def done(plan: Plan, changes: Changes = (), boots: str | None = None) -> str:
    """What is so once a plan with steps was carried out. ``changes`` are what an upgrade did to packages, ``boots`` what boots
    next where the plan does not decide it.
    """
    context = plan.context
    if context is None:
        return plan.reason
    root, runs = context.root_name, context.base_name
    if plan.operation == "confirm":
        return f"{root} is confirmed and boots for good"
    if plan.operation == "cancel":
        # There the base is the deployment that is given up, see plan/commands.py
        return f"the staged {runs} is cancelled; {root} runs and boots next"
    if is_last_moment(plan):
        return _last_moment(plan, root, boots)
    if plan.operation == "rollback" and context.number is not None and context.target == context.base:
        return f"{root} runs and boots by default"
    what = {
        "upgrade": f"{packages_words(changes) or 'no package changed'} in {root}, which was made from {runs}",
        "rollback": f"the host returns from {runs} to {root}",
        "restore": f"{root} was made from {runs}, the backup",
    }[plan.operation]
    return f"{what}; {_boots(plan, root)}"


def _boots(plan: Plan, root: str) -> str:
    context = plan.context
    if context is not None and "arm_trial" in plan.steps and context.number is not None:
        return f"the next boot tries {root}, and what boots now boots again if it fails"
    if (
        context is not None
        and context.number is not None
        and plan.operation == "upgrade"
        and "choose" not in plan.steps
    ):
        return f"{root} waits until its trial is armed"
    if context is None or context.backup_entry is None:
        return f"{root} boots next"
    backup = context.backup_name
    if context.arm:
        return f"the next boot tries {root}, and {backup} boots if it fails"
    return f"{backup} boots until the trial of {root} is armed"


def is_last_moment(plan: Plan) -> bool:
    """Whether it only completes what waits for its reboot already."""
    return plan.operation in ("upgrade", "rollback", "restore") and not _DECIDES & set(plan.steps)


def _last_moment(plan: Plan, root: str, boots: str | None) -> str:
    words = [f"declared paths are carried over to {root} once more"] if "carry_over" in plan.steps else []
    if "declare_late" in plan.steps and plan.context is not None:
        paths = ", ".join(plan.context.carry_late) or "nothing"
        words.append(f"{root} brings over {paths} when it first starts")
    if "arm_trial" in plan.steps:
        words.append(f"the next boot tries {root}")
    elif boots is None or boots == root:
        words.append(f"{root} boots next")
    else:
        words.append(f"{boots} boots until the trial of {root} is armed")
    return "; ".join(words)


def left_behind_line(entry: t.Mapping[str, t.Any]) -> str:
    """One path of what a switch leaves behind, as people read it."""
    return f"{entry['path']} ({entry['change']})"


def would(plan: Plan, changes: Changes = (), boots: str | None = None) -> str:
    """The same in check mode, where nothing of it was done."""
    return f"this would be so: {done(plan, changes, boots)}"


def found(
    state: str,
    *,
    runs: str | None,
    boots: str | None,
    backup: str | None,
    protection: str,
    unmet: t.Sequence[str],
    defects: t.Sequence[str] = (),
) -> str:
    """What a look at a host came to. ``unmet`` are the ids of the requirements that are not met, ``defects`` what keeps the
    system that is to boot next from it.
    """
    said = [state if not unmet else f"{state}, not met: {', '.join(unmet)}"]
    if runs:
        said.append(f"{runs} runs" + (" and boots next" if boots == runs and not defects else ""))
    if boots and defects:
        said.append(f"{boots} is to boot next and would not ({'; '.join(defects)})")
    elif boots and boots != runs:
        said.append(f"{boots} boots next")
    said.append(
        f"{backup} is the way back" if backup and backup != runs else "there is no way back yet" if not backup else ""
    )
    said.append(f"{protection} protection")
    return "; ".join(text for text in said if text)


def nothing(reason: str, booted: str | None) -> str:
    """What is so where there was nothing to do."""
    return f"{reason}; {booted} runs" if booted and booted not in reason else reason


def after_reboot(result: t.Mapping[str, t.Any]) -> str:
    """What is so once the host came up with what was staged. ``result`` is the module's, ``booted`` the new system."""
    name, backup = result.get("booted"), result.get("backup")
    state = "runs on trial and is not confirmed" if result.get("state") == "trial" else "runs"
    words = [f"{name} {state}"]
    if result.get("operation") in ("rollback", "restore"):
        words = (
            [f"{name} {state} again"]
            if result["operation"] == "rollback"
            else [f"{name} {state}, made from the backup"]
        )
    else:
        changed = packages_words(result.get("upgrades") or ())
        words = [*([changed] if changed else []), *words]
    if backup and backup != name:
        words.append(f"{backup} is the way back")
    return "; ".join(words)


def predicted(plan: Plan) -> dict[str, t.Any]:
    """How the host would be after ``plan``, as a result shows it, for check mode."""
    if plan.context is None:
        return {}
    root, target = plan.context.root_name, plan.context.target
    stays: dict[str, t.Any] = {"staged": None, "staged_uuid": None, "reboot_required": False, "trial": None}
    if plan.operation == "confirm":
        return {"predicted": True, "state": "clean", "next_boot": root, **stays}
    if is_last_moment(plan):  # all else is as it was found
        return {"predicted": True, **({"next_boot": root} if "arm_trial" in plan.steps else {})}
    if plan.operation == "cancel" or (plan.context.number is not None and target == plan.context.base):
        return {"predicted": True, "state": "clean", "default": root, "next_boot": root, **stays}
    state = "backup" if plan.operation == "restore" else "staged"
    # A root that is not built yet has no UUID; one that waits already keeps the one that is found
    switches = {"create_root", "set_default", "record"} & set(plan.steps)
    known: dict[str, t.Any] = {"staged_uuid": target} if switches else {}
    waits = plan.context.backup_entry is not None and not plan.context.arm
    if "create_backup" in plan.steps:
        known["backup"] = plan.context.backup_name
    # With an entry for each deployment nothing else chooses: what boots next stays what it was found to be
    if plan.context.number is None or {"arm_trial", "choose"} & set(plan.steps):
        known["next_boot"] = plan.context.backup_name if waits else root
    elif plan.operation == "upgrade":
        known["next_boot"] = plan.context.base_name
    return {"predicted": True, "state": state, "default": root, "staged": root, "reboot_required": True, **known}


__all__ = (
    "after_reboot",
    "change_line",
    "done",
    "found",
    "left_behind_line",
    "nothing",
    "packages_words",
    "predicted",
    "would",
)
