# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second half: a host as the installer of Debian leaves it, adopted in place, upgraded and brought back."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from tests.demo.stage import Stage, heading, say, show
from tests.lab import apt
from tests.lab.debs import Deb
from tests.lab.kernel import kernel_release

FLAVOUR: t.Final = "debian12"
_APP: t.Final = "lab-app"


@dataclass(frozen=True)
class Runs:
    """What was seen on the running host."""

    subvolume: str
    kernel: str
    app: str


class DebianDemo(Stage):
    def run(self) -> None:
        first = self.adopt()
        second = self.upgrade(first)
        self.broken_upgrade(second)
        self.rollback(first)

    def look(self) -> Runs:
        """Which kernel runs is told by the file that GRUB loaded: a lab's kernel never runs."""
        loaded = self.host.sh("tr ' ' '\\n' < /proc/cmdline | sed -n 's/^BOOT_IMAGE=//p'")
        runs = Runs(
            self.host.sh("findmnt -nvo FSROOT /").lstrip("/"),
            kernel_release((self.host.root / f"boot{loaded}").read_bytes()),
            apt.version(self.host, _APP),
        )
        print()
        show("runs", f"{runs.subvolume}, kernel {runs.kernel}, {_APP} {runs.app}")
        subvolumes = [line.split(" path ")[-1] for line in self.host.sh("btrfs subvolume list /").splitlines()]
        show("on disk", ", ".join(sorted(subvolumes)))
        print()
        return runs

    def adopt(self) -> Runs:
        heading("8. A host as the installer of Debian leaves it")
        say(
            "Root is @rootfs, which fstab and the boot menu name; kernels have versions in their names; the menu is what "
            "update-grub writes. One command adopts the host in place: nothing of Debian's is changed, and what boots stays."
        )
        apt.install(self.host, Deb(_APP, "1.0"))
        menu = self.host.sh("sha256sum /boot/grub/grub.cfg /etc/fstab")
        first = self.look()
        done = self.ansible("overc_bootloader")
        show("protection", str(done.get("protection")))
        self.check(not done["failed"] and done.get("boot_method") == "grub-entry", "the host is adopted")
        self.check(
            self.host.sh("sha256sum /boot/grub/grub.cfg /etc/fstab") == menu, "Debian's menu and fstab are as before"
        )
        return first

    def upgrade(self, first: Runs) -> Runs:
        heading("9. Upgrade of the Debian host, with a new kernel")
        apt.offer(self.host, Deb(_APP, "2.0"), *apt.new_kernel())
        done = self.ansible("overc_host_upgrade", "-a", "reboot=true")
        show("message", str(done.get("msg")))
        runs = self.look()
        self.check(not done["failed"] and runs.app == "2.0", "the new system runs, and is confirmed")
        self.check(runs.kernel == apt.NEW_KERNEL and runs.subvolume != first.subvolume, "with its own kernel and root")
        return runs

    def broken_upgrade(self, before: Runs) -> None:
        heading("10. A broken upgrade: the new system does not come up")
        say("A package breaks the initrd of the new system. GRUB tries it once, and boots what ran before by itself.")
        spoil = f"printf spoilt > /boot/initrd.img-{apt.NEW_KERNEL}"
        apt.offer(self.host, Deb(_APP, "3.0", scripts={"postinst": spoil}), *apt.new_kernel())
        done = self.ansible("overc_host_upgrade", "-a", "reboot=true")
        show("error_id", str(done.get("error_id")))
        show("message", str(done.get("msg")))
        self.check(done["failed"], "the upgrade is said to have failed")
        self.check(self.look() == before, "the host runs what it ran before, without anybody's help")
        done = self.ansible("overc_host_rollback")
        show("message", str(done.get("msg")))
        self.check(not done["failed"] and self.look() == before, "what did not come up is cleared away")

    def rollback(self, first: Runs) -> None:
        heading("11. Rollback: back to the system that the installer made")
        say("The last rollback led to what runs, so one more would do nothing: the deployment is named, by its number.")
        done = self.ansible("overc_host_rollback", "-a", "to=0 reboot=true")
        show("message", str(done.get("msg")))
        self.check(not done["failed"] and self.look() == first, "the first system runs again, kernel and all")
