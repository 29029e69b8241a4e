# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have, whether it is there, and what mends it. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

from ...boot.names import backup_of
from ...packages.known import PROGRAMS
from ...system.unfinished import NEW_SUFFIX
from .facts import REQUIRED_TOOLS, HostFacts
from .ordinary import is_ordinary
from .remedies import not_adopted, remedy_of_default, remedy_of_nested

MIB: t.Final = 1 << 20
_SHOWN: t.Final = 5  # of many names, in a sentence
# What a violated requirement is refused with when the layout itself is not the documented one.
LAYOUT_ERRORS: t.Final = ("layout_unsupported", "kernel_ambiguous")


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
            "run the module overc_bootloader (or the role overc.system.bootloader), which gives each deployment a boot entry of "
            "its own where the kernel is told which subvolume is its root, see docs/adopt.md, 'Which hosts this is for'"
        )
    return Requirement(
        "kernel",
        facts.kernel is not None and (facts.kernel in facts.boot_files or _restores_kernel(facts)),
        detail,
        remedy,
        "kernel_ambiguous" if facts.kernel is None and len(facts.kernels_found) > 1 else "layout_unsupported",
    )


def _kernel_is_whole(facts: HostFacts) -> Requirement:
    """An upgrade makes the backup pair of what runs: with a broken kernel nothing would be left that boots."""
    files = [facts.boot_files.get(name or "") for name in (facts.kernel, facts.initrd)]
    file = next((file for file in files if file is not None and file.defect), None)
    defect = file.defect if file is not None else None
    return Requirement(
        "kernel_whole",
        not defect,
        f"{file.path} {defect}" if file is not None and defect else "nothing shows that it would not boot",
        "put that file back (from the backup entry's, from the root's own /boot, or by installing its package again): the "
        "next normal boot needs it, and an upgrade would make a backup of it",
        "kernel_broken",
    )


def _space(facts: HostFacts) -> Requirement:
    # Not measured is not full: other subvolumes may hold what is stored. Whoever acts measures first.
    size = facts.space.root or 0
    limited = facts.space.quota_limit is not None and facts.space.quota_limit < 2 * size
    short = facts.space.total < 2 * size or facts.space.free < max(size // 4, 64 * MIB)
    measured = _gib(size) if facts.space.root is not None else "not measured"
    detail = f"root {measured}, file system {_gib(facts.space.total)}, free {_gib(facts.space.free)}"
    no_metadata = facts.space.unusable > MIB
    if no_metadata:
        detail += f" (btrfs has {_gib(facts.space.unusable)} for data, and no room left for metadata)"
    if facts.space.quota_limit is not None:
        detail += f", quota limit {_gib(facts.space.quota_limit)}"
    return Requirement(
        "space",
        not (limited or short),
        detail,
        "the file system (and a quota limit, if one is set) must hold the root twice, with a quarter of it free: delete "
        "what is not needed (btrfs counts it as free after a sync), or enlarge it"
        + (
            "; metadata gets room by deleting many small files or snapshots, not a few big files" if no_metadata else ""
        ),
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
    found, labelling = facts.surroundings, facts.surroundings.labelling
    enforced = labelling is not None and labelling.is_needed
    lacks = labelling is not None and bool(labelling.lacks)
    # Its own tool for the menu and its snapshots were not seen under a policy
    tried = facts.layout.boot_method != "snapper"
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
            not enforced or (tried and not lacks),
            labelling.detail if labelling else "no SELinux policy is loaded",
            "install what is missing (setfiles is in the package policycoreutils): programs label nothing in a new root, so an "
            "enforcing system might not start from it"
            if tried
            else "set SELINUX=permissive in /etc/selinux/config and run setenforce 0: new roots are labelled then as well, but "
            "none among snapper's snapshots was seen yet that an enforced policy let come up",
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
            "roots_movable",
            not found.locked,
            f"immutable or append-only (lsattr -d): subvolume {', '.join(found.locked)}"
            if found.locked
            else "no root subvolume is immutable",
            "chattr -i -a the directory of the subvolume itself: neither such a root nor a snapshot of it can be renamed",
            "access_denied",
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


def _environment(facts: HostFacts) -> Requirement:
    boot = facts.trial_boot
    said = f"{boot.environment} is there" if boot.protected else "automatic protection is not installed"
    return Requirement(
        "trial_environment",
        not boot.forgetful,
        f"GRUB's menu has automatic protection, and its environment block {boot.environment} is gone"
        if boot.forgetful
        else said,
        "run the role overc.system.bootloader (or the module overc_bootloader), which makes a new one",
        "no_trial_boot",
    )


def _boot_separate(facts: HostFacts) -> Requirement:
    """The boot partition itself is on the boot directory: what is written there is what a boot loader reads."""
    place, root, boot, hidden = (
        facts.layout.boot_dir,
        facts.root_mount,
        facts.boot_mount,
        facts.surroundings.boot_hidden,
    )
    if boot is None:
        detail = f"{place} is not a mount point"
        remedy = f"put {place} on a partition of its own and mount it"
        if facts.surroundings.boot_in_fstab:
            remedy = f"mount {place}, which /etc/fstab knows, and let it be mounted at boot"
        return Requirement("boot_separate", False, detail, remedy)
    detail = f"{place} is {boot.fstype} on {boot.source}"
    if boot.device.startswith("0:") and boot.fstype != "btrfs":
        # tmpfs, overlayfs, a network: without a device, so with the major number 0, as only btrfs is on disks
        detail += ", and not on a disk that a boot loader could read"
        return Requirement("boot_separate", False, detail, f"unmount what hides the boot partition (findmnt {place})")
    if hidden is not None:
        detail += f", mounted over {hidden}: which of them the boot loader reads cannot be told"
        return Requirement(
            "boot_separate", False, detail, f"unmount the one that does not belong there (findmnt {place})"
        )
    if boot.root != "/":
        detail += f", and of that the directory {boot.root}: a boot loader does not begin there"
        return Requirement(
            "boot_separate", False, detail, f"mount the partition itself on {place}, not a directory of it"
        )
    is_separate = root is None or boot.source != root.source
    return Requirement("boot_separate", is_separate, detail, f"put {place} on a partition of its own and mount it")


def requirements_of(facts: HostFacts) -> tuple[Requirement, ...]:
    """The README's four requirements and ours, in the order in which they make sense to mend."""
    layout, root, boot = facts.layout, facts.root_mount, facts.boot_mount
    if is_ordinary(facts) or layout.boot_method in ("grub-entry", "loader-entry", "snapper"):
        return (_not_adopted(facts), *common_requirements(facts))
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
                remedy_of_default(facts, names),
            ),
            _pins(facts),
            _writable(facts),
        ]
    result.append(_boot_separate(facts))
    if boot is not None:
        result.append(
            Requirement(
                "boot_writable",
                not boot.read_only,
                f"{layout.boot_dir} is mounted read-only" if boot.read_only else f"{layout.boot_dir} is writable",
                f"mount -o remount,rw {layout.boot_dir}",
            )
        )
    result += [_kernel(facts), _kernel_is_whole(facts), _boot_entries(facts), _environment(facts)]
    if facts.top is not None:
        result += [_space(facts), *_obstacles(facts), _nested(facts)]
    result += [*_surroundings(facts), _tools(facts), _manager(facts)]
    return tuple(result)


