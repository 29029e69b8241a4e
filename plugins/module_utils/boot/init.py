# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel starts first in a root: where it is, and whether it could run there."""

from __future__ import annotations

import os
import stat
import struct
import typing as t
from dataclasses import dataclass

from ..system.rooted_path import resolve_in_root

# Linux, init/main.c, kernel_init(); without /bin/sh, which it tries last: that is no system
_BY_KERNEL: t.Final = ("/sbin/init", "/etc/init", "/bin/init")
# What an initrd with systemd looks for besides
_BY_INITRD: t.Final = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
_DEEPEST: t.Final = 4  # a script's interpreter may be a script: Linux, fs/exec.c, exec_binprm()
_HEAD: t.Final = 4096
_PT_INTERP: t.Final = 3


@dataclass(frozen=True)
class Program:
    """A program that could be started in a root. ``loader`` is the dynamic loader that the last interpreter asks for, if it
    asks for one, and ``binary`` that interpreter or the program itself; all are paths inside the root.
    """

    path: str
    binary: str
    loader: str | None = None


def named_init(arguments: t.Sequence[str]) -> str | None:
    """What the arguments of a kernel say that it shall start; the last one counts."""
    named = [word[len("init=") :] for word in arguments if word.startswith("init=")]
    return named[-1] if named and named[-1] else None


def find_init(root: str, named: str | None = None, *, initrd: bool = False) -> Program | None:
    """What a kernel would start first in this root, None where nothing could be started. Links do not leave the root.

    ``named``: what its command line names; it starts nothing else then. ``initrd``: something in between may look further
    than the kernel itself. Raises OSError where the disk gives no answer.
    """
    candidates = (named,) if named else (*_BY_KERNEL, *(_BY_INITRD if initrd else ()))
    return next((found for found in (find_program(root, path) for path in candidates) if found), None)


def find_program(root: str, path: str) -> Program | None:
    """A program of a root with all that the kernel needs to start it; None where that is not there.

    An executable file, and the interpreters that it names, one after the other, are in the root and executable too.
    """
    binary, where = path, _executable(root, path)
    for _depth in range(_DEEPEST):
        if where is None:
            return None
        with open(where, "rb") as stream:
            kind, needs = interpreter_of(stream.read(_HEAD))
        if kind == "other":
            return None
        if needs is None:
            return Program(path, binary)
        where = _executable(root, needs)
        if kind == "elf":
            return Program(path, binary, needs) if where is not None else None
        binary = needs
    return None


def _executable(root: str, path: str) -> str | None:
    found = resolve_in_root(root, path)
    if found is None:
        return None
    mode = os.lstat(found).st_mode
    return found if stat.S_ISREG(mode) and mode & 0o111 else None


def interpreter_of(head: bytes) -> tuple[t.Literal["elf", "script", "other"], str | None]:
    """What kind of program begins with these bytes, and which other file the kernel has to load for it.

    ELF: gABI, chapter 5, "Program Header" (PT_INTERP); a program header that lies further in is not looked at.
    """
    if head[:2] == b"#!":
        words = head[2:].split(b"\n")[0].split()
        return ("script", os.fsdecode(words[0])) if words else ("other", None)
    if head[:4] != b"\x7fELF" or len(head) < 64:
        return "other", None
    wide, order = head[4] == 2, ">" if head[5] == 2 else "<"
    start = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    for number in range(count):
        at = start + number * size
        if at + (56 if wide else 32) > len(head):
            break
        if struct.unpack_from(order + "I", head, at)[0] != _PT_INTERP:
            continue
        offset = struct.unpack_from(order + ("Q" if wide else "I"), head, at + (8 if wide else 4))[0]
        length = struct.unpack_from(order + ("Q" if wide else "I"), head, at + (32 if wide else 16))[0]
        text = head[offset : offset + length].split(b"\0")[0]
        return "elf", os.fsdecode(text) or None
    return "elf", None


__all__ = ("Program", "find_init", "find_program", "interpreter_of", "named_init")
