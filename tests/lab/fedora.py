# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden disk of hosts in Fedora's layout, rebuilt after what is known of it: it is not Fedora's own image.

Real are DNF 5, rpm 6 and kernel-install (Debian's next release has them), btrfs and systemd. The subvolumes `root` and
`home`, /boot on ext4, the snippets, a menu of the structure that Fedora 43's grub2-mkconfig writes, and grub2's tools are
made here. As with BIOS: no EFI system partition. The default subvolume stays the top level.
"""

from __future__ import annotations

import sys
import tempfile
import typing as t
from pathlib import Path

from tests.lab import disk, fedora_kernels, system
from tests.lab.bootloader import format_environment
from tests.lab.debian import fstab
from tests.lab.fedora_kernels import FIRST, FIRST_KERNEL, TOOLS
from tests.lab.image import DNF5_FILES, install_by_dnf
from tests.lab.layouts import FEDORA, FLAVOURS, Layout
from tests.lab.packages import all_packages
from tests.lab.process import run

# The machine that the golden disk stands for
MACHINE: t.Final = "0123456789abcdef" * 2
OS_RELEASE: t.Final = """\
NAME="Fedora Linux"
VERSION="43 (rebuilt in a lab)"
ID=fedora
VERSION_ID=43
PRETTY_NAME="Fedora Linux 43 (its layout, rebuilt in a lab)"
"""
DEFAULT_GRUB: t.Final = """\
GRUB_TIMEOUT=5
GRUB_DEFAULT=saved
GRUB_CMDLINE_LINUX="rhgb quiet"
GRUB_ENABLE_BLSCFG=true
"""
# In the order and with the logic of the scripts in Fedora's /etc/grub.d; what only draws is left out
GRUB_CFG: t.Final = """\
### BEGIN /etc/grub.d/00_header ###
if [ -f ${{config_directory}}/grubenv ]; then
  load_env -f ${{config_directory}}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${{saved_entry}}"
fi
function savedefault {{
  if [ -z "${{boot_once}}" ]; then
    saved_entry="${{chosen}}"
    save_env saved_entry
  fi
}}
function load_video {{
  insmod all_video
}}
set timeout_style=menu
set timeout=5
### END /etc/grub.d/00_header ###

### BEGIN /etc/grub.d/01_users ###
if [ -f ${{prefix}}/user.cfg ]; then
  source ${{prefix}}/user.cfg
  if [ -n "${{GRUB2_PASSWORD}}" ]; then
    set superusers="root"
    export superusers
    password_pbkdf2 root ${{GRUB2_PASSWORD}}
  fi
fi
### END /etc/grub.d/01_users ###

### BEGIN /etc/grub.d/08_fallback_counting ###
insmod increment
if [ -n "${{boot_counter}}" -a "${{boot_success}}" = "0" ]; then
  if [ "${{boot_counter}}" = "0" -o "${{boot_counter}}" = "-1" ]; then
    set default=1
    set boot_counter=-1
  else
    decrement boot_counter
  fi
  save_env boot_counter
fi
### END /etc/grub.d/08_fallback_counting ###

### BEGIN /etc/grub.d/10_linux ###
insmod part_gpt
insmod ext2
search --no-floppy --fs-uuid --set=root {boot}
insmod part_gpt
insmod ext2
search --no-floppy --fs-uuid --set=boot {boot}
if [ -z "${{kernelopts}}" ]; then
  set kernelopts="root=UUID={root} ro rootflags=subvol={subvolume} rhgb quiet "
fi

insmod blscfg
blscfg
### END /etc/grub.d/10_linux ###

### BEGIN /etc/grub.d/10_reset_boot_success ###
if [ "${{boot_success}}" = "1" -o "${{boot_indeterminate}}" = "1" ]; then
  set menu_hide_ok=1
else
  set menu_hide_ok=0
fi
if [ "${{boot_success}}" = "1" ] ; then
  set boot_indeterminate=0
elif [ "${{boot_indeterminate}}" = "1" ]; then
  set boot_indeterminate=2
fi
set boot_success=0
save_env boot_success boot_indeterminate
### END /etc/grub.d/10_reset_boot_success ###

### BEGIN /etc/grub.d/12_menu_auto_hide ###
if [ "${{menu_show_once}}" ]; then
  unset menu_show_once
  save_env menu_show_once
  set timeout_style=menu
  set timeout=60
elif [ "${{menu_auto_hide}}" -a "${{menu_hide_ok}}" = "1" ]; then
  set timeout_style=hidden
  set timeout=1
fi
### END /etc/grub.d/12_menu_auto_hide ###

### BEGIN /etc/grub.d/30_uefi-firmware ###
### END /etc/grub.d/30_uefi-firmware ###

### BEGIN /etc/grub.d/41_custom ###
if [ -f  ${{config_directory}}/custom.cfg ]; then
  source ${{config_directory}}/custom.cfg
elif [ -z "${{config_directory}}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
### END /etc/grub.d/41_custom ###
"""


def _fill(loop: str, scratch: Path, tarball: Path, layout: Layout, repositories: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
    device, who = disk.partition(loop, 2), disk.identity(loop)
    run(["mount", "-t", "btrfs", device, root])
    for name in filter(None, (layout.root, layout.home)):
        run(["btrfs", "subvolume", "create", root / name])
    run(["umount", root])
    run(["mount", "-t", "btrfs", "-o", f"noatime,subvol={layout.root}", device, root])
    run(["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tarball])
    run(["mount", "-t", "ext4", disk.partition(loop, 1), root / "boot"])
    _configure(root, layout, who)
    names = {p.name for p in all_packages(big_mib=0) if p.version == "1.0" and p.preinstalled} - {"lab-kernel"}
    install_by_dnf(root, repositories / "v1", sorted(names))
    install_by_dnf(root, repositories / FIRST, [fedora_kernels.PACKAGE])
    run(["umount", root / "boot"])
    run(["umount", root])


def _configure(root: Path, layout: Layout, who: disk.Identity) -> None:
    system.configure(root, DNF5_FILES)
    (root / "usr/bin/dnf").symlink_to("dnf5")
    (root / "etc/os-release").unlink()
    (root / "etc/kernel").mkdir(exist_ok=True)
    files = {
        "etc/os-release": OS_RELEASE,
        "etc/fstab": fstab(layout, who),
        "etc/machine-id": f"{MACHINE}\n",
        "etc/default/grub": DEFAULT_GRUB,
        "etc/kernel/cmdline": f"root=UUID={who.root_uuid} ro rootflags=subvol={layout.root} rhgb quiet\n",
        "boot/grub2/grub.cfg": GRUB_CFG.format(boot=who.boot_uuid, root=who.root_uuid, subvolume=layout.root),
        **TOOLS,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name in TOOLS else 0o644)
    (root / "etc/grub2.cfg").symlink_to("../boot/grub2/grub.cfg")
    values = {
        "saved_entry": f"{MACHINE}-{FIRST_KERNEL}", "menu_auto_hide": "1", "boot_success": "0", "boot_indeterminate": "0",
    }  # fmt: skip
    (root / "boot/grub2/grubenv").write_bytes(format_environment(values))


if __name__ == "__main__":
    _loop, _scratch, _tarball, _repositories = sys.argv[1:]
    _fill(_loop, Path(_scratch), Path(_tarball), FLAVOURS[FEDORA], Path(_repositories))
