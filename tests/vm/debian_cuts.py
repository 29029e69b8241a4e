# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the power of a machine with Debian is cut: at the named steps of each command, and in the boots between them."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.plan.entries import commands

from tests.vm.cuts import CONFIRM, ROLLBACK, UPGRADE, Cut
from tests.vm.debian import NEW, OLD

_OLD, _NEW = frozenset({OLD}), frozenset({NEW})
_EARLY: t.Final = ("download_packages", "create_root", "prepare_root", "run_packages")
_COMMIT: t.Final = "arm_trial"


def _upgrade() -> list[Cut]:
    steps = [*(step for step in commands.UPGRADE_STEPS if step not in ("carry_over", "run_commands")), _COMMIT]
    early = [Cut("upgrade", f"after-{step}", "adopted", UPGRADE, boots=_OLD) for step in _EARLY]
    late = [
        Cut("upgrade", f"after-{step}", "packaged", UPGRADE, boots=_NEW if step == _COMMIT else _OLD)
        for step in steps
        if step not in _EARLY
    ]
    # Changed in memory, and not on the disk yet
    inside = [
        Cut("upgrade", f"in-{step}", "packaged", UPGRADE, boots=_OLD) for step in ("write_entry_files", "write_menu")
    ]
    around = [
        Cut("upgrade", f"before-{_COMMIT}", "packaged", UPGRADE, boots=_OLD),
        Cut("upgrade", f"in-{_COMMIT}", "packaged"),
    ]
    return [*early, *late, *inside, *around]


def _trial() -> list[Cut]:
    """The boot into what was staged, and the time until somebody confirms it: the one trial is used up by GRUB."""
    return [
        Cut("trial", "boot-loader", "staged", UPGRADE, console="Booting `Debian GNU/Linux 12"),
        Cut("trial", "userspace", "staged", UPGRADE, console="VM-USERSPACE", boots=_OLD),
        Cut("trial", "unconfirmed", "trial", UPGRADE, boots=_OLD),
    ]


def _confirm() -> list[Cut]:
    after = [Cut("confirm", f"after-{step}", "trial", CONFIRM, boots=_NEW) for step in commands.CONFIRM_STEPS]
    before = [
        Cut("confirm", "before-confirm", "trial", CONFIRM, boots=_OLD),
        Cut("confirm", "in-confirm", "trial", CONFIRM),
    ]
    return [*before, *after]


def _back() -> list[Cut]:
    return [
        Cut("rollback", "after-record", "upgraded", ROLLBACK),
        Cut("rollback", f"after-{_COMMIT}", "upgraded", ROLLBACK, boots=_OLD),
        *(Cut("cancel", f"after-{step}", "staged", ROLLBACK, boots=_OLD) for step in commands.CANCEL_STEPS),
    ]


def every() -> list[Cut]:
    """In an order in which neighbours begin with the same state."""
    return [*_upgrade(), *_trial(), *_confirm(), *_back()]
