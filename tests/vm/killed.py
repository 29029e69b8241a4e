# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at a step, the next command at once, and the power goes when that has answered: a recorded run of each.

What a kill left may be so in memory only. The next command sees it there, and what it then says must be true on the disk.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.vm import cuts
from tests.vm.controller import Result
from tests.vm.cuts import CONFIRM, ROLLBACK, Cut
from tests.vm.disk_view import System
from tests.vm.guest import Guest
from tests.vm.machine import Saved
from tests.vm.recording import Recording
from tests.vm.sweep import Outcome, Sweep, with_pool
from tests.vm.write_log import WriteLog

# An emulated machine takes seconds for a command, and file systems write by themselves every few: then nothing would be
# left that is in memory only. With this, only what is synced is written.
_ONLY_WHAT_IS_SYNCED: t.Final = """\
set -e
sync
sysctl -q vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000
mount -o remount,commit=600 /
findmnt -no FSTYPE /boot | grep -qv ext4 || mount -o remount,commit=600 /boot
mkdir -p /run/vm-top
mount -o subvolid=5 /dev/vda3 /run/vm-top
"""
_PAIRS: t.Final = """\
cd /boot; sha256sum bzImage initrd bzImage_bakup initrd_bakup 2>/dev/null
cd /run/vm-top/rootfs_upgrade.overc-new/boot 2>/dev/null && sha256sum bzImage initrd | sed 's/$/_made/'
true
"""
_NAMES: t.Final = {"1.0": "old", "2.0": "new"}


@dataclass(frozen=True)
class Killed:
    """``told`` is how many entries the log had when the next command had answered, ``boots`` what must boot from then on."""

    recording: Recording
    told: int
    boots: str
    answer: Result


# Between a change and its sync
_INSIDE: t.Final = (
    *(Cut("upgrade", f"in-{step}", "packaged") for step in ("arm_fallback", "swap_kernel", "arm_trial")),
    Cut("confirm", "in-confirm", "trial", CONFIRM),
    *(Cut("rollback", f"in-{step}", "upgraded", ROLLBACK) for step in ("swap_kernel", "arm_trial")),
    *(Cut("cancel", f"in-{step}", "staged", ROLLBACK) for step in ("swap_kernel", "disarm")),
    *(Cut("restore", f"in-{step}", "backup", ROLLBACK) for step in ("swap_kernel", "arm_trial")),
)


def points() -> list[Cut]:
    """Around each step that touches more than the new root, which nothing refers to before, and inside of some."""
    around = [cut for cut in cuts.every() if cut.start != "host" and not cut.console and not cut.at_once]
    return [*_INSIDE, *around]


def _systems(guest: Guest, start: str) -> tuple[System, System]:
    found = {name: digest[:16] for digest, name in map(str.split, guest.machine.ssh(_PAIRS).splitlines())}
    old, new = ("", "_made") if start == "packaged" else ("_bakup", "")
    releases = guest.releases
    return (
        System("old", found[f"bzImage{old}"], found[f"initrd{old}"], releases[0], "1.0", "1.0"),
        System("new", found[f"bzImage{new}"], found[f"initrd{new}"], releases[1], "2.0", "2.0"),
    )


def record(directory: Path, saved: Saved, collections: Path, cut: Cut, following: str) -> Killed:
    """Kill the command at the point, run ``following``, and cut the power."""
    guest = Guest(directory, saved, collections)
    log = directory / "writes.log"
    try:
        guest.on(log=log)
        guest.machine.ssh(_ONLY_WHAT_IS_SYNCED)
        systems = _systems(guest, cut.start)
        if cut.start == "packaged":
            mark = guest.machine.mark()
            guest.stop_at(cut.point)
            guest.wait_point(cut.point, mark)
        else:
            guest.release("v2")
            guest.run_to(cut.point, cut.module)
        guest.kill()
        answer = guest.controller.call(following)
        entries = WriteLog(log)
        told = len(entries.entries)
        entries.close()
        following_boot = guest.info()["next_boot"]["subvolume"]
        version = guest.machine.ssh(f"cat /run/vm-top/{following_boot}/usr/share/vm-app/version").strip()
    finally:
        guest.cut()
        guest.machine.close()
    return Killed(Recording(directory, saved.disk, log, systems), told, _NAMES[version], answer)


def sweep(killed: Killed, *, seed: int = 0) -> Outcome:
    """Each power cut until the answer: the old or the new system. Right after it: the one that the answer promises."""
    recording = killed.recording

    def work(pool: Path) -> Outcome:
        made = Sweep(pool, recording.base, recording.log, recording.systems, window=False, seed=seed)
        return made.run(told=killed.told)

    return with_pool(recording.directory, work)


__all__ = ("Killed", "points", "record", "sweep")
