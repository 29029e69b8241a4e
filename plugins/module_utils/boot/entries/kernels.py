# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels with a version in their names: which of a root's is the one that it boots with. Pure but for ``kernels_in``."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass
from functools import cmp_to_key

from ...system.presence import is_directory
from ...system.rooted_path import regular_file_in_root, resolve_in_root

_KERNEL = re.compile(r"(?:vmlinuz|vmlinux|Image|kernel)-(?P<release>[0-9][0-9A-Za-z.+_~-]*)")
# As initramfs-tools, dracut and mkinitrd name them
_INITRDS: t.Final = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}", "initrd-{}.img")
_PIECE = re.compile(r"(\D*)(\d*)")
# dracut's copy of some kernel, for emergencies: not one of the root's own, and without modules
_RESCUE: t.Final = "0-rescue-"
# What else the packages of a kernel put beside it
COMPANIONS: t.Final = ("config-{}", "System.map-{}")


@dataclass(frozen=True)
class Kernel:
    """A kernel of a root and its initrd, as paths below that root's /boot; ``initrd`` is None where there is none."""

    release: str
    name: str
    initrd: str | None = None


def _order(text: str) -> tuple[int, ...]:
    """As dpkg sorts what is no number: ``~`` before the end, letters before other signs."""
    rank = [-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in text]
    return (*rank, 0)


def compare_releases(one: str, other: str) -> int:
    """Less than, equal to or more than 0, as dpkg --compare-versions has it for the part without an epoch."""
    left, right = _PIECE.findall(one), _PIECE.findall(other)
    for number in range(max(len(left), len(right))):
        text, digits = left[number] if number < len(left) else ("", "")
        text_2, digits_2 = right[number] if number < len(right) else ("", "")
        if _order(text) != _order(text_2):
            return -1 if _order(text) < _order(text_2) else 1
        if int(digits or 0) != int(digits_2 or 0):
            return -1 if int(digits or 0) < int(digits_2 or 0) else 1
    return 0


def versioned(names: t.Collection[str]) -> tuple[Kernel, ...]:
    """The kernels among the names of a directory, the newest first."""
    found = []
    for name in names:
        match = _KERNEL.fullmatch(name)
        if match and not match["release"].startswith(_RESCUE):
            release = match["release"]
            initrds = [pattern.format(release) for pattern in _INITRDS if pattern.format(release) in names]
            found.append(Kernel(release, name, initrds[0] if initrds else None))
    return tuple(sorted(found, key=cmp_to_key(_newer_first)))


def _newer_first(one: Kernel, other: Kernel) -> int:
    return compare_releases(other.release, one.release)


def files_of(release: str) -> tuple[str, ...]:
    """Every name that a file of this kernel may have."""
    kernels = (f"{stem}-{release}" for stem in ("vmlinuz", "vmlinux", "Image", "kernel"))
    return (*kernels, *(pattern.format(release) for pattern in (*_INITRDS, *COMPANIONS)))


def choose(kernels: t.Sequence[Kernel], modules: t.Collection[str]) -> Kernel | None:
    """The newest one that has an initrd and, in the same root, modules; None if there is none."""
    return next((kernel for kernel in kernels if kernel.initrd and kernel.release in modules), None)


def kernels_in(root: str, directory: str = "boot") -> tuple[Kernel, ...]:
    """The kernels of a root, the newest first; only regular files that are not empty count."""
    place = resolve_in_root(root, directory)
    if place is None or not is_directory(place):
        return ()
    names = [name for name in os.listdir(place) if _is_filled(root, f"{directory}/{name}")]
    return versioned(names)


def unusable_in(root: str, directory: str = "boot") -> tuple[Kernel, ...]:
    """What has the name of a kernel of a root and is none, the newest first: empty, a directory, a link to nowhere."""
    place = resolve_in_root(root, directory)
    if place is None or not is_directory(place):
        return ()
    usable = {kernel.name for kernel in kernels_in(root, directory)}
    return tuple(kernel for kernel in versioned(os.listdir(place)) if kernel.name not in usable)


def _is_filled(root: str, path: str) -> bool:
    found = regular_file_in_root(root, path)
    return found is not None and os.lstat(found).st_size > 0


__all__ = ("COMPANIONS", "Kernel", "choose", "compare_releases", "files_of", "kernels_in", "unusable_in", "versioned")
