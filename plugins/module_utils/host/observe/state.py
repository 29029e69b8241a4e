# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive from facts: which requirements hold, which state the host is in, which boot files belong to which root. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from ...boot.names import FILE_ROLES, backup_of
from ...btrfs.subvolumes import Subvolume
from ...packages.known import PROGRAMS
from .boot_files import BootFile
from .facts import REQUIRED_TOOLS, HostFacts
from .layout import NEW_SUFFIX

MIB: t.Final = 1 << 20
_SHOWN: t.Final = 5  # of many names, in a sentence
# What a violated requirement is refused with when the layout itself is not the documented one.
LAYOUT_ERRORS: t.Final = ("layout_unsupported", "kernel_ambiguous")

State = t.Literal[
    "clean", "staged", "trial", "fallback", "backup", "interrupted", "busy", "inconsistent", "unsupported"
]


@dataclass(frozen=True)
class Requirement:
    """One thing a host must have, and what mends it if it is not there. ``error_id`` is what refuses a command then."""

    id: str
    ok: bool
    detail: str
    remedy: str
    error_id: str = "layout_unsupported"

    def as_dict(self) -> dict[str, t.Any]:
        shown = {key: value for key, value in asdict(self).items() if key != "error_id"}
        return {**shown, "remedy": ""} if self.ok else shown


@dataclass(frozen=True)
class HostState:
    """The derived state. ``contradictions`` are sentences; ``waiting`` is what a staged host waits to boot into."""

    name: State
    requirements: tuple[Requirement, ...]
    contradictions: tuple[str, ...] = ()
    waiting: t.Literal["upgrade", "rollback", "restore"] | None = None


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"


def _boot_entries(facts: HostFacts) -> Requirement:
    kernel, flags = facts.kernel or "bzImage", facts.layout.backup_flags
    wanted = f"linux /{backup_of(kernel)} rootflags={flags[0]} root=<device>"
    normal = [entry for entry in facts.entries if entry.kernel == kernel]
    backups = [
        entry for entry in facts.entries if entry.kernel == backup_of(kernel) and set(flags) & set(entry.rootflags)
    ]
    pinned = [entry.title for entry in normal if any(flag.startswith("subvol") for flag in entry.rootflags)]
    if not facts.grub_config:
        detail, ok = f"no grub.cfg found under {facts.layout.boot_dir}", False
    elif not normal or facts.entries[0] not in normal:
        detail, ok = f"the first entry of {facts.grub_config} does not boot /{kernel}", False
    elif pinned:
        detail, ok = f"the entry {pinned[0]!r} pins a subvolume, so the default subvolume would be ignored", False
    elif not backups:
        detail, ok = f"{facts.grub_config} has no entry with: {wanted}", False
    else:
        detail, ok = f"{facts.grub_config}: {normal[0].title!r} and {backups[0].title!r}", True
    return Requirement(
        "boot_entries",
        ok,
        detail,
        f"give the boot menu a first entry 'linux /{kernel} root=<device>' without subvol=, and a second one '{wanted}'",
    )


def _kernel(facts: HostFacts) -> Requirement:
    place = facts.layout.boot_dir
    found = ", ".join(facts.kernels_found) or "none"
    detail = f"kernel {facts.kernel or 'unknown'}; found in {place}: {found}"
    remedy = f"install the kernel as a regular file in {place}"
    if facts.kernel is None and facts.kernels_found:
        remedy = "name the kernel file with the option kernel"
    elif facts.kernel is None and facts.kernels_versioned:
        detail = f"the kernels in {place} have their version in their names: {', '.join(facts.kernels_versioned)}"
        remedy = (
            "nothing that this host's packages would keep up: hosts with such kernels are not supported, see "
            "docs/adopt.md, 'Which hosts this is for'"
        )
    return Requirement(
        "kernel",
        facts.kernel is not None and (facts.kernel in facts.boot_files or _restores_kernel(facts)),
        detail,
        remedy,
        "kernel_ambiguous" if facts.kernel is None and len(facts.kernels_found) > 1 else "layout_unsupported",
    )


