# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot menu as the documentation and as distributions write it."""

from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.boot.grub.config import parse_grub_config
from hypothesis import given
from hypothesis import strategies as st

MENU = """\
set default=0
set timeout=1
menuentry 'OverC' --class os {
    insmod btrfs
    linux /bzImage root=/dev/sda2 rootwait "quiet"
    initrd /initrd
}
menuentry "OverC backup" {
    linux (hd0,gpt2)/bzImage_bakup rootflags=noatime rootflags=subvol=rootfs_bakup,noatime root=/dev/sda2
}
if [ x = y ]; then
    echo nothing
fi
submenu 'More' {
    menuentry 'UEFI' { linuxefi /EFI/bzImage ro }
    menuentry 'memtest' {
        linux16 /memtest.bin
    }
}
"""


def test_entries_in_the_order_of_the_menu() -> None:
    entries = parse_grub_config(MENU)
    assert [entry.title for entry in entries] == ["OverC", "OverC backup", "UEFI", "memtest"]
    assert [entry.kernel for entry in entries[:2]] == ["bzImage", "bzImage_bakup"]
    assert (entries[0].initrd, entries[1].initrd) == ("initrd", None)


def test_the_last_rootflags_counts() -> None:
    assert parse_grub_config(MENU)[1].rootflags == ("subvol=rootfs_bakup", "noatime")


def test_arguments_are_unquoted() -> None:
    assert parse_grub_config(MENU)[0].args == ("root=/dev/sda2", "rootwait", "quiet")


@given(st.text())
def test_survives_anything(text: str) -> None:
    parse_grub_config(text)
