# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is decided upon, observed once into one immutable value. Decides nothing itself."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from ...boot import init, kernel
from ...boot.entries.boot import EntryBoot, observe_entry_boot
from ...boot.grub.config import BootEntry, parse_grub_config
from ...boot.names import INITRD_NAMES, KERNEL_NAMES, BootNames, backup_of
from ...boot.trial import TrialBoot, observe_trial_boot, read_note
from ...btrfs import namespace
from ...btrfs import subvolumes as btrfs
from ...btrfs.paths import LONGEST, shown_deep
from ...btrfs.roots import get_default, list_subvolumes
from ...errors import OvercError
from ...packages.known import which
from ...system import lock
from ...system.fstab import subvolume_pins
from ...system.mount_table import Mount, mount_at, mounts
from ...system.presence import holds_something, is_directory, is_file, text_of
from ...system.rooted_path import regular_file_in_root
from ...system.tree_size import tree_size
from ..late.wish import Late, read_all
from ..store.journal import OpenJournal, read_journal
from ..store.record import Record, read_record
from .boot_files import BootFile, carried_files, observe_boot_files
from .essentials import essentials_of
from .layout import Layout
from .obstacles import Obstacles, observe_obstacles, obstacles_of_entries
from .surroundings import Surroundings, observe_surroundings

if t.TYPE_CHECKING:
    from ...runner import Runner

REQUIRED_TOOLS: t.Final = ("btrfs", "setpriv", "unshare")
GRUB_CONFIGS: t.Final = ("grub/grub.cfg", "grub2/grub.cfg", "EFI/BOOT/grub.cfg", "efi/EFI/BOOT/grub.cfg")


@dataclass(frozen=True)
class RootFacts:
    """What is known of one root subvolume. ``files`` are the boot files it carries in its own tree, by role; ``init``:
    what a kernel would start first; ``has``: what else it needs to come up, as far as it has it; ``read_only``: its btrfs
    property. Of the releases in ``modules``, depmod listed those of ``indexed``, and had nothing to list for ``hollow``.
    """

    subvolume: btrfs.Subvolume
    path: str
    modules: frozenset[str] = frozenset()
    indexed: frozenset[str] = frozenset()
    hollow: frozenset[str] = frozenset()
    fstab_pins: tuple[str, ...] = ()
    init: init.Program | None = None
    has: frozenset[str] = frozenset()
    read_only: bool = False
    files: t.Mapping[str, BootFile] = field(default_factory=dict)


@dataclass(frozen=True)
class Space:
    """Bytes: of the boot partition, of the file system of the roots, of the running root and what its quota allows.

    ``unusable``: free, and of no use, because there is none for metadata: Linux, fs/btrfs/super.c, btrfs_statfs().
    """

    boot_free: int = 0
    total: int = 0
    free: int = 0
    unusable: int = 0
    root: int | None = None
    quota_limit: int | None = None


@dataclass(frozen=True)
class Nested:
    """Paths of the subvolumes inside the running root: with data of their own, and snapshots of it."""

    data: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True)
class ManagerFacts:
    """Which package manager the host has, or why none was chosen, with the id of the error."""

    name: str | None = None
    problem: str | None = None
    error_id: str | None = None


