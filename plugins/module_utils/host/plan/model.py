# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is: named steps in order, and the context that the steps work on and a repair starts from. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field

from ...boot.names import BootNames
from ...errors import OvercError
from ...system.own_dirs import STATE_DIR
from ...system.unfinished import NEW_SUFFIX
from ...values import build

Operation = t.Literal["upgrade", "rollback", "cancel", "restore", "confirm", "repair"]

# Every step there is, and what it does, in words for people. {braces} are filled from the context of the plan.
STEPS: t.Final[dict[str, str]] = {
    "create_root": "snapshot {base_name} as {root_name}" + NEW_SUFFIX,
    "download_packages": "download the packages with the running system's network and settings",
    "run_packages": "run the package manager in the new root, in a private mount and process namespace",
    "run_commands": "run the commands that were asked for in the new root, in namespaces of their own, without a network",
    "make_menu": "let the distribution's own tool write the boot menu inside {root_name}, if its kernels changed",
    "label": "label what is new in the new root, as the SELinux policy in it wants it",
    "check_root": "check the new root: init, what it needs, what mounts hide, kernel, modules, signature, space for the kernel",
    "keep_modules": "keep the modules of the running kernel in the new root",
    "create_backup": "snapshot {base_name} as {backup_name}" + NEW_SUFFIX,
    "write_backup_files": "write the backup kernel beside the old one, and verify it",
    "place_backup": "put the new {backup_name} in place of the old one",
    "swap_backup_files": "put the backup kernel in place",
    "cancel_kernel": "put the running kernel back in place of the staged one",
    "cancel_default": "make {base_name} the default subvolume again",
    "place_root": "put the new root in place as {root_name}",
    "carry_over": "carry over the declared paths from the running root",
    "declare_late": "let {root_name} bring the paths of carry_late over from {base_name} when it first starts",
    "write_kernel": "write the kernel beside the present one, and verify it",
    "swap_kernel": "put the kernel in place",
    "set_default": "make {root_name} the default subvolume",
    "install_efi": "put the EFI binaries of the new default root in place",
    "install_guard": "put the guard of a trial into {root_name}",
    "arm_fallback": "let the backup entry boot until the switch is complete",
    "arm_trial": "let the next boot try {root_name} once",
    "await_trial": "let the backup entry boot until the trial of {root_name} is armed",
    "disarm": "let the normal entry boot again",
    "confirm": "let the normal entry boot for good: {root_name} is confirmed",
    "record": "record what was done",
    "drop_replaced": "delete what was replaced, if it is recorded as ours",
    "restore_default": "make the default subvolume what it was before the packages' scripts ran",
    "unplace_root": "give {root_name} back to the subvolume that had the name before",
    "keep_booted": "let {root_name}, which came up, be the default subvolume with its kernel",
    "finish_backup": "complete the backup pair",
    "drop_unfinished": "delete the unfinished new root",
    "drop_downloads": "remove the downloaded packages",
    "clean_boot": "remove unfinished files from the boot partition",
    "prepare_root": "let /etc/fstab of {root_name} name its own subvolume, and put the kernels that boot into its /boot",
    "name_root": "give the new root its name, {root_name}",
    "write_entry_files": "put kernel and initrd of {root_name} where the boot loader reads them, and verify them",
    "write_menu": "write the boot menu anew, with an entry for {root_name}",
    "update_entry": "let the boot entry of {base_name} boot the kernel that runs, which came to it in place",
    "drop_entry": "write the boot menu anew, without an entry for {root_name}",
    "rearm": "let the next boot try once what it was to try before",
    "choose": "let {root_name} boot by default",
    "prune": "delete deployments that are not to be kept: entry, files, subvolume",
    "close": "close the journal of the interrupted run",
}
# Where each deployment has a boot entry of its own, and none is the normal one
_WITH_ENTRIES: t.Final[dict[str, str]] = {
    "disarm": "let the next boot try nothing",
    "confirm": "let {root_name} boot for good: it is confirmed",
}


@dataclass(frozen=True)
class Context:
    """What the steps work on. JSON-able, because it is what a repair starts from.

    Uuids say which subvolume is meant whatever its name is at the moment: ``base`` is the one that is snapshotted,
    ``target`` the one a rollback or cancel returns to (None where a new root is made), ``root_prior`` and
    ``backup_prior`` those that hold the names before. ``base_files`` and ``target_files`` are role -> sha256.

    ``backup_entry`` is the number of the backup entry on a host with automatic protection, None on any other. ``arm``:
    the plan ends with the trial armed; ``was_armed``: one was before; ``unconfirmed``: the running deployment was on
    trial itself, or is the backup because of one. ``failed`` is what the history is told about that one.

    Where each deployment has a boot entry of its own, ``number`` is that of the one this is about, and ``dropped`` are the
    uuids of those that go; there ``arm`` means the same. ``asked``, for the record alone: what was asked for
    beside an upgrade, a line each.
    """

    operation: Operation
    base: str
    base_name: str
    root_name: str
    backup_name: str
    target: str | None = None
    root_prior: str | None = None
    backup_prior: str | None = None
    default_before: str | None = None
    base_files: t.Mapping[str, str] = field(default_factory=dict)
    target_files: t.Mapping[str, str] = field(default_factory=dict)
    base_release: str | None = None
    target_release: str | None = None
    kernel: str = ""
    initrd: str | None = None
    fingerprint: str | None = None
    replaces_staged: bool = False
    carry_over: tuple[str, ...] = ()
    carry_late: tuple[str, ...] = ()
    backup_entry: int | None = None
    arm: bool = False
    was_armed: bool = False
    unconfirmed: bool = False
    failed: t.Mapping[str, t.Any] | None = None
    number: int | None = None
    dropped: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @property
    def names(self) -> BootNames:
        return BootNames(self.kernel, self.initrd)

    def as_dict(self) -> dict[str, t.Any]:
        return asdict(self)


def context_from(raw: t.Mapping[str, t.Any]) -> Context:
    """The inverse of ``Context.as_dict`` after a round trip through JSON. Raises inconsistent."""
    try:
        context = build(Context, raw, operation=raw["operation"])
        if context.operation not in t.get_args(Operation):
            raise ValueError(f"operation {context.operation!r:.40}")
    except (ValueError, KeyError) as error:
        raise OvercError(
            "inconsistent",
            f"The journal of the interrupted run cannot be understood: {error}. Compare the subvolumes and boot files by hand, "
            f"then move {STATE_DIR}/journal.jsonl in the top-level tree away.",
        ) from None
    return context


@dataclass(frozen=True)
class Plan:
    """Named steps in order; none means there is nothing to do, and ``reason`` says why."""

    operation: Operation
    reason: str
    context: Context | None = None
    steps: tuple[str, ...] = ()
    replaced: bool = False
    notes: t.Mapping[str, t.Any] = field(default_factory=dict)
    warning: str | None = None

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    def describe(self, step: str) -> str:
        """One sentence for people."""
        if self.context is None:
            return STEPS[step]
        text = STEPS[step] if self.context.number is None else _WITH_ENTRIES.get(step, STEPS[step])
        return text.format(**self.context.as_dict())

    def action(self, step: str, status: str) -> dict[str, str]:
        """One entry of ``actions``; the keys are the same in check mode (status ``planned``)."""
        return {"step": step, "description": self.describe(step), "status": status}


__all__ = ("STEPS", "Context", "Operation", "Plan", "context_from")
