# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snippets that Fedora's GRUB makes its menu of."""

from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.boot.grub.snippets import (
    Snippet,
    new_snippet,
    obeys_saved_entry,
    runs_snippets,
)

TEXT = """\
title Fedora Linux (6.17.1-300.fc43.x86_64) 43
version 6.17.1-300.fc43.x86_64
linux /vmlinuz-6.17.1-300.fc43.x86_64
initrd /initramfs-6.17.1-300.fc43.x86_64.img $tuned_initrd
options root=UUID=x ro rootflags=compress=zstd:1,subvol=root rhgb quiet $tuned_params
grub_users $grub_users
grub_arg --unrestricted
"""


def test_what_it_says() -> None:
    found = Snippet("m-6.17.1", TEXT)
    assert (found.kernel, found.subvolume) == ("vmlinuz-6.17.1-300.fc43.x86_64", "root")
    assert found.value("nothing") is None
    assert Snippet("x", "options $kernelopts\n").subvolume is None
    assert Snippet("x", "options rootflags=subvol=a rootflags=subvol=/b\n").subvolume == "b"
    assert Snippet("x", "").kernel is None


def test_only_its_options_change() -> None:
    found = Snippet("m", TEXT).with_options("root=UUID=x ro rootflags=subvol=new")
    assert found.subvolume == "new"
    assert [line for line in found.text.splitlines() if not line.startswith("options")] == [
        line for line in TEXT.splitlines() if not line.startswith("options")
    ]
    assert Snippet("m", "title a\nlinux /k\n").with_options("ro").text == "title a\nlinux /k\noptions ro\n"
    twice = Snippet("m", "title a\noptions a\nlinux /k\ninitrd /i\noptions b\n").with_options("c")
    assert twice.text == "title a\nlinux /k\ninitrd /i\noptions c\n"


def test_a_new_one_is_read_back() -> None:
    made = new_snippet("m-6.1", "Fedora (6.1)", "6.1", "initramfs-6.1.img", "vmlinuz-6.1", "ro rootflags=subvol=new")
    assert (made.kernel, made.subvolume, made.value("initrd")) == ("vmlinuz-6.1", "new", "/initramfs-6.1.img")


def test_which_menus_are_made_of_them() -> None:
    assert runs_snippets("insmod blscfg\nblscfg\n")
    assert not runs_snippets("insmod blscfg\n")
    assert not runs_snippets("blscfg\nmenuentry 'a' {\n  linux /vmlinuz root=x\n}\n")
    assert runs_snippets("blscfg\nmenuentry 'UEFI Firmware Settings' {\n  fwsetup\n}\n")
    assert obeys_saved_entry('else\n   set default="${saved_entry}"\n')
    assert not obeys_saved_entry('set default="0"\nsaved_entry="${chosen}"\n')
