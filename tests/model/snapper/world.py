# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in openSUSE's layout, as labels. All that decides is on one btrfs: roots and their menus, numbers, list, default."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.overc.system.plugins.module_utils.host.store.record import Deployment, Record

from tests.model.world import UNFINISHED, Boot, Btrfs, Entries, Root, World

STORE: t.Final = "@/.snapshots"
FIRST: t.Final = 1
_NUMBERED = re.compile(re.escape(STORE) + r"/(?P<number>\d+)/snapshot")

Info = t.Literal["ours", "theirs"]


class Directory(t.NamedTuple):
    """A number. ``claimed``: it has not its name, or no more; ``mark``: ours, of an unfinished root; ``info``: whom snapper's
    file tells of.
    """

    number: int
    claimed: bool = False
    mark: bool = False
    info: Info | None = None


class Listed(t.NamedTuple):
    """A line of our list."""

    number: int
    uuid: str


@dataclass(frozen=True)
class Numbers(Btrfs):
    """``listed`` is None without our list: the host was not set up. ``only`` are the snapshots that nobody can boot: read-only
    ones of snapper's. ``chosen``: what somebody made the default by hand, whatever that was.
    """

    directories: tuple[Directory, ...] = ()
    listed: tuple[Listed, ...] | None = ()
    only: frozenset[str] = frozenset()
    chosen: frozenset[str] = frozenset()

    @property
    def more(self) -> object:
        """Numbers and UUIDs as the labels that they are."""
        directories = [(f"n{each.number}", each.claimed, each.mark, each.info) for each in self.directories]
        listed = self.listed if self.listed is None else [(f"n{number}", uuid) for number, uuid in self.listed]
        return (
            self.default,
            self.default in self.chosen,
            directories,
            listed,
            sorted(self.only, key=lambda uuid: int(uuid[1:])),
        )

    def directory(self, number: int) -> Directory | None:
        return next((each for each in self.directories if each.number == number and not each.claimed), None)


def numbers_of(world: World) -> Numbers:
    """The disk as everybody sees it."""
    return t.cast("Numbers", world.disk)


def name_of(number: int) -> str:
    return f"{STORE}/{number}/snapshot"


def number_in(name: str) -> int | None:
    """The number of a root with its own name, None for any other subvolume."""
    found = _NUMBERED.fullmatch(name)
    return int(found["number"]) if found else None


def roots_of(disk: Btrfs) -> dict[int, Root]:
    """The roots that have their names, by number."""
    found = ((number_in(name), root) for name, root in disk.subvolumes)
    return {number: root for number, root in found if number is not None}


def highest(disk: Numbers) -> int:
    """The highest number that is taken."""
    return max((each.number for each in disk.directories if not each.claimed), default=0)


def deployments_of(disk: Numbers, running: str) -> dict[int, str]:
    """What counts as one, by number: what is listed, and what runs and boots by default, whoever made it."""
    listed = {each.number: each.uuid for each in disk.listed or ()}
    return {
        **listed,
        **{number: root.uuid for number, root in roots_of(disk).items() if root.uuid in (running, disk.default)},
    }


def why_not(root: Root | None) -> str | None:
    """Why what GRUB begins in would not come up; None where menu, kernel and modules belong together."""
    if root is None:
        return "there is no such root"
    if root.menu != root.kernel:
        return f"its menu names kernel {root.menu or 'none'}, and {root.kernel} is there"
    return None if root.menu in root.modules else f"no modules for {root.menu}"


def installed(keep: int) -> World:
    """A host as its installer left it."""
    root = Root("u1", None, "k1", frozenset(("k1",)), written=True, menu="k1")
    data = Root("u9", None, "", frozenset())
    disk = Numbers(
        (("@/var", data), (name_of(FIRST), root)), "u1", directories=(Directory(FIRST, info="theirs"),), listed=None
    )
    boot = Boot(())
    host = Entries(keep, copies=False, manual=True)
    left = frozenset(((boot, boot),))
    return World((disk,), boot, left, "u1", "ext4", frozenset(("u1", "u9")), frozenset(("u1",)), host)


def set_up(keep: int) -> World:
    """The same with our list beside its numbers."""
    world = installed(keep)
    record = Record({"u1": Deployment("u1", "adopted", number=FIRST, confirmed="then")}, last_number=FIRST)
    disk = replace(numbers_of(world), record=record, listed=(Listed(FIRST, "u1"),))
    return world._replace(disks=(disk,))


__all__ = (
    "FIRST",
    "STORE",
    "UNFINISHED",
    "Directory",
    "Listed",
    "Numbers",
    "deployments_of",
    "highest",
    "installed",
    "name_of",
    "number_in",
    "numbers_of",
    "roots_of",
    "set_up",
    "why_not",
)
