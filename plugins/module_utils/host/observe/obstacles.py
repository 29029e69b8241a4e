# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would stop a run late, seen before it begins: names that are taken, files that cannot be replaced, swap files,
roots that somebody else uses.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass, field, replace

from ...boot.names import FILE_ROLES, BootNames
from ...btrfs.subvolumes import Subvolume, tree_of
from ...system.flags import is_locked
from ...system.mount_table import is_below, mounts
from ...system.presence import is_plain_directory, is_there, text_of
from ...system.unfinished import NEW_SUFFIX

if t.TYPE_CHECKING:
    from ...system.mount_table import Mount
    from .layout import Layout

_NUMBERED = re.compile(r".+\.overc-[0-9]+(?:\.overc-new)?", re.DOTALL)
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Obstacles:
    """``names`` are names of ours in the top-level tree that are no subvolumes. ``locked`` are subvolumes with our names that
    can get no other one, because they are immutable or append-only. ``swap_files`` has the path of each active
    one with the id of its subvolume. ``boot_files`` has a sentence for each file name that cannot be written. ``mounted`` has,
    for each subvolume with one of our names, where it or a directory of it can be written besides ``/``.
    """

    names: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    swap_files: tuple[tuple[str, int], ...] = ()
    boot_files: t.Mapping[str, str] | None = None
    mounted: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def on_boot(self, names: t.Iterable[str | None]) -> tuple[str, ...]:
        """The sentences about these files of the boot partition."""
        return tuple(said for name, said in (self.boot_files or {}).items() if name in set(names))


def observe_obstacles(
    top: str, layout: Layout, subvolumes: t.Sequence[Subvolume], boot: BootNames | None, root: Mount
) -> Obstacles:
    """Look at the names of a layout; ``top`` is the mount of the top-level tree, ``root`` the one of ``/``. Raises OSError."""
    known = {entry.path for entry in subvolumes}
    taken = sorted(name for name in layout.looked_into if name not in known and is_there(os.path.join(top, name)))
    finished = sorted(name for name in layout.names if name in known)
    locked = tuple(name for name in finished if is_locked(os.path.join(top, name)))
    boot_files = _boot_files(layout.boot_dir, boot) if boot else None
    written = written_through(mounts(), root, finished)
    return Obstacles(tuple(taken), locked, _swap_files(), boot_files, written)


def obstacles_of_entries(
    found: Obstacles, top: str, subvolumes: t.Sequence[Subvolume], booted: str | None
) -> Obstacles:
    """The same where each deployment has a boot entry of its own, and a name by its id. ``booted``: the root that runs, whose
    flags each snapshot of it has.
    """
    known = {entry.path for entry in subvolumes}
    taken = sorted(name for name in os.listdir(top) if _NUMBERED.fullmatch(name) and name not in known)
    locked = (booted,) if booted is not None and is_locked(os.path.join(top, booted)) else ()
    return replace(found, names=tuple(taken), locked=locked)


def written_through(found: t.Sequence[Mount], root: Mount, names: t.Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each of these subvolumes of the file system of ``root``: the mount points through which it can be written. Pure."""
    at = {
        name: tuple(
            mount.target
            for mount in found
            if mount.device == root.device and not mount.read_only and is_below(mount.root, "/" + name)
        )
        for name in names
    }
    return {name: targets for name, targets in at.items() if targets}


def _boot_files(directory: str, names: BootNames) -> dict[str, str]:
    found = {}
    for name in (names.of(role, backup=backup) for role in FILE_ROLES for backup in (False, True)):
        if name is None:
            continue
        path = os.path.join(directory, name)
        beside = path + NEW_SUFFIX
        if is_locked(path):
            found[name] = f"{path} is immutable (lsattr)"
        elif is_plain_directory(beside) or is_locked(beside):
            found[name] = f"{beside} is in the way: a directory, or immutable (lsattr)"
    return found


def _swap_files() -> tuple[tuple[str, int], ...]:
    """The active swap files on btrfs; proc(5): name, type, size, used, priority, with octal escapes in the name."""
    found = []
    for line in (text_of("/proc/swaps") or "").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 2 or fields[1] != "file":
            continue
        path = _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), fields[0])
        tree = tree_of(path)
        if tree is not None:
            found.append((path, tree))
    return tuple(found)


__all__ = ("Obstacles", "observe_obstacles", "obstacles_of_entries", "written_through")
