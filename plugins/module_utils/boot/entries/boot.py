# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot loader does where each deployment has an entry of its own: entries, choice, and what came of the last boot."""

from __future__ import annotations

import os
import re
import stat
import typing as t
from dataclasses import dataclass, field, replace

from ...errors import OvercError
from ...system.flags import is_locked
from ...system.mount_table import mount_at
from ...system.presence import is_directory, is_plain_directory, status, text_of
from ...system.rooted_path import regular_file_in_root, resolve_in_root
from ...system.unfinished import NEW_SUFFIX
from ...values import decimal
from .. import guard
from ..grub.protection import TRIAL_ARGUMENT, Protected
from ..kernel import is_too_large, read_defect, sha256_of
from ..loader.find import find_adopted, find_new
from ..loader.started import is_loader
from ..snapper import find as snapper
from ..trial import TrialBoot
from .command_line import words_of
from .in_place import InPlace, look
from .menu import ADOPTED, DEFAULT, ID_ARGUMENT, TRY, Entry, Menu, is_ours, parse_menu
from .method import SELECTOR, Blocked
from .place import MENU, find_place
from .start import ESP_DIRECTORIES

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount
    from .method import Place

_MODULES: t.Final = re.compile(r"""\s*MODULES=["']?(\w+)""")


@dataclass(frozen=True)
class EntryBoot(TrialBoot):
    """``menu`` as it was read. ``number``: the entry that was booted, by the kernel's command line, and whether ``on_trial``.

    ``waiting``: the deployment that was staged and not found good since, by the record. ``missing``: files of entries that
    are not there or empty, and those that show that they would not boot. ``sizes``: bytes of kernel and initrd by id.
    ``defects``: what keeps a root's own menu from booting it, by id. ``highest``: the highest id that anybody else has taken.
    ``free``: bytes where kernels are copied to. ``initrd_problem``: why an initrd that is made in a new root would not boot,
    a sentence. ``begins_in``: deployments from which GRUB was installed, so that it may need their roots. ``in_place``: what
    came to the running deployment after its entry was written. ``blocked``: what would keep a run from making a new deployment.
    """

    place: Place | None = None
    menu: Menu = field(default_factory=Menu)
    number: int | None = None
    on_trial: bool = False
    waiting: int | None = None
    missing: frozenset[str] = frozenset()
    sizes: t.Mapping[int, int] = field(default_factory=dict)
    free: int = 0
    initrd_problem: str | None = None
    begins_in: frozenset[int] = frozenset()
    defects: t.Mapping[int, str] = field(default_factory=dict)
    highest: int = 0
    in_place: InPlace = field(default_factory=InPlace)
    blocked: tuple[Blocked, ...] = ()

    def path_of(self, file: str, top: str) -> str:
        """Where a file of an entry is on this host; ``file`` is its path as GRUB has it."""
        place = self.place
        above = place.mount_point if place is not None and place.copies else top
        return above + file

    @property
    def default(self) -> int:
        """The deployment that boots for good; where none is named, the distribution's menu decides, for its own system."""
        found = decimal(self.values.get(DEFAULT, ""))
        return found if found is not None and self.menu.of(found) else ADOPTED

    @property
    def trying(self) -> int | None:
        """The deployment that the next boot tries."""
        found = decimal(self.values.get(TRY, ""))
        return found if found is not None and self.menu.of(found) else None

    @property
    def newest(self) -> int:
        """What is to boot for good as far as anybody wished so far: what waits to be tried or confirmed, else the default."""
        if self.place is not None and self.place.by_default:
            return self.default  # whoever set it, and whenever
        if self.trying is not None:
            return self.trying
        if self.waiting is not None and self.menu.of(self.waiting):
            return self.waiting
        if self.on_trial and self.number is not None and self.menu.of(self.number):
            return self.number
        return self.default

    @property
    def runs_another(self) -> bool:
        """Whether the distribution's menu has started another kernel than the entry of what runs would, and that can be brought
        up to date by one rename.
        """
        return self.in_place.runs is not None and self.place is not None and self.place.replaces_whole

    @property
    def left_open(self) -> bool:
        """Whether the distribution's menu decides what boots by default: nobody has named that yet."""
        return not self.values.get(DEFAULT)

    @property
    def automatic(self) -> bool:
        problems = self.menu_problem or self.place_problem or self.block_problem
        return self.protected is not None and self.exists and problems is None

    @property
    def unconfirmed(self) -> bool:
        return self.automatic and self.newest != self.default

    @property
    def armed(self) -> bool:
        return self.automatic and self.trying is not None

    @property
    def tried(self) -> bool:
        return self.unconfirmed and self.values.get(TRY) == ""


