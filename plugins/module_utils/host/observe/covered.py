# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories of a root subvolume nobody sees once it runs, because something else is mounted over them."""

from __future__ import annotations

import os
import posixpath
import typing as t

from ...system import fstab
from ...system.mount_table import Mount
from ...system.rooted_path import regular_file_in_root, resolve_in_root

# A new root gets these of its own while packages are installed (steps/new_root.py), as every running system does.
_OWN: t.Final = ("/dev", "/proc", "/run", "/sys", "/tmp")  # noqa: S108 - the directory itself


def is_below(path: str, directories: t.Iterable[str]) -> bool:
    """Whether a path is one of these directories, or in one of them."""
    return any(path == directory or path.startswith(directory.rstrip("/") + "/") for directory in directories)


def planned_targets(text: str) -> tuple[str, ...]:
    """The mount points of an fstab that will be mounted at boot, or as soon as somebody looks there."""
    found = []
    for entry in fstab.parse(text):
        options = entry.options.split(",")
        at_boot = "noauto" not in options or "x-systemd.automount" in options
        if at_boot and entry.fstype not in ("swap", "ignore") and entry.target.startswith("/"):
            found.append(posixpath.normpath(entry.target))
    return tuple(found)


def covered_paths(mounted: t.Sequence[Mount], root: str, boot_dir: str) -> tuple[str, ...]:
    """The outermost paths below ``/`` that other file systems cover, now or by the fstab of ``root``, sorted.

    ``mounted``: what is mounted in the running system, bind mounts and single files included. ``root``: the directory of the
    root that will run. ``boot_dir``, which is looked after by steps of its own, is left out.
    """
    file = regular_file_in_root(root, "etc/fstab")
    text = ""
    if file is not None:
        with open(file, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            text = stream.read()
    targets = {mount.target for mount in mounted} | {_real(root, target) for target in planned_targets(text)}
    wanted = sorted(path for path in targets if path != "/" and not is_below(path, (*_OWN, boot_dir)))
    outermost: list[str] = []
    for path in wanted:
        if not is_below(path, outermost):
            outermost.append(path)
    return tuple(outermost)


def _real(root: str, target: str) -> str:
    """Where a mount point that is, or lies behind, a symbolic link really is in the root."""
    found = resolve_in_root(root, target)
    return "/" + os.path.relpath(found, root) if found is not None and found != root else target


__all__ = ("covered_paths", "is_below", "planned_targets")
