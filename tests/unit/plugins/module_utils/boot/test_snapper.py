# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of snapper, and what the menu of a root boots by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import Entry, Menu
from ansible_collections.overc.system.plugins.module_utils.boot.grub.environment import EMPTY, change_environment
from ansible_collections.overc.system.plugins.module_utils.boot.snapper import numbers
from ansible_collections.overc.system.plugins.module_utils.boot.snapper.menu import boots
from ansible_collections.overc.system.plugins.module_utils.boot.snapper.place import list_text, parse_list
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

CONFIG = """\
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   load_env
   set default="${saved_entry}"
fi
menuentry 'Leap' --id simple {
	linux	/boot/vmlinuz-6.4.2-default root=UUID=1 ${extra_cmdline} quiet
	initrd	/boot/initrd-6.4.2-default
}
submenu 'Advanced' {
menuentry 'Leap, with Linux 6.4.1' {
	linux	/boot/vmlinuz-6.4.1-default root=UUID=1
	initrd	/boot/initrd-6.4.1-default
}
}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "boot/grub2").mkdir(parents=True)
    (tmp_path / "boot/grub2/grub.cfg").write_text(CONFIG)
    return tmp_path


def block(root: Path, **values: str) -> None:
    (root / "boot/grub2/grubenv").write_bytes(change_environment(EMPTY, values))


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("@/.snapshots/12/snapshot", 12),
        (".snapshots/1/snapshot", 1),
        ("@/.snapshots/0/snapshot", None),
        ("@/.snapshots/01/snapshot", None),
        ("@/.snapshots/1/snapshot/var", None),
        ("@/snapshots/1/snapshot", None),
        ("@rootfs", None),
    ],
)
def test_a_number_is_in_the_name(path: str, number: int | None) -> None:
    assert numbers.number_in(path) == number


def test_a_claim_is_nobody_elses(tmp_path: Path) -> None:
    store = f"{tmp_path}"
    (tmp_path / "3").mkdir()
    (tmp_path / "3/info.xml").write_text("<snapshot><num>3</num></snapshot>")
    assert numbers.highest(store) == 3
    with pytest.raises(OvercError) as refused:
        numbers.claim(store, 3)
    assert (refused.value.error_id, os.listdir(tmp_path)) == ("in_use", ["3"])
    assert not numbers.is_ours(store, 3)
    numbers.claim(store, 4)
    assert (sorted(os.listdir(tmp_path)), os.listdir(tmp_path / "4")) == (["3", "4"], ["overc"])
    assert numbers.is_ours(store, 4)
    numbers.describe(store, 4, "made")
    assert numbers.settle(store, 4)
    assert not numbers.settle(store, 4)
    assert (os.listdir(tmp_path / "4"), numbers.is_ours(store, 4)) == (["info.xml"], True)
    assert "<cleanup>" not in (tmp_path / "4/info.xml").read_text()


def test_only_what_is_ours_and_has_no_root_is_removed(tmp_path: Path) -> None:
    store = f"{tmp_path}"
    for number in (4, 5, 6):
        numbers.claim(store, number)
    (tmp_path / "5/snapshot").mkdir()
    numbers.describe(store, 5, "made")
    (tmp_path / "6/snapshot.overc-new").mkdir()
    (tmp_path / "overc-7.overc-new").mkdir()
    (tmp_path / "8").mkdir()
    assert numbers.remove_left(store)
    assert sorted(os.listdir(tmp_path)) == ["5", "6", "8"]
    assert not numbers.remove_left(store)


def test_what_a_menu_boots(root: Path) -> None:
    found = boots(f"{root}")
    assert (found.kernel, found.initrd, found.release, found.problem) == (
        "vmlinuz-6.4.2-default", "initrd-6.4.2-default", "6.4.2-default", None,
    )  # fmt: skip
    block(root, saved_entry="Leap, with Linux 6.4.1")
    assert boots(f"{root}").kernel == "vmlinuz-6.4.1-default"
    block(root, saved_entry="Advanced>Leap, with Linux 6.4.1")
    assert "cannot be told" in str(boots(f"{root}").problem)
    block(root, next_entry="Leap")
    assert "next_entry" in str(boots(f"{root}").problem)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("quiet", "rootflags=subvol=@", "rootflags"),
        ("/boot/vmlinuz-6.4.2", "/@/.snapshots/1/snapshot/boot/vmlinuz-6.4.2", "btrfs_relative_path"),
        ("menuentry", "menu", "no entry"),
    ],
)
def test_a_menu_that_would_not_do(root: Path, before: str, after: str, said: str) -> None:
    (root / "boot/grub2/grub.cfg").write_text(CONFIG.replace(before, after))
    assert said in str(boots(f"{root}").problem)


def test_a_list_is_read_back_or_not_believed() -> None:
    entry = Entry(7, "x", "@/.snapshots/7/snapshot", "u", "d", "k", ())
    text = list_text(Menu((entry,)))
    assert [(each.id, each.subvolume, each.uuid) for each in parse_list(text)[0]] == [(7, entry.subvolume, "u")]
    for wrong in ("", text[1:], text + text.splitlines()[-1] + "\n", text.replace("#= ", ""), text + "{\n"):
        with pytest.raises(ValueError, match=r"."):
            parse_list(wrong)
