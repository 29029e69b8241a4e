# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fstab, a container's or the host's: read as getmntent(3) does (LXC uses that); one line replaced, all others kept."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .mount_table import unescape

_FIELD: t.Final = re.compile(r"[^ \t]+")


@dataclass(frozen=True)
class Entry:
    """One mount: fields decoded."""

    source: str
    target: str
    fstype: str
    options: str

    def render(self) -> str:
        return " ".join([*map(escape, (self.source, self.target, self.fstype, self.options)), "0", "0"])


def escape(field: str) -> str:
    """The octal escapes that getmntent(3) undoes, and no other."""
    for char in ("\\", " ", "\t", "\n"):
        field = field.replace(char, f"\\{ord(char):03o}")
    return field


def parse_line(line: str) -> Entry | None:
    # Not str.split(): it splits at more than getmntent does
    fields = [field for field in line.replace("\t", " ").split(" ") if field]
    if len(fields) < 4 or fields[0].startswith("#"):
        return None
    source, target, fstype, options = map(unescape, fields[:4])
    return Entry(source, target, fstype, options)


def parse(text: str) -> list[Entry]:
    return [entry for entry in map(parse_line, text.split("\n")) if entry is not None]


def subvolume_pins(text: str) -> tuple[str, ...]:
    """The options by which the lines for ``/`` override btrfs' default subvolume."""
    options = (option for entry in parse(text) if entry.target == "/" for option in entry.options.split(","))
    return tuple(option for option in options if option.startswith(("subvol=", "subvolid=")))


def set_subvolume(text: str, subvolume: str) -> str:
    """The text with every line for ``/`` naming this subvolume, once; its other options, and all other lines, as they were.

    Mount options end where they began: white space, comments and the order of options are kept.
    """
    return "\n".join(_with_subvolume(line, subvolume) for line in text.split("\n"))


def _with_subvolume(line: str, subvolume: str) -> str:
    found = parse_line(line)
    if found is None or found.target != "/" or found.fstype != "btrfs":
        return line
    wanted = f"subvol={escape(subvolume)}"
    fields = list(_FIELD.finditer(line))
    options = fields[3].group().split(",")
    kept: list[str] = []
    for option in options:
        if not option.startswith(("subvol=", "subvolid=")):
            kept.append(option)
        elif wanted not in kept:
            kept.append(wanted)
    if wanted not in kept:
        kept.append(wanted)
    return line[: fields[3].start()] + ",".join(kept) + line[fields[3].end() :]


def _never(_entry: Entry) -> bool:
    return False


def replace(
    text: str, is_it: t.Callable[[Entry], bool], entry: Entry | None, *, before: t.Callable[[Entry], bool] = _never
) -> str:
    """The text with the lines for which ``is_it`` holds gone and ``entry`` in place of the first, or at the end.

    ``before``: lines that have to come after ``entry``, because they mount upon what it mounts.
    """
    out: list[str] = []
    placed = entry is None
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    for line in lines:
        found = parse_line(line)
        ours = found is not None and is_it(found)
        if entry is not None and not placed and found is not None and (ours or before(found)):
            out.append(entry.render())
            placed = True
        if not ours:
            out.append(line)
    if not placed and entry is not None:
        out.append(entry.render())
    return "".join(line + "\n" for line in out)


__all__ = ("Entry", "escape", "parse", "parse_line", "replace", "set_subvolume", "subvolume_pins")
