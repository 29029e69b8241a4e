# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry files of systemd-boot for deployments. An entry in, text out, and back.

Each deployment has two, which never get another name: ``overc-<id>.conf``, and ``overc-try-<id>.conf``, whose command line has
``overc.trial=1`` as well. While the first is replaced, ``overc-<id>-next.conf`` stands in for it. None has a sort-key: so they
come after the distribution's, and the loader takes one of them only where somebody names it.

A line that begins with ``#>`` holds the entry as JSON: from that it is read back, and a text that is not what would be written
from it was changed by somebody else, or torn.
"""

from __future__ import annotations

import json
import os
import re
import typing as t
from dataclasses import asdict

from ...system.presence import text_of
from ...values import build, decimal, load_object
from ..entries.menu import ID_ARGUMENT, Entry
from ..entries.write import names_in
from ..grub.protection import TRIAL_ARGUMENT

DIRECTORY: t.Final = "loader/entries"
_HEAD: t.Final = "# overc.system: a deployment, version 1. Made whole by the collection; do not edit.\n"
_LISTED: t.Final = "#> "
_NAME: t.Final = re.compile(r"overc-(?P<trial>try-)?(?P<number>0|[1-9][0-9]{0,8})\.conf")
_STANDS_IN: t.Final = re.compile(r"overc-(?P<number>0|[1-9][0-9]{0,8})-next\.conf")
_UNSAYABLE: t.Final = re.compile(r"[\x00-\x1f\x7f\"]")


def name_of(number: int, *, trial: bool = False) -> str:
    """What a deployment's entry is called; that is its id for the loader as well."""
    return f"overc-{'try-' if trial else ''}{number}.conf"


def number_in(name: str | None, *, trial: bool = False) -> int | None:
    """The deployment in the name of an entry; None for any other name."""
    match = _NAME.fullmatch(name or "")
    return decimal(match["number"]) if match is not None and bool(match["trial"]) is trial else None


def stand_in_of(number: int) -> str:
    """What a deployment's entry is called while the file with its own name is replaced."""
    return f"overc-{number}-next.conf"


def stands_in_for(name: str | None) -> int | None:
    """The deployment in such a name; None for any other name."""
    match = _STANDS_IN.fullmatch(name or "")
    return decimal(match["number"]) if match is not None else None


def is_named_as_ours(name: str) -> bool:
    """Whether it is the name of an entry of ours, on trial or not."""
    return _NAME.fullmatch(name) is not None or _STANDS_IN.fullmatch(name) is not None


def is_left_over(path: str) -> bool:
    """Whether what has such a name was written by us, or is what a power cut leaves of that: nothing, or zeros."""
    content = os.fsencode(text_of(path) or "")
    return content.startswith(_HEAD.split(",", maxsplit=1)[0].encode()) or not content.strip(b"\0")


def _word(text: str) -> str:
    if _UNSAYABLE.search(text):
        raise ValueError(f"{text!r} cannot be written into an entry of systemd-boot")
    return f'"{text}"' if " " in text else text


def entry_text(entry: Entry, panic: int, *, trial: bool) -> str:
    """The whole file. ``panic``: seconds until a panicked kernel reboots. Raises ValueError for what cannot be said."""
    words = [*entry.args, f"{ID_ARGUMENT}{int(entry.id)}", f"panic={int(panic)}", *([TRIAL_ARGUMENT] if trial else [])]
    title = f"{entry.title} on trial" if trial else entry.title
    if _UNSAYABLE.search(title) or any(_UNSAYABLE.search(f"{file}") or " " in f"{file}" for file in _files(entry)):
        raise ValueError(f"deployment {entry.id} cannot be written into an entry of systemd-boot")
    return (
        f"{_HEAD}{_LISTED}{json.dumps({**asdict(entry), 'panic': int(panic)}, sort_keys=True)}\n"
        f"title {title}\nlinux {entry.kernel}\n"
        + (f"initrd {entry.initrd}\n" if entry.initrd else "")
        + f"options {' '.join(map(_word, words))}\n"
    )


def _files(entry: Entry) -> tuple[str, ...]:
    return (entry.kernel, entry.initrd) if entry.initrd else (entry.kernel,)


def parse_entry(text: str, *, trial: bool) -> Entry:
    """The inverse. Raises ValueError where it is not, to the byte, what we write."""
    listed = [line[len(_LISTED) :] for line in text.split("\n") if line.startswith(_LISTED)]
    if len(listed) != 1:
        raise ValueError("it does not say which deployment it is")
    raw = load_object(listed[0])
    panic = decimal(str(raw.pop("panic", "")))
    entry = build(Entry, raw)
    if panic is None or entry_text(entry, panic, trial=trial) != text:
        raise ValueError("it is not what was written")
    return entry


def entries_in(directory: str) -> dict[str, str]:
    """Name -> text of every entry there, whosesoever it is."""
    names = [name for name in names_in(directory) if name.lower().endswith(".conf")]
    return {name: text_of(os.path.join(directory, name)) or "" for name in names}


def value_of(text: str, key: str) -> str | None:
    """What a line of loader.conf or of an entry says for a key."""
    found = [line.split(None, 1) for line in text.splitlines()]
    return next((words[1].strip() for words in reversed(found) if len(words) == 2 and words[0] == key), None)


__all__ = (
    "DIRECTORY",
    "entries_in",
    "entry_text",
    "is_left_over",
    "is_named_as_ours",
    "name_of",
    "number_in",
    "parse_entry",
    "stand_in_of",
    "stands_in_for",
    "value_of",
)
