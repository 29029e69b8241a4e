# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the menu of deployments and its block are on a host, and how GRUB comes to them."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from ...system.mount_table import mount_at
from ...system.presence import text_of
from ..trial import WRITABLE_FILESYSTEMS, mapped_kind
from .menu import find_hook

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

SELECTOR: t.Final = "overc"
MENU: t.Final = "menu.cfg"
BLOCK: t.Final = "env"
FILES: t.Final = "files"
HOOK: t.Final = "custom.cfg"
GRUB_DIRECTORIES: t.Final = ("grub", "grub2")
ESP_DIRECTORIES: t.Final = ("/boot/efi", "/efi", "/boot/EFI")
_FROM_HOOK = re.compile(
    r"--set=overc_device (?P<device>[0-9A-Fa-f-]+)\nset overc_dir=\"\(\$\{overc_device\}\)(?P<directory>/[^\"\s]+)\""
)


@dataclass(frozen=True)
class Place:
    """``directory``: the selector on this host, ``mount_point`` the mount that it is on; ``device`` the UUID of that file
    system and ``grub_directory`` the path on it. ``hook``: the custom.cfg that GRUB reads. ``copies``: kernels are copied
    there; else GRUB reads them from the root subvolumes. ``problem``: why GRUB cannot write there, a sentence.
    """

    directory: str
    mount_point: str
    device: str
    grub_directory: str
    hook: str
    copies: bool
    problem: str | None = None

    @property
    def menu(self) -> str:
        return os.path.join(self.directory, MENU)

    @property
    def block(self) -> str:
        return os.path.join(self.directory, BLOCK)

    @property
    def distribution_menu(self) -> str:
        """The grub.cfg that reads the hook."""
        return os.path.join(os.path.dirname(self.hook), "grub.cfg")

    @property
    def files(self) -> str:
        return os.path.join(self.directory, FILES)


def uuid_of(runner: Runner, device: str) -> str:
    """The UUID of the file system on a device. Raises layout_unsupported where it has none."""
    done = runner.run(("blkid", "-c", "/dev/null", "-s", "UUID", "-o", "value", device))
    found = done.stdout.strip()
    if done.rc != 0 or not found:
        raise OvercError(
            "layout_unsupported",
            f"The file system on {device} has no UUID by which GRUB could find it.",
            **done.facts(),
        )
    return found


def grub_directory(boot: str) -> str | None:
    """The directory of a /boot with the grub.cfg in it; None where there is none, or two."""
    found = [name for name in GRUB_DIRECTORIES if text_of(os.path.join(boot, name, "grub.cfg")) is not None]
    return os.path.join(boot, found[0]) if len(found) == 1 else None


def _is_on_root(mounts: t.Sequence[Mount], boot_dir: str) -> bool:
    return mount_at(mounts, boot_dir) is None


def _esp(mounts: t.Sequence[Mount]) -> Mount | None:
    found = [mount_at(mounts, path) for path in ESP_DIRECTORIES]
    return next((mount for mount in found if mount is not None and mount.fstype in WRITABLE_FILESYSTEMS), None)


def find_place(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str, top: str, anchor: str) -> Place:
    """Where the menu belongs on this host, whether it is there yet or not. ``anchor``: the subvolume of deployment 0.

    Raises layout_unsupported where GRUB's own menu cannot be found.
    """
    apart = None if _is_on_root(mounts, boot_dir) else mount_at(mounts, boot_dir)
    boot = boot_dir if apart else os.path.join(top, anchor, boot_dir.lstrip("/"))
    grub = grub_directory(boot)
    if grub is None:
        raise OvercError(
            "layout_unsupported",
            f"There is no grub.cfg in {boot_dir}, or there are two: GRUB's own menu has to be in {boot_dir}/grub or "
            f"{boot_dir}/grub2.",
        )
    where = apart or _esp(mounts)
    root = mount_at(mounts, "/")
    if where is not None:
        if where.root != "/":
            raise OvercError(
                "layout_unsupported", f"{where.target} shows only a part of its file system, where GRUB sees all of it."
            )
        directory, mount_point, path = os.path.join(where.target, SELECTOR), where.target, f"/{SELECTOR}"
        problem = _write_problem(where)
        source = where.source
    else:
        directory, mount_point = os.path.join(boot, SELECTOR), top
        path = "/" + os.path.join(anchor, boot_dir.lstrip("/"), SELECTOR)
        problem = f"{boot_dir} is on btrfs, where GRUB reads and does not write, and there is no EFI system partition"
        source = root.source if root else ""
    return Place(
        directory, mount_point, uuid_of(runner, source), path, os.path.join(grub, HOOK), apart is not None, problem
    )


def _write_problem(mount: Mount) -> str | None:
    if mount.fstype not in WRITABLE_FILESYSTEMS:
        return f"GRUB cannot be relied on to write to {mount.fstype}, which {mount.target} is"
    if "data=journal" in mount.options:
        return f"{mount.target} is mounted with data=journal, and GRUB does not read the journal"
    kind = mapped_kind(os.stat(mount.target).st_dev)
    return f"{mount.target} lies on {kind} ({mount.source}), where GRUB cannot write" if kind else None


def adopted(boot_dir: str) -> tuple[str, str] | None:
    """The device's UUID and the path of the selector as the hook of the running root has them; None without a hook."""
    for name in GRUB_DIRECTORIES:
        hook = find_hook(text_of(os.path.join(boot_dir, name, HOOK)) or "")
        found = _FROM_HOOK.search(hook) if hook else None
        if found:
            return found["device"], found["directory"]
    return None


__all__ = (
    "BLOCK",
    "FILES",
    "GRUB_DIRECTORIES",
    "HOOK",
    "MENU",
    "SELECTOR",
    "Place",
    "adopted",
    "find_place",
    "grub_directory",
    "uuid_of",
)
