# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apply: what each named step of a plan does. Every step can be repeated: it looks first what is there already."""

from __future__ import annotations

import os
import shutil
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.overc.system.plugins.module_utils import (
    boot_partition,
    btrfs,
    kernel_signature,
    syscalls,
    trial_steps,
)
from ansible_collections.overc.system.plugins.module_utils.carry_over import carry_over
from ansible_collections.overc.system.plugins.module_utils.efi import efi_binaries, install_efi
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError, certain
from ansible_collections.overc.system.plugins.module_utils.host_facts import (
    FILE_ROLES,
    HostFacts,
    RootFacts,
    boot_name,
    observe_boot_files,
    observe_root,
    root_names,
)
from ansible_collections.overc.system.plugins.module_utils.host_plan import Context, Plan, new_root_of
from ansible_collections.overc.system.plugins.module_utils.host_state import digests, source_of
from ansible_collections.overc.system.plugins.module_utils.kernel import modules_directory, read_defect
from ansible_collections.overc.system.plugins.module_utils.layout import KEPT_SUFFIX, NEW_SUFFIX
from ansible_collections.overc.system.plugins.module_utils.new_root import NewRoot
from ansible_collections.overc.system.plugins.module_utils.record import Deployment, Pending, Record, write_record
from ansible_collections.overc.system.plugins.module_utils.rooted_path import resolve_in_root

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.package_manager import (
        PackageManager,
        PackagePlan,
        PackageRequest,
    )
    from ansible_collections.overc.system.plugins.module_utils.runner import Runner

KEPT_MARK: t.Final = ".overc-kept"
_BOOT_MARGIN: t.Final = 64 << 10  # directory blocks, and room for the boot loader's own environment


@dataclass(frozen=True)
class Upgrade:
    """What only an upgrade's steps need: the driver's class, what was asked for and what was resolved."""

    manager: t.Callable[[Runner], PackageManager]
    request: PackageRequest
    packages: PackagePlan