def _space(facts: HostFacts) -> Requirement:
    # Not measured is not full: other subvolumes may hold what is stored. Whoever acts measures first.
    size = facts.root_size or 0
    limited = facts.quota_limit is not None and facts.quota_limit < 2 * size
    short = facts.root_total < 2 * size or facts.root_free < max(size // 4, 64 * MIB)
    measured = _gib(size) if facts.root_size is not None else "not measured"
    detail = f"root {measured}, file system {_gib(facts.root_total)}, free {_gib(facts.root_free)}"
    if facts.quota_limit is not None:
        detail += f", quota limit {_gib(facts.quota_limit)}"
    return Requirement(
        "space",
        not (limited or short),
        detail,
        "the file system (and a quota limit, if one is set) must hold the root twice, with a quarter of it free: delete "
        "what is not needed, or enlarge it",
        "no_space",
    )


def _pins(facts: HostFacts) -> Requirement:
    found = [
        f"/etc/fstab of {name}: {' '.join(root.fstab_pins)}"
        for name, root in sorted(facts.roots.items())
        if root.fstab_pins and not name.endswith(NEW_SUFFIX)
    ]
    flags = [arg for arg in facts.cmdline if arg.startswith("rootflags=") and "subvol" in arg]
    if flags and facts.booted and facts.booted.path != facts.layout.backup:
        found.append(f"kernel command line: {flags[-1]}")
    return Requirement(
        "root_not_pinned",
        not found,
        "; ".join(found) or "neither fstab nor the kernel command line names a subvolume for /",
        "remove subvol= and subvolid= there: what boots is decided by the default subvolume",
    )


def _surroundings(facts: HostFacts) -> list[Requirement]:
    """What packages need while they are installed, and would not find in a new root."""
    found = facts.surroundings
    elsewhere = ", ".join(found.database or ())
    known = "not looked for" if found.database is None else "on the root subvolume"
    return [
        Requirement(
            "package_database",
            not elsewhere,
            f"not on the root subvolume: {elsewhere}" if elsewhere else known,
            "move it onto the root subvolume (for rpm: /usr/lib/sysimage/rpm, by the macro %_dbpath and rpm --rebuilddb): what "
            "is installed and what is registered must change together, and come back together",
            "database_elsewhere",
        ),
        Requirement(
            "selinux",
            found.selinux != "enforcing",
            f"SELinux is {found.selinux}" if found.selinux else "no SELinux policy is loaded",
            "set SELINUX=permissive in /etc/selinux/config and run setenforce 0: packages cannot label their files in a new "
            "root, so an enforcing system might not start",
            "selinux_enforcing",
        ),
    ]


def shortened(names: t.Sequence[str]) -> str:
    """Names for a sentence: not more than people read."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _writable(facts: HostFacts) -> Requirement:
    root, booted = facts.root_mount, facts.booted
    path = booted.path if booted else ""
    is_ro = path in facts.roots and facts.roots[path].read_only
    if root is None or root.read_only:
        detail, remedy = "/ is mounted read-only", "mount -o remount,rw / (and find out why it was not: dmesg)"
    elif is_ro:
        detail, remedy = f"subvolume {path} has the btrfs property ro=true", "btrfs property set -ts / ro false"
    else:
        detail, remedy = "/ is writable", ""
    return Requirement("root_writable", not remedy, detail, remedy or "mount -o remount,rw /")


def _obstacles(facts: HostFacts) -> list[Requirement]:
    """What an upgrade would meet late."""
    found = facts.obstacles
    ours = {entry.id for entry in facts.subvolumes if entry.path in facts.layout.looked_into}
    swap = [path for path, tree in found.swap_files if tree in ours]
    boot = tuple((found.boot_files or {}).values())
    return [
        Requirement(
            "names_free",
            not found.names,
            f"in the top-level tree, but no subvolumes: {', '.join(found.names)}" if found.names else "none is taken",
            "rename what has the names of the layout there",
            "inconsistent",
        ),
        Requirement(
            "swap_files",
            not swap,
            f"active on a root subvolume: {', '.join(swap)}" if swap else "none on a root subvolume",
            "swapoff them, and put them on a subvolume of their own: a root with one can be neither copied nor deleted",
            "in_use",
        ),
        Requirement(
            "boot_files",
            not boot,
            "; ".join(boot) or "can be replaced",
            "chattr -i the file, or move away what is in its way",
            "access_denied",
        ),
    ]


def requirements_of(facts: HostFacts) -> tuple[Requirement, ...]:
    """The README's four requirements and ours, in the order in which they make sense to mend."""
    layout, root, boot = facts.layout, facts.root_mount, facts.boot_mount
    names = " or ".join(layout.roots)
    is_btrfs = root is not None and root.fstype == "btrfs"
    result = [
        Requirement(
            "btrfs_root",
            is_btrfs,
            f"/ is {root.fstype if root else 'not mounted'}" + (f" on {root.source}" if root else ""),
            "install the host with its root on btrfs",
        )
    ]
    if is_btrfs and facts.top is not None:
        booted = facts.booted.path if facts.booted else f"not a subvolume ({root.root if root else '?'})"
        default = facts.default
        result += [
            Requirement(
                "root_subvolume",
                facts.booted is not None and facts.booted.path in layout.names,
                f"/ is subvolume {booted}" if facts.booted else f"/ is {booted}",
                f"the running root must be the subvolume {names}: btrfs subvolume snapshot it there, set it as default",
            ),
            Requirement(
                "default_subvolume",
                default is not None and default.path in layout.roots,
                f"the default subvolume is {default.path if default else 'the top-level tree'} (id {facts.default_id})",
                f"btrfs subvolume set-default to {names}",
            ),
            _pins(facts),
            _writable(facts),
        ]
    result.append(
        Requirement(
            "boot_separate",
            boot is not None and (root is None or boot.source != root.source),
            f"{layout.boot_dir} is {boot.fstype} on {boot.source}"
            if boot
            else f"{layout.boot_dir} is not a mount point",
            f"mount {layout.boot_dir}, which /etc/fstab knows, and let it be mounted at boot"
            if facts.surroundings.boot_in_fstab
            else f"put {layout.boot_dir} on a partition of its own and mount it",
        )
    )
    if boot is not None:
        result.append(
            Requirement(
                "boot_writable",
                not boot.read_only,
                f"{layout.boot_dir} is mounted read-only" if boot.read_only else f"{layout.boot_dir} is writable",
                f"mount -o remount,rw {layout.boot_dir}",
            )
        )
    result.append(_kernel(facts))
    result.append(_boot_entries(facts))
    if facts.top is not None:
        nested = shortened(facts.nested_data)
        result += [
            _space(facts),
            *_obstacles(facts),
            Requirement(
                "nested_subvolumes",
                not nested,
                f"subvolumes with data inside the running root: {nested}" if nested else "none with data",
                _remedy_of_nested(facts.nested_data),
                "state_at_risk",
            ),
        ]
    result += _surroundings(facts)
    missing = ", ".join(facts.missing_tools)
    result += [
        Requirement(
            "tools",
            not missing,
            f"missing: {missing}" if missing else f"found: {', '.join(REQUIRED_TOOLS)}",
            "install btrfs-progs, util-linux and coreutils",
            "tool_missing",
        ),
        Requirement(
            "package_manager",
            facts.package_manager is not None,
            facts.package_manager or facts.package_manager_problem or "none found",
            f"only hosts whose packages {' or '.join(PROGRAMS.values())} manages are supported, see docs/adopt.md; where "
            "there is one and it was not found, name it with the option package_manager",
            facts.package_manager_error or "package_manager_missing",
        ),
    ]
    return tuple(result)


def _remedy_of_nested(paths: t.Iterable[str]) -> str:
    if any("/.overc-overlay/" in path for path in paths):
        # Their layers are named by where they are, and are subvolumes themselves
        return (
            "containers share files there: stop that first (overc_overlay, state=absent), then move the directory of the"
            " containers to a subvolume in the top-level tree, mount it by fstab, and share again"
        )
    return "move each to a subvolume in the top-level tree and mount it by fstab: a snapshot of the root shows it empty"


def _restores_kernel(facts: HostFacts) -> bool:
    """Whether a missing kernel of the normal entry is what a restore brings back."""
    runs_backup = facts.booted is not None and facts.booted.path == facts.layout.backup
    return runs_backup and facts.names is not None and facts.names.backup_kernel in facts.boot_files


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
    return tuple(found)


def derive(facts: HostFacts) -> HostState:
    """The state of the host, from facts alone; the record only says what a staged host waits for."""
    requirements = requirements_of(facts)
    violated = any(not entry.ok and entry.error_id in LAYOUT_ERRORS for entry in requirements)
    layout, booted, default = facts.layout, facts.booted, facts.default
    if facts.damage:
        return HostState("inconsistent", requirements, facts.damage)
    if facts.journal is not None:
        return HostState("busy" if facts.holder else "interrupted", requirements)
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
    if state.name in ("unsupported", "inconsistent"):
        return None
    if facts.trial_boot.unconfirmed and not facts.trial_boot.armed:
        return facts.by_path(facts.layout.backup)
    return facts.default


def release_of_files(facts: HostFacts, files: t.Mapping[str, str]) -> str | None:
    """The kernel release among files, if that kernel is still somewhere."""
    source = source_of(facts, "kernel", files["kernel"]) if "kernel" in files else None
    return source.release if source else None


__all__ = (
    "LAYOUT_ERRORS",
    "HostState",
    "Requirement",
    "State",
    "boots_next",
    "contradictions_of",
    "derive",
    "digests",
    "files_of",
    "release_of_files",
    "requirements_of",
    "shortened",
    "source_of",
)
