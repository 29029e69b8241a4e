# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about an error id whose message says it already, for docs/errors.md: the message knows the names, this the rest.

Those that are the same each time stand in ``NEXT_STEPS`` of module_utils/errors.py and end the message itself.
"""

from __future__ import annotations

import typing as t

STEPS: t.Final[dict[str, str]] = {
    "aborted": "Run the same command again: what was begun is undone or finished first.",
    "access_denied": "Find what denies it to root on that host (SELinux, AppArmor, a read-only or remote mount).",
    "backup_boot": "Run `overc_host_rollback`: it makes the backup the normal system again; then reboot. Where each deployment "
    "has a boot entry, it removes the one that failed, and no reboot is needed.",
    "bad_argument": "Correct the option that the message names. Nothing was changed.",
    "boot_write_failed": "Check the boot partition (`dmesg`, `fsck`); what boots is unchanged. Then the same command again.",
    "bootloader_changed": "Take your change out of the menu again, or take our lines out as the message says.",
    "container_changed": "Run the same command again: it looks at the container anew.",
    "container_running": "Stop the container, or let the work be done at the next boot.",
    "container_unknown": "Give the name of a directory below `containers_dir`, without a path.",
    "delegate_unreachable": "Bring back the machine that the message names, or delegate the tasks to another one.",
    "hidden_by_mount": "Unmount what the message names, or have the package put its files elsewhere.",
    "in_use": "End what uses it, as the message names it, then the same command again.",
    "inconsistent": "Read `contradictions` of `overc_host_info` and mend what it names. Nothing is guessed meanwhile.",
    "initrd_shared": "Give the backup entry an initrd of its own, as the message says, then the same command again.",
    "internal": "Report it with the message. Run `overc_host_info`: an interrupted run is repaired by the next command.",
    "io_error": "Check the disk (`dmesg`, SMART) before anything else is written to it.",
    "kernel_ambiguous": "Name the kernel's file with the option `kernel`.",
    "kernel_untrusted": "Get the kernel with a good signature, or correct the certificate that the options name.",
    "known_bad": "Wait for other packages. `force: true` tries the same ones again.",
    "layout_unsupported": "Mend what `requirements` lists, each with its `remedy`. [Adopt](adopt.md) says which hosts can be.",
    "locked": "Wait for the other run or program that the message names, then the same command again.",
    "mount_failed": "Look into `dmesg` for the file system that the message names.",
    "no_resources": "Free memory, processes or open files on the host, then the same command again.",
    "no_space": "Delete what is not needed, or enlarge what the message names. How much is missing is said there.",
    "no_target": "Boot the backup entry, or that of an older deployment, from the menu if you need an older system, and run "
    "`overc_host_rollback` there.",
    "late_carry_failed": "Take what the message names out of `carry_late`; after a reboot `overc_host_rollback` returns to the "
    "system before, which has all of it.",
    "no_trial_boot": "Mend what the message names, or stay with `protection: manual`.",
    "not_booted": "Reboot the host, or cancel what is staged with `overc_host_rollback`.",
    "not_root": "Add `become: true`, or `-b` on the command line.",
    "overlay_in_use": "Stop who uses it, as the message names them, then the same command again.",
    "overlay_ring": "Let one of the containers that the message names share without the next one.",
    "overlay_unrepresentable": "Leave that directory out, or move what the message names away from it.",
    "overlay_unsupported": "Leave it as it is: these files cannot be shared safely on this file system or kernel.",
    "package_manager_missing": "Only `dnf`, `dnf5`, `smart`, `apt` and `zypper` are known, see [Adopt](adopt.md).",
    "plan_rejected": "Wait for other packages, or take the plan out of `rejected_plans`.",
    "read_only": "Find out why it is mounted read-only (`dmesg`), mount it writable, then the same command again.",
    "reboot_failed": "Look at the host's console, then at `overc_host_info`. `overc_host_rollback` returns to the old system.",
    "rollback_staged": "Reboot to finish the rollback, then the same command again.",
    "source_unknown": "Correct `sources`: names of containers, or a directory of the host.",
    "state_at_risk": "Move those paths to a subvolume of their own, declare them in `carry_late`, or allow it by `state_policy`.",
    "tool_missing": "Install the program that the message names on the host.",
    "unconfirmed": "Run `overc_host_confirm` if the running system is good, or `overc_host_rollback`.",
    "unhealthy": "Mend what the message names. `overc_host_rollback` returns to the system before.",
}

__all__ = ("STEPS",)
