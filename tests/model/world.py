# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is to the model: two file systems, what runs, and what a power cut may leave of it. Immutable values.

Every value is a label: ``u3`` a subvolume, ``k2`` a kernel. Nothing here knows the product; ``facts.py`` shows a world to it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.overc.system.plugins.module_utils.host.store.record import Record

NORMAL, BACKUP = "bzImage", "bzImage_bakup"
UNFINISHED: t.Final = ".overc-new"
ROOT, UPGRADE, BAKUP = "rootfs", "rootfs_upgrade", "rootfs_bakup"
# A boot file with the name of a kernel that nobody could load
TORN, EMPTY = "torn", "empty"

FileSystem = t.Literal["ext4", "vfat"]


class Root(t.NamedTuple):
    """A root subvolume. ``kernel`` is what its packages brought, ``kept`` those modules that carry our mark; ``written``:
    somebody wrote to it since it was staged, which is noticed only where each deployment has an entry of its own. ``menu`` is
    the kernel that its own boot menu starts, where it has one.
    """

    uuid: str
    parent: str | None
    kernel: str
    modules: frozenset[str]
    kept: frozenset[str] = frozenset()
    guard: bool = False
    written: bool = False
    menu: str = ""


class Journal(t.NamedTuple):
    """An open journal: context and steps as the product wrote them, the steps that began and that ended, and their notes."""

    operation: str
    context: tuple[tuple[str, t.Any], ...]
    steps: tuple[str, ...] = ()
    begun: frozenset[str] = frozenset()
    notes: tuple[tuple[str, t.Any], ...] = ()
    ended: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Btrfs:
    """The btrfs file system at one moment. ``subvolumes`` are sorted by name; those that are no roots are there too."""

    subvolumes: tuple[tuple[str, Root], ...]
    default: str
    record: Record = field(default_factory=Record)
    journal: Journal | None = None
    downloads: bool = False

    @property
    def more(self) -> object:
        """What else is on it, for whoever compares two of them."""
        return None

    def at(self, name: str) -> Root | None:
        return next((root for path, root in self.subvolumes if path == name), None)

    def name_of(self, uuid: str) -> str | None:
        return next((path for path, root in self.subvolumes if root.uuid == uuid), None)

    def by_uuid(self, uuid: str) -> Root | None:
        return next((root for _path, root in self.subvolumes if root.uuid == uuid), None)


class Firmware(t.NamedTuple):
    """The variables of systemd-boot; ``used``: whether the loader has removed a one shot since one was set last."""

    default: str | None = None
    once: str | None = None
    used: bool = False


class Boot(t.NamedTuple):
    """The boot partition at one moment. ``environment`` is (saved_entry, next_entry) of GRUB's block, None where there is
    no block; ``menu`` says whether grub.cfg has our lines; ``before`` and ``made`` are what lies beside for its removal.
    ``firmware``: with systemd-boot its variables, which no cut ever tears; None with GRUB. ``written_for``: the root for which
    the distribution's own menu was written last, where that is not the one that was installed.
    """

    files: tuple[tuple[str, str], ...]
    environment: tuple[str | None, str | None] | None = None
    menu: bool = False
    before: bool = False
    made: bool = False
    firmware: Firmware | None = None
    written_for: str | None = None

    @property
    def automatic(self) -> bool:
        return self.menu and self.environment is not None

    @property
    def unconfirmed(self) -> bool:
        """Whether GRUB boots the backup until somebody confirms."""
        return self.automatic and (self.environment or ("",))[0] == "1"

    @property
    def armed(self) -> bool:
        return self.unconfirmed and (self.environment or ("", ""))[1] == "0"

    def file(self, name: str) -> str | None:
        return dict(self.files).get(name)

    def without(self, name: str) -> Boot:
        return self._replace(files=tuple(entry for entry in self.files if entry[0] != name))

    def with_file(self, name: str, content: str) -> Boot:
        return self._replace(files=tuple(sorted({**dict(self.files), name: content}.items())))


