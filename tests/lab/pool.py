# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where disk images live: a file system that clones a file in no time.

XFS on a sparse loop file. In memory where there is plenty, because then no host ever waits for a real disk.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.lab import disk
from tests.lab.process import LabError, run, wait_for
from tests.lab.settings import available_memory

_SIZE = 64 << 30  # sparse; what is really used is a few tens of MB per host
_MEMORY = 8 << 30


def pool_file(directory: Path, lab_id: str) -> Path:
    """Where the pool's own image is kept."""
    memory = Path("/dev/shm")
    chosen = os.environ.get("OVERC_LAB_POOL")
    if chosen:
        return Path(chosen) / f"overc-pool-{lab_id}.img"
    if memory.is_dir() and available_memory() > _MEMORY:
        return memory / f"overc-pool-{lab_id}.img"
    return directory / "pool.img"


def mount_pool(file: Path, mountpoint: Path) -> None:
    if mountpoint.is_mount():
        return
    mountpoint.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as handle:
        handle.truncate(_SIZE)
    run(["mkfs.xfs", "-q", "-f", "-m", "reflink=1", file])
    loop = run(["losetup", "--show", "--find", file]).strip()
    # discard: a deleted image gives its memory back
    run(["mount", "-t", "xfs", "-o", "discard,nouuid", loop, mountpoint])


def unmount_pool(file: Path, mountpoint: Path) -> None:
    if mountpoint.is_mount():

        def gone() -> bool:
            run(["umount", mountpoint], check=False)
            return not mountpoint.is_mount()

        wait_for(gone, f"{mountpoint} to be free", timeout=15, interval=0.1)
    # Any mount namespace that somebody made meanwhile has a copy of the mount and holds the device; the kernel frees it
    # when that ends. Nothing of ours waits for it.
    loop = disk.loop_of(file)
    if loop:
        run(["losetup", "--detach", loop], check=False)
    file.unlink(missing_ok=True)
    if mountpoint.is_dir():
        mountpoint.rmdir()


def clone(source: Path, target: Path) -> None:
    if source.stat().st_dev != target.parent.stat().st_dev:
        run(["cp", "--sparse=always", source, target])
        return
    try:
        run(["cp", "--reflink=always", source, target])
    except LabError:
        target.unlink(missing_ok=True)
        raise
