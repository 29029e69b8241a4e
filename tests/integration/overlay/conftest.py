# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems for the overlay tests, in a mount namespace of the test process.

Nothing can leak: with the process the namespace ends, with it the mounts, and with them the loop devices (autoclear).

What imports the collection is loaded by the fixtures: a conftest that is loaded at the start of pytest would import it before
pytest-ansible has prepared that, and other tests of the same run could not import modules any more.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from .world import World

_CLONE_NEWNS = 0x20000
_PRIVATE = 0x4000 | 0x40000


def _own_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(None, b"/", None, _PRIVATE, None):
        raise OSError(ctypes.get_errno(), "cannot have a mount namespace")


@pytest.fixture(scope="session", autouse=True)
def namespace() -> None:
    if os.geteuid() != 0:
        pytest.fail("the overlay tests mount real file systems: run them as root")
    _own_namespace()


def _filesystem(base: Path, kind: str) -> t.Iterator[Path]:
    image, where = base / "image", base / "fs"
    with image.open("wb") as file:
        file.truncate(3 << 30)
    subprocess.run([f"mkfs.{kind}", "-q", str(image)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    where.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)
        image.unlink()


@pytest.fixture(scope="session")
def btrfs(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    yield from _filesystem(tmp_path_factory.mktemp("btrfs"), "btrfs")


@pytest.fixture(scope="session")
def ext4(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    yield from _filesystem(tmp_path_factory.mktemp("ext4"), "ext4")


def clean(where: Path) -> None:
    """Remove everything below, subvolumes too."""
    from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl

    subprocess.run(["chattr", "-R", "-f", "-i", "-a", str(where)], check=False, stderr=subprocess.DEVNULL)
    for path, names, _files in os.walk(where, topdown=False):
        fd = os.open(path, os.O_RDONLY)
        try:
            for name in names:
                full = os.path.join(path, name)
                if not os.path.islink(full) and os.stat(full).st_ino == ioctl.SUBVOLUME_INODE:
                    shutil.rmtree(full, ignore_errors=True)
                    if os.path.isdir(full):
                        ioctl.delete_subvolume(name, fd)
        finally:
            os.close(fd)
    for entry in os.scandir(where):
        shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)


@pytest.fixture(autouse=True)
def small_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days the small trees of the tests are compared as small ones are, two days as large ones.

    Not every other day: which of the tests run today changes that often.
    """
    from ansible_collections.overc.system.plugins.module_utils.compare.relatives import compare

    from tests.sampling import day

    if day() // 2 % 2:
        monkeypatch.setattr(compare, "_FEW", -1)


@pytest.fixture
def world(btrfs: Path) -> t.Iterator[World]:
    """A host root, and a place for containers, on one btrfs; empty for every test."""
    from .world import World

    clean(btrfs)
    yield World(btrfs)
    clean(btrfs)
