# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots with numbers of snapper, of which btrfs' default subvolume is the one that boots: openSUSE's layout.

GRUB and the kernel take everything from the default subvolume: the menu, the kernel, the root. So setting it is the commit, one
write of btrfs; and since GRUB cannot write to btrfs, nothing can be tried once. The id of a deployment is snapper's number.

What is listed in our own directory in the top-level tree are the deployments; beside them what runs and what boots by default
counts as one, whoever made it. The kernel of each is what its own menu boots, read anew each time: the root may get another
one in place. Snapshots of others are looked at, and never changed.
"""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import asdict, dataclass

from ...btrfs import subvolumes
from ...btrfs.ioctl import SUBVOLUME_INODE
from ...btrfs.roots import get_default, list_subvolumes
from ...errors import OvercError, certain
from ...system.flags import is_locked
from ...system.mount_table import mount_at
from ...system.presence import status, text_of
from ...system.rooted_path import regular_file_in_root
from ...values import build, decimal, load_object
from ..entries.make import title_of
from ..entries.menu import DEFAULT, Entry, Menu
from ..entries.method import Blocked, Choice, Place
from ..entries.write import remove_files, unused, write_text
from ..loader.started import is_loader
from ..timeouts import Timeouts
from . import numbers
from .menu import DIRECTORY, boots

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

LISTED: t.Final = "deployments"
# Where snapper looks for the snapshots of the root
SEEN: t.Final = "/.snapshots"
TOOLS: t.Final = ("grub2-mkconfig", "grub-mkconfig")
_HEAD: t.Final = (
    "# overc.system: deployments with numbers of snapper, version 1. Made whole by the collection; do not edit.\n"
)
_SETTINGS: t.Final = "#= "


@dataclass(frozen=True)
class Listed:
    """A deployment: snapper's number, the root's path in the top-level tree and its uuid."""

    id: int
    subvolume: str
    uuid: str


@dataclass(frozen=True)
class SnapperPlace(Place):
    """``hook`` and ``block``: the list. ``top``: where the top-level tree is mounted, ``store`` where in it the numbers are;
    ``booted``: the root that runs.
    """

    runner: Runner | None = None
    top: str = ""
    store: str = ""
    booted: str = ""

    method = "snapper"
    loader = "GRUB"
    heals_unloadable = False
    by_default = True
    hides = (f"/{DIRECTORY}",)

    @property
    def block(self) -> str:
        return os.path.join(self.directory, LISTED)

    @property
    def apart(self) -> bool:
        return False

    @property
    def _numbers(self) -> str:
        return os.path.join(self.top, self.store)

    # --- what is there ----------------------------------------------------------------------------------------

    def read_menu(self) -> tuple[Menu, str | None]:
        text = text_of(self.block)
        if text is None:
            return Menu(), f"{self.block} is gone"
        try:
            listed, settings = parse_list(text)
        except ValueError as error:
            return Menu(), f"{self.block} cannot be believed: {error}"
        there = list_subvolumes(self.top)
        default = get_default(self.top)
        paths = {entry.uuid: entry.path for entry in there}
        found = {each.id: self.own_entry(each.id, paths.get(each.uuid, each.subvolume), each.uuid) for each in listed}
        for entry in there:
            number = self.number_of(entry.path)
            if number and (entry.id == default or entry.path == self.booted):
                # Whatever number it had before somebody renamed it
                found = {known: each for known, each in found.items() if each.uuid != entry.uuid}
                found[number] = self.own_entry(number, entry.path, entry.uuid)
        return Menu(tuple(found[number] for number in sorted(found, reverse=True)), settings), None

    def own_entry(self, number: int, subvolume: str, uuid: str) -> Entry:
        root = os.path.join(self.top, subvolume)
        found = boots(root)
        names = {"kernel": found.kernel or "vmlinuz", "initrd": found.initrd or "initrd"}
        places = {role: regular_file_in_root(root, f"boot/{name}") for role, name in names.items()}
        files = {
            role: "/" + os.path.relpath(place, self.top) if place else f"/{subvolume}/boot/{names[role]}"
            for role, place in places.items()
        }
        return Entry(
            id=number,
            title=title_of(root, number, found.release),
            subvolume=subvolume,
            uuid=uuid,
            device=self.device,
            kernel=files["kernel"],
            args=(),
            initrd=files["initrd"],
            release=found.release,
        )

    def defects(self, menu: Menu) -> dict[int, str]:
        found = {entry.id: boots(os.path.join(self.top, entry.subvolume)).problem for entry in menu.entries}
        return {number: problem for number, problem in found.items() if problem}

    def read_choice(self) -> Choice:
        default = self._default()
        number = self.number_of(default) if default else None
        return Choice(True, {DEFAULT: str(number)} if number else {})

    def _default(self) -> str | None:
        wanted = get_default(self.top)
        return next((entry.path for entry in list_subvolumes(self.top) if entry.id == wanted), None)

    def unled(self) -> str | None:
        default = self._default()
        if default and self.number_of(default):
            return None
        return (
            f"the default subvolume is {default or 'the top-level tree'}, which is no root with a number of snapper's"
        )

    def unreachable(self) -> str | None:
        if is_loader():
            return "systemd-boot has started this host, and does not ask for the default subvolume"
        kind = loader_type()
        if kind not in ("grub2", "grub2-efi"):
            return f"/etc/sysconfig/bootloader says LOADER_TYPE={kind}: its entries decide what boots, not the default subvolume"
        return None

    def waits(self) -> str | None:
        return None  # whatever the distribution's own menu asks for, it asked for it before

    @property
    def by_kernel_install(self) -> bool:
        return False

    def begins_in(self, _mounts: t.Sequence[Mount], _top: str, _menu: Menu) -> frozenset[int]:
        return frozenset()  # wherever the default subvolume is

    def blocked(self, mounts: t.Sequence[Mount]) -> tuple[Blocked, ...]:
        """All that can be known of a claim, of the new root's name and of its menu."""
        store, found = self._numbers, list[Blocked]()
        unseen = unseen_numbers(mounts, self.store)
        if unseen is not None:
            found.append(Blocked("inconsistent", unseen, f"mount {SEEN} (a line for it belongs in /etc/fstab)"))
        taken = numbers.beyond(store)
        if taken is not None:
            detail = f"{self.store} has a {taken}, and no number is left after it"
            found.append(Blocked("inconsistent", detail, "look what it is, then rename or delete it"))
        others = numbers.in_the_way(store)
        if others:
            names = ", ".join(f"{SEEN}/{os.path.basename(path)}" for path in others)
            detail = f"{names} has a name that numbers of ours have while they are made, and is nobody's known work"
            found.append(Blocked("inconsistent", detail, "look what it is, then rename or delete it"))
        if is_locked(store):
            detail = f"{self.store} is immutable or append-only (lsattr -d)"
            found.append(Blocked("access_denied", detail, f"chattr -i -a {SEEN}"))
        elif _is_read_only(store):
            detail = f"{self.store} has the btrfs property ro=true"
            found.append(Blocked("access_denied", detail, f"btrfs property set -ts {SEEN} ro false"))
        if self.runner is not None and all(self.runner.find(tool) is None for tool in TOOLS):
            detail = f"{TOOLS[0]} is not installed, which writes the menu of each root"
            found.append(Blocked("kernel_broken", detail, "install it (package grub2)"))
        return tuple(found)

    # --- names ------------------------------------------------------------------------------------------------

    def number_of(self, subvolume: str) -> int | None:
        """The number of a root in the store of this host."""
        return numbers.number_in(subvolume) if numbers.store_of(subvolume) == self.store else None

    def root_named(self, number: int) -> str | None:
        return numbers.root_named(self.store, number)

    def highest(self) -> int:
        return numbers.highest(self._numbers)

    # --- what is changed --------------------------------------------------------------------------------------

    def claim(self, number: int) -> bool:
        numbers.claim(self._numbers, number)
        return True

    def is_ours(self, number: int) -> bool:
        return numbers.is_ours(self._numbers, number)

    def describe(self, number: int, made_of: str) -> bool:
        numbers.describe(self._numbers, number, f"deployment of overc.system, made of {numbers.number_in(made_of)}")
        return True

    def settle(self, number: int) -> bool:
        return numbers.settle(self._numbers, number)

    def begin(self, chosen: int | None) -> None:
        """What runs is the default, where there was none that anybody could vouch for."""
        path = numbers.root_named(self.store, chosen) if chosen is not None else None
        found = next((entry for entry in list_subvolumes(self.top) if entry.path == path), None)
        if found is not None:
            self._set(found)

    def hook_after(self, before: str, _append: bool) -> str:
        return before  # nothing has to lead GRUB to the default subvolume

    def hook_without(self, before: str) -> str:
        return before

    def write_menu(self, _runner: Runner, _before: Menu, after: Menu) -> None:
        write_text(self.block, list_text(after))

    def choose(self, changes: t.Mapping[str, str | None]) -> tuple[bool, dict[str, str]]:
        """One write of btrfs. Raises inconsistent, btrfs_failed."""
        wanted = decimal(changes.get(DEFAULT) or "")
        if wanted is None:
            return False, self.read_choice().values
        menu, _problem = self.read_menu()
        entry = menu.of(wanted)
        found = next((each for each in list_subvolumes(self.top) if entry and each.uuid == entry.uuid), None)
        if entry is None or found is None:
            raise OvercError(
                "inconsistent", f"Deployment {wanted} is gone, or is none any more. What boots is unchanged."
            )
        changed = self._set(found)
        values = self.read_choice().values
        if values.get(DEFAULT) != str(wanted):
            raise OvercError("btrfs_failed", f"The default subvolume is not {found.path} after it was set.")
        return changed, values

    def note(self, _meant: t.Collection[int]) -> bool:
        """What somebody started while it was being taken out of the list is listed again: it was made by us, and stays."""
        menu, problem = self.read_menu()
        text = text_of(self.block)
        if problem is not None or text is None:
            return False
        listed = {each.id for each in parse_list(text)[0]}
        if not any(self.is_ours(entry.id) for entry in menu.entries if entry.id not in listed):
            return False
        self.write_menu(certain(self.runner, "a runner"), menu, menu)
        return True

    def _set(self, subvolume: subvolumes.Subvolume) -> bool:
        if get_default(self.top) == subvolume.id:
            return False
        subvolumes.sync(self.top)
        subvolumes.set_default(certain(self.runner, "a runner"), subvolume.id, self.top)
        return True

    def remove_unused(self, menu: Menu) -> bool:
        removed = numbers.remove_left(self._numbers)
        beside = f"{self.block}.overc-new"
        return remove_files(self, [path for path in unused(self, menu) if path == beside]) or removed

    def leave(self) -> None:
        """The default subvolume stays what it is."""

    def remove(self) -> None:
        numbers.remove_left(self._numbers)
        remove_files(self, [self.block])


