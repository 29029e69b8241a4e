# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused whatever else is planned: by the layout, by the state, by what nobody can vouch for. Pure."""

from __future__ import annotations

import typing as t

from ...boot.names import FILE_ROLES, backup_of
from ...errors import OvercError
from ...system.unfinished import NEW_SUFFIX
from ..observe.bootable import defects_of
from ..observe.facts import HostFacts
from ..observe.requirements import LAYOUT_ERRORS
from ..observe.state import HostState, files_of, source_of

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume


def refuse_unless_usable(state: HostState, *, rollback: bool) -> None:
    """The refusals that no command gets around: layout, contradictions, another run; and what an upgrade needs more."""
    if state.name == "busy":
        raise OvercError("locked", "Another run is at work on this host. Nothing was changed; wait for it to finish.")
    if state.name == "inconsistent":
        raise OvercError("inconsistent", " ".join(state.contradictions), contradictions=list(state.contradictions))
    wanted = [
        entry
        for entry in state.requirements
        if not entry.ok and (not rollback or entry.error_id in (*LAYOUT_ERRORS, "tool_missing"))
    ]
    if state.name in ("backup", "fallback") and not state.own_entries:
        wanted = [entry for entry in wanted if entry.id != "default_subvolume"] if rollback else []
    if not wanted:
        return
    layout_first = sorted(
        wanted, key=lambda entry: (entry.error_id != "layout_unsupported", entry.error_id not in LAYOUT_ERRORS)
    )
    lines = "; ".join(f"{entry.id}: {entry.detail} (to mend: {entry.remedy})" for entry in layout_first)
    raise OvercError(
        layout_first[0].error_id,
        f"This host does not meet {len(wanted)} requirement{'s' if len(wanted) > 1 else ''}: {lines}.",
        requirements=[entry.as_dict() for entry in state.requirements],
    )


def refuse_upgrade(state: HostState) -> None:
    """The refusals of an upgrade that need no package manager to be asked first."""
    refuse_unless_usable(state, rollback=False)
    refuse_elsewhere(state)
    if state.name in ("backup", "fallback") and not state.own_entries:
        raise OvercError(
            "backup_boot",
            "The host runs its backup deployment; an upgrade would start from it and leave no backup. "
            "Run overc_host_rollback to restore it to the normal entry, reboot, then upgrade.",
        )
    if state.name == "trial":
        raise OvercError(
            "unconfirmed",
            "The running deployment is on trial. Confirm it with overc_host_confirm or give it up with "
            "overc_host_rollback, then upgrade.",
        )
    if state.name == "staged" and state.waiting in ("rollback", "restore"):
        raise OvercError(
            "rollback_staged",
            f"A {state.waiting} waits for its reboot. Reboot the host to finish it, then upgrade.",
        )


def refuse_elsewhere(state: HostState) -> None:
    """Raises not_default where somebody chose another deployment in the menu than the default one."""
    if state.name == "elsewhere":
        raise OvercError(
            "not_default",
            "What runs is not what boots by default: it was chosen in the boot menu, or another default was set since. Reboot "
            "into the default one, or make the running one the default with overc_host_rollback.",
        )


def booted_and_default(facts: HostFacts) -> tuple[Subvolume, Subvolume]:
    booted, default = facts.booted, facts.default
    if booted is None or default is None:
        raise OvercError("layout_unsupported", "The running root or the default subvolume is not a subvolume.")
    return booted, default


def known_files(facts: HostFacts, subvolume: Subvolume) -> dict[str, str]:
    files = files_of(facts, subvolume)
    missing = [role for role, digest in files.items() if source_of(facts, role, digest) is None]
    if "kernel" not in files or missing:
        raise OvercError(
            "inconsistent",
            f"The kernel that belongs to {subvolume.path} cannot be told or found on the boot partition, so no complete "
            "pair of kernel and root can be made of it. Install it as "
            f"{facts.layout.boot_dir}/{backup_of(facts.kernel or '')} or set the default subvolume by hand.",
        )
    return files


def refuse_unwritable(facts: HostFacts, steps: t.Collection[str]) -> None:
    """Before a switch: each file of the normal entry that it would replace can be replaced. Raises access_denied."""
    names = facts.names
    if names is None or "swap_kernel" not in steps:
        return
    said = facts.obstacles.on_boot(names.of(role) for role in FILE_ROLES)
    if said:
        raise OvercError(
            "access_denied",
            f"{'; '.join(said)}. Nothing was changed; chattr -i it or move it away, then run the same command again.",
        )


def refuse_unbootable(facts: HostFacts, subvolume: Subvolume) -> None:
    """Before a switch to a deployment that was not looked at when it was made. Raises no_target."""
    found = defects_of(facts, subvolume)
    if found:
        raise OvercError(
            "no_target",
            f"{'; '.join(found)}: it would not boot, so nothing was changed. The backup pair can be booted from the boot menu "
            "and restored with overc_host_rollback.",
        )


def refuse_broken(staged: str, found: t.Sequence[str], lost: t.Sequence[str] = ()) -> None:
    """Where nothing is to be built, and what is staged would not boot (any more), or has ``lost`` its way back.

    Raises inconsistent.
    """
    if lost and not found:
        raise OvercError(
            "inconsistent",
            f"{staged} is staged, and there would be no way back from it: {'; '.join(lost)}. Nothing was changed; cancel it with "
            "overc_host_rollback, or give force: true to make both anew.",
        )
    if found:
        raise OvercError(
            "inconsistent",
            f"{staged} is staged, and it would not boot: {'; '.join(found)}. Nothing was changed; cancel it with "
            "overc_host_rollback, or give force: true to make it anew.",
        )


def refuse_strangers(facts: HostFacts, *names: str) -> None:
    """Before new subvolumes take these names: those that have them are ours to delete, and nobody works in them.

    Raises inconsistent, in_use.
    """
    for name in names:
        targets = facts.obstacles.mounted.get(name)
        if targets:
            raise OvercError(
                "in_use",
                f"Subvolume {name} would be replaced and deleted, and is mounted writable on {', '.join(targets)}: what is "
                "written there would be lost. Nothing was changed. Unmount it, or mount it read-only; what shall stay belongs on "
                "a subvolume of its own. Then run the same command again.",
            )
    taken = [entry for entry in facts.obstacles.names if entry.removesuffix(NEW_SUFFIX) in names]
    if taken:
        raise OvercError(
            "inconsistent",
            f"{', '.join(taken)} in the top-level tree is no subvolume, so it is nobody's known work. Look what it is, then "
            "rename it.",
        )
    found = [name + NEW_SUFFIX for name in names if facts.by_path(name + NEW_SUFFIX)]
    if found:
        raise OvercError(
            "inconsistent",
            f"Subvolume {', '.join(found)} exists without an open transaction, so it is nobody's known work. "
            "Look what it is, then rename or delete it.",
        )


__all__ = (
    "booted_and_default",
    "known_files",
    "refuse_broken",
    "refuse_elsewhere",
    "refuse_strangers",
    "refuse_unbootable",
    "refuse_unless_usable",
    "refuse_unwritable",
    "refuse_upgrade",
)