def _not_adopted(facts: HostFacts) -> Requirement:
    return Requirement("boot_entries_of_deployments", False, *not_adopted(facts))


def common_requirements(facts: HostFacts) -> tuple[Requirement, ...]:
    """Those that have nothing to do with how the host boots."""
    return (
        _writable(facts),
        _space(facts),
        *_obstacles(facts),
        _nested(facts),
        *_surroundings(facts),
        _tools(facts),
        _manager(facts),
    )


def _nested(facts: HostFacts) -> Requirement:
    nested = shortened(facts.nested.data)
    return Requirement(
        "nested_subvolumes",
        not nested,
        f"subvolumes with data inside the running root: {nested}" if nested else "none with data",
        remedy_of_nested(facts.nested.data),
        "state_at_risk",
    )


def _tools(facts: HostFacts) -> Requirement:
    missing = ", ".join(facts.missing_tools)
    return Requirement(
        "tools",
        not missing,
        f"missing: {missing}" if missing else f"found: {', '.join(REQUIRED_TOOLS)}",
        "install btrfs-progs, util-linux and coreutils",
        "tool_missing",
    )


def _manager(facts: HostFacts) -> Requirement:
    return Requirement(
        "package_manager",
        facts.manager.name is not None,
        facts.manager.name or facts.manager.problem or "none found",
        f"only hosts whose packages {' or '.join(PROGRAMS.values())} manages are supported, see docs/adopt.md; where "
        "there is one and it was not found, name it with the option package_manager",
        facts.manager.error_id or "package_manager_missing",
    )


def _restores_kernel(facts: HostFacts) -> bool:
    """Whether a missing kernel of the normal entry is what a restore brings back."""
    runs_backup = facts.booted is not None and facts.booted.path == facts.layout.backup
    return runs_backup and facts.names is not None and facts.names.backup_kernel in facts.boot_files


__all__ = ("LAYOUT_ERRORS", "Requirement", "common_requirements", "requirements_of", "shortened")