def _candidates(mounts: t.Sequence[Mount], boot_dir: str) -> list[str]:
    if mount_at(mounts, boot_dir) is not None:
        return [os.path.join(boot_dir, SELECTOR, MENU)]
    mounted = [path for path in ESP_DIRECTORIES if mount_at(mounts, path) is not None]
    return [os.path.join(path, SELECTOR, MENU) for path in (*mounted, boot_dir)]


def find_menu(mounts: t.Sequence[Mount], boot_dir: str) -> str | None:
    """The text of a menu of ours on this host, None where it was not adopted. In a root it may be the copy of a snapshot."""
    texts = (text_of(path) or "" for path in _candidates(mounts, boot_dir))
    return next((text for text in texts if is_ours(text)), None)


def adopted_place(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str, top: str, booted: str) -> Place | None:
    """Where the entries of this host are, None where it has none. ``booted``: the path of the running subvolume.

    Raises layout_unsupported where there are entries and no way of the boot loader to them.
    """
    numbered = snapper.find_adopted(runner, mounts, top, booted)
    if numbered is not None:
        return numbered
    text = find_menu(mounts, boot_dir)
    if text is None:
        return find_adopted(runner, mounts, boot_dir)
    try:
        anchor = parse_menu(text).of(ADOPTED)
    except ValueError:
        anchor = None
    return find_place(runner, mounts, boot_dir, top, anchor.subvolume if anchor else booted)


def new_place(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str, top: str, booted: str, method: str) -> Place:
    """Where the entries of a host that has none yet belong, by what has started it. ``method``: the option boot_method.

    Raises layout_unsupported where that is no supported one, or would have to be guessed.
    """
    if method == "snapper" or (method == "auto" and snapper.is_numbered(booted)):
        return snapper.find_new(runner, mounts, boot_dir, top, booted)
    by_loader = is_loader()
    if by_loader and method == "grub-entry":
        raise OvercError("layout_unsupported", "boot_method is grub-entry, and systemd-boot has started this host.")
    if by_loader or method == "loader-entry":
        return find_new(runner, mounts, boot_dir)
    return find_place(runner, mounts, boot_dir, top, booted)


