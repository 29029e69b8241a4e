# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a controller, and what can be seen on it: which system runs, and whether it is all of one piece."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import LabError, wait_for
from tests.vm import disk
from tests.vm.controller import Controller, Result
from tests.vm.machine import PATIENCE, Machine, Saved

# Everything at once: each login costs a second
_LOOK = """\
cat /run/vm-facts 2>/dev/null
r=$(uname -r)
echo "release=$r"
echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
echo "root=$(findmnt -vno FSROOT / | cut -c2-)"
echo "kernel=$(tr ' ' '\\n' </proc/cmdline | sed -n 's,^BOOT_IMAGE=.*/,,p')"
echo "app=$(cat /usr/share/vm-app/version)"
echo "data=$(cat /usr/share/vm-app/data/* | cut -d' ' -f1 | sort | uniq -c | tr -s ' \\n' '  ')"
echo "packages=$(rpm -q --qf '%{NAME}=%{VERSION} ' vm-app vm-kernel vm-trouble)"
rpm --verifydb >/dev/null 2>&1; echo "verifydb=$?"
modprobe dummy && grep -q '^dummy ' /proc/modules; echo "modules=$?"
echo "failed=$(systemctl --failed --plain --no-legend | cut -d' ' -f1 | tr '\\n' ' ')"
echo "trial=$(tr ' ' '\\n' </proc/cmdline | sed -n 's,^overc.trial=,,p')"
"""
TROUBLE_FREE: t.Final = "1.0"


@dataclass(frozen=True)
class Seen:
    """What runs on a machine."""

    release: str
    boot: str
    root: str
    kernel: str
    app: str
    data: str
    packages: str
    verifydb: str
    modules: str
    failed: str
    trial: str

    @property
    def defects(self) -> list[str]:
        """What does not fit together, whichever system it is."""
        found = []
        versions = dict(entry.split("=") for entry in self.packages.split())
        if versions.get("vm-app") != self.app or self.data.split() != ["100", self.app]:
            found.append(f"files of vm-app are {self.app} ({self.data}), its package is {versions.get('vm-app')}")
        if self.verifydb != "0":
            found.append("rpm --verifydb fails")
        if self.modules != "0":
            found.append(f"kernel {self.release} cannot load its modules")
        return found

    def version(self, releases: tuple[str, str]) -> str:
        """``old`` or ``new`` when kernel, packages and files are all of it; else what is mixed."""
        packages = dict(entry.split("=") for entry in self.packages.split())
        kernel = packages.get("vm-kernel")
        if (kernel, self.release) not in {("1.0", releases[0]), ("2.0", releases[1])}:
            return f"mixed: root with kernel package {kernel}, kernel {self.release}"
        return {"1.0": "old", "2.0": "new", "3.0": "newer"}[self.app]


