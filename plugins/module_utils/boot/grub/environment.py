# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment block of GRUB: the 1,024 bytes through which the boot loader and the running system talk.

Format: GRUB manual, "Environment block", and lib/envblk.c: a signature line, ``name=value`` lines in which a backslash
quotes a newline or a backslash, the rest filled with ``#``. Lines that are not ours are kept as they are.

Written in place and never truncated: the same blocks of the disk, so that GRUB, which replays no journal, sees the new
content as soon as it is on the disk. ``grub-editenv`` truncates first, and a power cut then leaves an empty file.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t

from ...errors import OvercError
from ...system import syscalls

SIZE: t.Final = 1024
SIGNATURE: t.Final = b"# GRUB Environment Block\n"
EMPTY: t.Final = SIGNATURE.ljust(SIZE, b"#")
# The two variables that decide what boots. ``saved_entry`` stays until it is changed, ``next_entry`` counts once.
SAVED_ENTRY: t.Final = "saved_entry"
NEXT_ENTRY: t.Final = "next_entry"

_LINE = re.compile(rb"(?:[^\\\n]|\\[\s\S])*\n")
_QUOTED = re.compile(rb"\\([\s\S])")


def is_valid(block: bytes) -> bool:
    """Whether GRUB takes this for an environment block of the usual size."""
    return len(block) == SIZE and block.startswith(SIGNATURE)


def damage_of(block: bytes) -> str | None:
    """What is wrong with a block, None if nothing is. GRUB may take one all the same: it asks for no length."""
    if is_valid(block):
        return None
    size = f"more than {SIZE}" if len(block) > SIZE else f"{len(block)}"
    return f"{size} bytes, and it should be {SIZE} that begin with {SIGNATURE.decode().strip()!r}"


def _lines(block: bytes) -> list[bytes]:
    damage = damage_of(block)
    if damage:
        raise OvercError(
            "inconsistent",
            f"The environment block of GRUB is damaged: {damage}. Write a new one with grub-editenv FILE create, then run the "
            "same command.",
        )
    return _LINE.findall(block, len(SIGNATURE))


def _name(line: bytes) -> bytes | None:
    name, equals, _value = line.partition(b"=")
    return name if equals and not line.startswith(b"#") else None


def parse_environment(block: bytes) -> dict[str, str]:
    """The variables of a block. Raises inconsistent for one that GRUB would not read either."""
    found: dict[str, str] = {}
    for line in _lines(block):
        name = _name(line)
        if name is not None:
            value = _QUOTED.sub(rb"\1", line[len(name) + 1 : -1])
            found[os.fsdecode(name)] = os.fsdecode(value)
    return found


def change_environment(block: bytes, changes: t.Mapping[str, str | None]) -> bytes:
    """The block with some variables set, or removed (None); everything else keeps its bytes and its place."""
    wanted = {os.fsencode(name): value for name, value in changes.items()}
    named = frozenset(wanted)
    kept: list[bytes] = []
    for line in _lines(block):
        name = _name(line)
        if name is None or name not in named:
            kept.append(line)
            continue
        # A name that stands there twice: GRUB takes the last one, so none of the old ones may stay
        value = wanted.pop(name, None)
        if value is not None:
            kept.append(_assignment(name, value))
    kept += [_assignment(name, value) for name, value in wanted.items() if value is not None]
    result = SIGNATURE + b"".join(kept)
    if len(result) > SIZE:
        raise OvercError(
            "no_trial_boot",
            f"The environment block of GRUB is full: {len(result)} bytes would be needed, it has {SIZE}. Remove "
            "variables that nobody needs with grub-editenv FILE unset NAME.",
        )
    return result.ljust(SIZE, b"#")


def _assignment(name: bytes, value: str) -> bytes:
    quoted = os.fsencode(value).replace(b"\\", b"\\\\").replace(b"\n", b"\\\n")
    return name + b"=" + quoted + b"\n"


def read_block(path: str) -> bytes:
    """The bytes of a block; a link is refused, because GRUB and Linux may follow it to different places."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OvercError("inconsistent", f"{path} is no regular file.")
        return os.pread(fd, SIZE + 1, 0)
    finally:
        os.close(fd)


def write_environment(path: str, changes: t.Mapping[str, str | None]) -> bool:
    """Change variables in place and durably, and read them back from the disk; False if they were so already.

    Raises boot_write_failed, inconsistent, no_trial_boot.
    """
    try:
        before = read_block(path)
        after = change_environment(before, changes)
        # Also where they are so: in memory, perhaps, and not on the disk, if a run was killed or a sync failed before it
        _write_in_place(path, after)
        found = read_block(path)
    except OSError as error:
        raise OvercError(
            "boot_write_failed",
            f"Cannot write GRUB's environment block {path!r}: {error.strerror}. Mend that and run the same command again.",
        ) from error
    if found != after:
        raise OvercError(
            "boot_write_failed",
            f"GRUB's environment block {path!r} is not what was written to it. Check that disk before anything else.",
        )
    return before != after


def _write_in_place(path: str, block: bytes) -> None:
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        written = os.pwrite(fd, block, 0)
        if written != SIZE:
            raise OSError(5, f"only {written} of {SIZE} bytes were written", path)
        os.fsync(fd)
        # The inode's time of change travels through the journal of ext4; what GRUB reads must not wait for it.
        syscalls.syncfs(os.path.dirname(path))
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


__all__ = (
    "EMPTY",
    "NEXT_ENTRY",
    "SAVED_ENTRY",
    "SIGNATURE",
    "SIZE",
    "change_environment",
    "damage_of",
    "is_valid",
    "parse_environment",
    "read_block",
    "write_environment",
)