def observe_entry_boot(
    runner: Runner, mounts: t.Sequence[Mount], boot_dir: str, top: str, booted: str, *, digests: bool = False
) -> EntryBoot | None:
    """Read entries and choice; None where this host has no entries of ours. ``booted``: the path of the running subvolume.

    ``digests``: files that were copied are compared with theirs, where the boot loader would not get over a damaged one.

    Raises layout_unsupported where there are entries and no way of the boot loader to them.
    """
    place = adopted_place(runner, mounts, boot_dir, top, booted)
    if place is None:
        return None
    menu, problem = place.read_menu()
    problem = problem or _passed_by(place) or place.unled() or place.unreachable() or place.waits()
    exists, values, block_problem = place.read_choice()
    words = words_of(text_of("/proc/cmdline") or "")
    numbers = [decimal(word[len(ID_ARGUMENT) :]) for word in words if word.startswith(ID_ARGUMENT)]
    wanted = guard.pieces(menu.settings, place.mount_point, place.block, numbered=True)
    usage = os.statvfs(place.mount_point)
    number = numbers[-1] if numbers else None
    mine = next((entry for entry in menu.entries if entry.subvolume == booted), None)
    found = EntryBoot(
        config=place.hook,
        environment=place.block,
        mount_point=place.mount_point,
        exists=exists,
        values=values,
        protected=Protected(1, menu.settings, ADOPTED, intact=problem is None),
        menu_problem=problem,
        place_problem=place.problem,
        block_problem=block_problem,
        guard_missing=guard.differing("/", wanted) if place.problem is None else (),
        place=place,
        menu=menu,
        number=number,
        in_place=InPlace()
        if mine is None or place.by_default
        else look(place, mine, os.path.join(top, booted), boot_dir, number),
        on_trial=TRIAL_ARGUMENT in words,
        free=usage.f_bavail * usage.f_frsize,
        initrd_problem=initrd_problem(os.path.join(top, booted)),
    )
    compared = digests and place.copies and not place.heals_unloadable
    sizes = {(entry.id, file): _size(found.path_of(file, top)) for entry in menu.entries for file in _files(entry)}
    return replace(
        found,
        begins_in=place.begins_in(mounts, top, menu),
        defects=place.defects(menu),
        highest=place.highest(),
        blocked=(*_unreplaceable(place), *place.blocked(mounts)),
        missing=frozenset(
            file
            for entry in menu.entries
            for file in _files(entry)
            if not sizes[entry.id, file]
            or _is_broken(found.path_of(file, top), is_kernel=file == entry.kernel)
            or (compared and sha256_of(found.path_of(file, top)) != os.path.basename(file))
        ),
        sizes={entry.id: sum(sizes[entry.id, file] for file in _files(entry)) for entry in menu.entries},
    )


def _unreplaceable(place: Place) -> t.Iterator[Blocked]:
    """Files of ours that no run could replace."""
    for path in (place.directory, *place.replaced):
        beside = path + NEW_SUFFIX
        if is_locked(path):
            yield Blocked("access_denied", f"{path} is immutable or append-only (lsattr)", f"chattr -i -a {path}")
        if path != place.directory and (is_plain_directory(beside) or is_locked(beside)):
            yield Blocked(
                "access_denied",
                f"{beside} is in the way: a directory, or immutable (lsattr)",
                "look what it is, then chattr -i it or move it away",
            )


def _passed_by(place: Place) -> str | None:
    """Where the menu is GRUB's, and another boot loader has come to the host since."""
    if place.method != "grub-entry" or not is_loader():
        return None
    return f"systemd-boot has started this host, and does not read {place.hook}"


def _files(entry: Entry) -> tuple[str, ...]:
    return (entry.kernel, entry.initrd) if entry.initrd else (entry.kernel,)


def _size(path: str) -> int:
    found = status(path)
    return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else 0


def _is_broken(path: str, *, is_kernel: bool) -> bool:
    return bool(read_defect(path)) if is_kernel else is_too_large(path)


def initrd_problem(root: str) -> str | None:
    """What in a root's settings would make an initrd that is made in it, without its disks, one that does not boot."""
    settings = ["etc/initramfs-tools/initramfs.conf"]
    directory = resolve_in_root(root, "etc/initramfs-tools/conf.d")
    if directory is not None and is_directory(directory):
        settings += [f"etc/initramfs-tools/conf.d/{name}" for name in sorted(os.listdir(directory))]
    modules = None
    for path in settings:
        place = regular_file_in_root(root, path)
        for line in ((text_of(place) if place else None) or "").splitlines():
            match = _MODULES.match(line)
            modules = (match[1], path) if match else modules
    if modules is None or modules[0] != "dep":
        return None
    return f"/{modules[1]} says MODULES=dep, and in a new root no disk is seen that an initrd could depend on"


__all__ = ("ADOPTED", "EntryBoot", "adopted_place", "find_menu", "initrd_problem", "new_place", "observe_entry_boot")
