# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family. Every refusal and every failure a user can meet has a stable id listed here."""

from __future__ import annotations

import typing as t

T = t.TypeVar("T")

# id -> what it means, in one sentence. The documentation of error ids is generated from this table and a test
# checks that no other id is ever raised.
ERROR_IDS: t.Final[dict[str, str]] = {
    "aborted": "Somebody stopped the run; what it had begun was undone or completed, as the result says.",
    "access_denied": "The host refuses root what is needed: an immutable file, or a security policy.",
    "backup_boot": "The host runs its backup, or what it fell back to, where only a rollback makes sense.",
    "bad_argument": "An option has a value that cannot be meant.",
    "boot_write_failed": "A file on the boot partition could not be written, verified or renamed.",
    "bootloader_changed": "What was installed in the boot loader's menu was changed by somebody since.",
    "btrfs_failed": "A btrfs command failed.",
    "container_changed": "Somebody wrote into the container's directory while it was worked on; what was written is still there.",
    "container_running": "The container runs, and the work was asked for now.",
    "container_unknown": "There is no such container.",
    "custom_cfg_foreign": "GRUB's custom.cfg has lines of somebody else.",
    "delegate_unreachable": "A host to which own tasks are delegated does not answer.",
    "database_elsewhere": "The package database does not lie on the root subvolume, so no new root would have it.",
    "gpg_policy": "Packages would be installed without a signature check, and the policy is to require one.",
    "hidden_by_mount": "Packages wrote into the new root where another file system will be mounted over it.",
    "inconsistent": "The facts found on the host contradict each other, so nothing is guessed and nothing is changed.",
    "in_use": "Something that has to be replaced is in use, for instance an active swap file.",
    "internal": "A defect in this collection; nothing was left half-done on purpose, please report it.",
    "io_error": "A disk or a file system of the host failed while it was read or written.",
    "kernel_ambiguous": "More than one kernel could be the one meant.",
    "kernel_broken": "The new kernel is empty or cut off.",
    "kernel_modules_missing": "The new root has no modules for the kernel it would boot with.",
    "kernel_untrusted": "The kernel's signature is wrong or missing, or cannot be verified as the options ask for.",
    "kernel_unsigned": "The host's kernel carries a signature file, the new kernel comes without one.",
    "initrd_shared": "The new root brings another initrd while both boot entries share one.",
    "known_bad": "This plan was tried on this host and did not come up.",
    "late_carry_failed": "Declared data cannot be brought over by the new system when it first starts, or was not.",
    "layout_unsupported": "The host does not meet the requirements listed in the result.",
    "locked": "Another run is at work on this host or container, or another program on the host's packages.",
    "mount_failed": "A file system could not be mounted or unmounted in the private mount namespace.",
    "no_resources": "The host is short of memory, processes or open files.",
    "no_space": "Not enough free space, on the root file system or on the boot partition.",
    "no_target": "There is no deployment to roll back to.",
    "no_trial_boot": "The boot loader of this host cannot try a system once and return by itself.",
    "not_booted": "The staged deployment has not been booted yet.",
    "not_default": "Somebody chose a deployment in the boot menu that is not the default one.",
    "not_root": "The module needs root privileges.",
    "overlay_failed": "Comparing, building or removing an overlay failed; the container sees the tree it saw before.",
    "overlay_in_use": "Somebody else uses what would be emptied or removed: a container, a mount, or the host.",
    "overlay_ring": "Containers would share with one another in a ring, so that every run would share them anew.",
    "overlay_unrepresentable": "The directory holds something that no overlay can show as it is.",
    "overlay_unsupported": "The file system or the kernel cannot share these files safely.",
    "package_manager_failed": "The package manager failed, or what it did is not what it announced.",
    "package_manager_missing": "No supported package manager, or not the one asked for.",
    "package_needed": "A package would be removed that the host cannot do without.",
    "package_unknown": "A package named in the options is not installed, or nobody offers it.",
    "package_untrusted": "A package or repository failed its signature check.",
    "packages_unsupported": "The package manager of this host cannot do, or does not know, what was asked for.",
    "plan_rejected": "The plan is one of those that were not to be staged.",
    "root_incomplete": "The new root lacks something that it needs to come up.",
    "read_only": "A file system that has to be written to is read-only.",
    "release_sources": "What becomes of sources, pins or held packages with another release has to be decided first.",
    "release_unsupported": "There is no step from the release that runs to the one that was asked for.",
    "reboot_failed": "The host did not come back as the deployment that was staged.",
    "repository_failed": "A package repository could not be read, so what is pending is unknown.",
    "removal_unasked": "To install what was asked for, packages would be removed that nobody named.",
    "rollback_staged": "A rollback waits for its reboot; finish it before anything else.",
    "run_failed": "A command that was to run in the new root failed, or took too long.",
    "selinux_enforcing": "SELinux enforces a policy, and files of a new root would not be labelled as it wants.",
    "source_unknown": "A source is no container of this host, or has nothing at that place.",
    "state_at_risk": "State on the root subvolume would be lost at the switch, and the policy is to refuse.",
    "tool_missing": "A program this collection needs is not installed on the host.",
    "unhealthy": "The host does not work as its health checks ask for.",
    "unconfirmed": "The running deployment is on trial and neither confirmed nor given up.",
    "vendor_change": "The upgrade would replace packages by those of another vendor.",
}

