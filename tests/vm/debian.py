# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines with Debian and its own GRUB, or with systemd-boot: what runs on them, and the states that tests begin with."""

from __future__ import annotations

import functools
import itertools
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.vm import fedora_image, loader_image, selinux
from tests.vm.debian_image import ROOT, SELINUX, image
from tests.vm.fedora_image import KERNEL
from tests.vm.guest import Guest
from tests.vm.machine import Saved

# Shorter than anybody would choose them, longer than an emulated boot takes
TIMES: t.Final = "panic_timeout=3 boot_timeout=240 confirm_deadline=420"
# Everything at once: each login costs a second
_LOOK: t.Final = """\
echo "release=$(uname -r)"
echo "root=$(findmnt -nvo FSROOT / | cut -c2-)"
echo "fstab=$(sed -n 's,.* / .*subvol=\\([^ ]*\\).*,\\1,p' /etc/fstab)"
echo "deployment=$(tr ' ' '\\n' </proc/cmdline | sed -n 's,^overc.id=,,p')"
echo "trial=$(tr ' ' '\\n' </proc/cmdline | sed -n 's,^overc.trial=,,p')"
echo "app=$(cat /usr/share/vm-app/version)"
echo "data=$(cat /usr/share/vm-app/data/* | cut -d' ' -f1 | sort | uniq -c | tr -s ' \\n' '  ')"
echo "package=$(dpkg-query -W -f '${Version}' vm-app)"
echo "kernel=$(dpkg-query -W -f '${Version}' linux-image-lab)"
echo "audit=$(dpkg --audit | tr '\\n' ' ')"
modprobe dummy && grep -q '^dummy ' /proc/modules; echo "modules=$?"
echo "failed=$(systemctl --failed --plain --no-legend | cut -d' ' -f1 | tr '\\n' ' ')"
"""
# The names of GRUB's entries, and of the two systems
OLD, NEW = "old", "new"
# Instead of the name of a firmware
LOADER: t.Final = "systemd-boot"
FEDORA: t.Final = "fedora"
FEDORA_SELINUX: t.Final = "fedora-selinux"


@dataclass(frozen=True)
class Seen:
    """What runs on a machine. ``deployment`` is empty where the distribution's own entry was booted.

    ``package`` and ``kernel`` are the versions of packages: of vm-app, and of the newest kernel.
    """

    release: str
    root: str
    fstab: str
    deployment: str
    trial: str
    app: str
    data: str
    package: str
    kernel: str
    audit: str
    modules: str
    failed: str

    @property
    def defects(self) -> list[str]:
        """What does not fit together, whichever system it is."""
        found = []
        if self.package != self.app or self.data.split() != ["100", self.app]:
            found.append(f"files of vm-app are {self.app} ({self.data}), its package is {self.package}")
        if self.fstab != self.root:
            found.append(f"{self.root} runs, and its fstab names {self.fstab}")
        if self.modules != "0":
            found.append(f"kernel {self.release} cannot load its modules")
        return found + [text for text in (self.audit.strip(), self.failed.strip()) if text]

    def version(self, releases: tuple[str, str]) -> str:
        """``old`` or ``new`` when kernel, packages and files are all of it; else what is mixed."""
        pair = (self.kernel, self.release, self.app)
        return {("1.0", releases[0], "1.0"): OLD, ("2.0", releases[1], "2.0"): NEW}.get(pair, f"mixed: {pair}")


class DebianGuest(Guest):
    """A guest whose packages are Debian's."""

    look_at: t.ClassVar = _LOOK
    labels: t.ClassVar = {**selinux.LABELS, **selinux.DEBIAN}
    root: t.ClassVar = ROOT

    def offer(self, release: str) -> None:
        """What its repository has from now on."""
        self.machine.ssh(f"ln -sfn {release} /srv/repositories/current && sync")

    def seen(self) -> Seen:
        lines = self.machine.ssh(self.look_at).splitlines()
        return Seen(**dict(line.split("=", 1) for line in lines if "=" in line))

    @functools.cached_property
    def kernels(self) -> tuple[str, str]:
        """The releases of the old and of the new kernel."""
        listed = self.machine.ssh(
            "ls -v /srv/repositories/v2/pool | sed -n 's/^linux-image-\\([0-9].*\\)_1.0_all.deb/\\1/p'"
        )
        old, new = listed.split()
        return old, new

    def assert_system(self, version: str, root: str, **more: str) -> Seen:
        seen = self.seen()
        assert seen.defects == []
        assert (seen.version(self.kernels), seen.root) == (version, root), seen
        assert {name: getattr(seen, name) for name in more} == more, seen
        return seen

    def deployment(self, number: int) -> str:
        """The subvolume of one."""
        return f"{self.root}.overc-{number}" if number else self.root