@dataclass(frozen=True)
class HostFacts:
    """The observed host. ``roots`` has the layout's names and our unfinished ``*.overc-new``, as far as they exist."""

    layout: Layout
    kernel: str | None = None
    kernels_found: tuple[str, ...] = ()
    kernels_versioned: tuple[str, ...] = ()
    initrd: str | None = None
    root_mount: Mount | None = None
    boot_mount: Mount | None = None
    top: str | None = None
    subvolumes: tuple[btrfs.Subvolume, ...] = ()
    default_id: int = 0
    booted: btrfs.Subvolume | None = None
    roots: t.Mapping[str, RootFacts] = field(default_factory=dict)
    boot_files: t.Mapping[str, BootFile] = field(default_factory=dict)
    space: Space = field(default_factory=Space)
    grub_config: str | None = None
    entries: tuple[BootEntry, ...] = ()
    cmdline: tuple[str, ...] = ()
    named_init: str | None = None
    trial_boot: TrialBoot = field(default_factory=TrialBoot)
    record: Record = field(default_factory=Record)
    journal: OpenJournal | None = None
    holder: t.Mapping[str, t.Any] | None = None
    missing_tools: tuple[str, ...] = ()
    manager: ManagerFacts = field(default_factory=ManagerFacts)
    nested: Nested = field(default_factory=Nested)
    obstacles: Obstacles = field(default_factory=Obstacles)
    surroundings: Surroundings = field(default_factory=Surroundings)
    damage: tuple[str, ...] = ()
    late: t.Mapping[str, Late] = field(default_factory=dict)

    @property
    def entry_boot(self) -> EntryBoot | None:
        """What GRUB does here, if each deployment has an entry of its own; None on a host with two fixed entries."""
        return self.trial_boot if isinstance(self.trial_boot, EntryBoot) else None

    def of_entry(self, number: int | None) -> btrfs.Subvolume | None:
        """The root subvolume of a boot entry; None if there is none any more, or another one under its name."""
        entry = self.entry_boot.menu.of(number) if self.entry_boot else None
        return self.by_uuid(entry.uuid) if entry else None

    @property
    def default(self) -> btrfs.Subvolume | None:
        """The default subvolume, None if it is the top-level tree itself."""
        return self.by_id(self.default_id)

    @property
    def names(self) -> BootNames | None:
        """What the kernel and its companions are called here; None where no kernel could be found."""
        return BootNames(self.kernel, self.initrd) if self.kernel else None

    def by_id(self, subvolume_id: int) -> btrfs.Subvolume | None:
        return next((entry for entry in self.subvolumes if entry.id == subvolume_id), None)

    def by_path(self, path: str) -> btrfs.Subvolume | None:
        return next((entry for entry in self.subvolumes if entry.path == path), None)

    def by_uuid(self, uuid: str) -> btrfs.Subvolume | None:
        return next((entry for entry in self.subvolumes if entry.uuid == uuid), None)

    def nested_in(self, subvolume: btrfs.Subvolume) -> tuple[btrfs.Subvolume, ...]:
        """The subvolumes inside a subvolume, at any depth: a snapshot shows them as empty directories."""
        return tuple(entry for entry in self.subvolumes if entry.path.startswith(subvolume.path + "/"))


def observe_root(
    top: str,
    subvolume: btrfs.Subvolume,
    names: BootNames | None,
    *,
    digest: bool,
    boot_dir: str = "/boot",
    named_init: str | None = None,
) -> RootFacts:
    """Read one root subvolume. ``named_init``: what the kernel is told to start."""
    path = os.path.join(top, subvolume.path)
    fstab = regular_file_in_root(path, "etc/fstab")
    first = init.find_init(path, named_init, initrd=names is not None and names.initrd is not None)
    modules = kernel.module_releases(path)
    return RootFacts(
        subvolume=subvolume,
        path=path,
        modules=modules,
        indexed=kernel.indexed_releases(path, modules),
        hollow=kernel.hollow_releases(path, modules),
        fstab_pins=subvolume_pins(text_of(fstab) or "") if fstab else (),
        init=first,
        has=essentials_of(path, first, boot_dir),
        read_only=btrfs.is_read_only(path),
        files=carried_files(path, names, digest=digest) if names else {},
    )


def _named_init(entries: t.Sequence[BootEntry], kernel_name: str | None, cmdline: t.Sequence[str]) -> str | None:
    """The normal entry may take its arguments from a variable, so that only the running kernel tells them."""
    normal = next((entry for entry in entries if entry.kernel == kernel_name), None)
    return (init.named_init(normal.args) if normal else None) or init.named_init(cmdline)


def _choose_kernel(layout: Layout, found: t.Sequence[str], entries: t.Sequence[BootEntry]) -> str | None:
    if layout.kernel is not None:
        return layout.kernel
    if len(found) == 1:
        return found[0]
    if not found and entries and entries[0].kernel:
        backup = os.path.join(layout.boot_dir, backup_of(entries[0].kernel))
        return entries[0].kernel if is_file(backup) else None
    booted_by_menu = {entry.kernel for entry in entries if entry.kernel in found}
    return booted_by_menu.pop() if len(booted_by_menu) == 1 else None


def _versioned(directory: str) -> tuple[str, ...]:
    """Files that are kernels by their name, and hold their version in it, as most distributions install them."""
    there = os.listdir(directory) if is_directory(directory) else []
    stems = tuple(f"{name}-" for name in (*KERNEL_NAMES, "Image", "kernel", "linux"))
    return tuple(sorted(name for name in there if name.startswith(stems) and any(letter.isdigit() for letter in name)))


