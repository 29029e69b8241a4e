# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the power is cut: at the named steps of each command, and in the boots between them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.overc.system.plugins.module_utils.host.plan import commands
from ansible_collections.overc.system.plugins.module_utils.host.plan.trial import with_trial

UPGRADE: t.Final = "overc_host_upgrade"
ROLLBACK: t.Final = "overc_host_rollback"
CONFIRM: t.Final = "overc_host_confirm"


@dataclass(frozen=True)
class Cut:
    """``start`` is the state it begins with.

    ``point`` is a step of the command; with ``console`` it is the moment when this text appears in the boot that follows,
    and where ``start`` is that moment itself, the power goes at once.
    """

    command: str
    point: str
    start: str
    module: str = UPGRADE
    console: str = ""
    boots: frozenset[str] = frozenset({"old", "new"})

    @property
    def at_once(self) -> bool:
        return self.point in ("unconfirmed", "confirmed")

    @property
    def name(self) -> str:
        return f"{self.command}:{self.point}"


# These work on the new root alone; the state "packaged" begins behind them.
_PACKAGES: t.Final = (
    "download_packages",
    "create_root",
    "run_packages",
    "check_root",
    "keep_modules",
    "install_guard",
)
_OLD, _NEW = frozenset({"old"}), frozenset({"new"})


def _after(steps: t.Iterable[str]) -> list[str]:
    return [f"after-{step}" for step in steps]


def _upgrade() -> list[Cut]:
    plain = [step for step in commands.UPGRADE_STEPS if step not in ("carry_over", "run_commands")]
    steps = with_trial(plain, arm=True)
    # Only the last write of the environment lets the new system boot
    boots = {f"after-{step}": _NEW if step == "arm_trial" else _OLD for step in steps}
    early = [point for point in boots if point.partition("-")[2] in _PACKAGES]
    return [
        *(Cut("upgrade", point, "host", boots=_OLD) for point in early),
        Cut("upgrade", "in-run_packages", "host", boots=_OLD),
        *(Cut("upgrade", point, "packaged", boots=seen) for point, seen in boots.items() if point not in early),
        # Right before the work of a step its name is in the journal, and nothing else has happened
        *(
            Cut("upgrade", f"before-{step}", "packaged", boots=_OLD)
            for step in ("place_backup", "arm_fallback", "arm_trial")
        ),
    ]


def _trial() -> list[Cut]:
    """The boot into what was staged, and the time until somebody confirms it: the one trial is used up by GRUB."""
    return [
        Cut("trial", "shutdown", "staged", console="reboot: Restarting system", boots=_NEW),
        Cut("trial", "boot-loader", "staged", console="Booting `"),
        Cut("trial", "initrd", "staged", console="VM-INITRD", boots=_OLD),
        Cut("trial", "userspace", "staged", console="VM-USERSPACE", boots=_OLD),
        Cut("trial", "unconfirmed", "trial", boots=_OLD),
    ]


def _confirm() -> list[Cut]:
    return [
        Cut("confirm", "before-confirm", "trial", CONFIRM, boots=_OLD),
        *(Cut("confirm", point, "trial", CONFIRM, boots=_NEW) for point in _after(commands.CONFIRM_STEPS)),
        # One that has nothing to do with any upgrade
        Cut("confirm", "confirmed", "upgraded", boots=_NEW),
    ]


def _switch(command: str, start: str, steps: t.Sequence[str]) -> list[Cut]:
    return [Cut(command, point, start, ROLLBACK) for point in _after(steps)]


def every() -> list[Cut]:
    """In an order in which neighbours begin with the same state."""
    return [
        *_upgrade(),
        *_trial(),
        *_confirm(),
        *_switch("rollback", "upgraded", with_trial(commands.ROLLBACK_STEPS, arm=True)),
        *_switch("cancel", "staged", with_trial(commands.CANCEL_STEPS, arm=False, cancel=True)),
        *_switch("restore", "backup", with_trial(commands.RESTORE_STEPS, arm=True)),
    ]
