# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apply: the function of each named step of a plan. Every step can be repeated: it looks first what is there already."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils import trial_steps
from ansible_collections.overc.system.plugins.module_utils.backup_steps import (
    create_backup,
    finish_backup,
    place_backup,
    swap_backup_files,
    write_backup_files,
)
from ansible_collections.overc.system.plugins.module_utils.cleanup_steps import (
    clean_boot,
    close,
    drop_replaced,
    drop_unfinished,
)
from ansible_collections.overc.system.plugins.module_utils.host_apply import Apply
from ansible_collections.overc.system.plugins.module_utils.kept_modules import keep_modules
from ansible_collections.overc.system.plugins.module_utils.new_root_steps import check_root, create_root, run_packages
from ansible_collections.overc.system.plugins.module_utils.record_steps import record
from ansible_collections.overc.system.plugins.module_utils.switch_steps import (
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
    "install_guard": trial_steps.install_guard,
    "arm_fallback": trial_steps.arm_fallback,
    "arm_trial": trial_steps.arm_trial,
    "await_trial": trial_steps.await_trial,
    "disarm": trial_steps.disarm,
    "confirm": trial_steps.confirm,
    "record": record,
    "drop_replaced": drop_replaced,
    "unplace_root": unplace_root,
    "keep_booted": keep_booted,
    "finish_backup": finish_backup,
    "drop_unfinished": drop_unfinished,
    "clean_boot": clean_boot,
    "close": close,
}


__all__ = ()
