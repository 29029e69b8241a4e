# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that build a new root and decide whether it can boot."""

from __future__ import annotations

import os
import typing as t

from ...boot import efi, signature
from ...boot.initrd import pins_of
from ...boot.kernel import foreign_modules
from ...boot.unpack import Unpacker
from ...errors import OvercError, certain
from ...packages.choose import locks
from ...packages.locks import quiet
from ...system.flags import is_locked
from ...system.own_dirs import create_state_dir, state_dir
from ...system.presence import holds_something
from ...system.unfinished import NEW_SUFFIX
from ..observe.requirements import shortened
from ..observe.state import digests, source_of
from .boot_files import digests_on_boot
from .cleanup import DOWNLOADS, drop_downloads
from .complete import refuse_incomplete, refuse_unindexed
from .context import Apply
from .etc.copies import BASE, drop_copies
from .etc.copies import keep as keep_copy
from .etc.merge import ETC
from .hidden import refuse_hidden
from .label import label_mount_points
from .new_root import PACKAGES, NewRoot
from .places import default_kept, snapshot_base
from .room import full_is_told

if t.TYPE_CHECKING:
    from ..observe.facts import HostFacts, RootFacts

_BOOT_MARGIN: t.Final = 64 << 10  # directory blocks, and room for the boot loader's own environment


def create_root(at: Apply) -> bool:
    """Snapshot the base under the unfinished name, while nobody changes its packages."""
    with quiet(locks(at.runner, at.facts.manager.name)):
        snapshot_base(at, at.context.root_name + NEW_SUFFIX)
    at.refresh()
    made = at.made_root()
    at.notes["new_uuid"] = made.uuid
    labelling = at.facts.surroundings.labelling
    if labelling is not None and not labelling.lacks:
        label_mount_points(at)
    # Those of a staged root are needed until it is replaced, whatever becomes of this one
    waiting = at.facts.default
    drop_copies(at.top, keep={waiting.uuid} if waiting and waiting.uuid != at.context.base else ())
    if ETC in at.context.carry_over:
        # Before anything changes it: what both sides are compared with later
        keep_copy(at.runner, at.top, made.uuid, BASE, at.path(made.path) + ETC)
    return True


def download_packages(at: Apply) -> bool:
    """The running system fetches what the new root will install: it has the network, the proxies and the keys for it."""
    upgrade = certain(at.upgrade, "the upgrade that the plan was made for")
    drop_downloads(at)
    directory = os.path.join(create_state_dir(at.top), DOWNLOADS)
    os.mkdir(directory, 0o700)
    at.notes["shown"] = list(upgrade.manager(at.runner).download(upgrade.request, upgrade.packages, directory))
    return True


def run_packages(at: Apply) -> bool:
    """The package manager's turn; success is what is installed afterwards."""
    upgrade = certain(at.upgrade, "the upgrade that the plan was made for")
    root_mount = certain(at.facts.root_mount, "the mount of the root")
    packages = os.path.join(state_dir(at.top), DOWNLOADS)
    shown = at.notes.get("shown", ())
    manager, device = upgrade.manager(at.runner), root_mount.source
    hidden = (*manager.hides, *hidden_places(at.facts))
    more: t.Any = {"packages": packages, "shown": shown, "hidden": hidden, "network": manager.fetches_in_apply}
    new = NewRoot(at.runner, device, at.made_root().id, at.lock_fds, **more)
    with default_kept(at), new as inside, full_is_told(inside.path):
        applied = upgrade.manager(inside).apply(upgrade.request, upgrade.packages, PACKAGES)
    drop_downloads(at)
    at.warnings.extend(applied.warnings)
    at.result.update(applied.completed.facts())
    if applied.kept:
        at.result["kept_files"] = list(applied.kept)
    return True


def hidden_places(facts: HostFacts) -> tuple[str, ...]:
    """Where no script of a package is to write a menu for a root that does not run."""
    place = facts.entry_boot.place if facts.entry_boot is not None else None
    return place.hides if place is not None else ()


