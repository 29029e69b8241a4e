# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the menu of a grub.cfg: only what decides which kernel, initrd and root each entry boots. Pure.

Source: GRUB manual, "menuentry", "linux", "initrd". A grub.cfg is a script; entries that are computed at boot time
cannot be read this way and simply do not appear.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

_LINUX = frozenset({"linux", "linux16", "linuxefi"})
_INITRD = frozenset({"initrd", "initrd16", "initrdefi"})


@dataclass(frozen=True)
class BootEntry:
    """One menu entry. ``kernel`` and ``initrd`` are file names without directory; ``args`` the kernel's arguments."""

    title: str
    kernel: str | None
    args: tuple[str, ...] = ()
    initrd: str | None = None

    @property
    def rootflags(self) -> tuple[str, ...]:
        """The mount options of the root file system that this entry asks for; the last rootflags= counts."""
        flags = [arg[len("rootflags=") :] for arg in self.args if arg.startswith("rootflags=")]
        return tuple(flags[-1].split(",")) if flags else ()


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a quote that spans lines: no command of interest does
        return line.split()


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def parse_grub_config(text: str) -> tuple[BootEntry, ...]:
    """The menu entries, in the order in which GRUB numbers them."""
    entries: list[BootEntry] = []
    current: BootEntry | None = None
    for line in text.splitlines():
        words = _words(line.strip())
        if not words:
            continue
        command, rest = words[0], words[1:]
        if command == "menuentry":
            current = BootEntry(title=rest[0] if rest else "", kernel=None)
        elif current is not None and command in _LINUX and rest:
            current = BootEntry(current.title, _base(rest[0]), tuple(rest[1:]), current.initrd)
        elif current is not None and command in _INITRD and rest:
            current = BootEntry(current.title, current.kernel, current.args, _base(rest[-1]))
        elif current is not None and command.startswith("}"):
            entries.append(current)
            current = None
        if current is not None and len(words) > 1 and words[-1] == "}":
            entries.append(current)
            current = None
    return tuple(entries)


__all__ = ("BootEntry", "parse_grub_config")
