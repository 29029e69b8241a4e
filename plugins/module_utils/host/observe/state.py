# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive from facts: which state the host is in, and which boot files belong to which root. Pure."""

from __future__ import annotations

import typing as t

from ...boot.names import FILE_ROLES
from ...btrfs.subvolumes import Subvolume
from .boot_files import BootFile
from .entries.state import derive_with_entries
from .facts import HostFacts
from .requirements import LAYOUT_ERRORS, requirements_of
from .state_model import HostState, State

if t.TYPE_CHECKING:
    from .requirements import Requirement


def contradictions_of(facts: HostFacts) -> tuple[str, ...]:
    """Facts that cannot all be true of a host in a known state, as sentences."""
    found = list(facts.damage)
    kernel = facts.boot_files.get(facts.kernel) if facts.kernel else None
    default = facts.default
    modules = facts.roots[default.path].modules if default and default.path in facts.roots else frozenset()
    if default and kernel and kernel.release and modules and kernel.release not in modules:
        found.append(
            f"The default subvolume {default.path} has no modules for {kernel.path}, which is kernel {kernel.release} "
            f"(it has {', '.join(sorted(modules))}): the next normal boot would run without its modules. Put back the "
            "kernel that belongs to it, or boot the backup entry and restore with overc_host_rollback."
        )
    unclear = facts.trial_boot.unclear
    if unclear is not None:
        found.append(
            f"What GRUB boots next cannot be told: {unclear.rstrip('.')}. Write a new block with grub-editenv "
            f"{facts.trial_boot.environment} create (remove a link or a directory first); the normal entry boots then."
        )
    return tuple(found)


def derive(facts: HostFacts) -> HostState:
    """The state of the host, from facts alone; the record only says what a staged host waits for."""
    if facts.entry_boot is not None:
        return derive_with_entries(facts, facts.entry_boot)
    requirements = requirements_of(facts)
    violated = any(not entry.ok and entry.error_id in LAYOUT_ERRORS for entry in requirements)
    layout, booted, default = facts.layout, facts.booted, facts.default
    if facts.damage:
        return HostState("inconsistent", requirements, facts.damage)
    if facts.journal is not None:
        return HostState("busy" if facts.holder or facts.journal.is_written else "interrupted", requirements)
    if booted is not None and booted.path == layout.backup and not _mendable_only(requirements):
        waiting = _waiting(facts)
        boot = facts.trial_boot
        # A restore that was not tried yet still waits; anything else that was unconfirmed, and is not what runs, failed.
        if boot.unconfirmed and waiting is not None and (waiting != "restore" or boot.tried):
            return HostState("fallback", requirements)
        return HostState("backup", requirements, waiting=waiting if waiting == "restore" else None)
    if violated or booted is None or default is None:
        return HostState("unsupported", requirements)
    contradictions = contradictions_of(facts)
    if contradictions:
        return HostState("inconsistent", requirements, contradictions)
    if booted.id == default.id:
        return HostState("trial" if facts.trial_boot.unconfirmed else "clean", requirements)
    return HostState("staged", requirements, waiting=_waiting(facts) or "upgrade")


def _mendable_only(requirements: t.Sequence[Requirement]) -> bool:
    """Whether something a restore itself depends on is violated; a wrong default subvolume is what a restore mends."""
    return any(
        not entry.ok and entry.error_id in LAYOUT_ERRORS and entry.id != "default_subvolume" for entry in requirements
    )


def _waiting(facts: HostFacts) -> t.Literal["upgrade", "rollback", "restore"] | None:
    pending, default = facts.record.pending, facts.default
    if pending is None or default is None or pending.uuid != default.uuid:
        return None
    return pending.operation  # type: ignore[return-value]


def _on_boot(facts: HostFacts, *, backup: bool) -> dict[str, BootFile]:
    names = {role: facts.names.of(role, backup=backup) for role in FILE_ROLES} if facts.names else {}
    return {role: facts.boot_files[name] for role, name in names.items() if name and name in facts.boot_files}


def digests(files: t.Mapping[str, BootFile]) -> dict[str, str]:
    """Role -> sha256, for files observed with their digests."""
    return {role: entry.sha256 for role, entry in files.items() if entry.sha256}


def files_of(facts: HostFacts, subvolume: Subvolume) -> dict[str, str]:
    """Which boot files (role -> sha256) belong to a root; empty where nobody can tell.

    What is on the boot partition counts for the default subvolume and for the backup. For any other root the record
    counts; a root from before there was a record gets the one kernel that has modules in it, if it is one.
    """
    if facts.default is not None and subvolume.id == facts.default.id:
        return digests(_on_boot(facts, backup=False))
    if subvolume.path == facts.layout.backup:
        return digests(_on_boot(facts, backup=True))
    known = facts.record.deployments.get(subvolume.uuid)
    if known is not None and known.files:
        return dict(known.files)
    root = facts.roots.get(subvolume.path)
    candidates: dict[str, dict[str, str]] = {}
    carried = root.files if root else {}
    for files in (_on_boot(facts, backup=True), _on_boot(facts, backup=False), carried):
        kernel = files.get("kernel")
        if kernel and kernel.sha256 and root and (kernel.release in root.modules or not root.modules):
            candidates.setdefault(kernel.sha256, digests(files))
    return candidates.popitem()[1] if len(candidates) == 1 else {}


def source_of(facts: HostFacts, role: str, sha256: str) -> BootFile | None:
    """Where a boot file with this digest can be copied from: the boot partition, else a root's own tree."""
    places = [
        _on_boot(facts, backup=False),
        _on_boot(facts, backup=True),
        *(root.files for root in facts.roots.values()),
    ]
    return next((files[role] for files in places if role in files and files[role].sha256 == sha256), None)


def boots_next(facts: HostFacts, state: HostState) -> Subvolume | None:
    """What comes up if the host is started now and nobody is at its menu; None where that cannot be told."""
    if state.name in ("unsupported", "inconsistent") or facts.trial_boot.unclear is not None:
        return None
    if facts.entry_boot is not None:
        boot = facts.entry_boot
        return facts.of_entry(boot.trying if boot.trying is not None else boot.default)
    if facts.trial_boot.unconfirmed and not facts.trial_boot.armed:
        return facts.by_path(facts.layout.backup)
    return facts.default


def release_of_files(facts: HostFacts, files: t.Mapping[str, str]) -> str | None:
    """The kernel release among files, if that kernel is still somewhere."""
    source = source_of(facts, "kernel", files["kernel"]) if "kernel" in files else None
    return source.release if source else None


__all__ = (
    "HostState",
    "State",
    "boots_next",
    "contradictions_of",
    "derive",
    "digests",
    "files_of",
    "release_of_files",
    "source_of",
)
