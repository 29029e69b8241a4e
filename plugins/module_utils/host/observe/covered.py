# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories of a root subvolume nobody sees once it runs, because something else is mounted over them."""

from __future__ import annotations

import os
import posixpath
import re
import typing as t

from ...system import fstab
from ...system.mount_table import Mount
from ...system.presence import is_directory, is_link, is_plain_directory
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
            target = posixpath.normpath(entry.target)
            onto_itself = {"bind", "rbind"} & set(options) and posixpath.normpath(entry.source) == target
            if not onto_itself:  # as it is made to have other flags there: it hides nothing
                found.append(target)
    return tuple(found)


_UNITS: t.Final = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_BYTE: t.Final = re.compile(r"\\x([0-9a-f]{2})")


def wanted_mounts(root: str) -> tuple[str, ...]:
    """The mount points of the .mount and .automount units that systemd starts by itself in a root: those that another unit
    wants or requires, and that are not masked.

    A unit has the name of its mount point (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
    """
    found: set[str] = set()
    for directory in _UNITS:
        above = resolve_in_root(root, directory)
        if above is None or not is_directory(above):
            continue
        for kind in os.listdir(above):
            if kind.endswith((".wants", ".requires")) and is_plain_directory(os.path.join(above, kind)):
                found.update(os.listdir(os.path.join(above, kind)))
    units = {name for name in found if name.endswith((".mount", ".automount")) and not _is_masked(root, name)}
    return tuple(sorted({_path_of_unit(name) for name in units if not name.startswith("-.")}))


def _is_masked(root: str, unit: str) -> bool:
    path = os.path.join(root, _UNITS[0], unit)
    return is_link(path) and os.readlink(path) == "/dev/null"


def _path_of_unit(unit: str) -> str:
    path = "/" + unit.rpartition(".")[0].replace("-", "/")
    raw = _BYTE.sub(lambda match: chr(int(match.group(1), 16)), path)
    return raw.encode("latin-1", "ignore").decode("utf-8", "surrogateescape") if raw != path else path


def covered_paths(mounted: t.Sequence[Mount], root: str, boot_dir: str) -> tuple[str, ...]:
    """The outermost paths below ``/`` that other file systems cover, now or by the fstab or units of ``root``, sorted.

    ``mounted``: what is mounted in the running system, bind mounts and single files included. ``root``: the directory of the
    root that will run. ``boot_dir``, which is looked after by steps of its own, is left out.
    """
    file = regular_file_in_root(root, "etc/fstab")
    text = ""
    if file is not None:
        with open(file, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            text = stream.read()
    planned = (*planned_targets(text), *wanted_mounts(root))
    targets = {mount.target for mount in mounted if not _shows_itself(mount, mounted)} | {
        _real(root, target) for target in planned
    }
    wanted = sorted(path for path in targets if path != "/" and not is_below(path, (*_OWN, boot_dir)))
    outermost: list[str] = []
    for path in wanted:
        if not is_below(path, outermost):
            outermost.append(path)
    return tuple(outermost)


def _shows_itself(mount: Mount, mounted: t.Sequence[Mount]) -> bool:
    """Whether it shows at its place what would be seen there without it: a part of the root, bound onto itself."""
    root = next((each for each in reversed(mounted) if each.target == "/"), None)
    if root is None or mount is root or not mount.device:
        return False
    here = posixpath.join(root.root, mount.target.lstrip("/"))
    alone = all(each is mount or each.target != mount.target for each in mounted)
    return alone and mount.device == root.device and mount.root == here


def _real(root: str, target: str) -> str:
    """Where a mount point that is, or lies behind, a symbolic link really is in the root."""
    found = resolve_in_root(root, target)
    return "/" + os.path.relpath(found, root) if found is not None and found != root else target


__all__ = ("covered_paths", "is_below", "planned_targets", "wanted_mounts")
