# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of GRUB that each root has in itself: what it boots without anybody's choice."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from ...system.presence import text_of
from ...system.rooted_path import regular_file_in_root
from ..entries.kernels import versioned
from ..grub.config import BootEntry, parse_grub_config
from ..grub.environment import parse_environment, read_block

DIRECTORY: t.Final = "boot/grub2"
_CONFIG: t.Final = f"{DIRECTORY}/grub.cfg"
_BLOCK: t.Final = f"{DIRECTORY}/grubenv"
_KERNEL: t.Final = re.compile(r"^\s*linux(?:efi|16)?\s+(?P<path>\S+)", re.MULTILINE)
_DEFAULT: t.Final = re.compile(r"^\s*set\s+default=\"?(?P<value>[^\"\n]*)\"?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Boots:
    """Kernel and initrd as names in the root's /boot. ``problem``: why that cannot be told, or would not do; a sentence."""

    kernel: str | None = None
    initrd: str | None = None
    release: str | None = None
    problem: str | None = None


def boots(root: str) -> Boots:
    """What the menu of a root boots by itself."""
    place = regular_file_in_root(root, _CONFIG)
    text = text_of(place) if place else None
    if text is None:
        return Boots(problem=f"/{_CONFIG} is not there")
    entries = [entry for entry in parse_grub_config(text) if entry.kernel]
    if not entries:
        return Boots(problem=f"/{_CONFIG} has no entry")
    chosen, problem = _chosen(root, text, entries)
    if chosen is None:
        return Boots(problem=problem)
    kernels = versioned([name for name in (chosen.kernel, chosen.initrd) if name])
    release = kernels[0].release if kernels else None
    return Boots(chosen.kernel, chosen.initrd, release, _unsuited(text, chosen))


def _unsuited(text: str, chosen: BootEntry) -> str | None:
    if any(flag.startswith("subvol") for flag in chosen.rootflags):
        return f"/{_CONFIG} names a subvolume for / (rootflags=), so that the default one would not decide"
    paths = {match["path"] for match in _KERNEL.finditer(text) if match["path"].endswith(f"/{chosen.kernel}")}
    if paths != {f"/boot/{chosen.kernel}"}:
        return (
            f"/{_CONFIG} takes its kernel from {', '.join(sorted(paths))} and not from /boot of the default subvolume "
            "(btrfs_relative_path)"
        )
    return None


def _chosen(root: str, text: str, entries: t.Sequence[BootEntry]) -> tuple[BootEntry | None, str | None]:
    values: dict[str, str] = {}
    place = regular_file_in_root(root, _BLOCK)
    if place is not None and "load_env" in text:
        try:
            values = parse_environment(read_block(place))
        except (OSError, OvercError):
            values = {}  # GRUB says that it is no block, and goes on
    if values.get("next_entry"):
        return (
            None,
            f"/{_BLOCK} has a next_entry, which GRUB cannot take back on btrfs (grub2-editenv - unset next_entry)",
        )
    said = [match["value"] for match in _DEFAULT.finditer(text)]
    wanted = next((value for value in reversed(said) if "next_entry" not in value), "")
    if "saved_entry" in wanted:
        wanted = values.get("saved_entry", "")
    if wanted in ("", "0"):
        return entries[0], None
    named = [entry for entry in entries if entry.title == wanted]
    if not named:
        return None, f"it cannot be told which entry of /{_CONFIG} is {wanted!r}, its default (grub2-set-default 0)"
    return named[0], None


__all__ = ("DIRECTORY", "Boots", "boots")
