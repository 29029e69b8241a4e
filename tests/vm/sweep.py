# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every power cut of one run, offline: its recorded writes are replayed one by one, and each state is looked at.

A *prefix* is the disk after the first N writes. A *variant* also loses some of the writes that no flush has made durable
yet: a random part of them, all but the last, or the second half of the last. A state is looked at again only if what can
be seen of it changed: GRUB's view with any write to the boot partition, btrfs's with a write of its superblock, because
btrfs never overwrites what a superblock refers to. A random part of all states is looked at regardless.
"""

from __future__ import annotations

import collections
import random
import shutil
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import pool
from tests.vm.disk import BOOT, ROOT, Extent, extract
from tests.vm.disk_view import BootView, RootView, System, look_at_boot, look_at_root, verdict
from tests.vm.write_log import Entry, WriteLog

# Where a btrfs of this size keeps its superblocks (btrfs on-disk format)
_SUPERBLOCKS: t.Final = (64 << 10, 64 << 20)
_SUPERBLOCK_SIZE: t.Final = 4096
_REGARDLESS: t.Final = 50  # one state in that many is looked at although nothing visible changed
_RANDOM_PARTS: t.Final = 3
# Disks write that much or nothing. btrfs relies on it as well: half a superblock is no superblock.
_ATOMIC: t.Final = 4096


@dataclass(frozen=True)
class Part:
    """What is left of one write: ``size`` of its bytes."""

    entry: Entry
    size: int


@dataclass
class Disk:
    """Both partitions as files, brought forward write by write."""

    boot: Path
    root: Path

    def apply(self, log: WriteLog, parts: Sequence[Part]) -> tuple[bool, bool]:
        """Returns whether GRUB's view and whether btrfs's view may have changed."""
        seen = [False, False]
        for number, (path, place) in enumerate(((self.boot, BOOT), (self.root, ROOT))):
            inside = [part for part in parts if _overlaps(part.entry, place)]
            if not inside:
                continue
            with path.open("r+b") as stream:
                for part in inside:
                    stream.seek(part.entry.offset - place.start)
                    stream.write(log.data(part.entry)[: part.size])
            seen[number] = number == 0 or any(_superblock(part.entry) for part in inside)
        return seen[0], seen[1]

    def clone(self, directory: Path) -> Disk:
        made = Disk(directory / "boot.copy", directory / "root.copy")
        for source, target in ((self.boot, made.boot), (self.root, made.root)):
            target.unlink(missing_ok=True)
            pool.clone(source, target)
        return made


def _overlaps(entry: Entry, place: Extent) -> bool:
    return entry.writes and entry.offset < place.start + place.size and place.start < entry.offset + entry.size


def _superblock(entry: Entry) -> bool:
    start = entry.offset - ROOT.start
    return any(start < place + _SUPERBLOCK_SIZE and place < start + entry.size for place in _SUPERBLOCKS)


class Eyes(t.Protocol):
    """Who looks at a disk, of whatever layout: what GRUB would load from it, and what is in the root that this mounts."""

    # Does GRUB read from the root's file system as well
    reads_root: bool

    def boot(self, disk: Disk, scratch: Path, at_the_menu: int | None) -> BootView: ...

    def root(self, part: Path, rootflags: str, mountpoint: Path) -> RootView: ...


class Documented:
    """The layout of this collection's documentation."""

    reads_root = False

    def boot(self, disk: Disk, scratch: Path, at_the_menu: int | None) -> BootView:
        return look_at_boot(disk.boot, scratch, at_the_menu)

    def root(self, part: Path, rootflags: str, mountpoint: Path) -> RootView:
        return look_at_root(part, rootflags, mountpoint)


def whole(entries: t.Iterable[Entry]) -> list[Part]:
    return [Part(entry, entry.size) for entry in entries if entry.writes]