# What to do next, where the sentence of a tool's failure cannot say it.
NEXT_STEPS: t.Final[dict[str, str]] = {
    "btrfs_failed": "Look into the kernel's log (dmesg) for the reason, then run the same command again.",
    "kernel_broken": "Mend the kernel's package, or leave it out with the option exclude.",
    "kernel_modules_missing": "Mend the kernel's packages, or leave them out with the option exclude.",
    "kernel_unsigned": "Get the signed kernel package, or leave the kernel out with the option exclude.",
    "overlay_failed": "What was begun is undone, or finished if it was switched over already; run the same command again.",
    "package_manager_failed": "Mend the package or leave it out with the option exclude, then run the same command.",
    "gpg_policy": (
        "Set gpgcheck=1 for them (smart: rpm-check-signatures=true; apt: take trusted=yes and the like out of the source) and "
        "let the host know their keys, disable them, or allow it with gpg_policy: report."
    ),
    "package_unknown": "Correct the names, then run the same command again.",
    "package_untrusted": "Have it signed, or let the host know its key, then run the same command again.",
    "run_failed": "The new root was removed; mend the command, then run the same command again.",
    "root_incomplete": "Mend the package or command that takes it away, or leave it out (a package with the option exclude).",
    "vendor_change": (
        "Allow it with allow_vendor_change, leave them out with the option exclude, or disable the repository they come from."
    ),
    "repository_failed": "Mend the repository, or disable it on the host, then run the same command again.",
}


# In a message that has a next step of its own
_OWN_STEP: t.Final = ("(to mend: ", "the same command again")


def with_next_step(error_id: str, message: str) -> str:
    """The message as whole sentences, ending in what to do next where that is always the same."""
    step, said = NEXT_STEPS.get(error_id), message.rstrip()
    if step and step not in said and not any(words in said for words in _OWN_STEP):
        return f"{said.rstrip('.')}. {step}"
    return said if said.endswith((".", "!", "?")) else f"{said}."


class OvercError(Exception):
    """A refusal or failure with a stable id.

    ``error_id`` is a key of ``ERROR_IDS``; ``message`` says what is wrong, on what, and which command is safe
    next; ``facts`` are further keys for ``fail_json`` (``stdout``, ``stderr``, ``rc``, ``cmd`` of a tool that
    failed, ``requirements`` of an unsupported layout, ...).
    """

    def __init__(self, error_id: str, message: str, **facts: t.Any) -> None:
        if error_id not in ERROR_IDS:
            raise ValueError(f"undeclared error id {error_id!r}")
        super().__init__(message)
        self.error_id = error_id
        self.message = message
        self.facts = facts


def certain(value: T | None, what: str) -> T:
    """``value``, which is known to be there: that it is not is a defect of this collection, reported as such."""
    if value is None:
        raise OvercError("internal", f"{what} is not known where it must be. This is a defect, please report it.")
    return value


__all__ = ("ERROR_IDS", "NEXT_STEPS", "OvercError", "certain", "with_next_step")