def _observe_boot(layout: Layout, mounted: t.Sequence[Mount], digests: bool) -> dict[str, t.Any]:
    directory = layout.boot_dir
    kernels = tuple(name for name in KERNEL_NAMES if is_file(os.path.join(directory, name)))
    there = [path for path in GRUB_CONFIGS if is_file(os.path.join(directory, path))]
    configs = {path: text_of(os.path.join(directory, path)) or "" for path in there}
    # Beside a UEFI boot loader there is often one without entries, which leads to the one that has them.
    grub_config = next((path for path in there if parse_grub_config(configs[path])), there[0] if there else None)
    entries = parse_grub_config(configs[grub_config]) if grub_config else ()
    name = _choose_kernel(layout, kernels, entries)
    initrds = [entry.initrd for entry in entries if entry.kernel == name and entry.initrd]
    found = [entry for entry in INITRD_NAMES if is_file(os.path.join(directory, entry))]
    initrd = initrds[0] if initrds else (found[0] if len(found) == 1 else None)
    usage = os.statvfs(directory) if is_directory(directory) else None
    return {
        "kernels_found": kernels,
        "kernels_versioned": _versioned(directory),
        "kernel": name,
        "initrd": initrd,
        "grub_config": grub_config,
        "entries": entries,
        "trial_boot": observe_trial_boot(directory, configs, grub_config, mounted),
        "boot_files": observe_boot_files(directory, BootNames(name, initrd), digest=digests) if name else {},
        "space": Space(boot_free=usage.f_bavail * usage.f_frsize if usage else 0),
    }


def _observe_manager(runner: Runner, layout: Layout) -> ManagerFacts:
    try:
        return ManagerFacts(which(runner, layout.package_manager))
    except OvercError as error:
        return ManagerFacts(problem=error.message, error_id=error.error_id)


def observe(runner: Runner, layout: Layout, *, digests: bool = False, sizes: bool = False) -> HostFacts:
    """Read the host in a few milliseconds.

    ``digests`` adds the sha256 of every boot file, ``sizes`` the bytes of the running root and its quota limit; these
    cost more, so they are asked for only where something is going to be done or shown.

    Call it inside ``namespace.enter()``: it mounts the top-level tree. Raises mount_failed, btrfs_failed.
    """
    mounted = mounts()
    root_mount, boot_mount = mount_at(mounted, "/"), mount_at(mounted, layout.boot_dir)
    common: dict[str, t.Any] = {
        "layout": layout,
        "root_mount": root_mount,
        "boot_mount": boot_mount,
        "cmdline": tuple((text_of("/proc/cmdline") or "").split()),
        "missing_tools": tuple(tool for tool in REQUIRED_TOOLS if runner.find(tool) is None),
        "holder": lock.current_holder(),
        "manager": _observe_manager(runner, layout),
        **_observe_boot(layout, mounted, digests),
    }
    common["named_init"] = _named_init(common["entries"], common["kernel"], common["cmdline"])
    asked = common["manager"].name if sizes else None
    common["surroundings"] = observe_surroundings(runner, mounted, layout.boot_dir, asked)
    if root_mount is None or root_mount.fstype != "btrfs" or "btrfs" in common["missing_tools"]:
        return HostFacts(**common)
    top = namespace.mount_btrfs(root_mount.source, "top", read_only=root_mount.read_only)
    facts = HostFacts(**{**common, **_observe_btrfs(layout, top, root_mount, common, digests)})
    facts = replace(facts, trial_boot=replace(facts.trial_boot, note=read_note(top)))
    facts = _with_entries(runner, facts, mounted, digests)
    if facts.booted:
        booted = facts.booted
        facts = replace(facts, nested=_observe_nested(facts, booted))
    if sizes and facts.booted:
        limit = btrfs.quota_limit(facts.booted.id, top)
        facts = replace(facts, space=replace(facts.space, root=_root_size(facts.space), quota_limit=limit))
    return facts


def _with_entries(runner: Runner, facts: HostFacts, mounted: t.Sequence[Mount], digests: bool) -> HostFacts:
    """The same, and where each deployment has a boot entry of its own, what that says: also what the default is."""
    top, directory = facts.top or "", facts.layout.boot_dir
    if facts.layout.boot_method == "default-subvolume":
        return facts
    booted = facts.booted.path if facts.booted else ""
    try:
        boot = observe_entry_boot(runner, mounted, directory, top, booted, digests=digests)
    except OvercError as error:
        return replace(facts, damage=(*facts.damage, error.message))
    if boot is None:
        return facts
    layout = replace(facts.layout, deployments=tuple(entry.subvolume for entry in boot.menu.entries))
    roots = {
        entry.path: observe_root(top, entry, None, digest=digests, boot_dir=directory, named_init=facts.named_init)
        for entry in facts.subvolumes
        if entry.path in layout.looked_into
    }
    obstacles = obstacles_of_entries(facts.obstacles, top, facts.subvolumes, booted or None)
    facts = replace(facts, layout=layout, roots=roots, obstacles=obstacles)
    return with_choice(facts, replace(boot, note=facts.trial_boot.note))


