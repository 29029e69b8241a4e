# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking what Python's library cannot, by the program that made it: dracut and initramfs-tools pack with zstd or lz4."""

from __future__ import annotations

import os
import sys
import typing as t

from ..errors import OvercError

if t.TYPE_CHECKING:
    from ..runner import Runner

_PROGRAMS: t.Final = {"zstd": ("zstd", "-dcq"), "lz4": ("lz4", "-dcq"), "lzo": ("lzop", "-dcq")}
# Two descriptors become its input and output, and its output has an end; argv: these, the limit in bytes, the program
_START: t.Final = (
    "import os, resource, sys; end = int(sys.argv[3]); resource.setrlimit(resource.RLIMIT_FSIZE, (end, end)); "
    "os.dup2(int(sys.argv[1]), 0); os.dup2(int(sys.argv[2]), 1); os.execvp(sys.argv[4], sys.argv[4:])"
)


class Unpacker:
    """Uses the programs of the running system. ``directory``: on a file system with room for what is unpacked; nothing of it
    is left there.
    """

    def __init__(self, runner: Runner, directory: str, most: int = 1 << 30) -> None:
        self._runner = runner
        self._directory = directory
        self._most = most

    def open(self, method: str, path: str, start: int) -> t.BinaryIO:
        """What a file holds from ``start`` on, unpacked. Raises ValueError, whose text says why it cannot be had; OSError."""
        program = _PROGRAMS[method]
        if self._runner.find(program[0]) is None:
            raise ValueError(f"it is packed with {method}, and the program {program[0]} is not installed")
        packed = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.lseek(packed, start, os.SEEK_SET)
            out = os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                self._run(packed, out, program)
                os.lseek(out, 0, os.SEEK_SET)
                return os.fdopen(out, "rb")
            except BaseException:
                os.close(out)
                raise
        finally:
            os.close(packed)

    def _run(self, packed: int, out: int, program: tuple[str, ...]) -> None:
        words = (sys.executable, "-I", "-S", "-c", _START, f"{packed}", f"{out}", f"{self._most}", *program)
        try:
            done = self._runner.run(words, pass_fds=(packed, out))
        except OvercError as error:
            raise ValueError(error.message) from error
        if done.rc != 0:
            said = (done.stderr.strip().splitlines() or [f"it ended with {done.rc}"])[-1]
            raise ValueError(f"{program[0]} could not unpack it: {said}")


__all__ = ("Unpacker",)
