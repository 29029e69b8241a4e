# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small disk whose power can be cut, put back again and again; and every place where a run can be killed.

A power cut takes what was not written to the disk: the image is copied as it is at that moment, and the copy is mounted.
"""

from __future__ import annotations

import fcntl
import functools
import os
import signal
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path
from types import FrameType

from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl
from ansible_collections.overc.system.plugins.module_utils.overlay import kept, own_side, sources
from ansible_collections.overc.system.plugins.module_utils.system import overlayfs, syscalls

from tests.sampling import rotating

_ONE_IN: t.Final = 8
# A commit of its own would save what nobody has made durable
_OPTIONS: t.Final = "loop,commit=300"
# Whatever changes what is on the disk, or makes it durable
_CHANGING: t.Final[tuple[tuple[t.Any, tuple[str, ...]], ...]] = (
    (os, ("fsync", "rename", "unlink", "rmdir", "mkdir", "symlink", "link")),
    (syscalls, ("syncfs",)),
    (ioctl, ("snapshot", "delete_subvolume", "create_subvolume", "sync")),
    (overlayfs, ("mount", "unmount")),
)


class Disk:
    def __init__(self, base: Path) -> None:
        self.base, self.where = base, base / "fs"
        self.image = base / "image"
        self.where.mkdir()
        with self.image.open("wb") as file:
            file.truncate(1 << 30)
        subprocess.run(["mkfs.btrfs", "-q", str(self.image)], check=True)
        self._on()

    def _on(self) -> None:
        subprocess.run(["mount", "-o", _OPTIONS, str(self.image), str(self.where)], check=True)

    def off(self) -> None:
        subprocess.run(["umount", "-R", str(self.where)], check=True)

    def save(self, name: str) -> None:
        """As it is when it is switched off in peace."""
        self.off()
        self._copy(self.image, self.base / name)
        self._on()

    def restore(self, name: str) -> None:
        self.off()
        self._copy(self.base / name, self.image)
        self._on()

    def cut(self) -> None:
        """The power goes, and comes back."""
        self._copy(self.image, self.base / "cut")
        self.off()
        (self.base / "cut").replace(self.image)
        self._on()

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(source), str(target)], check=True)


def quiet(container: Path) -> None:
    """Wait until all processes of a run that was killed are gone: they hold its lock."""
    fd = os.open(container, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.close(fd)


def _caller(frame: FrameType | None) -> str:
    """Where the product calls what changes something, and who called that: one place is reached in several ways."""
    names: list[str] = []
    while frame is not None and len(names) < 4:
        code = frame.f_code
        if "/plugins/module_utils/" in code.co_filename:
            names.append(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(names)


def _watch(told: t.Callable[[str], None]) -> None:
    """Call ``told`` before everything that changes the disk. For a child that ends soon: nothing is put back."""

    def wrap(module: t.Any, name: str) -> None:
        real = getattr(module, name)

        @functools.wraps(real)
        def before(*arguments: t.Any, **more: t.Any) -> t.Any:
            told(f"{name} {_caller(sys._getframe(1))}")
            return real(*arguments, **more)

        setattr(module, name, before)

    for module, names in _CHANGING:
        for name in names:
            wrap(module, name)
    for user in (kept, own_side, sources):
        assert user.ioctl is ioctl, "it would not be seen"


def _child(call: t.Callable[[], object], told: t.Callable[[str], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _watch(told)
            call()
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(3)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def places(call: t.Callable[[], object], ended: t.Callable[[], object] = lambda: None) -> list[int]:
    """The numbers of the calls that change something, of each kind the first and the last one.

    ``ended`` waits for what goes on in a process of its own, which counts on from where it was begun.
    """
    with tempfile.NamedTemporaryFile() as seen:

        def told(what: str) -> None:
            with open(seen.name, "a", encoding="utf-8") as out:
                out.write(f"{what}\n")

        assert os.waitstatus_to_exitcode(_child(call, told)) == 0
        ended()
        names = Path(seen.name).read_text(encoding="utf-8").splitlines()
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for number, name in enumerate(names):
        first.setdefault(name, number)
        last[name] = number
    return sorted({*first.values(), *last.values()})


def of_the_day(numbers: list[int]) -> list[int]:
    """A part of the places each day, all of them within eight."""
    return rotating(numbers, min(_ONE_IN, len(numbers)))


def killed_at(number: int, call: t.Callable[[], object]) -> None:
    """Run it in a child that is killed before so many calls that change something were made, or at its end."""
    count = -1

    def told(_what: str) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    status = _child(call, told)
    assert os.WIFSIGNALED(status) or status == 0, "it failed, in place of being killed"
