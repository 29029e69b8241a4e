# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host, a plan and their difference are shown in a result."""

from __future__ import annotations

import time
import typing as t

from ..btrfs import subvolumes
from . import words
from .late.wish import WAITING
from .observe.bootable import defects_of
from .observe.facts import HostFacts
from .observe.protection import protection_of
from .observe.state import HostState, boots_next, files_of, release_of_files
from .plan.entries.refusals import entry_defects
from .plan.model import Plan
from .plan.trial import trial_facts


def deployment(facts: HostFacts, subvolume: subvolumes.Subvolume | None) -> dict[str, t.Any] | None:
    """How a deployment is shown: its subvolume, and the kernel that belongs to it where that is known."""
    if subvolume is None or facts.top is None:
        return None
    files = files_of(facts, subvolume)
    known = facts.record.deployments.get(subvolume.uuid)
    return {
        "subvolume": subvolume.path,
        "id": subvolume.id,
        "uuid": subvolume.uuid,
        "created": subvolumes.created(f"{facts.top}/{subvolume.path}"),
        "kernel": {
            "sha256": files.get("kernel"),
            "release": release_of_files(facts, files) or (known.release if known else None),
        },
        "recorded": known is not None,
        "asked": list(known.asked) if known else [],
        "defects": list(known_defects(facts, subvolume)),
    }


def known_defects(facts: HostFacts, subvolume: subvolumes.Subvolume) -> tuple[str, ...]:
    """What keeps a deployment from booting; its own boot entry, where it has one, finds it by its name."""
    boot = facts.entry_boot
    entry = next((each for each in boot.menu.entries if each.uuid == subvolume.uuid), None) if boot else None
    if boot is None or entry is None:
        return defects_of(facts, subvolume)
    return entry_defects(facts, boot, entry)


def summary(facts: HostFacts, state: HostState) -> dict[str, t.Any]:
    booted, default = facts.booted, facts.default
    following, backup = boots_next(facts, state), facts.by_path(facts.layout.backup)
    waiting = default is not None and booted is not None and default.id != booted.id and state.name != "elsewhere"
    return {
        "state": state.name,
        "booted": booted.path if booted else None,
        "default": default.path if default else None,
        "next_boot": following.path if following else None,
        "backup": backup.path if backup else None,
        "staged": default.path if default and waiting else None,
        "staged_uuid": default.uuid if default and waiting else None,
        "reboot_required": bool(waiting and state.name in ("staged", "backup")),
        "protection": protection_of(facts),
        "trial": trial_now(facts, state),
        "unfinished": unfinished(facts, state),
        "out_of_service": facts.record.out_of_service,
        "predicted": False,
    }


def unfinished(facts: HostFacts, state: HostState) -> dict[str, t.Any] | None:
    """The switch to what runs, if nobody has found that good yet; None otherwise."""
    switch, booted = facts.record.unfinished, facts.booted
    if switch is None or booted is None or booted.uuid != switch.uuid or state.name not in ("clean", "trial"):
        return None
    return {"operation": switch.operation, "uuid": switch.uuid, "since": switch.since}


def trial_now(facts: HostFacts, state: HostState) -> dict[str, t.Any] | None:
    """``trial_facts`` with the time that is left to confirm."""
    with open("/proc/uptime", encoding="ascii") as stream:
        uptime = float(stream.read().split()[0])
    return trial_facts(facts, state, uptime, time.time())


def difference(
    before: HostFacts,
    after_default: str | None,
    packages: t.Sequence[t.Mapping[str, t.Any]],
    plan: Plan | None = None,
) -> dict[str, str]:
    def text(default: str | None, key: str, late: t.Sequence[str]) -> str:
        lines = [f"default {'deployment' if before.entry_boot is not None else 'subvolume'}: {default}"]
        lines += [f"{entry['name']}.{entry['arch']} {entry[key]}" for entry in packages if entry[key]]
        lines += [f"brought over at the first start: {path}" for path in late]
        return "\n".join(lines) + "\n"

    waits = before.late.get(before.default.uuid) if before.default else None
    declared = waits.paths if waits is not None and waits.status == WAITING else ()
    wanted = plan.context.carry_late if plan and plan.context and "declare_late" in plan.steps else declared
    return {
        "before": text(before.default.path if before.default else None, "installed", declared),
        "after": text(after_default, "available", wanted),
    }


def planned(plan: Plan) -> list[dict[str, str]]:
    return [plan.action(step, "planned") for step in plan.steps]


def nothing_to_do(facts: HostFacts, state: HostState, reason: str) -> dict[str, t.Any]:
    msg = words.nothing(reason, facts.booted.path if facts.booted else None)
    return {"changed": False, "actions": [], "replaced": False, "msg": msg, **summary(facts, state)}


__all__ = (
    "deployment",
    "difference",
    "known_defects",
    "nothing_to_do",
    "planned",
    "summary",
    "trial_now",
    "unfinished",
)