def variants(unflushed: Sequence[Entry], dice: random.Random) -> list[list[Part]]:
    """What a power cut may leave of the writes since the last flush, besides their prefixes."""
    writes = [entry for entry in unflushed if entry.writes]
    if not writes:
        return []
    last = writes[-1]
    made = []
    if last.size > _ATOMIC:
        made.append([*whole(writes[:-1]), Part(last, last.size // 2 // _ATOMIC * _ATOMIC)])
    if len(writes) > 1:
        made.append(whole([last]))
        made += [whole(entry for entry in writes if dice.random() < 0.5) for _number in range(_RANDOM_PARTS)]
    return made


@dataclass
class Outcome:
    """Of one sweep: how many states of each kind ended how, in their order."""

    prefixes: collections.Counter[str] = field(default_factory=collections.Counter)
    variants: collections.Counter[str] = field(default_factory=collections.Counter)
    story: list[tuple[int, str]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    looked: int = 0
    # What a power cut after the last entry leaves
    ends: set[str] = field(default_factory=set)

    @property
    def points(self) -> int:
        return self.prefixes.total() + self.variants.total()

    def note(self, index: int, kind: str, said: str) -> None:
        counter = self.prefixes if kind == "prefix" else self.variants
        counter[said if not said.startswith("BAD") else "bad"] += 1
        if said.startswith("BAD"):
            self.bad.append(f"after write {index} ({kind}): {said}")
        if kind == "prefix" and (not self.story or self.story[-1][1] != said):
            self.story.append((index, said))


class Sweep:
    """``directory`` must be on a file system that can clone files."""

    def __init__(
        self,
        directory: Path,
        disk: Path,
        log: Path,
        systems: Sequence[System],
        *,
        window: bool,
        seed: int = 0,
        eyes: Eyes | None = None,
    ) -> None:
        self._eyes = eyes or Documented()
        self._directory = directory
        self._disk = Disk(directory / "boot.part", directory / "root.part")
        extract(disk, BOOT, self._disk.boot)
        extract(disk, ROOT, self._disk.root)
        self._log = WriteLog(log)
        self._systems = systems
        self._window = window
        self._dice = random.Random(seed)
        self._looked = 0

    def _boot(self, disk: Disk, at_the_menu: int | None = None) -> BootView:
        return self._eyes.boot(disk, self._directory, at_the_menu)

    def _root(self, disk: Disk, flags: str) -> RootView:
        copy = self._directory / "mounted.copy"
        copy.unlink(missing_ok=True)
        pool.clone(disk.root, copy)
        return self._eyes.root(copy, flags, self._directory / "mounted")

    def _look(self, disk: Disk, at_the_menu: int | None = None, boot: BootView | None = None) -> str:
        """``boot``: what GRUB would load from it, where that is known."""
        if boot is None:
            self._looked += 1
            boot = self._boot(disk, at_the_menu)
        said = self._judged(disk, boot, {})
        return self._with_a_person(disk, boot, said) if at_the_menu is None else said

    def _judged(self, disk: Disk, boot: BootView, roots: dict[str, RootView]) -> str:
        """``roots``: what is known of this disk's by their mount options; what is missing is added."""
        flags = boot.entry.rootflags if boot.entry else None
        if flags is not None and flags not in roots:
            roots[flags] = self._root(disk, flags)
            self._looked += 1
        root = roots[flags] if flags is not None else RootView(problem="nothing boots")
        said = verdict(boot, root, self._systems, window=self._window)
        if boot.then is None or said.startswith("BAD"):
            return said
        after = self._judged(disk, boot.then, roots)
        return f"{said}, then {after}" if not after.startswith("BAD") else f"BAD: {said}, and after its trial: {after}"

    def _with_a_person(self, disk: Disk, boot: BootView, said: str) -> str:
        """``manual`` protection: where the normal entry cannot be loaded, somebody chooses the other one."""
        if self._window and not boot.loads and self._look(disk, at_the_menu=1) == self._systems[0].name:
            return "backup entry"
        return said

    def run(self, told: int | None = None) -> Outcome:
        """Every prefix, and its variants. ``told``: the power goes after that many entries, and whatever was not flushed by
        then may be lost.
        """
        outcome = Outcome()
        (self._directory / "flushed").mkdir(exist_ok=True)
        flushed = self._disk.clone(self._directory / "flushed")
        unflushed: list[Entry] = []
        boot, roots = self._boot(self._disk), dict[str, RootView]()
        for index, entry in enumerate(self._log.entries[:told], 1):
            if entry.flush:
                self._vary(outcome, index - 1, flushed, unflushed, boot)
                flushed.apply(self._log, whole(unflushed))
                unflushed = []
            if not entry.writes:
                continue
            unflushed.append(entry)
            boot_changed, root_changed = self._disk.apply(self._log, whole([entry]))
            again = self._dice.randrange(_REGARDLESS) == 0
            if boot_changed or again or (root_changed and self._eyes.reads_root):
                boot = self._boot(self._disk)
                self._looked += 1
            if root_changed or again:
                roots.clear()
            said = self._judged(self._disk, boot, roots)
            outcome.note(index, "prefix", self._with_a_person(self._disk, boot, said))
        if told is not None:
            outcome.ends = self._ends(flushed, unflushed)
        self._log.close()
        outcome.looked = self._looked
        return outcome

    def _ends(self, flushed: Disk, unflushed: Sequence[Entry]) -> set[str]:
        ends = set()
        for parts in ([], whole(unflushed), *variants(unflushed, self._dice)):
            copy = flushed.clone(self._directory)
            copy.apply(self._log, parts)
            ends.add(self._look(copy))
        return ends

    def _vary(self, outcome: Outcome, index: int, flushed: Disk, unflushed: Sequence[Entry], boot: BootView) -> None:
        """``boot``: what GRUB would load where nothing was lost."""
        # What lies in the middle of a file of the new root is not referred to yet, whether it is there or not
        visible = [entry for entry in unflushed if _overlaps(entry, BOOT) or (entry.writes and _superblock(entry))]
        if not visible:
            return
        known = None if self._eyes.reads_root or any(_overlaps(entry, BOOT) for entry in unflushed) else boot
        for parts in variants(unflushed, self._dice):
            copy = flushed.clone(self._directory)
            copy.apply(self._log, parts)
            outcome.note(index, "variant", self._look(copy, boot=known))


def with_pool(directory: Path, work: t.Callable[[Path], Outcome]) -> Outcome:
    """Give the work a directory whose files can be cloned, and take it away again."""
    file, mountpoint = directory / "pool.img", directory / "pool"
    pool.mount_pool(file, mountpoint)
    try:
        return work(mountpoint)
    finally:
        pool.unmount_pool(file, mountpoint)
        shutil.rmtree(mountpoint, ignore_errors=True)
