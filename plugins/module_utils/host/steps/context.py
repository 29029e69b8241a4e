# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One transaction at work: what its steps share."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from ...boot import partition
from ...btrfs import subvolumes as btrfs
from ...btrfs.roots import get_default, list_subvolumes
from ...errors import OvercError, certain
from ...system import syscalls
from ...system.unfinished import NEW_SUFFIX
from ..observe.facts import HostFacts, RootFacts, observe_root, with_choice
from ..plan.model import Context, Plan
from ..plan.new_root import new_root_of

if t.TYPE_CHECKING:
    from ...packages.contract import PackageManager, PackagePlan, PackageRequest
    from ...runner import Runner


@dataclass(frozen=True)
class Upgrade:
    """What only an upgrade's steps need: the driver's class, what was asked for and what was resolved.

    ``refuse_hidden``: not to be staged with what a mount would hide. ``run_timeout``: seconds for each command.
    """

    manager: t.Callable[[Runner], PackageManager]
    request: PackageRequest
    packages: PackagePlan
    refuse_hidden: bool = True
    run_timeout: int = 600


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
    begun: list[str] = field(default_factory=list)
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

    def make_durable(self) -> None:
        """Write out both file systems: what was found as it should be may be so in memory only.

        A run that was killed, or whose sync failed, leaves that: a rename or a default subvolume that everybody sees and
        that a power cut takes back. Cheap where nothing waits to be written. Raises OSError, boot_write_failed.
        """
        syscalls.syncfs(self.top)
        place = self.facts.entry_boot.place if self.facts.entry_boot else None
        partition.sync(place.directory if place else self.boot)

    def refresh(self, changed: str | None = None) -> None:
        """Read the subvolumes again after a step changed them.

        What is in a root is kept as it was read, under its present name, but for roots that are new and the one with the
        uuid ``changed``: digests of kernels cost more than all the rest.
        """
        subvolumes = list_subvolumes(self.top)
        known = {root.subvolume.uuid: root for root in self.facts.roots.values() if root.subvolume.uuid != changed}
        roots = {
            entry.path: _moved(known[entry.uuid], entry, self.path(entry.path))
            if entry.uuid in known
            else self._observe(entry)
            for entry in subvolumes
            if entry.path in self.facts.layout.looked_into
        }
        boot = self.facts.entry_boot
        self.facts = replace(self.facts, subvolumes=subvolumes, roots=roots)
        if boot is not None:
            self.facts = with_choice(self.facts, boot)
        else:
            self.facts = replace(self.facts, default_id=get_default(self.top))

    def base(self) -> RootFacts:
        subvolume = self.facts.by_uuid(self.context.base)
        if subvolume is None:
            raise OvercError("inconsistent", f"Subvolume {self.context.base_name} ({self.context.base}) is gone.")
        return self.root(subvolume)

    def root(self, subvolume: btrfs.Subvolume) -> RootFacts:
        known = self.facts.roots.get(subvolume.path)
        if known is not None:
            return known
        return self._observe(subvolume)

    def _observe(self, subvolume: btrfs.Subvolume) -> RootFacts:
        return observe_root(
            self.top,
            subvolume,
            self.context.names,
            digest=True,
            boot_dir=self.boot,
            named_init=self.facts.named_init,
        )

    def new_root(self) -> btrfs.Subvolume | None:
        return new_root_of(self.facts, self.context)

    def made_root(self) -> btrfs.Subvolume:
        found, made = self.new_root(), self.notes.get("new_uuid")
        if found is None or found.parent_uuid != self.context.base or (made is not None and made != found.uuid):
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
        return self.context.names.of(role, backup=backup)


def _moved(root: RootFacts, subvolume: btrfs.Subvolume, path: str) -> RootFacts:
    """The facts of a root that may have another name now."""
    files = {
        role: replace(entry, path=os.path.join(path, os.path.relpath(entry.path, root.path)))
        for role, entry in root.files.items()
    }
    return replace(root, subvolume=subvolume, path=path, files=files)


__all__ = ("Apply",)
