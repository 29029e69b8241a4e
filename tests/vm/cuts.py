# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the power is cut: at the named steps of each command, and in the boots between them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.overc.system.plugins.module_utils import host_plan

UPGRADE: t.Final = "overc_host_upgrade"
ROLLBACK: t.Final = "overc_host_rollback"
CONFIRM: t.Final = "overc_host_confirm"


@dataclass(frozen=True)
class Cut:
    """``start`` is the state it begins with.

    ``point`` is a step of the command, or, for ``console``, what is being booted when this text appears.
    """

    command: str
    point: str
    start: str
    module: str = UPGRADE
    options: str = ""
    console: str = ""
    boots: frozenset[str] = frozenset({"old", "new"})

    @property
    def name(self) -> str:
        return f"{self.command}:{self.point}"


_PACKAGES: t.Final = ("create_root", "run_packages", "check_root", "keep_modules")


def _after(steps: t.Iterable[str]) -> list[str]:
    return [f"after-{step}" for step in steps]


def _upgrade() -> list[Cut]:
    steps = [step for step in host_plan.UPGRADE_STEPS if step != "carry_over"]
    made = [Cut("upgrade", point, "host") for point in _after(steps) if point.partition("-")[2] in _PACKAGES]
    made.append(Cut("upgrade", "in-run_packages", "host"))
    made += [Cut("upgrade", point, "packaged") for point in _after(steps) if point.partition("-")[2] not in _PACKAGES]
    # Right before the work of a step its name is in the journal, and nothing else has happened
    made += [Cut("upgrade", f"before-{step}", "packaged") for step in ("place_backup", "place_root", "set_default")]
    return made


def _boot(command: str, start: str) -> list[Cut]:
    """The boot into what was staged."""
    phases = {
        "shutdown": "reboot: Restarting system",
        "boot-loader": "Booting `",
        "initrd": "VM-INITRD",
        "userspace": "VM-USERSPACE",
    }
    return [Cut(command, phase, start, console=text) for phase, text in phases.items()]


def every() -> list[Cut]:
    """In an order in which neighbours begin with the same state."""
    rollback = [Cut("rollback", point, "upgraded", ROLLBACK) for point in _after(host_plan.ROLLBACK_STEPS)]
    restore = [Cut("restore", point, "backup", ROLLBACK) for point in _after(host_plan.RESTORE_STEPS)]
    cancel = [Cut("cancel", point, "staged", ROLLBACK) for point in _after(host_plan.CANCEL_STEPS)]
    return [*_upgrade(), *_boot("trial", "staged"), *rollback, *cancel, *restore]