def check_root(at: Apply) -> bool:
    """Decide which boot files belong to the new root, and that the pair can boot."""
    at.refresh(changed=at.made_root().uuid)
    new, base = at.root(at.made_root()), at.base()
    if is_locked(new.path):
        raise OvercError(
            "access_denied",
            "The packages made / of the new root immutable or append-only (lsattr -d /): it could get no other name.",
        )
    _refuse_unread(at, new)
    before, after = digests(base.files), digests(new.files)
    refuse_incomplete(at, new, base)
    refuse_hidden(at, new.path, base.path)
    _say_what_is_nested(at)
    changed = {role: digest for role, digest in after.items() if before.get(role) != digest}
    files = {**at.context.base_files, **changed}
    unsigned = "kernel" in changed and "signature" in files and "signature" not in changed
    if unsigned and files["kernel"] != at.context.base_files.get("kernel"):
        raise OvercError(
            "kernel_unsigned",
            f"{at.boot}/{at.context.kernel} has a signature ({at.context.names.of('signature')}), the new kernel comes "
            "without one.",
        )
    defect = new.files["kernel"].defect if "kernel" in changed else None
    if defect:
        raise OvercError("kernel_broken", f"The new kernel, {at.boot}/{at.context.kernel} of the new root, {defect}.")
    release = new.files["kernel"].release if "kernel" in changed else at.context.base_release
    if "kernel" in changed and release and base.modules and release not in new.modules:
        raise OvercError(
            "kernel_modules_missing",
            f"The packages bring kernel {release} without its modules (found: {', '.join(sorted(new.modules)) or 'none'}).",
        )
    foreign = foreign_modules(new.path, release) if "kernel" in changed and release else None
    if foreign:
        raise OvercError(
            "kernel_modules_missing",
            f"The packages bring kernel {release}, and under its name the modules of kernel {foreign}.",
        )
    if release:
        refuse_unindexed(new, base, release)
    if "initrd" in changed and _initrd_is_shared(at):
        raise OvercError(
            "initrd_shared",
            f"The packages bring another {at.context.initrd}, and the backup entry boots with the same file. "
            f"Let the backup entry use /{at.context.names.of('initrd', backup=True)}.",
        )
    if new.fstab_pins:
        raise OvercError(
            "layout_unsupported",
            f"The packages changed /etc/fstab to name a subvolume for /: {' '.join(new.fstab_pins)}.",
        )
    if "initrd" in changed:
        _look_into_initrd(at, new.files["initrd"].path)
    certificate = at.facts.layout.kernel_certificate
    if certificate:  # asked again of the copies: here a refusal leaves even the backup alone
        sources = {role: source_of(at.facts, role, files[role]) for role in ("kernel", "signature") if role in files}
        paths = {role: source.path for role, source in sources.items() if source}
        signature.verify(at.runner, certificate, paths.get("kernel", at.boot), paths.get("signature"))
    # Installed last, when it would be too late to find that there is no room
    other = at.facts.by_uuid(at.context.default_before or "")
    binaries = efi.outdated(at.boot, new.path, efi.efi_binaries(at.path(other.path)) if other else {})
    sizes = {role: entry.size for role, entry in new.files.items() if role in changed}
    _check_boot_space(at, sizes, efi.space_for(new.path, binaries))
    at.notes.update({"new_files": files, "new_release": release, "kernel_changed": "kernel" in changed})
    return True


def _refuse_unread(at: Apply, new: RootFacts) -> None:
    """Raises kernel_broken for a boot file that is too large to have been read."""
    for role, file in new.files.items():
        if file.sha256 is None and file.defect:
            name = at.context.names.of(role)
            raise OvercError("kernel_broken", f"The new {role}, {at.boot}/{name} of the new root, {file.defect}.")


def _say_what_is_nested(at: Apply) -> None:
    """A script that makes a subvolume gets its data into no snapshot of the new root: the next upgrade is refused."""
    made = at.made_root()
    nested = [
        entry.path[len(made.path) :] for entry in at.facts.nested_in(made) if holds_something(at.path(entry.path))
    ]
    if nested:
        at.warnings.append(
            f"Scripts of the packages made subvolumes with data inside the new root: {shortened(nested)}. An upgrade from it is "
            "refused until each is moved to a subvolume in the top-level tree and mounted by fstab."
        )


def _look_into_initrd(at: Apply, path: str) -> None:
    """An initrd that was made in the new root may name the subvolume that it was made in, under its unfinished name."""
    pins, problem = pins_of(path, Unpacker(at.runner, create_state_dir(at.top)))
    if pins:
        raise OvercError(
            "layout_unsupported",
            f"The packages made an initrd that names a subvolume for /: {' '.join(pins)}. For dracut, set hostonly_cmdline=no in "
            "/etc/dracut.conf.d, then run the same command again.",
        )
    if problem:
        at.warnings.append(
            f"The new {at.context.initrd} was not looked into for the name of a subvolume ({problem}): with dracut, make sure "
            "that hostonly_cmdline=no is set."
        )


def _initrd_is_shared(at: Apply) -> bool:
    backups = [entry for entry in at.facts.entries if entry.kernel == at.boot_path_name("kernel", backup=True)]
    return any(entry.initrd == at.context.initrd for entry in backups)


def _check_boot_space(at: Apply, new_sizes: t.Mapping[str, int], last: int) -> None:
    # The backup's files come first and free the room of those they replace; then the new kernel is written beside, and
    # frees the room of the present one; then what comes last.
    backup = digests_on_boot(at, backup=True)
    outdated = {role for role, digest in at.context.base_files.items() if backup.get(role) != digest}
    sources = [source_of(at.facts, role, at.context.base_files[role]) for role in outdated]
    first = sum(source.size for source in sources if source)
    freed = _present(at, outdated, backup=True)
    second = first - freed + sum(new_sizes.values())
    need = max(first, second, second - _present(at, new_sizes, backup=False) + last) + _BOOT_MARGIN
    if need > at.facts.space.boot_free:
        raise OvercError(
            "no_space",
            f"{at.boot} has {at.facts.space.boot_free} bytes free; the backup of the present kernel and what is new need {need}. "
            f"Free some space on {at.boot}.",
        )


def _present(at: Apply, roles: t.Iterable[str], *, backup: bool) -> int:
    """The bytes of the files that the boot partition has for these roles."""
    names = [at.boot_path_name(role, backup=backup) for role in roles]
    return sum(at.facts.boot_files[name].size for name in names if name and name in at.facts.boot_files)


__all__ = ("check_root", "create_root", "download_packages", "hidden_places", "run_packages")
