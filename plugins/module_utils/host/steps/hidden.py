# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding what becomes of a new root in which packages wrote where nobody will see it."""

from __future__ import annotations

import re
import typing as t

from ...boot.names import FILE_ROLES, KERNEL_NAMES
from ...errors import OvercError, certain
from ...system.mount_table import mounts
from ..observe.covered import covered_paths, is_below
from ..observe.hidden import BOOKKEEPING, Hidden, hidden_changes
from .context import Apply
from .new_root import NewRoot

if t.TYPE_CHECKING:
    from ...packages.contract import PackageManager
    from ...runner import Runner

_ASKED: t.Final = 60  # paths whose package is asked for: one process each
_TOLD: t.Final = 100
_NAMED: t.Final = 5
_BOOT: t.Final = "/boot"  # in a root, wherever the boot partition is mounted
# In it: what belongs to a kernel of one release is read from nowhere or has steps of its own, and the
# files of the boot loader are never taken from packages
_NO_BOOT_FILE: t.Final = re.compile(
    r"(?:config|System\.map|symvers|vmlinux|\.vmlinuz|initrd|initramfs|Image|kernel|linux|{})(?:[-.].*)?"
    r"|(?:grub2?|loader|EFI|efi|lost\+found)(?:/.*)?".format("|".join(map(re.escape, KERNEL_NAMES)))
)
# What the hardware is for the kernel that is loaded with it
_DEVICE_TREE: t.Final = re.compile(r".*\.dtbo?")


def refuse_hidden(at: Apply, new: str, base: str) -> None:
    """Raises hidden_by_mount, or warns where that was asked for; the result gets ``hidden``.

    What only keeps books or logs counts where it belongs to a package: its directory in /var/log must be there.
    """
    covered = covered_paths(mounts(), new, at.boot)
    beside = _beside_the_kernel(at, new, base)
    trees = [entry for entry in beside if _DEVICE_TREE.fullmatch(entry.path)]
    if len(trees) < len(beside):
        others = ", ".join(entry.path for entry in beside if entry not in trees)
        at.warnings.append(
            f"The boot partition gets kernel, initrd and EFI programs of the new root, and not: {others:.400}. What boots goes "
            "on with what is there; where it needs these, copy them yourself."
        )
    found = tuple(sorted((*hidden_changes(base, new, covered), *trees)))
    if not found or at.upgrade is None:
        return
    serious = [entry for entry in found if not is_below(entry.path, BOOKKEEPING)]
    asked = [*serious[:_ASKED], *(entry for entry in found if entry not in serious)][:_ASKED]
    owners = _owners(at, at.upgrade.manager, [entry.path for entry in asked if entry.change != "removed"])
    left = [entry for entry in found if entry in serious or entry.path in owners]
    if not left:
        return
    at.result["hidden"] = [
        {"path": entry.path, "mount": entry.mount, "change": entry.change, "package": owners.get(entry.path)}
        for entry in left[:_TOLD]
    ]
    text = sentence(left, owners)
    if at.upgrade.refuse_hidden:
        raise OvercError(
            "hidden_by_mount",
            f"{text} Leave these packages out with exclude, put that directory onto the root subvolume, or allow it with "
            "hidden_policy: report and bring it there yourself after the reboot.",
            hidden=at.result["hidden"],
        )
    at.warnings.append(text)


def _beside_the_kernel(at: Apply, new: str, base: str) -> tuple[Hidden, ...]:
    """What packages wrote into the new root's own /boot that no step brings to the boot partition."""
    place = at.facts.entry_boot.place if at.facts.entry_boot else None
    if place is not None and not place.apart:
        return ()  # nothing is mounted over the root's own /boot
    ours = {at.context.names.of(role) for role in FILE_ROLES}
    return tuple(
        entry
        for entry in hidden_changes(base, new, (_BOOT,))
        if (name := entry.path[len(_BOOT) + 1 :]) not in ours
        and (_DEVICE_TREE.fullmatch(name) or not _NO_BOOT_FILE.fullmatch(name))
    )


def _owners(at: Apply, manager: t.Callable[[Runner], PackageManager], paths: t.Sequence[str]) -> t.Mapping[str, str]:
    root_mount = certain(at.facts.root_mount, "the mount of the root")
    with NewRoot(at.runner, root_mount.source, at.made_root().id, at.lock_fds) as inside:
        return manager(inside).owners(paths)


def sentence(found: t.Sequence[Hidden], owners: t.Mapping[str, str]) -> str:
    """What is hidden by what, for people."""
    by_mount: dict[str, list[str]] = {}
    for entry in found:
        owner = owners.get(entry.path)
        what = f"{entry.path}{f' ({owner})' if owner else ''}{' (removed)' if entry.change == 'removed' else ''}"
        by_mount.setdefault(entry.mount, []).append(what)
    parts = []
    for mount, paths in by_mount.items():
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        parts.append(f"{mount} hides {', '.join(paths[:_NAMED])}{more}")
    return (
        f"{'; '.join(parts)}: packages or their scripts wrote that into the new root, and after the reboot another file "
        "system is mounted over it."
    )


__all__ = ("refuse_hidden", "sentence")
