# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with an entry for each deployment, as labels: ``n2`` is the deployment with the id 2, in the menu and in the block."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.store.record import Deployment, Record

from tests.model.world import Boot, Btrfs, Entries, FileSystem, Firmware, Root, World

MENU: t.Final = "menu.cfg"
STEM: t.Final = "@rootfs"
ADOPTED: t.Final = 0
_ENTRY = re.compile(r"entry n(?P<number>\d+)")
_NUMBERED = re.compile(re.escape(STEM) + r"(?:\.overc-(\d+))?")


class Line(t.NamedTuple):
    """An entry of the menu."""

    number: int
    uuid: str
    kernel: str


def name_of(number: int) -> str:
    """Of a deployment's root subvolume."""
    return f"{STEM}.overc-{number}" if number else STEM


def number_in(name: str) -> int | None:
    """The id in the name of a root subvolume, None for any other name."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1] or 0) if found else None


def initrd_of(kernel: str) -> str:
    """The name of the initrd that belongs to a kernel, which has its digest for a name."""
    return f"{kernel}.img"


def menu_text(lines: t.Iterable[Line]) -> str:
    """What is in menu.cfg."""
    return "menu " + ";".join(f"n{line.number} {line.uuid} {line.kernel}" for line in sorted(lines))


def lines_of(text: str | None) -> tuple[Line, ...] | None:
    """The inverse; None for what is no whole menu."""
    if text is None or not text.startswith("menu "):
        return None
    words = (line.split() for line in text.removeprefix("menu ").split(";"))
    return tuple(Line(int(number[1:]), uuid, kernel) for number, uuid, kernel in words)


def menu_of(boot: Boot) -> tuple[Line, ...] | None:
    """As whoever reads this partition finds it. With systemd-boot each entry is a file, and what is torn is none."""
    if boot.firmware is None:
        return lines_of(boot.file(MENU))
    found = []
    for name, content in boot.files:
        match = _ENTRY.fullmatch(name)
        if match is not None and content.startswith("boots "):
            _word, uuid, kernel = content.split()
            found.append(Line(int(match["number"]), uuid, kernel))
    return tuple(sorted(found))


def entry_name(number: int, *, trial: bool = False) -> str:
    """A file of systemd-boot."""
    return f"{'try' if trial else 'entry'} n{number}"


def line_text(line: Line) -> str:
    return f"boots {line.uuid} {line.kernel}"


def line_of(boot: Boot, number: int) -> Line | None:
    return next((line for line in menu_of(boot) or () if line.number == number), None)


def chosen_in(boot: Boot) -> tuple[int, int | None]:
    """The deployments that the block names: what boots for good, and what is to be tried."""
    default, tried = boot.firmware[:2] if boot.firmware is not None else boot.environment or (None, None)
    return (int(default[1:]) if default else ADOPTED), (int(tried[1:]) if tried else None)


def adopted(boot_fs: FileSystem, host: Entries, *, loader: bool = False) -> World:
    """A host as its installer left it, with the entries of deployments beside the distribution's; ``loader``: systemd-boot's."""
    root = Root("u1", None, "k1", frozenset(("k1",)), guard=not host.manual, written=True)
    data = Root("u9", None, "", frozenset())
    line = Line(ADOPTED, "u1", "k1")
    names = [entry_name(ADOPTED), entry_name(ADOPTED, trial=True)]
    files = [(name, line_text(line)) for name in names] if loader else [(MENU, menu_text([line]))]
    files += [("k1", "k1"), (initrd_of("k1"), initrd_of("k1"))] if host.copies else []
    boot = Boot(tuple(sorted(files)), (None, None), firmware=Firmware() if loader else None)
    record = Record({"u1": Deployment("u1", "adopted", number=ADOPTED, confirmed="then")})
    disk = Btrfs(((STEM, root), ("data", data)), "", record)
    left = frozenset(((boot, boot),))
    return World((disk,), boot, left, "u1", boot_fs, frozenset(("u1", "u9")), frozenset(("u1",)), host)


__all__ = (
    "ADOPTED",
    "MENU",
    "STEM",
    "Line",
    "adopted",
    "chosen_in",
    "entry_name",
    "initrd_of",
    "line_of",
    "line_text",
    "lines_of",
    "menu_of",
    "menu_text",
    "name_of",
    "number_in",
)