def with_choice(facts: HostFacts, boot: EntryBoot) -> HostFacts:
    """The facts with what the boot loader was told, and with the default deployment that follows from it."""
    pending = facts.record.pending
    waiting = next((entry.id for entry in boot.menu.entries if pending and entry.uuid == pending.uuid), None)
    facts = replace(facts, trial_boot=replace(boot, waiting=waiting))
    default = facts.of_entry(facts.entry_boot.newest if facts.entry_boot else None)
    space = replace(facts.space, boot_free=boot.free)
    return replace(facts, default_id=default.id if default else 0, space=space)


def _observe_nested(facts: HostFacts, subvolume: btrfs.Subvolume) -> Nested:
    """What is inside a root that no snapshot of it contains."""
    snapshots = _nested_snapshots(facts, subvolume)
    found = []
    for entry in facts.nested_in(subvolume):
        if entry.path in snapshots:
            continue
        # Those of a container engine come and go
        if holds_something(os.path.join(facts.top or "", entry.path)):
            found.append(entry.path if len(os.fsencode(entry.path)) < LONGEST else shown_deep(entry.path)[1:])
    return Nested(tuple(found), snapshots)


def _nested_snapshots(facts: HostFacts, subvolume: btrfs.Subvolume) -> tuple[str, ...]:
    """The snapshots of a root inside of it, and the subvolume that a tool keeps them in: copies, and nobody's only data."""
    nested = facts.nested_in(subvolume)
    copies = [entry.path for entry in nested if entry.parent_uuid == subvolume.uuid]
    stores = [
        entry.path
        for entry in nested
        if os.path.basename(entry.path) == ".snapshots" and any(path.startswith(entry.path + "/") for path in copies)
    ]
    return tuple(sorted((*copies, *stores)))


def _root_size(space: Space) -> int:
    # All that is stored is an upper bound, and where even that fits twice there is no need to walk the tree.
    stored = space.total - space.free
    return stored if 2 * stored <= space.total else tree_size("/").bytes


def _observe_btrfs(
    layout: Layout, top: str, root_mount: Mount, common: t.Mapping[str, t.Any], digests: bool
) -> dict[str, t.Any]:
    subvolumes = list_subvolumes(top)
    booted_id = next((opt[len("subvolid=") :] for opt in root_mount.options if opt.startswith("subvolid=")), "")
    damage: list[str] = []
    record, journal, late = Record(), None, dict[str, Late]()
    try:
        record = read_record(top)
        journal = read_journal(top)
    except OvercError as error:
        damage.append(error.message)
    try:
        late = read_all(top, {entry.uuid for entry in subvolumes})
    except OvercError as error:
        damage += [error.message] if error.message not in damage else []
    usage = os.statvfs(top)
    names = BootNames(common["kernel"], common["initrd"]) if common["kernel"] else None
    return {
        "top": top,
        "subvolumes": subvolumes,
        "default_id": get_default(top),
        "booted": next((entry for entry in subvolumes if str(entry.id) == booted_id), None),
        "roots": {
            entry.path: observe_root(
                top,
                entry,
                names,
                digest=digests,
                boot_dir=layout.boot_dir,
                named_init=common["named_init"],
            )
            for entry in subvolumes
            if entry.path in layout.looked_into
        },
        "obstacles": observe_obstacles(top, layout, subvolumes, names, root_mount),
        "record": record,
        "journal": journal,
        "damage": tuple(damage),
        "late": late,
        "space": replace(
            common["space"],
            total=usage.f_blocks * usage.f_frsize,
            free=usage.f_bavail * usage.f_frsize,
            unusable=usage.f_bfree * usage.f_frsize if usage.f_bavail == 0 else 0,
        ),
    }


__all__ = (
    "GRUB_CONFIGS",
    "REQUIRED_TOOLS",
    "HostFacts",
    "ManagerFacts",
    "Nested",
    "RootFacts",
    "Space",
    "observe",
    "observe_root",
    "with_choice",
)
