# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of deployments: GRUB's own checker takes it, it can be read back, and nothing gets out of its quotes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import (
    Entry,
    Menu,
    find_hook,
    hook_text,
    menu_text,
    parse_menu,
)
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from hypothesis import given
from hypothesis import strategies as st

ZERO = Entry(
    0,
    "Debian GNU/Linux 12, Linux 6.1.0-50-amd64",
    "@rootfs",
    "11111111-0000-0000-0000-000000000000",
    "0a1b2c3d-0000-0000-0000-00000000beef",
    "/overc/files/" + "0" * 64,
    ("root=UUID=5e6f", "ro", "rootflags=compress=zstd,subvol=@rootfs", "quiet"),
    "/overc/files/" + "1" * 64,
    "6.1.0-50-amd64",
)
ONE = replace(ZERO, id=1, subvolume="@rootfs.overc-1", title="deployment 1", initrd=None)
words = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="'\x7f"), min_size=1)


def check(text: str, tmp_path: Path) -> None:
    checker = shutil.which("grub-script-check")
    if checker is None:
        pytest.skip("grub-script-check is not installed")
    path = tmp_path / "menu.cfg"
    path.write_text(text)
    done = subprocess.run([checker, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_grub_takes_it(tmp_path: Path) -> None:
    check(menu_text(Menu((ONE, ZERO))), tmp_path)
    check(hook_text("1234-ABCD", "/overc"), tmp_path)


def test_it_comes_back_newest_first() -> None:
    menu = Menu((ZERO,), Timeouts(10, 60, 600)).with_entry(ONE)
    text = menu_text(menu)
    assert menu.entries == (ONE, ZERO)
    assert parse_menu(text) == menu
    assert menu.of(1) == ONE
    assert menu.without({0}).of(0) is None
    assert menu_text(parse_menu(text)) == text


@pytest.mark.parametrize("change", [("overc.id=1", "overc.id=7"), ("panic=30", "panic=0"), ("quiet", "quiet debug")])
def test_a_changed_menu_is_not_ours(change: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="not what was written"):
        parse_menu(menu_text(Menu((ONE, ZERO))).replace(*change, 1))


@given(st.lists(words, max_size=4), words)
def test_any_word_stays_one_word(args: list[str], title: str) -> None:
    entry = replace(ZERO, args=tuple(args), title=title)
    assert parse_menu(menu_text(Menu((entry,)))) == Menu((entry,))


@pytest.mark.parametrize("bad", ["it's", "two\nlines", "null\0"])
def test_what_grub_cannot_say_is_refused(bad: str) -> None:
    for entry in (
        replace(ZERO, title=bad),
        replace(ZERO, args=(bad,)),
        replace(ZERO, kernel=bad),
        replace(ZERO, initrd=bad),
    ):
        with pytest.raises(ValueError, match="menu of GRUB"):
            menu_text(Menu((entry,)))


def test_a_device_is_a_uuid() -> None:
    for bad in ("", "x; halt", "1234 5678"):
        with pytest.raises(ValueError, match="UUID"):
            menu_text(Menu((replace(ZERO, device=bad),)))
        with pytest.raises(ValueError, match="menu of GRUB"):
            hook_text(bad, "/overc")


def test_two_deployments_have_two_ids() -> None:
    with pytest.raises(ValueError, match="one id"):
        menu_text(Menu((ZERO, replace(ONE, id=0))))


def test_the_hook_is_found_among_other_lines() -> None:
    hook = hook_text("1234-ABCD", "/@rootfs/boot/overc")
    assert find_hook(f"set a=b\n{hook}set c=d\n") == hook
    assert find_hook("set a=b\n") is None
    assert find_hook(hook.replace("# <<<", "# <<")) is None
