# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the partition that systemd-boot was started from, and everything about a host that would have to be guessed."""

from __future__ import annotations

import os
import typing as t

from ...errors import OvercError
from ...system.mount_table import mount_at
from ...system.presence import is_directory, status, text_of
from ..entries.device import uuid_of
from ..entries.method import SELECTOR
from ..entries.write import names_in
from ..trial import WRITABLE_FILESYSTEMS
from . import variables
from .entry import DIRECTORY, is_left_over, is_named_as_ours, number_in, value_of
from .place import LoaderPlace

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

# Where bootctl(1) looks for the EFI system partition
ESP_DIRECTORIES: t.Final = ("/efi", "/boot", "/boot/efi")


def find_adopted(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str) -> LoaderPlace | None:
    """The place on a host that has entries of ours; None where it has none."""
    for target in ESP_DIRECTORIES:
        mount = mount_at(mounts, target)
        if mount is None or mount.fstype not in WRITABLE_FILESYSTEMS:
            continue
        directory = os.path.join(target, DIRECTORY)
        ours = any(number_in(name) is not None for name in names_in(directory))
        if ours and status(os.path.join(target, SELECTOR)) is not None:
            return _place(runner, mount, boot_dir)
    return None


def _place(runner: Runner, mount: Mount, boot_dir: str) -> LoaderPlace:
    directory = os.path.join(mount.target, SELECTOR)
    hook = os.path.join(mount.target, DIRECTORY)
    return LoaderPlace(
        directory,
        mount.target,
        uuid_of(runner, mount.source),
        f"/{SELECTOR}",
        hook,
        True,
        None,
        on_boot=mount.target == boot_dir,
    )


def find_new(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str) -> LoaderPlace:
    """The place on a host that systemd-boot has started, and that has no entries of ours yet.

    Raises layout_unsupported where there is anything about it that would have to be guessed.
    """
    found = [mount_at(mounts, target) for target in ESP_DIRECTORIES]
    there = [mount for mount in found if mount is not None and is_directory(os.path.join(mount.target, DIRECTORY))]
    if len(there) != 1:
        said = f"{' and '.join(mount.target for mount in there)} have both" if there else "none of them has"
        raise OvercError(
            "layout_unsupported",
            f"systemd-boot has started this host, and its entries are looked for on what is mounted at "
            f"{', '.join(ESP_DIRECTORIES)}: {said} a directory {DIRECTORY}. Mount the EFI system partition, and only one that "
            "has entries. Nothing was changed.",
        )
    place = _place(runner, there[0], boot_dir)
    problems = [*_problems_of(there[0], mounts, boot_dir), place.unreachable()]
    said = "; ".join(problem for problem in problems if problem)
    if said:
        raise OvercError(
            "layout_unsupported",
            f"This host cannot get entries of systemd-boot for its deployments: {said}. Nothing was changed.",
        )
    return place


def _problems_of(mount: Mount, mounts: t.Sequence[Mount], boot_dir: str) -> t.Iterator[str]:
    if mount.fstype not in WRITABLE_FILESYSTEMS:
        yield f"{mount.target} is {mount.fstype}"
    if mount.read_only:
        yield f"{mount.target} is mounted read-only (mount -o remount,rw {mount.target})"
    if mount.root != "/":
        yield f"{mount.target} shows only a part of its file system"
    if any(other.fstype == "autofs" and other.target == mount.target for other in mounts):
        yield f"{mount.target} is mounted when somebody looks, and goes again (put it into /etc/fstab)"
    firmware = mount_at(mounts, variables.DIRECTORY)
    if firmware is None or firmware.read_only:
        yield f"the firmware's variables cannot be set ({variables.DIRECTORY} has to be mounted, and not read-only)"
    for grub in ("grub", "grub2"):
        path = os.path.join(boot_dir, grub, "grub.cfg")
        if status(path) is not None:
            yield f"there is a menu of GRUB too, {path}, and which loader comes next time cannot be told (remove GRUB)"
    unified = [name for name in names_in(os.path.join(mount.target, "EFI/Linux")) if name.lower().endswith(".efi")]
    if unified:
        yield f"{mount.target}/EFI/Linux has unified kernel images, which bring a command line of their own: {unified[0]}"
    entries = os.path.join(mount.target, DIRECTORY)
    taken = [
        name for name in names_in(entries) if is_named_as_ours(name) and not is_left_over(os.path.join(entries, name))
    ]
    if taken:
        yield f"{entries} has {', '.join(taken)} of somebody else, names that ours would have"
    configured = value_of(text_of(os.path.join(mount.target, "loader/loader.conf")) or "", "default")
    if configured is not None and configured.startswith("@"):
        yield f"loader.conf says default {configured}, so that what boots next depends on what was booted last"
    selected, default = variables.read(variables.SELECTED), variables.read(variables.DEFAULT)
    if default is not None and default != selected:
        yield f"{default} boots by default, and {selected} was booted (boot the default, or bootctl set-default)"


__all__ = ("ESP_DIRECTORIES", "find_adopted", "find_new")