@dataclass
class Apply:
    """One transaction at work: facts as they were observed at its start, kept current where a step changes them."""

    runner: Runner
    facts: HostFacts
    plan: Plan
    context: Context
    now: str
    lock_fds: tuple[int, ...] = ()
    upgrade: Upgrade | None = None
    notes: dict[str, t.Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    result: dict[str, t.Any] = field(default_factory=dict)

    # -- where things are -------------------------------------------------------------------------------------------

    @property
    def top(self) -> str:
        return certain(self.facts.top, "the top of the btrfs file system")

    @property
    def boot(self) -> str:
        return self.facts.layout.boot_dir

    def path(self, name: str) -> str:
        return os.path.join(self.top, name)

    def refresh(self, changed: str | None = None) -> None:
        """Read the subvolumes again after a step changed them.

        What is in a root is kept as it was read, under its present name, but for roots that are new and the one with the
        uuid ``changed``: digests of kernels cost more than all the rest.
        """
        subvolumes = btrfs.list_subvolumes(self.runner, self.top)
        known = {root.subvolume.uuid: root for root in self.facts.roots.values() if root.subvolume.uuid != changed}
        roots = {
            entry.path: _moved(known[entry.uuid], entry, self.path(entry.path))
            if entry.uuid in known
            else observe_root(self.top, entry, self.context.kernel, self.context.initrd, digest=True)
            for entry in subvolumes
            if entry.path in root_names(self.facts.layout)
        }
        self.facts = replace(
            self.facts, subvolumes=subvolumes, roots=roots, default_id=btrfs.get_default(self.runner, self.top)
        )

    def base(self) -> RootFacts:
        subvolume = self.facts.by_uuid(self.context.base)
        if subvolume is None:
            raise OvercError("inconsistent", f"Subvolume {self.context.base_name} ({self.context.base}) is gone.")
        return self.root(subvolume)

    def root(self, subvolume: btrfs.Subvolume) -> RootFacts:
        known = self.facts.roots.get(subvolume.path)
        if known is not None:
            return known
        return observe_root(self.top, subvolume, self.context.kernel, self.context.initrd, digest=True)

    def new_root(self) -> btrfs.Subvolume | None:
        return new_root_of(self.facts, self.context)

    def made_root(self) -> btrfs.Subvolume:
        found = self.new_root()
        if found is None or found.parent_uuid != self.context.base:
            raise OvercError(
                "inconsistent", f"The new root {self.context.root_name}{NEW_SUFFIX} is gone or was replaced."
            )
        return found

    def target(self) -> btrfs.Subvolume:
        """The root that this transaction makes the default."""
        if self.context.target is None:
            return self.made_root()
        found = self.facts.by_uuid(self.context.target)
        if found is None:
            raise OvercError("inconsistent", f"Subvolume {self.context.root_name} ({self.context.target}) is gone.")
        return found

    def target_files(self) -> dict[str, str]:
        """The boot files (role -> sha256) of that root."""
        return dict(self.notes.get("new_files") or self.context.target_files)

    def boot_path_name(self, role: str, *, backup: bool = False) -> str | None:
        return boot_name(role, self.context.kernel, self.context.initrd, backup=backup)


def _moved(root: RootFacts, subvolume: btrfs.Subvolume, path: str) -> RootFacts:
    """The facts of a root that may have another name now."""
    files = {
        role: replace(entry, path=os.path.join(path, os.path.relpath(entry.path, root.path)))
        for role, entry in root.files.items()
    }
    return replace(root, subvolume=subvolume, path=path, files=files)


# -- building the new root -------------------------------------------------------------------------------------------


def create_root(at: Apply) -> bool:
    """Snapshot the base under the unfinished name."""
    btrfs.snapshot(at.runner, at.base().path, at.path(at.context.root_name + NEW_SUFFIX))
    at.refresh()
    at.notes["new_uuid"] = at.made_root().uuid
    return True


def run_packages(at: Apply) -> bool:
    """The package manager's turn; success is what is installed afterwards."""
    upgrade = certain(at.upgrade, "the upgrade that the plan was made for")
    root_mount = certain(at.facts.root_mount, "the mount of the root")
    with NewRoot(at.runner, root_mount.source, at.made_root().id, at.lock_fds) as inside:
        applied = upgrade.manager(inside).apply(upgrade.request, upgrade.packages)
    at.warnings.extend(applied.warnings)
    at.result.update(applied.completed.facts())
    at.result["packages"] = [change.as_dict() for change in applied.changes]
    return True


def check_root(at: Apply) -> bool:
    """Decide which boot files belong to the new root, and that the pair can boot."""
    at.refresh(changed=at.made_root().uuid)
    new, base = at.root(at.made_root()), at.base()
    before, after = digests(base.files), digests(new.files)
    changed = {role: digest for role, digest in after.items() if before.get(role) != digest}
    files = {**at.context.base_files, **changed}
    unsigned = "kernel" in changed and "signature" in files and "signature" not in changed
    if unsigned and files["kernel"] != at.context.base_files.get("kernel"):
        raise OvercError(
            "kernel_unsigned",
            f"{at.boot}/{at.context.kernel} has a signature ({at.context.kernel}.p7b), the new kernel comes without one.",
        )
    defect = read_defect(new.files["kernel"].path) if "kernel" in changed else None
    if defect:
        raise OvercError("kernel_broken", f"The new kernel, {at.boot}/{at.context.kernel} of the new root, {defect}.")
    release = new.files["kernel"].release if "kernel" in changed else at.context.base_release
    if "kernel" in changed and release and base.modules and release not in new.modules:
        raise OvercError(
            "kernel_modules_missing",
            f"The packages bring kernel {release} without its modules (found: {', '.join(sorted(new.modules)) or 'none'}).",
        )
    if "initrd" in changed and _initrd_is_shared(at):
        raise OvercError(
            "initrd_shared",
            f"The packages bring another {at.context.initrd}, and the backup entry boots with the same file. "
            f"Let the backup entry use /{at.context.initrd}_bakup.",
        )
    if new.fstab_pins:
        raise OvercError(
            "layout_unsupported",
            f"The packages changed /etc/fstab to name a subvolume for /: {' '.join(new.fstab_pins)}.",
        )
    certificate = at.facts.layout.kernel_certificate
    if certificate:  # asked again of the copies: here a refusal leaves even the backup alone
        sources = {role: source_of(at.facts, role, files[role]) for role in ("kernel", "signature") if role in files}
        paths = {role: source.path for role, source in sources.items() if source}
        kernel_signature.verify(at.runner, certificate, paths.get("kernel", at.boot), paths.get("signature"))
    _check_boot_space(at, {role: entry.size for role, entry in new.files.items() if role in changed})
    at.notes.update({"new_files": files, "new_release": release, "kernel_changed": bool(changed)})
    return True


def _initrd_is_shared(at: Apply) -> bool:
    backups = [entry for entry in at.facts.entries if entry.kernel == at.boot_path_name("kernel", backup=True)]
    return any(entry.initrd == at.context.initrd for entry in backups)


def _check_boot_space(at: Apply, new_sizes: t.Mapping[str, int]) -> None:
    # The backup's files come first and free the room of those they replace; then the new kernel is written beside.
    backup = digests_on_boot(at, backup=True)
    outdated = {role for role, digest in at.context.base_files.items() if backup.get(role) != digest}
    sources = [source_of(at.facts, role, at.context.base_files[role]) for role in outdated]
    first = sum(source.size for source in sources if source)
    names = [at.boot_path_name(role, backup=True) for role in outdated]
    freed = sum(at.facts.boot_files[name].size for name in names if name and name in at.facts.boot_files)
    need = max(first, first - freed + sum(new_sizes.values())) + _BOOT_MARGIN
    if need > at.facts.boot_free:
        raise OvercError(
            "no_space",
            f"{at.boot} has {at.facts.boot_free} bytes free; the backup of the present kernel and the new one need {need}. "
            f"Free some space on {at.boot}.",
        )


def digests_on_boot(at: Apply, *, backup: bool = False) -> dict[str, str]:
    """Role -> sha256 of what the boot partition has now, as far as this transaction knows."""
    found = {}
    for role in FILE_ROLES:
        name = at.boot_path_name(role, backup=backup)
        entry = at.facts.boot_files.get(name) if name else None
        if entry is not None and entry.sha256:
            found[role] = entry.sha256
    return found


def keep_modules(at: Apply) -> bool:
    """Give the new root the modules of the present kernel, and take out those kept for the kernel before it.

    Where the present kernel does not tell its release, all modules that the packages took away are kept.
    """
    new, base = at.root(at.made_root()), at.base()
    release, new_release = at.context.base_release, at.notes.get("new_release")
    wanted = {release} if release else set(base.modules)
    # A release that the new kernel shares, or that came with an unchanged kernel, is the packages' business alone.
    replaced = wanted - {new_release} if at.notes.get("kernel_changed") else wanted - new.modules
    kept = [entry for entry in sorted(replaced) if not _has_all_modules(base, new, entry)]
    for entry in kept:
        _copy_modules(at, base, new, entry)
    if release and not kept and at.notes.get("kernel_changed") and release == new_release:
        at.warnings.append(
            f"The new kernel has the same release ({release}) as the present one: between the two halves of the switch "
            "(milliseconds) the present kernel would find the new one's modules."
        )
    unused = new.modules - base.modules - {new_release}
    if unused and not at.notes.get("kernel_changed"):
        at.warnings.append(
            f"The packages brought modules for kernel {', '.join(sorted(unused))}, but no other /boot/{at.context.kernel}: "
            f"the host goes on with kernel {release or 'of unknown release'}."
        )
    dropped = _drop_stale_modules(at, new, {*wanted, new_release})
    at.notes["kept_modules"] = kept
    if kept or dropped:
        at.refresh(changed=at.made_root().uuid)
    return bool(kept or dropped)


def _has_all_modules(base: RootFacts, new: RootFacts, release: str) -> bool:
    """Whether every file that the base has for a release is in the new root; removing a package leaves some behind."""
    where = modules_directory(base.path, release)
    if where is None:
        return True
    top = os.path.join(base.path, where)
    return all(
        os.path.lexists(os.path.join(new.path, where, os.path.relpath(directory, top), name))
        for directory, _subdirectories, files in os.walk(top)
        for name in files
    )


def _copy_modules(at: Apply, source: RootFacts, target: RootFacts, release: str) -> bool:
    where = modules_directory(source.path, release)
    if where is None:
        return False
    parent = resolve_in_root(target.path, os.path.dirname(where))  # packages may have made a link of it
    if parent is None or not os.path.isdir(parent):
        raise OvercError(
            "kernel_modules_missing",
            f"The packages leave no directory /{os.path.dirname(where)} for the modules of kernel {release}.",
        )
    remains = os.path.join(parent, release)
    if os.path.lexists(remains):  # what a removed package left, in a root that nothing uses yet
        shutil.rmtree(remains)
    done = at.runner.run(("cp", "-a", "--reflink=auto", os.path.join(source.path, where), parent + "/"))
    if done.rc != 0:
        full = "No space left" in done.stderr
        raise OvercError(
            "no_space" if full else "internal",
            f"Cannot copy the modules of kernel {release}: {done.stderr.strip()}. Mend that and run the same command again.",
            **done.facts(),
        )
    mark = os.open(
        os.path.join(parent, release, KEPT_MARK), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
    )
    os.close(mark)
    return True


def _drop_stale_modules(at: Apply, new: RootFacts, wanted: t.Collection[str | None]) -> bool:
    """Only directories that carry our mark, that no package owns, in a root that nothing uses yet."""
    dropped = False
    for release in sorted(new.modules - {entry for entry in wanted if entry}):
        where = modules_directory(new.path, release)
        if where is None or not os.path.lexists(os.path.join(new.path, where, KEPT_MARK)):
            continue
        if at.runner.find("rpm") is None or at.runner.run(("rpm", "--root", new.path, "-qf", "/" + where)).rc == 0:
            continue
        shutil.rmtree(os.path.join(new.path, where))
        dropped = True
    return dropped


# -- the backup pair -------------------------------------------------------------------------------------------------


def create_backup(at: Apply) -> bool:
    """Snapshot the base as the next backup; it also gets the modules of the backup kernel that is still there."""
    name = at.context.backup_name
    btrfs.snapshot(at.runner, at.base().path, at.path(name + NEW_SUFFIX))
    at.refresh()
    old, new = at.facts.roots.get(name), at.facts.roots[name + NEW_SUFFIX]
    present = at.facts.boot_files.get(at.boot_path_name("kernel", backup=True) or "")
    if old and present and present.release and present.release in old.modules - new.modules:
        _copy_modules(at, old, new, present.release)
    return True


def write_backup_files(at: Apply) -> bool:
    """Write those of the base's boot files that the backup does not have yet."""
    return _write_files(at, at.context.base_files, backup=True)


def place_backup(at: Apply) -> bool:
    """Exchange the backup roots, durably."""
    return _place(at, at.context.backup_name, at.context.backup_prior)


def swap_backup_files(at: Apply) -> bool:
    """Rename the backup's boot files into place."""
    return _swap_files(at, at.context.base_files, backup=True)


def finish_backup(at: Apply) -> bool:
    """Repair: a backup root in place gets its kernel; one that is not goes, and so does the one it replaced."""
    name = at.context.backup_name
    current, unfinished = at.facts.by_path(name), at.facts.by_path(name + NEW_SUFFIX)
    placed = current is not None and current.uuid != at.context.backup_prior and current.parent_uuid == at.context.base
    if placed and current is not None:
        write_backup_files(at)
        swap_backup_files(at)
        _write_record(at, at.facts.record.with_deployments(*_base_entries(at, current)))
    if unfinished is not None:
        known = unfinished.uuid in at.facts.record.deployments
        _drop(at, unfinished, ours=known if placed else unfinished.parent_uuid == at.context.base, name=name)
    return placed or unfinished is not None


# -- the switch ------------------------------------------------------------------------------------------------------


def place_root(at: Apply) -> bool:
    """Exchange the new root with what holds its name, durably."""
    return _place(at, at.context.root_name, at.context.root_prior)


def unplace_root(at: Apply) -> bool:
    """Repair: give the name back; the new root is unfinished again."""
    current = at.facts.by_path(at.context.root_name)
    if current is None or current.uuid == at.context.root_prior:
        return False
    if current.parent_uuid != at.context.base:
        raise OvercError("inconsistent", f"{at.context.root_name} is neither what was there nor what was made.")
    _exchange(at, at.context.root_name, at.facts.by_path(at.context.root_name + NEW_SUFFIX) is not None, back=True)
    return True


def _place(at: Apply, name: str, prior: str | None) -> bool:
    current = at.facts.by_path(name)
    if current is not None and current.uuid != prior:
        return False
    btrfs.sync(at.runner, at.top)
    _exchange(at, name, current is not None)
    return True


def _exchange(at: Apply, name: str, both: bool, *, back: bool = False) -> None:
    new, old = at.path(name + NEW_SUFFIX), at.path(name)
    try:
        if both:
            syscalls.rename(new, old, syscalls.RENAME_EXCHANGE)
        elif back:
            syscalls.rename(old, new, syscalls.RENAME_NOREPLACE)
        else:
            syscalls.rename(new, old, syscalls.RENAME_NOREPLACE)
    except OSError as error:
        raise OvercError("btrfs_failed", f"Cannot put subvolume {name} in place: {error.strerror}.") from error
    btrfs.sync(at.runner, at.top)
    at.refresh()


def write_kernel(at: Apply) -> bool:
    """Write the boot files of the root that becomes the default, beside those that are there."""
    return _write_files(at, at.target_files(), backup=False)


def swap_kernel(at: Apply) -> bool:
    """Rename them into place."""
    return _swap_files(at, at.target_files(), backup=False)


def cancel_kernel(at: Apply) -> bool:
    """Before a staged root is replaced: the running pair's kernel first (the staged root has its modules) ..."""
    written = _write_files(at, at.context.base_files, backup=False)
    return _swap_files(at, at.context.base_files, backup=False) or written


def cancel_default(at: Apply) -> bool:
    """... then its root."""
    return _set_default(at, at.base().subvolume)


def keep_booted(at: Apply) -> bool:
    """Repair: the staged root that was to be replaced came up by itself, so it keeps its place and gets its kernel back."""
    prior = at.facts.by_uuid(at.context.root_prior or "")
    known = at.facts.record.deployments.get(at.context.root_prior or "")
    if prior is None or known is None:
        raise OvercError("inconsistent", f"{at.context.root_name} runs, but is not recorded with its kernel.")
    written = _write_files(at, known.files, backup=False)
    swapped = _swap_files(at, known.files, backup=False)
    return _set_default(at, prior) or swapped or written


def set_default(at: Apply) -> bool:
    """Make the new root, or the target of a rollback, the default subvolume."""
    return _set_default(at, at.target())


def _set_default(at: Apply, subvolume: btrfs.Subvolume) -> bool:
    if at.facts.default_id == subvolume.id:
        return False
    btrfs.sync(at.runner, at.top)
    btrfs.set_default(at.runner, subvolume.id, at.top)
    at.refresh()
    if at.facts.default_id != subvolume.id:
        raise OvercError("btrfs_failed", f"The default subvolume is not {subvolume.path} after it was set.")
    return True


def _write_files(at: Apply, files: t.Mapping[str, str], *, backup: bool) -> bool:
    present = digests_on_boot(at, backup=backup)
    wanted = {role: digest for role, digest in files.items() if present.get(role) != digest}
    for role, digest in wanted.items():
        name, source = at.boot_path_name(role, backup=backup), source_of(at.facts, role, digest)
        if source is None or name is None:
            raise OvercError("inconsistent", f"The {role} with sha256 {digest} cannot be found any more.")
        boot_partition.write_beside(source.path, at.boot, name, digest)
    certificate = at.facts.layout.kernel_certificate
    # What a repair or a cancel brings back did boot on this host: it is never held up
    if certificate and not backup and at.plan.operation in ("upgrade", "rollback", "restore"):
        names = {role: at.boot_path_name(role) or "" for role in ("kernel", "signature") if role in files}
        paths = {r: os.path.join(at.boot, name) + (NEW_SUFFIX if r in wanted else "") for r, name in names.items()}
        kernel_signature.verify(at.runner, certificate, paths["kernel"], paths.get("signature"))
    return bool(wanted)


def _swap_files(at: Apply, files: t.Mapping[str, str], *, backup: bool) -> bool:
    present = digests_on_boot(at, backup=backup)
    # The kernel comes last: a signature or initrd that is there early harms less than one that is there late.
    roles = [role for role in ("initrd", "signature", "kernel") if role in files and present.get(role) != files[role]]
    names = [name for name in (at.boot_path_name(role, backup=backup) for role in roles) if name]
    # The signature of another kernel is worse than none: a loader that checks it would refuse to boot.
    stale = at.boot_path_name("signature", backup=backup)
    gone = [stale] if stale and "kernel" in files and "signature" in present and "signature" not in files else []
    if not names and not gone:
        return False
    boot_partition.swap_in(at.boot, names, gone)
    _reread_boot(at)
    after = digests_on_boot(at, backup=backup)
    wrong = [role for role in roles if after.get(role) != files[role]]
    if wrong:
        raise OvercError("boot_write_failed", f"{', '.join(wrong)} in {at.boot} is not what was written.")
    return True


def _reread_boot(at: Apply) -> None:
    at.facts = replace(
        at.facts, boot_files=observe_boot_files(at.boot, at.context.kernel, at.context.initrd, digest=True)
    )


def install_efi_binaries(at: Apply) -> bool:
    """EFI binaries travel with the root, as in the original tool: those that differ between the roots."""
    target = at.root(at.target())
    other = at.facts.by_uuid(at.context.default_before or "")
    before = efi_binaries(at.path(other.path)) if other else {}
    return install_efi(at.boot, target.path, before)


def carry_over_paths(at: Apply) -> bool:
    """Bring declared paths of the running root up to date in the new root."""
    done = [carry_over(at.runner, at.base().path, at.root(at.made_root()).path, path) for path in at.context.carry_over]
    at.result["carried_over"] = [path for path, changed in zip(at.context.carry_over, done) if changed]
    return any(done)


# -- afterwards ------------------------------------------------------------------------------------------------------


def record(at: Apply) -> bool:
    """Remember whose subvolumes are whose, and what waits for its reboot."""
    context = at.context
    cancelling = context.operation == "upgrade" and at.plan.operation == "repair" and not at.plan.notes.get("committed")
    before = _with_failed_trial(at).with_event(
        event(at, "done" if at.plan.operation == context.operation else "repaired")
    )
    booted = at.facts.booted
    if context.operation == "confirm":
        _write_record(at, replace(before, pending=None))
        return True
    if context.operation == "cancel" or cancelling:
        # A cancel cut off in its middle, with the staged root booted since: completing it is a rollback from that root.
        came_up = context.operation == "cancel" and booted is not None and booted.uuid == context.root_prior
        _write_record(at, replace(before, pending=Pending("rollback", context.base) if came_up else None))
        return True
    target = at.target()
    entries = _target_entries(at, target)
    backup = at.facts.by_path(context.backup_name)
    if context.operation == "upgrade":
        entries = [*_base_entries(at, backup if backup and backup.parent_uuid == context.base else None), *entries]
    pending = Pending(context.operation, target.uuid, context.fingerprint, at.now)
    # With automatic protection what runs already still waits: to be confirmed.
    settled = booted is not None and booted.uuid == target.uuid and context.backup_entry is None
    _write_record(at, replace(before.with_deployments(*entries), pending=None if settled else pending))
    return True


def _with_failed_trial(at: Apply) -> Record:
    """The record, told of the trial that ended without being confirmed, and of its plan if it was tried."""
    failed = at.context.failed
    if failed is None:
        return at.facts.record
    told = {key: failed.get(key) for key in ("operation", "to", "fingerprint", "since", "reason")}
    known = at.facts.record.with_event(
        {"time": at.now, **told, "outcome": "not_confirmed" if failed.get("bad") else "not_tried"}
    )
    return known.with_known_bad(failed.get("fingerprint")) if failed.get("bad") else known


def event(at: Apply, outcome: str, **more: t.Any) -> dict[str, t.Any]:
    """One line of the host's history."""
    return {
        "time": at.now,
        "operation": at.context.operation,
        "from": at.context.base_name,
        "to": at.context.root_name,
        "outcome": outcome,
        "fingerprint": at.context.fingerprint,
        **more,
    }


def _target_entries(at: Apply, target: btrfs.Subvolume) -> list[Deployment]:
    context, known = at.context, at.facts.record.deployments.get(target.uuid)
    if context.operation == "rollback":
        return [replace(known, files=at.target_files())] if known else []
    kept = at.notes.get("kept_modules", known.kept_modules if known else ())
    return [
        Deployment(
            uuid=target.uuid,
            origin=context.operation,
            files=at.target_files(),
            release=at.notes.get("new_release") or context.target_release,
            base=context.base,
            previous=context.base if context.operation == "upgrade" else None,
            fingerprint=context.fingerprint,
            kept_modules=tuple(kept),
            made=at.now,
        )
    ]


def _base_entries(at: Apply, backup: btrfs.Subvolume | None) -> list[Deployment]:
    """The base becomes known with its kernel, and so does the backup that was made of it."""
    context = at.context
    base = at.facts.record.deployments.get(context.base)
    base = base or Deployment(uuid=context.base, origin="adopted", made=at.now)
    entries = [replace(base, files=dict(context.base_files), release=at.context.base_release or base.release)]
    if backup is not None:
        entries.append(
            Deployment(
                uuid=backup.uuid,
                origin="backup",
                files=dict(context.base_files),
                release=at.context.base_release,
                base=context.base,
                made=at.now,
            )
        )
    return entries


def _write_record(at: Apply, new: Record) -> None:
    write_record(at.top, new)
    at.facts = replace(at.facts, record=new)


def drop_replaced(at: Apply) -> bool:
    """What this transaction took the place of. Only what the record knows is deleted, the rest is kept aside."""
    context = at.context
    if context.operation == "cancel":
        gone = at.facts.by_uuid(context.root_prior or "")
        booted = at.facts.booted
        if gone is None or (booted is not None and booted.uuid == gone.uuid):
            return False
        _drop(at, gone, ours=gone.uuid in at.facts.record.deployments, name=gone.path)
        return True
    dropped = False
    for name, prior in ((context.root_name, context.root_prior), (context.backup_name, context.backup_prior)):
        found = at.facts.by_path(name + NEW_SUFFIX)
        if found is not None and found.uuid == prior:
            _drop(at, found, ours=found.uuid in at.facts.record.deployments, name=name)
            dropped = True
    return dropped


def drop_unfinished(at: Apply) -> bool:
    """The root that never became one."""
    found = at.facts.by_path(at.context.root_name + NEW_SUFFIX)
    if found is None:
        return False
    _drop(at, found, ours=found.uuid != at.context.root_prior and found.parent_uuid == at.context.base, name=found.path)
    return True


def _drop(at: Apply, subvolume: btrfs.Subvolume, *, ours: bool, name: str) -> None:
    """Delete a subvolume that is provably ours; keep any other, and one with data in it that is not, under a free name."""
    in_use = {at.facts.default_id, at.facts.booted.id if at.facts.booted else 0}
    if subvolume.id in in_use:
        raise OvercError("inconsistent", f"{subvolume.path} is in use and would have been deleted; nothing was.")
    nested = sorted(at.facts.nested_in(subvolume), key=lambda entry: -len(entry.path))
    with_data = [entry.path for entry in nested if os.listdir(at.path(entry.path)) and not _only_subvolumes(at, entry)]
    if ours and not with_data:
        for entry in (*nested, subvolume):
            btrfs.delete(at.runner, at.path(entry.path))
        known = at.facts.record
        if subvolume.uuid in known.deployments:
            _write_record(at, known.with_deployments(dropped=(subvolume.uuid,)))
        at.refresh()
        return
    kept = _free_name(at, name.replace(NEW_SUFFIX, "") + KEPT_SUFFIX)
    syscalls.rename(at.path(subvolume.path), at.path(kept), syscalls.RENAME_NOREPLACE)
    btrfs.sync(at.runner, at.top)
    why = (
        f"it contains subvolumes with data ({', '.join(with_data)})"
        if with_data
        else "it was not made by this collection"
    )
    at.warnings.append(
        f"Subvolume {name} was replaced and is kept as {kept}, because {why}. Delete it when you are sure."
    )
    at.refresh()


def _only_subvolumes(at: Apply, subvolume: btrfs.Subvolume) -> bool:
    children = {entry.path for entry in at.facts.subvolumes if entry.parent == subvolume.id}
    return {os.path.join(subvolume.path, name) for name in os.listdir(at.path(subvolume.path))} <= children


def _free_name(at: Apply, wanted: str) -> str:
    taken = {entry.path for entry in at.facts.subvolumes}
    name, number = wanted, 1
    while name in taken or os.path.lexists(at.path(name)):
        number += 1
        name = f"{wanted}-{number}"
    return name


def clean_boot(at: Apply) -> bool:
    """Remove our unfinished files from the boot partition."""
    removed = False
    for role in FILE_ROLES:
        for backup in (False, True):
            name = at.boot_path_name(role, backup=backup)
            removed = (bool(name) and boot_partition.remove_new(at.boot, name or "")) or removed
    if removed:
        boot_partition.sync(at.boot)
    return removed


def close(_at: Apply) -> bool:
    """The journal itself is closed by whoever applies the plan, after the last step."""
    return True


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
