# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real GRUB on a plain file: no loop device, no partitions known to this machine's kernel, no grub-install."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from tests.lab.process import LabError, run
from tests.vm.disk import SECTOR, Extent

_LIBRARY = Path("/usr/lib/grub")
_MODULES = (
    "part_gpt", "fat", "ext2", "normal", "linux", "serial", "terminal", "loadenv", "test", "echo", "reboot", "sleep",
    "search", "configfile",
)  # fmt: skip
# From here on what the documentation says: two entries, the first names no subvolume.
GRUB_CFG = """\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set default="0"
set timeout="1"

menuentry "OverC" {{
    linux /bzImage root=/dev/vda3 {arguments}
    initrd /initrd
}}

menuentry "OverC backup" {{
    linux /bzImage_bakup rootflags=subvol=rootfs_bakup root=/dev/vda3 {arguments}
    initrd /initrd_bakup
}}
"""
ARGUMENTS = "rw console=ttyS0 net.ifnames=0 quiet mitigations=off systemd.show_status=0 random.trust_cpu=on"


def fill(boot: Path) -> None:
    """GRUB's directory on the boot partition, for both kinds of firmware."""
    grub = boot / "grub"
    grub.mkdir()
    (grub / "grub.cfg").write_text(GRUB_CFG.format(arguments=ARGUMENTS))
    run(["grub-script-check", grub / "grub.cfg"])
    for platform in ("i386-pc", "x86_64-efi"):
        copy_modules(grub, platform)
    early = grub / "early.cfg"
    early.write_text("search --no-floppy --file --set=root /grub/grub.cfg\nset prefix=($root)/grub\n")
    efi_image(boot / "EFI/BOOT/BOOTX64.EFI", "/grub", early=early)
    early.unlink()


def copy_modules(grub: Path, platform: str) -> None:
    (grub / platform).mkdir()
    for pattern in ("*.mod", "*.lst"):
        for file in (_LIBRARY / platform).glob(pattern):
            shutil.copy(file, grub / platform)


def efi_image(target: Path, prefix: str, *more: str, early: Path | None = None) -> None:
    """GRUB for UEFI, with these modules besides; ``early``: commands before its first file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    config = ["-c", str(early)] if early else []
    names = [*_MODULES, "efi_gop", "all_video", *more]
    run(["grub-mkimage", "-O", "x86_64-efi", "-o", target, "-p", prefix, *config, *names])


def embed(disk: Path, place: Extent, scratch: Path) -> None:
    """What grub-bios-setup does for GPT with a BIOS boot partition (``place``).

    Source: GRUB's grub-core/boot/i386/pc/boot.S and diskboot.S: where each finds the sectors of the next part.
    """
    image = scratch / "core.img"
    run(["grub-mkimage", "-O", "i386-pc", "-o", image, "-p", "(hd0,gpt2)/grub", "biosdisk", *_MODULES])
    boot, core = bytearray((_LIBRARY / "i386-pc/boot.img").read_bytes()), bytearray(image.read_bytes())
    if len(core) > place.size:
        raise LabError(f"GRUB ({len(core)} bytes) does not fit into its partition")
    first = place.start // SECTOR
    struct.pack_into("<Q", boot, 0x5C, first)
    boot[0x66:0x68] = b"\x90\x90"  # take the drive number that the BIOS gives
    struct.pack_into("<QHH", core, SECTOR - 12, first + 1, (len(core) + SECTOR - 1) // SECTOR - 1, 0x820)
    with disk.open("r+b") as stream:
        stream.write(bytes(boot[:440]))  # the partition table's own entry of the first sector follows
        stream.seek(place.start)
        stream.write(core)
