# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths a new system can bring over by itself when it first starts: looked at before anything is built."""

from __future__ import annotations

import os
import stat
import sys
import typing as t

from ...errors import OvercError
from ...system.flags import first_locked
from ...system.mount_table import is_below
from ...system.presence import is_there, status
from ...system.rooted_path import plain_parent
from ..late.bring import REPLACED_SUFFIX
from ..late.wish import DONE
from .layout import check_absolute

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ..late.wish import Late
    from .facts import HostFacts

_ETC: t.Final = "/etc"
_CONFIGURATION: t.Final = (
    "is configuration, which is read before anything can be brought over. carry_over takes it, and merges /etc itself"
)
_SYSTEM: t.Final = "is the system itself, which the upgrade renews"
# Neither these nor what is below them
_NEVER: t.Final[dict[str, str]] = {
    "/usr": _SYSTEM,
    **dict.fromkeys(("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"), _SYSTEM),
    **dict.fromkeys(("/boot", "/efi"), "belongs to the boot loader, and has steps of its own"),
    **dict.fromkeys(("/dev", "/proc", "/run", "/sys", "/tmp"), "is made anew at each start"),  # noqa: S108
    "/var/run": "is made anew at each start",
}
# Nor these, what is below them, and what they are in: with the old ones the new root's packages would not be those it has
_PACKAGES: t.Final = (
    "/var/cache/dnf",
    "/var/lib/apt",
    "/var/lib/dnf",
    "/var/lib/dpkg",
    "/var/lib/initramfs-tools",
    "/var/lib/pam",
    "/var/lib/rpm",
    "/var/lib/smart",
    "/var/lib/systemd/deb-systemd-helper-enabled",
    "/var/lib/ucf",
)
_LOCAL: t.Final = "/usr/local"


def _refuse(path: str, why: str, option: str = "carry_late") -> OvercError:
    return OvercError("bad_argument", f"{option}: {path!r} {why}. Nothing was changed; take it out of the list.")


def outermost(paths: t.Iterable[str]) -> tuple[str, ...]:
    """Sorted, without those that lie below another one. Pure."""
    found: list[str] = []
    for path in sorted(set(paths), key=lambda path: path.split("/")):
        if not any(is_below(path, other) for other in found):
            found.append(path)
    return tuple(found)


def refuse_by_name(path: str) -> None:
    """What can never be brought over late, by its name. Raises bad_argument."""
    if path == "/":
        raise _refuse(path, "is the whole system; name what holds data")
    check_absolute("carry_late", path)
    if is_below(path, _ETC):
        raise _refuse(path, _CONFIGURATION)
    if path == _LOCAL:
        raise _refuse(path, _SYSTEM)
    refuse_system(path, "carry_late")
    if path.endswith((".overc-new", ".overc-new-file", REPLACED_SUFFIX)):
        raise _refuse(path, "has a name that only this work gives")


def refuse_system(path: str, option: str) -> None:
    """What an upgrade renews, so that nothing of before may replace it, by its name. Raises bad_argument for the option."""
    for system, why in _NEVER.items():
        if is_below(path, system) and not is_below(path, _LOCAL):
            raise _refuse(path, why, option)
    for packages in _PACKAGES:
        if is_below(path, packages) or is_below(packages, path):
            raise _refuse(path, f"holds what the package manager knows ({packages})", option)


def refuse_late(facts: HostFacts, paths: t.Iterable[str]) -> None:
    """Each can be brought over from the running root as it is now. Raises bad_argument, late_carry_failed, OSError."""
    for path in paths:
        refuse_by_name(path)
        _refuse_here(facts, path)
    if paths and os.lstat("/usr").st_dev != os.lstat("/").st_dev:
        raise OvercError("late_carry_failed", "carry_late needs /usr on the root subvolume. Nothing was changed.")


def _refuse_here(facts: HostFacts, path: str) -> None:
    root = f"{facts.top}/{facts.booted.path if facts.booted else ''}"
    seen = status(path)
    if seen is not None and not stat.S_ISLNK(seen.st_mode) and seen.st_dev != os.lstat("/").st_dev:
        raise _refuse(path, "is not on the root subvolume, so a switch does not touch it and it stays anyway")
    parent = plain_parent(root, path)
    if parent is None:
        raise _refuse(path, "has a parent that does not exist on the root subvolume, or is a symbolic link there")
    full = os.path.join(parent, os.path.basename(path))
    found = status(full)
    if found is None:
        raise _refuse(path, "does not exist on the root subvolume")
    if not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
        raise _refuse(path, "is neither a directory nor a regular file")
    if facts.booted is not None:
        for entry in facts.nested_in(facts.booted):
            inside = "/" + entry.path[len(facts.booted.path) + 1 :]
            if is_below(inside, path) and os.listdir(f"{facts.top}/{entry.path}"):
                raise _refuse(
                    path, f"holds a subvolume, {inside}, which is in no other root and cannot be brought over"
                )
    locked = first_locked(full)
    if locked is not None:
        raise _refuse(
            path, f"cannot be replaced later: /{os.path.relpath(locked, root)} is immutable or append-only (lsattr)"
        )
    if is_below(os.path.realpath(sys.executable or "/usr/bin/python3"), path):
        raise _refuse(path, "holds the Python that would bring it over")


def refuse_late_return(facts: HostFacts, target: Subvolume, paths: t.Iterable[str]) -> None:
    """Beside each path in a root to return to, what it has now can be kept. Raises bad_argument."""
    for path in paths:
        parent = plain_parent(f"{facts.top}/{target.path}", path)
        if parent is not None and is_there(os.path.join(parent, os.path.basename(path)) + REPLACED_SUFFIX):
            raise _refuse(
                path,
                f"has {path}{REPLACED_SUFFIX} beside it in {target.path}, from an earlier return. Or look what is in there, and "
                "move it away",
            )


def late_of(facts: HostFacts, root: Subvolume | None) -> Late | None:
    """What was declared for a root. Pure."""
    return facts.late.get(root.uuid) if root is not None else None


def brought(facts: HostFacts) -> tuple[str, ...]:
    """The paths that the running root brought over when it first started. Pure."""
    late = late_of(facts, facts.booted)
    return late.paths if late is not None and late.status == DONE else ()


__all__ = ("brought", "late_of", "outermost", "refuse_by_name", "refuse_late", "refuse_late_return")