def unseen_numbers(mounts: t.Sequence[Mount], store: str) -> str | None:
    """Why snapper, which looks in one directory of the running root, would not see these numbers; None where it does."""
    root, found = mount_at(mounts, "/"), mount_at(mounts, SEEN)
    if found is None:
        return f"{store} is not mounted on {SEEN}, so that snapper sees no deployment"
    if root is not None and found.device == root.device and found.root == f"/{store}":
        return None
    what = found.root.lstrip("/") if root is not None and found.device == root.device else f"another {found.fstype}"
    return (
        f"what is mounted on {SEEN} is {what}, and not {store}: snapper sees no deployment, and its numbers are others"
    )


def _is_read_only(store: str) -> bool:
    """The numbers may be in a directory of the root's file system as well, which has no such property."""
    found = status(store)
    return found is not None and found.st_ino == SUBVOLUME_INODE and subvolumes.is_read_only(store)


def loader_type() -> str:
    """How openSUSE's tools are told what boots this host; grub2 where they are not."""
    for line in (text_of("/etc/sysconfig/bootloader") or "").splitlines():
        name, _equals, value = line.strip().partition("=")
        if name == "LOADER_TYPE":
            return value.strip("\"' ") or "grub2"
    return "grub2"


def list_text(menu: Menu) -> str:
    """The whole list."""
    lines = [
        json.dumps(asdict(Listed(entry.id, entry.subvolume, entry.uuid)), sort_keys=True) for entry in menu.entries
    ]
    settings = f"{_SETTINGS}{json.dumps(asdict(menu.settings), sort_keys=True)}"
    return _HEAD + "".join(f"{line}\n" for line in (settings, *sorted(lines)))


def parse_list(text: str) -> tuple[tuple[Listed, ...], Timeouts]:
    """The inverse. Raises ValueError where it is not what we write."""
    if not text.startswith(_HEAD):
        raise ValueError("it does not begin as ours do")
    lines = text[len(_HEAD) :].splitlines()
    settings = [build(Timeouts, load_object(line[len(_SETTINGS) :])) for line in lines if line.startswith(_SETTINGS)]
    listed = tuple(build(Listed, load_object(line)) for line in lines if not line.startswith(_SETTINGS))
    if len(settings) != 1 or len({each.id for each in listed}) != len(listed):
        raise ValueError("it is not what was written")
    return listed, settings[0]


__all__ = ("LISTED", "TOOLS", "SnapperPlace", "list_text", "loader_type", "parse_list", "unseen_numbers")
