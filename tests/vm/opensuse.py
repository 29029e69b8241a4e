# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines in openSUSE's layout: what runs on them, the states that tests begin with, and where their power is cut."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.plan.entries import commands

from tests.vm import debian
from tests.vm.cuts import ROLLBACK, UPGRADE, Cut
from tests.vm.debian import NEW, OLD, Change, DebianGuest, DebianStates
from tests.vm.machine import Saved
from tests.vm.opensuse_image import FIRST, KERNEL, REPOSITORIES, image
from tests.vm.opensuse_loader import SAYS

FIRMWARE: t.Final = "bios"
# What the commands set the default subvolume with, and then commit
_COMMIT: t.Final = "choose"
_OLD, _NEW = frozenset({OLD}), frozenset({NEW})


def place(number: int) -> str:
    """The root of a deployment."""
    return FIRST.replace("/1/", f"/{number}/")


class SuseGuest(DebianGuest):
    """A guest in openSUSE's layout, with its package manager. Its fstab names no subvolume for /, so that any root fits."""

    look_at = (
        debian._LOOK.replace("dpkg-query -W -f '${Version}' vm-app", "rpm -q --qf '%{VERSION}' vm-app")
        .replace(
            "dpkg-query -W -f '${Version}' linux-image-lab",
            f"rpm -q --qf '%{{VERSION}}\\n' {KERNEL} | sort -V | tail -n1",
        )
        .replace("dpkg --audit", "rpm --verifydb 2>&1")
        + "grep -q ' / .*subvol' /etc/fstab || echo \"fstab=$(findmnt -nvo FSROOT / | cut -c2-)\"\n"
    )

    def offer(self, release: str) -> None:
        self.machine.ssh(f"echo {release} > /etc/zypp/vars.d/labrel && sync")

    @functools.cached_property
    def kernels(self) -> tuple[str, str]:
        listed = f"rpm -qpl /{REPOSITORIES}/v2/{KERNEL}-*.rpm | grep /modules.dep$ | sort -V"
        old, new = (name.split("/")[-2] for name in self.machine.ssh(listed).split())
        return old, new

    def deployment(self, number: int) -> str:
        """By its place among those that tests make: 0 is the one that was installed."""
        return place(number + 1)

    @property
    def default(self) -> str:
        """The subvolume that boots next."""
        return self.machine.ssh("btrfs subvolume get-default /").partition(" path ")[2]

    def snapshots(self) -> dict[int, dict[str, str]]:
        """What snapper says by its service, without what runs now as number 0."""
        columns = "number,type,cleanup,userdata,default,active"
        lines = self.machine.ssh(f"snapper --csvout list --columns {columns}").splitlines()
        names, *rows = (line.split(",") for line in lines)
        return {int(row[0]): dict(zip(names, row, strict=True)) for row in rows if row[0] != "0"}


class SuseStates(DebianStates):
    """Those of a machine with a default subvolume that decides; nothing is tried there."""

    def steps(self) -> dict[str, tuple[str, Change]]:
        return _STEPS

    def guest(self, name: str, firmware: str = FIRMWARE) -> SuseGuest:
        base: t.Any = image() if name == "installed" else self.saved(name, firmware)
        return SuseGuest(self.directory / f"m{next(self._numbers)}", base, self.collections)

    def saved(self, name: str, firmware: str = FIRMWARE) -> Saved:
        return super().saved(name, firmware)


def _adopt(guest: DebianGuest) -> None:
    said = guest.controller("overc_bootloader")
    assert (said["protection"], said["boot_method"], said["state"]) == ("manual", "snapper", "clean"), said


def _packages_in_place(guest: DebianGuest) -> None:
    """In the middle of an upgrade: the packages are in the new root, which is all that was made."""
    guest.offer("v2")
    guest.run_to("before-make_menu", UPGRADE)


def _stage(guest: DebianGuest) -> None:
    guest.offer("v2")
    said = guest.controller(UPGRADE)
    assert (said["state"], said["staged"]) == ("staged", place(2)), said


def _boot(guest: DebianGuest) -> None:
    guest.machine.reboot()
    guest.assert_system(NEW, place(2))


_STEPS: t.Final[dict[str, tuple[str, Change]]] = {
    "adopted": ("installed", _adopt),
    "packaged": ("adopted", _packages_in_place),
    "staged": ("adopted", _stage),
    "upgraded": ("staged", _boot),
}

# --- power cuts -------------------------------------------------------------------------------------------------------


def _upgrade() -> list[Cut]:
    """Only the new default subvolume lets the new system boot: set, it may be there after a cut, and once committed it is."""
    late = [step for step in commands.UPGRADE_STEPS if step not in ("carry_over", "run_commands", "install_guard")]
    late = ["make_menu", *late[late.index("check_root") :]]
    return [
        Cut("upgrade", "after-create_root", "adopted", boots=_OLD),
        *(Cut("upgrade", f"after-{step}", "packaged", boots=_OLD) for step in late),
        Cut("upgrade", f"before-{_COMMIT}", "packaged", boots=_OLD),
        Cut("upgrade", f"btrfs-{_COMMIT}", "packaged"),
        Cut("upgrade", f"after-{_COMMIT}", "packaged", boots=_NEW),
    ]


def _reboot() -> list[Cut]:
    """The boot into what was staged: whatever becomes of it, it is what boots."""
    return [
        Cut("reboot", "boot-loader", "staged", console=SAYS, boots=_NEW),
        Cut("reboot", "userspace", "staged", console="VM-USERSPACE", boots=_NEW),
        Cut("reboot", "unconfirmed", "upgraded", boots=_NEW),
    ]


def _back() -> list[Cut]:
    return [
        Cut("rollback", "after-record", "upgraded", ROLLBACK, boots=_NEW),
        Cut("rollback", f"btrfs-{_COMMIT}", "upgraded", ROLLBACK),
        Cut("rollback", f"after-{_COMMIT}", "upgraded", ROLLBACK, boots=_OLD),
        *(Cut("cancel", f"after-{step}", "staged", ROLLBACK, boots=_OLD) for step in (_COMMIT, "record", "prune")),
    ]


def cuts() -> list[Cut]:
    """In an order in which neighbours begin with the same state."""
    return [*_upgrade(), *_reboot(), *_back()]
