# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The function of each named step of a plan. Every step can be repeated: it looks first what is there already."""

from __future__ import annotations

import typing as t

from . import late, trial
from .backup import create_backup, finish_backup, place_backup, swap_backup_files, write_backup_files
from .build_root import check_root, create_root, download_packages, run_packages
from .cleanup import clean_boot, close, drop_downloads, drop_replaced, drop_unfinished
from .context import Apply
from .entries import choice, menu, own_menu, remember, root
from .keep_modules import keep_modules
from .label import label
from .places import restore_default
from .run_commands import run_commands
from .switch import (
    cancel_default,
    cancel_kernel,
    carry_over_paths,
    install_efi_binaries,
    keep_booted,
    place_root,
    record_switch,
    set_default,
    swap_kernel,
    unplace_root,
    write_kernel,
)

if t.TYPE_CHECKING:
    from ..plan.model import Context

STEP_FUNCTIONS: t.Final[dict[str, t.Callable[[Apply], bool]]] = {
    "create_root": create_root,
    "download_packages": download_packages,
    "run_packages": run_packages,
    "run_commands": run_commands,
    "label": label,
    "check_root": check_root,
    "keep_modules": keep_modules,
    "create_backup": create_backup,
    "write_backup_files": write_backup_files,
    "place_backup": place_backup,
    "swap_backup_files": swap_backup_files,
    "cancel_kernel": cancel_kernel,
    "cancel_default": cancel_default,
    "place_root": place_root,
    "carry_over": carry_over_paths,
    "declare_late": late.declare_late,
    "write_kernel": write_kernel,
    "set_default": set_default,
    "swap_kernel": swap_kernel,
    "install_efi": install_efi_binaries,
    "install_guard": trial.install_guard,
    "arm_fallback": trial.arm_fallback,
    "arm_trial": trial.arm_trial,
    "await_trial": trial.await_trial,
    "disarm": trial.disarm,
    "confirm": trial.confirm,
    "record": record_switch,
    "drop_replaced": drop_replaced,
    "restore_default": restore_default,
    "unplace_root": unplace_root,
    "keep_booted": keep_booted,
    "finish_backup": finish_backup,
    "drop_unfinished": drop_unfinished,
    "drop_downloads": drop_downloads,
    "clean_boot": clean_boot,
    "close": close,
}


ENTRY_FUNCTIONS: t.Final[dict[str, t.Callable[[Apply], bool]]] = {
    "download_packages": download_packages,
    "create_root": root.create_root,
    "prepare_root": root.prepare_root,
    "run_packages": run_packages,
    "run_commands": run_commands,
    "make_menu": own_menu.make_menu,
    "label": label,
    "check_root": root.check_root,
    "install_guard": root.install_guard,
    "carry_over": root.carry_over,
    "declare_late": root.declare_late,
    "name_root": root.name_root,
    "write_entry_files": menu.write_entry_files,
    "write_menu": menu.write_menu,
    "update_entry": menu.update_entry,
    "record": remember.record,
    "arm_trial": choice.arm_trial,
    "rearm": choice.rearm,
    "choose": choice.choose,
    "disarm": choice.disarm,
    "confirm": choice.confirm,
    "prune": menu.prune,
    "drop_entry": menu.drop_entry,
    "unplace_root": root.unplace_root,
    "drop_unfinished": root.drop_unfinished,
    "drop_downloads": drop_downloads,
    "clean_boot": menu.clean_boot,
    "close": close,
}


def functions_of(context: Context) -> t.Mapping[str, t.Callable[[Apply], bool]]:
    """The steps of a transaction, by the way in which its host boots."""
    return ENTRY_FUNCTIONS if context.number is not None else STEP_FUNCTIONS


__all__ = ("functions_of",)
