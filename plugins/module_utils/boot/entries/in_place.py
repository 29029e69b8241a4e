# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that came to the running deployment in place, after its boot entry was written: what runs, and what is newer."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from functools import cmp_to_key

from ...errors import OvercError
from ...system.presence import text_of
from ...system.rooted_path import regular_file_in_root
from ..kernel import is_too_large, module_releases, read_defect, sha256_of
from .command_line import arguments_for, words_of
from .device import uuid_of
from .kernels import compare_releases, kernels_in
from .make import title_of
from .menu import ADOPTED, Entry

if t.TYPE_CHECKING:
    from ...runner import Runner
    from .method import Place

_IMAGE: t.Final = "BOOT_IMAGE="


@dataclass(frozen=True)
class Source:
    """A kernel with its initrd, both whole: where they are on this host, and their names."""

    release: str
    kernel: str
    initrd: str

    @property
    def size(self) -> int:
        return os.lstat(self.kernel).st_size + os.lstat(self.initrd).st_size


@dataclass(frozen=True)
class InPlace:
    """Of the running deployment, beside what its entry boots. ``runs``: the kernel that the distribution's menu has started
    instead, or with other words; ``size``: its bytes, and those of its initrd. ``newer``: the newest kernel that it could boot,
    where that is newer than the one of its entry, which is ``entry``.
    """

    runs: str | None = None
    size: int = 0
    newer: str | None = None
    entry: str | None = None


@dataclass(frozen=True)
class Running:
    """The running deployment: ``root`` is where its subvolume is, ``path`` its name in the top-level tree."""

    number: int
    path: str
    uuid: str
    root: str


def sources(place: Place, number: int, root: str, boot_dir: str) -> tuple[Source, ...]:
    """The kernels that a running deployment could boot with, the newest first. One of the same release that was staged with it,
    in its own /boot below what is mounted there, comes before one that is shared with others.
    """
    own, shared = (root, "boot"), ("/", boot_dir.lstrip("/"))
    looked = [own] if not place.apart else [shared] if number == ADOPTED else [own, shared]
    modules = module_releases(root)
    found = []
    for above, directory in looked:
        for kernel in kernels_in(above, directory):
            files = [
                regular_file_in_root(above, f"{directory}/{name}") for name in (kernel.name, kernel.initrd) if name
            ]
            if kernel.release in modules and len(files) == 2 and files[0] and files[1]:
                found.append(Source(kernel.release, files[0], files[1]))
    whole = [each for each in found if not read_defect(each.kernel) and not is_too_large(each.initrd)]
    return tuple(sorted(whole, key=cmp_to_key(_newer_first)))


def _newer_first(one: Source, other: Source) -> int:
    return compare_releases(other.release, one.release)


def running(found: t.Sequence[Source], cmdline: str) -> Source | None:
    """The one that runs, by what the kernel says of itself, or by what the boot loader told it; None if it is not there."""
    names = [os.path.basename(word[len(_IMAGE) :]) for word in words_of(cmdline) if word.startswith(_IMAGE)]
    by_itself = next((each for each in found if each.release == os.uname().release), None)
    return by_itself or next((each for each in found if os.path.basename(each.kernel) in names), None)


def look(place: Place, entry: Entry, root: str, boot_dir: str, booted_entry: int | None) -> InPlace:
    """``entry``: that of the running deployment; ``booted_entry``: the id of the entry of ours that was booted."""
    found, cmdline = sources(place, entry.id, root, boot_dir), text_of("/proc/cmdline") or ""
    runs = running(found, cmdline) if booted_entry is None else None
    same = runs is None or (entry.release == runs.release and entry.args == _words(cmdline, entry))
    newest = found[0].release if found else None
    newer = newest is not None and entry.release is not None and compare_releases(newest, entry.release) > 0
    told = None if same or runs is None else runs
    return InPlace(
        runs=told.release if told else None,
        size=told.size if told and place.copies else 0,
        newer=newest if newer else None,
        entry=entry.release,
    )


def _words(cmdline: str, entry: Entry) -> tuple[str, ...]:
    """Those that the running kernel was given; those of the entry where they do not say what they have to."""
    try:
        return arguments_for(cmdline, entry.subvolume)
    except OvercError:
        return entry.args


def entry_of(
    runner: Runner, place: Place, of: Running, source: Source, root_device: str
) -> tuple[Entry, dict[str, str]]:
    """The entry that boots the running deployment with this kernel, and sha256 -> path of what has to be copied for it."""
    files = {"kernel": source.kernel, "initrd": source.initrd}
    digests: dict[str, str] = {}
    if place.copies:
        digests = {role: sha256_of(path) for role, path in files.items()}
        device, named = place.device, {role: place.file_named(digest) for role, digest in digests.items()}
    else:
        device = uuid_of(runner, root_device)
        named = {role: f"/{of.path}/boot/{os.path.basename(path)}" for role, path in files.items()}
    entry = Entry(
        id=of.number,
        title=title_of(of.root, of.number, source.release),
        subvolume=of.path,
        uuid=of.uuid,
        device=device,
        kernel=named["kernel"],
        args=arguments_for(text_of("/proc/cmdline") or "", of.path),
        initrd=named["initrd"],
        release=source.release,
    )
    return entry, {digest: files[role] for role, digest in digests.items()}


__all__ = ("InPlace", "Running", "Source", "entry_of", "look", "running", "sources")