class Entries(t.NamedTuple):
    """What is particular to a host with an entry for each deployment.

    ``copies``: GRUB reads kernels beside the menu, else from the roots. ``manual``: GRUB is known not to write, so nothing is
    ever tried; ``grub_writes``: whether it does, whatever is known; ``grub_empties``: whether it obeys only what it emptied.
    ``number`` and ``on_trial`` are on the command line of the kernel that runs. ``in_place``: once the system as it was installed
    got a newer kernel in place, the one that it was started with last.
    """

    keep: int
    copies: bool = True
    manual: bool = False
    grub_writes: bool = True
    grub_empties: bool = True
    number: int | None = None
    on_trial: bool = False
    in_place: str | None = None


class World(t.NamedTuple):
    """A host that runs. The last of ``disks`` and ``boot`` are what everybody sees.

    A power cut leaves one of ``disks`` (btrfs is committed as a whole, at any moment) and, whatever that one is, one of
    ``left``: what GRUB reads from the boot partition, and what Linux finds there afterwards. ``foreign`` are subvolumes that
    nobody gave to us, ``good`` are roots that somebody confirmed.
    """

    disks: tuple[Btrfs, ...]
    boot: Boot
    left: frozenset[tuple[Boot, Boot]]
    running: str
    boot_fs: FileSystem
    foreign: frozenset[str] = frozenset()
    good: frozenset[str] = frozenset()
    entries: Entries | None = None

    @property
    def disk(self) -> Btrfs:
        return self.disks[-1]

    @property
    def is_settled(self) -> bool:
        return len(self.disks) == 1 and self.left == {(self.boot, self.boot)}

    def forgetting_steps(self, begun: frozenset[str], ended: frozenset[str]) -> World:
        """The same, with a journal that tells of these steps only whether they began, and of those whether they ended."""
        journal = self.disk.journal
        if journal is None:
            return self
        told = journal._replace(begun=journal.begun & begun, ended=journal.ended & ended)
        disk = replace(self.disk, journal=told)
        return self._replace(disks=(*self.disks[:-1], disk))

    def settled(self) -> World:
        """The same, with everything that is seen on the disk."""
        return self._replace(disks=self.disks[-1:], left=frozenset(((self.boot, self.boot),)))


def _new(disk: Btrfs, boot: Boot, running: str, boot_fs: FileSystem, foreign: frozenset[str]) -> World:
    """A new world in which everything that is seen is on the disk."""
    return World((disk,), boot, frozenset(((boot, boot),)), running, boot_fs, foreign, frozenset((running,)))


def installed(boot_fs: FileSystem) -> World:
    """A new host: one root, its kernel, a subvolume of the administrator's; no backup yet."""
    root = Root("u1", None, "k1", frozenset(("k1",)))
    data = Root("u9", None, "", frozenset())
    disk = Btrfs((("data", data), (ROOT, root)), "u1")
    return _new(disk, Boot(((NORMAL, "k1"),)), "u1", boot_fs, frozenset(("u9",)))


def protected(world: World) -> World:
    """The same host with automatic protection."""
    boot = world.boot._replace(environment=(None, None), menu=True, before=True, made=True)
    roots = ((name, root._replace(guard=root.uuid == world.running)) for name, root in world.disk.subvolumes)
    disk = replace(world.disk, subvolumes=tuple(roots))
    return world._replace(disks=(disk,), boot=boot, left=frozenset(((boot, boot),)))


def original(boot_fs: FileSystem) -> World:
    """A host that the original tool upgraded once: both roots and the backup pair, and no record of any of them."""
    old = Root("u1", None, "k1", frozenset(("k1",)))
    new = Root("u2", "u1", "k2", frozenset(("k2",)))
    backup = old._replace(uuid="u3", parent="u1")
    data = Root("u9", None, "", frozenset())
    named = (("data", data), (ROOT, old), (BAKUP, backup), (UPGRADE, new))
    boot = Boot(((NORMAL, "k2"), (BACKUP, "k1")))
    return _new(Btrfs(named, "u2"), boot, "u2", boot_fs, frozenset(("u1", "u3", "u9")))


__all__ = (
    "BACKUP",
    "BAKUP",
    "EMPTY",
    "NORMAL",
    "ROOT",
    "TORN",
    "UNFINISHED",
    "UPGRADE",
    "Boot",
    "Btrfs",
    "Entries",
    "FileSystem",
    "Firmware",
    "Journal",
    "Root",
    "World",
    "installed",
    "original",
    "protected",
)
