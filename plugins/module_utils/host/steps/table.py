# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The function of each named step of a plan. Every step can be repeated: it looks first what is there already."""

from __future__ import annotations

import typing as t

from . import trial
from .backup import create_backup, finish_backup, place_backup, swap_backup_files, write_backup_files
from .build_root import check_root, create_root, download_packages, run_packages
from .cleanup import clean_boot, close, drop_downloads, drop_replaced, drop_unfinished
from .context import Apply
from .keep_modules import keep_modules
from .places import restore_default
from .record import record
from .switch import (
    cancel_default,
    cancel_kernel,
    carry_over_paths,
    install_efi_binaries,
    keep_booted,
    place_root,
    set_default,
    swap_kernel,
    unplace_root,
    write_kernel,
)

STEP_FUNCTIONS: t.Final[dict[str, t.Callable[[Apply], bool]]] = {
    "create_root": create_root,
    "download_packages": download_packages,
    "run_packages": run_packages,
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
    "record": record,
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


__all__ = ()