class Guest:
    """``releases`` are the kernel releases of the old and the new system."""

    root_part: t.ClassVar = disk.ROOT

    def __init__(self, directory: Path, base: Path | Saved, collections: Path, *, firmware: str = "bios") -> None:
        self.saved = base if isinstance(base, Saved) else None
        self.machine = Machine(directory, base.disk if isinstance(base, Saved) else base, firmware=firmware)
        self.controller = Controller(self.machine, collections)
        self._started: subprocess.Popen[str] | None = None

    def __enter__(self) -> Guest:
        self.on()
        return self

    def __exit__(self, *_error: object) -> None:
        self.machine.close()

    def on(self, log: Path | None = None) -> None:
        """Go on where it was saved, or boot; returns when it answers."""
        if self.saved is not None:
            self.machine.resume(self.saved, log)
            self.saved = None
        else:
            self.machine.start(log=log)
        self.machine.wait_ssh()

    def save(self, directory: Path) -> Saved:
        # Its caches are kept: Debian's kernel 6.1.192 crashes in ext4_mb_load_buddy_gfp once they were dropped
        self.machine.ssh("sync")
        return self.machine.save(directory)

    # --- what a user does -------------------------------------------------------------------------------------

    def release(self, name: str) -> None:
        """Follow this release from now on."""
        self.machine.ssh(f"echo {name} > /etc/dnf/vars/labrel")

    def info(self) -> Result:
        return self.controller("overc_host_info", "-a", "full=true")

    # --- what can be seen -------------------------------------------------------------------------------------

    def look(self) -> Seen:
        lines = self.machine.ssh(_LOOK).splitlines()
        return Seen(**dict(line.split("=", 1) for line in lines if "=" in line))

    @functools.cached_property
    def releases(self) -> tuple[str, str]:
        listed = "rpm -qpl /srv/repositories/{0}/vm-kernel-*.rpm | grep /modules.dep$"
        names = self.machine.ssh("; ".join(listed.format(release) for release in ("v1", "v2"))).split()
        old, new = (name.split("/")[-2] for name in names)
        return old, new

    def assert_runs(self, version: str, *, root: str | None = None, kernel: str = "bzImage") -> Seen:
        seen = self.look()
        assert seen.defects == []
        assert seen.version(self.releases) == version, seen
        assert seen.kernel == kernel, seen
        if root is not None:
            assert seen.root == root, seen
        return seen

    def disk_defect_of_a_running_machine(self) -> str | None:
        """The same after an orderly end; the machine is off then."""
        self.machine.poweroff()
        return self.disk_defect()

    def disk_defect(self) -> str | None:
        """What a check of the root file system finds; the machine must be off."""
        return disk.btrfs_check(self.machine.disk, self.machine.directory, self.root_part)

    # --- stopping at a point -------------------------------------------------------------------------------------

    def run_to(self, point: str, module: str, *options: str) -> None:
        """Start a command, and return when it has come to the point; there it waits."""
        self.stop_at(point)
        mark = self.machine.mark()
        self.wait_point(point, mark, self.begin(module, *options))

    def begin(self, module: str, *options: str) -> subprocess.Popen[str]:
        """Start a command, and leave it to itself."""
        self._started = self.controller.start("ansible", "vm", "-m", f"overc.system.{module}", *options)
        return self._started

    def wait_file(self, path: str, text: str) -> None:
        """Until a file below the top level of the btrfs has this text in it."""
        script = "mkdir -p /run/vm-top && mount -o subvolid=5 /dev/vda3 /run/vm-top && "
        script += f"until grep -qs {text} /run/vm-top/{path}; do :; done"
        self.machine.ssh(script)

    def wait_point(self, point: str, mark: int, process: subprocess.Popen[str] | None = None) -> None:
        def reached() -> bool:
            if process is not None and process.poll() is not None:
                stdout, stderr = process.communicate()
                raise LabError(f"the command ended before it came to {point}: {stdout[-3000:]}{stderr[-2000:]}")
            said = self.machine.console_since(mark)
            if "---[ end trace" in said:
                raise LabError(f"the kernel of the machine crashed: {said[-3000:]}")
            return f"VM-POINT {point}" in said

        wait_for(reached, f"point {point}", PATIENCE, 0.02)

    def stop_at(self, *points: str) -> None:
        self.machine.ssh(f"echo {' '.join(points)} > /run/vm-stop")

    def kill(self) -> None:
        """SIGKILL the module that waits at a point; the machine goes on."""
        self.machine.ssh("rm -f /run/vm-stop; kill -9 $(cat /run/vm-pid)")
        self.abandon()

    def cut(self) -> None:
        """The power goes, and then the controller of the running command: left alone, its ssh would try again on the
        machine that comes back, and begin there what the test did not ask for.
        """
        self.machine.cut()
        self.abandon()

    def abandon(self) -> None:
        """End the controller of a command, with all of its processes."""
        process = self._started
        if process is not None:
            for pid in _family(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()
            self._started = None

    def passed_points(self) -> list[str]:
        return self.machine.ssh("cat /run/vm-points 2>/dev/null || true").split()


def _family(pid: int) -> list[int]:
    """A process and what descends from it: ansible's workers are in sessions of their own."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(member for child in children for member in _family(int(child)))]


def as_json(**values: t.Any) -> str:
    """Options of an ad-hoc command, with their types."""
    return json.dumps(values)
