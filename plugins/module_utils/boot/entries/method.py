# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a boot loader has to offer where each deployment has an entry of its own: all that differs between one and another."""

from __future__ import annotations

import abc
import os
import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from ..grub.environment import parse_environment, read_block

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount
    from .menu import Entry, Menu

BLOCK: t.Final = "env"
FILES: t.Final = "files"
SELECTOR: t.Final = "overc"


class Choice(t.NamedTuple):
    """What boots: ``values`` by the names of ``menu.py``. ``exists``: whether there is a block; ``problem``: what is wrong."""

    exists: bool
    values: dict[str, str]
    problem: str | None = None


class Blocked(t.NamedTuple):
    """What would keep a run from making a new deployment: a sentence without its end, and what mends it."""

    error_id: str
    detail: str
    remedy: str


@dataclass(frozen=True)
class Place(abc.ABC):
    """Where the entries are on a host, and how its boot loader comes to them.

    ``directory``: the selector on this host, ``mount_point`` the mount that it is on; ``device`` the UUID of that file
    system and ``below`` the path on it, as the boot loader sees it. ``hook``: what leads the boot loader to our entries.
    ``copies``: kernels are copied there; else they are read from the root subvolumes. ``problem``: why nothing can be tried
    once here, a sentence.
    """

    directory: str
    mount_point: str
    device: str
    below: str
    hook: str
    copies: bool
    problem: str | None = None

    method: t.ClassVar[str]
    loader: t.ClassVar[str]
    # Whether the boot loader itself leaves a trial that it cannot load
    heals_unloadable: t.ClassVar[bool]
    # Whether the default subvolume is all that decides, and each root has a menu of its own: then nothing names a root
    by_default: t.ClassVar[bool] = False
    # Directories of a root that packages find empty: where their scripts would write a menu
    hides: t.ClassVar[tuple[str, ...]] = ()
    # Whether an entry that is there is replaced by one rename that a cut leaves done or not done
    replaces_whole: t.ClassVar[bool] = False

    @property
    def block(self) -> str:
        return os.path.join(self.directory, BLOCK)

    @property
    def files(self) -> str:
        return os.path.join(self.directory, FILES)

    def file_named(self, digest: str) -> str:
        """The path of a kernel or initrd that was copied, as the boot loader has it."""
        return f"{self.below}/{FILES}/{digest}"

    @property
    @abc.abstractmethod
    def apart(self) -> bool:
        """Whether /boot is a partition, so that kernels of a root that does not run yet are not where packages look."""

    @abc.abstractmethod
    def read_menu(self) -> tuple[Menu, str | None]:
        """The entries that are there, and what is wrong with them as a sentence."""

    @abc.abstractmethod
    def read_choice(self) -> Choice:
        """What boots by default and what is tried once, as it is said now."""

    @abc.abstractmethod
    def unled(self) -> str | None:
        """What keeps our choice from being what boots, and is put right by a set-up; a sentence."""

    @abc.abstractmethod
    def unreachable(self) -> str | None:
        """What keeps the boot loader from our entries, and somebody else has to put right; a sentence."""

    @abc.abstractmethod
    def waits(self) -> str | None:
        """What makes the boot loader wait for a person; a sentence."""

    @property
    @abc.abstractmethod
    def by_kernel_install(self) -> bool:
        """Whether the distribution's own entries are what kernel-install writes, with the words of /etc/kernel/cmdline."""

    @abc.abstractmethod
    def begins_in(self, mounts: t.Sequence[Mount], top: str, menu: Menu) -> frozenset[int]:
        """The deployments in whose roots the boot loader itself may begin."""

    @property
    def replaced(self) -> tuple[str, ...]:
        """The files that a run replaces, each by another one that is written beside it."""
        return (self.block,)

    def blocked(self, _mounts: t.Sequence[Mount]) -> tuple[Blocked, ...]:
        """What keeps a new root from getting its id or its name here."""
        return ()

    def own_entry(self, _number: int, _subvolume: str, _uuid: str) -> Entry | None:
        """The entry of a root as its own menu has it; None where the menu is ours, and made of what was found."""
        return None

    def defects(self, _menu: Menu) -> dict[int, str]:
        """What keeps a root's own menu from booting it: a sentence for each id that has one."""
        return {}

    def number_of(self, _subvolume: str) -> int | None:
        """The id that a root has by its name; None where ids are ours."""
        return None

    def root_named(self, _number: int) -> str | None:
        """The name of a new root where names follow from ids; None where they do not."""
        return None

    def highest(self) -> int:
        """The highest id that is taken by somebody else."""
        return 0

    def claim(self, _number: int) -> bool:
        """Before anything is made under this id. Raises in_use where somebody else has it since."""
        return False

    def is_ours(self, _number: int) -> bool:
        """Whether what is under this id was made by us, or nothing is."""
        return True

    def describe(self, _number: int, _made_of: str) -> bool:
        """What others are to know of a root, before it gets its name."""
        return False

    def settle(self, _number: int) -> bool:
        """The root has its name. True if there was anything left to do."""
        return False

    def unsettled(self) -> bool:
        """Whether a run was cut off while it replaced an entry."""
        return False

    def settle_entries(self) -> bool:
        """Complete that; what boots is a whole entry at each moment. False if there was nothing to do."""
        return False

    @abc.abstractmethod
    def begin(self, chosen: int | None) -> None:
        """A block of its own, where there is none or it cannot be believed. ``chosen``: what boots by default, None: what the
        distribution says.
        """

    @abc.abstractmethod
    def hook_after(self, before: str, append: bool) -> str:
        """What the hook has to say; ``before``: what it says; ``append``: also after lines of somebody else.

        Raises custom_cfg_foreign.
        """

    @abc.abstractmethod
    def hook_without(self, before: str) -> str:
        """What it says without us."""

    @abc.abstractmethod
    def write_menu(self, runner: Runner, before: Menu, after: Menu) -> None:
        """Make the entries those of ``after``. Raises boot_write_failed, no_space, layout_unsupported."""

    @abc.abstractmethod
    def choose(self, changes: t.Mapping[str, str | None]) -> tuple[bool, dict[str, str]]:
        """Change what boots by default and what is tried once; whether that was different before, and what is said now.

        The names are those of ``menu.py``, also where a boot loader has others. Raises boot_write_failed, inconsistent.
        """

    def note(self, meant: t.Collection[int]) -> bool:  # noqa: ARG002
        """Complete a choice that a run was cut off in; whether anything was left to be done. ``meant``: the deployments that it
        can have made the default. Nothing where choosing is one write.
        """
        return False

    @abc.abstractmethod
    def remove_unused(self, menu: Menu) -> bool:
        """Remove what no entry of ``menu`` needs any more, and what was left unfinished."""

    @abc.abstractmethod
    def leave(self) -> None:
        """Nothing leads to our entries any more, and the distribution's own default boots."""

    @abc.abstractmethod
    def remove(self) -> None:
        """After ``leave``: the selector, and the entries. What shows that there is more to remove goes last."""


def read_block_at(path: str) -> Choice:
    """All values of a block."""
    try:
        return Choice(True, parse_environment(read_block(path)))
    except FileNotFoundError:
        return Choice(False, {}, f"{path} is gone")
    except OSError as error:
        return Choice(True, {}, f"{path} cannot be read: {error.strerror}")
    except OvercError as error:
        return Choice(True, {}, error.message)


__all__ = ("BLOCK", "FILES", "SELECTOR", "Blocked", "Choice", "Place", "read_block_at")
