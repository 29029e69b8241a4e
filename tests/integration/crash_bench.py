# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the crash tests have in common: a host that is put back again and again, and what must be true of any host."""

from __future__ import annotations

import os
import shutil
import signal
import typing as t
from collections.abc import Callable
from pathlib import Path

from tests.integration.crash_points import CARRIED
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host, Lab, disk
from tests.lab.process import run

WAYS: t.Final = ("reboot", "powerloss", "at_once", "at_once_powerloss")
PACKAGES: t.Final = ("lab-app", "lab-gui", "lab-kernel", "lab-lib", "lab-tool")
OWN: t.Final = ("data", "rootfs_mine")
RELEASES: t.Final = {"1.0": "v1", "2.0": "v2", "3.0": "v3"}
EVERYTHING: t.Final = bool(os.environ.get("OVERC_CRASH_ALL"))


class Bench:
    """One host, put back to a prepared state again and again."""

    def __init__(self, lab: Lab, name: str = "crash", **options: t.Any) -> None:
        """``options`` of ``Lab.create``."""
        self.host = lab.create(name, **options)
        self._disks: dict[str, Path] = {}

    def start(self, name: str, make: Callable[[], None] | None = None, *, entry: int | None = None) -> Host:
        """Switched on with the disk of this name, which is made the first time; ``entry`` of the boot menu, if any."""
        if name not in self._disks:
            (make or getattr(self, f"_make_{name}"))()
            self.host.stop()
            self._disks[name] = self.host.save()
        self.host.stop()
        self.host.restore(self._disks[name])
        self.host.boot_entry(entry)
        self.host.start()
        return self.host

    def switch(self, root: str) -> None:
        """Make this root and its kernel (in its package, or in the backup) the ones that boot next, on or off."""
        with self.host.top() as top, self.host.boot_partition() as boot:
            carried = top / root / "boot/bzImage"
            shutil.copyfile(carried if carried.exists() else boot / "bzImage_bakup", boot / "bzImage")
            run(["btrfs", "subvolume", "set-default", top / root])

    def _make_clean(self) -> None:
        self.host.start()
        with self.host.top() as top:
            for name in OWN:
                run(["btrfs", "subvolume", "create", top / name])
                (top / name / "file").write_text(f"mine: {name}\n")
        self.host.release("v2")

    def _make_staged(self) -> None:
        host = self.start("clean")
        assert upgrade(host)["state"] == "staged"
        host.release("v3")
        host.stop()
        self.switch("rootfs")  # or the staged root would come up; ``begin`` undoes it

    def _make_upgraded(self) -> None:
        host = self.start("clean")
        upgrade(host)
        host.reboot()
        host.release("v3")
        host.write(CARRIED, "carried\n")


def upgrade(host: Host) -> dict[str, t.Any]:
    result = host.module("overc_host_upgrade")
    assert not result.get("failed"), result
    return result


def killed(host: Host, module: str, args: dict[str, t.Any], prelude: str) -> None:
    process = host.module_start(module, args, prelude=prelude).process
    stdout, stderr = process.communicate(timeout=600)
    gone = process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert gone, f"it was not killed there: {process.returncode}\n{stdout[-3000:]}\n{stderr[-3000:]}"


def go_on(host: Host, way: str) -> None:
    if way == "reboot":
        host.reboot()
    elif way == "powerloss":
        host.powerloss()
        host.start()
    elif way == "at_once_powerloss":
        # A command that has nothing of its own to do: what it writes is the repair alone
        said = host.module("overc_host_confirm")
        assert not said.get("failed") or said["error_id"] in ("backup_boot", "not_booted"), said
        check_durable(host)
        host.start()


def check_durable(host: Host) -> None:
    """What a command has reported is on the disk itself: the power goes, and all is as it was. The host is off then."""
    before = snapshot_of_disk(host)
    host.powerloss()
    after = snapshot_of_disk(host)
    assert (after.default, after.subvolumes, after.top) == (before.default, before.subvolumes, before.top)
    assert after.boot == before.boot
    assert after.record == before.record
    assert after.roots == before.roots


def check_untouched(host: Host) -> None:
    with host.top() as top:
        for name in OWN:
            assert (top / name / "file").read_text() == f"mine: {name}\n"


def check_tidy(host: Host) -> None:
    """Nothing unfinished is left."""
    with host.top() as top, host.boot_partition() as boot:
        left = [entry.name for place in (top, boot, top / ".overc") for entry in place.glob("*.overc-*")]
        assert left == []
        assert not (top / ".overc/journal.jsonl").exists()


def check_disk(host: Host) -> None:
    """Offline; the host is on again afterwards."""
    host.stop()
    run(["btrfs", "check", "--readonly", f"{disk.attach(host.image)}p2"])
    host.start()
