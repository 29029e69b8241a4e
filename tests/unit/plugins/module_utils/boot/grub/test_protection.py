# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put into a grub.cfg, what is recognised of it, and which grub.cfg is left alone."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.grub.config import parse_grub_config
from ansible_collections.overc.system.plugins.module_utils.boot.grub.protection import (
    NoTrialBoot,
    find_protection,
    leads_to,
    protect,
)
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts

MENU = """\
set default="0"
set timeout="5"
if [ "${grub_platform}" = "efi" ]; then insmod efi_gop; fi

menuentry "OverC" {
    linux /bzImage root=UUID=x rootwait panic=5 quiet
    initrd /initrd
}

menuentry "OverC backup" {
\tlinux /bzImage_bakup rootflags=subvol=rootfs_bakup root=UUID=x rootwait
}
"""
FLAGS = ("subvol=rootfs_bakup", "subvol=/rootfs_bakup")


def protected(text: str = MENU, settings: Timeouts | None = None) -> str:
    return protect(text, settings or Timeouts(), "bzImage", "bzImage_bakup", FLAGS)


def test_only_our_lines_are_added() -> None:
    before, after = MENU.splitlines(), protected().splitlines()
    begin, end = (next(i for i, line in enumerate(after) if line.startswith(sign)) for sign in ("# >>>", "# <<<"))
    rest = after[:begin] + after[end + 1 :]
    assert len(before) == len(rest)  # zip's own strict came with Python 3.10
    changed = [(old, new) for old, new in zip(before, rest) if old != new]
    assert changed == [
        (
            "    linux /bzImage root=UUID=x rootwait panic=5 quiet",
            "    linux /bzImage root=UUID=x rootwait quiet panic=30 ${overc_trial}",
        ),
        (
            "\tlinux /bzImage_bakup rootflags=subvol=rootfs_bakup root=UUID=x rootwait",
            "\tlinux /bzImage_bakup rootflags=subvol=rootfs_bakup root=UUID=x rootwait panic=30",
        ),
    ]


def test_it_is_recognised_with_its_settings() -> None:
    settings = Timeouts(7, 60, 0)
    found = find_protection(protected(settings=settings))
    assert found is not None
    assert (found.settings, found.backup_entry, found.intact) == (settings, 1, True)


def test_the_number_of_the_backup_entry_is_found() -> None:
    other = 'menuentry "memtest" {\n    linux /memtest\n}\n\nmenuentry "OverC backup"'
    text = protected(MENU.replace('menuentry "OverC backup"', other))
    found = find_protection(text)
    assert found is not None
    assert found.backup_entry == 2
    assert "set fallback=2\n" in text
    assert parse_grub_config(text)[1].args == ()


def test_a_change_elsewhere_is_noticed_and_still_obeyed() -> None:
    found = find_protection(protected().replace('timeout="5"', 'timeout="9"'))
    assert found is not None
    assert not found.intact


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("set fallback=1", "set fallback=0"),
        (" ${overc_trial}", ""),
        ("# <<< overc.system\n", ""),
        ("  save_env", "  # save_env"),
    ],
)
def test_what_would_not_work_is_not_taken_for_protection(old: str, new: str) -> None:
    assert find_protection(protected().replace(old, new)) is None


def test_the_plain_menu_has_no_protection() -> None:
    assert find_protection(MENU) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no menu entry"),
        (protected(), "our lines already"),
        ("load_env\n" + MENU, "logic of its own"),
        ("if [ -s $prefix/grubenv ]; then\n  load_env\nfi\n" + MENU, "logic of its own"),
        ('set default="${saved_entry}"\n' + MENU, "logic of its own"),
        ("configfile /grub/grub.cfg\n" + MENU, "logic of its own"),
        (MENU + "source /grub/custom.cfg\n", "logic of its own"),
        (MENU + "submenu 'more' {\n}\n", "logic of its own"),
        (MENU + "set default=1\n", "behind its first entry"),
        ("if true; then\n" + MENU + "fi\n", "inside an if"),
        (MENU + "if true; then\nmenuentry 'x' {\nlinux /x\n}\nfi\n", "depends on an if"),
        (MENU.replace("/bzImage root", "/other root"), "first entry"),
        (MENU.replace("subvol=rootfs_bakup", "subvol=other"), "no backup entry"),
        (MENU.replace("rootwait panic=5", "rootwait; echo"), "more than the linux command"),
        (MENU.replace('"OverC" {\n', '"OverC" { echo\n'), "one command a line"),
        ("set a=\\\nb\n" + MENU, "goes on"),
    ],
)
def test_a_menu_that_is_not_plain_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NoTrialBoot, match=reason):
        protected(text)


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("search --no-floppy --fs-uuid --set=root abcd\nset prefix=($root)/grub\nconfigfile $prefix/grub.cfg\n", True),
        ("search --file /grub/grub.cfg --set=root\nconfigfile ($root)/grub/grub.cfg\n", True),
        ("set prefix=($root)'/boot/grub'\nconfigfile ${prefix}/grub.cfg\n", False),
        ("set prefix=($root)/boot/grub\nconfigfile ${prefix}/grub.cfg\n", True),
        ("configfile /grub2/grub.cfg\n", False),
        ("configfile /grub/grub.cfg\nconfigfile /other.cfg\n", False),
        ("echo nothing\n", False),
        (MENU, False),
    ],
)
def test_a_file_that_only_leads_to_the_menu(text: str, leads: bool) -> None:
    assert leads_to(text, "grub/grub.cfg") is leads
