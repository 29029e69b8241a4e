# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding out whether a host's root is one of snapper's numbers that the default subvolume chooses."""

from __future__ import annotations

import os
import re
import typing as t

from ...btrfs.roots import get_default, list_subvolumes
from ...btrfs.subvolumes import is_read_only
from ...errors import OvercError
from ...system.fstab import subvolume_pins
from ...system.mount_table import mount_at
from ...system.own_dirs import STATE_DIR
from ...system.presence import is_there, text_of
from ...system.rooted_path import regular_file_in_root
from ..entries.command_line import subvolume_of, words_of
from ..entries.device import uuid_of
from . import numbers
from .menu import boots
from .place import LISTED, TOOLS, SnapperPlace, unseen_numbers

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

_NO_TRIAL: t.Final = "GRUB takes the default subvolume, and does not write to btrfs, so that nothing can be tried once"


def is_numbered(subvolume: str) -> bool:
    """Whether a root subvolume is called as snapper calls them."""
    return numbers.number_in(subvolume) is not None


def find_adopted(runner: Runner, mounts: t.Sequence[Mount], top: str, booted: str) -> SnapperPlace | None:
    """The place on a host that was set up; None where it was not."""
    if not is_there(os.path.join(top, STATE_DIR, LISTED)):
        return None
    return _place(runner, mounts, top, booted)


def _place(runner: Runner, mounts: t.Sequence[Mount], top: str, booted: str) -> SnapperPlace:
    root, directory = mount_at(mounts, "/"), os.path.join(top, STATE_DIR)
    return SnapperPlace(
        directory,
        top,
        uuid_of(runner, root.source if root else ""),
        f"/{STATE_DIR}",
        os.path.join(directory, LISTED),
        False,
        _NO_TRIAL,
        runner=runner,
        top=top,
        store=numbers.store_of(booted),
        booted=booted,
    )


def find_new(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str, top: str, booted: str) -> SnapperPlace:
    """The place on a host that was not set up yet. Raises layout_unsupported where anything would have to be guessed."""
    place = _place(runner, mounts, top, booted)
    problems = [*_problems(runner, mounts, boot_dir, top, booted)]
    if problems:
        raise OvercError(
            "layout_unsupported",
            f"This host cannot get deployments with numbers of snapper: {'; '.join(problems)}. Nothing was changed.",
        )
    return place


def _problems(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str, top: str, booted: str) -> t.Iterator[str]:
    root = os.path.join(top, booted)
    if not is_numbered(booted):
        yield f"its root is {booted}, and not .snapshots/NUMBER/snapshot"
        return
    wanted = get_default(top)
    default = next((entry.path for entry in list_subvolumes(top) if entry.id == wanted), "the top-level tree")
    if default != booted:
        yield f"{booted} runs, and the default subvolume is {default} (reboot, or btrfs subvolume set-default)"
    unseen = unseen_numbers(mounts, numbers.store_of(booted))
    if unseen is not None:
        yield f"{unseen} (mount /.snapshots)"
    if is_read_only(root):
        yield f"{booted} is read-only, as in MicroOS: transactional-update upgrades such a system"
    if mount_at(mounts, boot_dir) is not None:
        yield f"{boot_dir} is mounted, so that kernels are not in the root that they belong to"
    fstab = regular_file_in_root(root, "etc/fstab")
    pins = subvolume_pins(text_of(fstab) or "") if fstab else ()
    if pins:
        yield f"/etc/fstab names a subvolume for /: {' '.join(pins)} (remove that)"
    line = text_of("/proc/cmdline") or ""
    if subvolume_of(line) is not None:
        yield "the running kernel was told which subvolume is its root (rootflags=), as for a snapshot of the boot menu"
    found = boots(root)
    lost = [name for name in (found.kernel, found.initrd) if name and not regular_file_in_root(root, f"boot/{name}")]
    if found.problem:
        yield found.problem
    elif lost:
        yield f"its menu boots /boot/{lost[0]}, which is not there"
    elif not _is_relative(line, top, root):
        yield "the running kernel was not loaded from the default subvolume, so that another one may be what GRUB begins in"
    if all(runner.find(tool) is None for tool in TOOLS):
        yield "grub2-mkconfig is not installed, which writes the menu of each root"


def _is_relative(line: str, top: str, root: str) -> bool:
    """Whether GRUB took the path of the running kernel as one in its root: there it is, and at the top it is not."""
    named = [word.partition("=")[2] for word in words_of(line) if word.startswith("BOOT_IMAGE=")]
    path = re.sub(r"^\([^)]*\)", "", named[-1]).lstrip("/") if named else ""
    return bool(path) and regular_file_in_root(root, path) is not None and not is_there(os.path.join(top, path))


__all__ = ("TOOLS", "find_adopted", "find_new", "is_numbered")
