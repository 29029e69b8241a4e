# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new root would need from the running system and not have: seen before anything is built."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from ...packages.choose import database_elsewhere
from ...system.fstab import parse
from ...system.mount_table import Mount
from ...system.presence import text_of
from .labelling import Labelling, observe_labelling

if t.TYPE_CHECKING:
    from ...runner import Runner


@dataclass(frozen=True)
class Surroundings:
    """``database`` are directories of the package database outside of the root subvolume; None where they were not looked
    for. ``labelling``: of a host with SELinux. ``boot_in_fstab``: the boot directory is somewhere else, and not mounted.
    ``boot_hidden``: another device than the visible one, mounted on the boot directory below it.
    """

    database: tuple[str, ...] | None = None
    labelling: Labelling | None = None
    boot_in_fstab: bool = False
    boot_hidden: str | None = None


def observe_surroundings(
    runner: Runner, mounted: t.Sequence[Mount], boot_dir: str, package_manager: str | None
) -> Surroundings:
    """``package_manager``: its name, None not to ask for its database (that costs a process or two). Raises OSError."""
    database: tuple[str, ...] | None = None
    if package_manager is not None:
        try:
            database = database_elsewhere(runner, package_manager)
        except OvercError as error:
            if error.error_id not in ("locked", "package_manager_failed", "repository_failed"):
                raise
            # Whoever acts asks again, and is refused with this very error
    targets = {entry.target.rstrip("/") for entry in parse(text_of("/etc/fstab") or "")}
    there = [mount for mount in mounted if mount.target == boot_dir]
    # tmpfs, and what systemd mounts a file system upon when it is asked for (autofs), are no devices
    hidden = [mount.source for mount in there if mount.device != there[-1].device and not mount.device.startswith("0:")]
    labelling = observe_labelling(runner, mounted)
    return Surroundings(database, labelling, boot_dir in targets and not there, hidden[-1] if hidden else None)


__all__ = ("Surroundings", "observe_surroundings")
