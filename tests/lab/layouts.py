# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flavours of hosts: which distribution, and how its installer lays out the disk.

``apart``: /boot is a partition with ext4, BIOS. ``inside``: /boot is in the root subvolume, BIOS, so that there is no
place where GRUB can write. ``esp``: /boot is in the root subvolume and GRUB starts from the ESP, which has ext4 here
where a real one has vfat: this machine's kernel need not know vfat, and GRUB writes into both.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

OVERC: t.Final = "overc"
# OverC's layout as well, with DNF 5 and rpm 6 of Debian's next release, and ``dnf`` leading to it as in Fedora
DNF5: t.Final = "dnf5"
# Fedora's layout with the same programs: rebuilt, see fedora.py
FEDORA: t.Final = "fedora"
# The same with zypper and rpm of Debian 13
ZYPPER: t.Final = "zypper"
# openSUSE's layout with the same programs, and snapper: rebuilt, see opensuse.py
OPENSUSE: t.Final = "opensuse"


@dataclass(frozen=True)
class Layout:
    """``suite``: Debian's name of the release. ``home``: a subvolume for /home, where there is one. ``directory``: GRUB's.

    ``relative``: GRUB sees the default subvolume as the root of its btrfs, as SUSE's does, and follows links in it.
    """

    suite: str
    root: str
    home: str | None
    boot: str
    vendor: str = "debian"
    directory: str = "grub"
    relative: bool = False

    @property
    def boot_mount(self) -> str | None:
        """Where the first partition is mounted."""
        return {"apart": "boot", "esp": "boot/efi", "inside": None}[self.boot]

    @property
    def prefix(self) -> str:
        """Where GRUB finds its first file. Written into core.img on BIOS, with the name of the subvolume in it."""
        inside = f"(hd0,gpt2)/{self.root}/boot/grub" if not self.relative else f"(hd0,gpt2)/boot/{self.directory}"
        return {"apart": f"(hd0,gpt1)/{self.directory}", "inside": inside, "esp": f"(hd0,gpt1)/EFI/{self.vendor}"}[
            self.boot
        ]

    @property
    def platform(self) -> str:
        return "efi" if self.boot == "esp" else "pc"


def _all() -> dict[str, Layout]:
    found = {}
    for boot in ("apart", "inside", "esp"):
        ending = "" if boot == "apart" else f"-{boot}"
        found[f"debian12{ending}"] = Layout("bookworm", "@rootfs", None, boot)
        found[f"debian13{ending}"] = Layout("trixie", "@rootfs", None, boot)
        # Ubuntu's layout with Debian's packages: Ubuntu's own cannot be had everywhere
        found[f"ubuntu{ending}"] = Layout("trixie", "@", "@home", boot, "ubuntu")
    return found


# Those with Debian's packages
LAYOUTS: t.Final = _all()
# Every flavour but those in OverC's layout, which pins no subvolume and has a boot loader of its own in this lab
FLAVOURS: t.Final = {
    **LAYOUTS,
    FEDORA: Layout("forky", "root", "home", "apart", "fedora", "grub2"),
    OPENSUSE: Layout("trixie", "@/.snapshots/1/snapshot", "@/home", "inside", "opensuse", "grub2", relative=True),
}