class FedoraGuest(DebianGuest):
    """A guest in Fedora's layout, with its package manager."""

    look_at = (
        _LOOK.replace("dpkg-query -W -f '${Version}' vm-app", "rpm -q --qf '%{VERSION}' vm-app")
        .replace(
            "dpkg-query -W -f '${Version}' linux-image-lab",
            f"rpm -q --qf '%{{VERSION}}\\n' {KERNEL} | sort -V | tail -n1",
        )
        .replace("dpkg --audit", "rpm --verifydb 2>&1")
    )
    labels: t.ClassVar = {**selinux.LABELS, **selinux.FEDORA}
    root = fedora_image.ROOT
    root_part = fedora_image.ROOT_PART

    def offer(self, release: str) -> None:
        self.machine.ssh(f"echo {release} > /etc/dnf/vars/labrel && sync")

    @functools.cached_property
    def kernels(self) -> tuple[str, str]:
        listed = f"rpm -qpl /srv/repositories/v2/{KERNEL}-*.rpm | grep /modules.dep$ | sort -V"
        old, new = (name.split("/")[-2] for name in self.machine.ssh(listed).split())
        return old, new


_IMAGES: t.Final[dict[str, Callable[[], Path]]] = {
    LOADER: loader_image.image,
    FEDORA: fedora_image.image,
    FEDORA_SELINUX: functools.partial(fedora_image.image, enforcing=True),
}
_MACHINES: t.Final = {LOADER: "efi", FEDORA: "efi", FEDORA_SELINUX: "efi", SELINUX: "bios"}


# What changes a machine from one state to another
Change = Callable[["DebianGuest"], None]


class DebianStates:
    """Machines in the states that tests begin with, each made once and kept running; ``directory`` has a short name."""

    def __init__(self, directory: Path, collections: Path) -> None:
        self.directory = directory
        self.collections = collections
        self._made: dict[tuple[str, str], Saved] = {}
        self._numbers = itertools.count()

    def guest(self, name: str, firmware: str) -> DebianGuest:
        """A machine of its own that goes on from there; switch it on. ``firmware`` may be one of ``_MACHINES``."""
        make = _IMAGES.get(firmware, functools.partial(image, firmware))
        base = make() if name == "installed" else self.saved(name, firmware)
        directory = self.directory / f"m{next(self._numbers)}"
        kind = FedoraGuest if firmware in (FEDORA, FEDORA_SELINUX) else DebianGuest
        guest = kind(directory, base, self.collections, firmware=_MACHINES.get(firmware, firmware))
        if firmware in (
            SELINUX,
            FEDORA_SELINUX,
        ):  # a policy takes so much that the kernel drops caches: see ``Guest.save``
            guest.machine.memory *= 2
        return guest

    def steps(self) -> dict[str, tuple[str, Change]]:
        """State -> the one before it, and what is done there."""
        return _STEPS

    def saved(self, name: str, firmware: str) -> Saved:
        """A machine in this state, kept."""
        before, change = self.steps()[name]
        if (name, firmware) not in self._made:
            with self.guest(before, firmware) as guest:
                change(t.cast(DebianGuest, guest))
                self._made[name, firmware] = guest.save(self.directory / f"{name}-{firmware}")
                guest.abandon()
        return self._made[name, firmware]


def adopt(guest: DebianGuest) -> None:
    said = guest.controller("overc_bootloader", "-a", TIMES)
    assert said["protection"] == "automatic", said


def _packages_in_place(guest: DebianGuest) -> None:
    """In the middle of an upgrade: the packages are in the new root, which is all that was made."""
    guest.offer("v2")
    guest.run_to("before-check_root", "overc_host_upgrade")


def _stage(guest: DebianGuest) -> None:
    guest.offer("v2")
    guest.controller("overc_host_upgrade")


def _try(guest: DebianGuest) -> None:
    guest.machine.reboot()
    guest.assert_system(NEW, guest.deployment(1), trial="1")


def _confirm(guest: DebianGuest) -> None:
    guest.controller("overc_host_confirm")


_STEPS: t.Final[dict[str, tuple[str, Change]]] = {
    "adopted": ("installed", adopt),
    "packaged": ("adopted", _packages_in_place),
    "staged": ("adopted", _stage),
    "trial": ("staged", _try),
    "upgraded": ("trial", _confirm),
}
