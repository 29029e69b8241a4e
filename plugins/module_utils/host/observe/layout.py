# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of a host's layout: the options every host module shares, checked before anything uses them."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from ...packages.known import PROGRAMS
from ...system.unfinished import NEW_SUFFIX

# Suffixes of names that belong to an unfinished or finished-but-kept piece of work of ours.
KEPT_SUFFIX: t.Final = ".overc-kept"

_NAME = re.compile(r"[A-Za-z0-9_@.][A-Za-z0-9_@.+-]{0,199}")

_MOST_KEPT: t.Final = 100

LAYOUT_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "root_subvolume": {"type": "str", "default": "rootfs"},
    "upgrade_subvolume": {"type": "str", "default": "rootfs_upgrade"},
    "backup_subvolume": {"type": "str", "default": "rootfs_bakup"},
    "boot_dir": {"type": "str", "default": "/boot"},
    "kernel": {"type": "str"},
    "kernel_certificate": {"type": "str"},
    "package_manager": {"type": "str", "default": "auto", "choices": ["auto", *PROGRAMS]},
    "boot_method": {
        "type": "str",
        "default": "auto",
        "choices": ["auto", "default-subvolume", "grub-entry", "loader-entry", "snapper"],
    },
    "keep": {"type": "int", "default": 2},
}


@dataclass(frozen=True)
class Layout:
    """Checked names. ``kernel`` is None where it is to be found, ``kernel_certificate`` where none is to be verified.

    ``deployments`` are no option: the roots that have boot entries of their own, as they are found.
    """

    root: str = "rootfs"
    upgrade: str = "rootfs_upgrade"
    backup: str = "rootfs_bakup"
    boot_dir: str = "/boot"
    kernel: str | None = None
    package_manager: str = "auto"
    kernel_certificate: str | None = None
    boot_method: str = "auto"
    keep: int = 2
    deployments: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[str, str]:
        """The two names between which root subvolumes alternate."""
        return (self.root, self.upgrade)

    @property
    def names(self) -> tuple[str, str, str]:
        """Every name that a root subvolume of ours can have: the two, and the backup's."""
        return (self.root, self.upgrade, self.backup)

    @property
    def looked_into(self) -> frozenset[str]:
        """The subvolumes whose content is observed: these, and our unfinished work under their names."""
        names = (*self.names, *self.deployments)
        return frozenset((*names, *(name + NEW_SUFFIX for name in names)))

    @property
    def backup_flags(self) -> tuple[str, str]:
        """The words of ``rootflags=``, either of which makes a boot entry the backup's."""
        return (f"subvol={self.backup}", f"subvol=/{self.backup}")

    def other_root(self, name: str) -> str:
        """The root name that ``name`` is not."""
        return self.upgrade if name == self.root else self.root


def check_name(option: str, value: str) -> str:
    """A plain file name that no command could take for an option, a path or two words."""
    if not _NAME.fullmatch(value) or value in (".", "..") or value.endswith((NEW_SUFFIX, KEPT_SUFFIX)):
        raise OvercError(
            "bad_argument",
            f"{option}={value!r} is not a usable name: letters, digits and _ @ . + - only, not starting with + or -, "
            "no slash, at most 200 characters.",
        )
    return value


def check_absolute(option: str, value: str) -> str:
    """An absolute path without ``..``, ``.``, empty components or control characters."""
    parts = value.split("/")
    if (
        not value.startswith("/")
        or value == "/"
        or any(part in ("", ".", "..") for part in parts[1:])
        or any(ord(char) < 32 or ord(char) == 127 for char in value)
    ):
        raise OvercError(
            "bad_argument",
            f"{option}={value!r} is not a usable path: it must be absolute, below / and without '.', '..' or '//'.",
        )
    return value


def layout_from(params: t.Mapping[str, t.Any]) -> Layout:
    """Check the layout options of a module. Raises bad_argument."""
    layout = Layout(
        root=check_name("root_subvolume", params["root_subvolume"]),
        upgrade=check_name("upgrade_subvolume", params["upgrade_subvolume"]),
        backup=check_name("backup_subvolume", params["backup_subvolume"]),
        boot_dir=check_absolute("boot_dir", params["boot_dir"]),
        kernel=check_name("kernel", params["kernel"]) if params["kernel"] is not None else None,
        package_manager=params["package_manager"],
        kernel_certificate=check_absolute("kernel_certificate", params["kernel_certificate"])
        if params["kernel_certificate"] is not None
        else None,
        boot_method=params["boot_method"],
        keep=params["keep"],
    )
    if not 1 <= layout.keep <= _MOST_KEPT:
        raise OvercError("bad_argument", f"keep must be 1 to {_MOST_KEPT}; it is {layout.keep}.")
    if len(set(layout.names)) != 3:
        names = ", ".join(layout.names)
        raise OvercError(
            "bad_argument",
            "root_subvolume, upgrade_subvolume and backup_subvolume must be three names, all different; "
            f"they are {names}.",
        )
    return layout


__all__ = ("KEPT_SUFFIX", "LAYOUT_SPEC", "Layout", "check_absolute", "check_name", "layout_from")
