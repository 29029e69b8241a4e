# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snippets of the distribution's menu have to change so that it boots what runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.kernels import Kernel
from ansible_collections.overc.system.plugins.module_utils.boot.grub.snippets import Snippet
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.commands.own_snippets import (
    Changes,
    Found,
    boots,
    planned,
)

MACHINE = "0123456789abcdef" * 2
OLD, NEW = "6.17.1", "6.17.2"
SAVED, FIRST = 'set default="${saved_entry}"\nblscfg\n', 'set default="0"\nblscfg\n'
LINE = "BOOT_IMAGE=/overc/files/x root=UUID=x ro rootflags=subvol=root.overc-1 quiet overc.id=1 panic=30"


def snippet(release: str, subvolume: str = "root", name: str | None = None) -> Snippet:
    return Snippet(
        name or f"{MACHINE}-{release}",
        f"title {release}\nlinux /vmlinuz-{release}\ninitrd /initramfs-{release}.img\n"
        f"options root=UUID=x ro rootflags=subvol={subvolume} quiet\n",
    )


def found(
    *snippets: Snippet, menu: str = SAVED, saved: str | None = f"{MACHINE}-{OLD}", problem: str | None = None
) -> Found:
    return Found(menu, "/boot/loader/entries", "/boot/grub2/grubenv", snippets, saved, problem)


def kernel(release: str) -> Kernel:
    return Kernel(release, f"vmlinuz-{release}", f"initramfs-{release}.img")


def changes(there: Found, modules: tuple[str, ...] = (OLD, NEW)) -> Changes:
    return planned(there, "root.overc-1", kernel(NEW), modules, LINE, MACHINE, "Fedora")


def test_whether_its_menu_boots_what_runs() -> None:
    there = found(snippet(OLD), snippet(NEW, "root.overc-1"))
    assert boots(there, "root")
    assert not boots(replace(there, saved=f"{MACHINE}-{NEW}"), "root")
    # Nobody is chosen, or it cannot be told who is: all have to
    for unknown in (
        replace(there, saved=None),
        replace(there, saved="gone"),
        replace(there, menu=FIRST),
        replace(there, problem="unreadable"),
    ):
        assert not boots(unknown, "root")
        assert boots(replace(unknown, snippets=(snippet(OLD), snippet(NEW))), "root")
    assert not boots(found(), "root")
    assert not boots(found(Snippet(f"{MACHINE}-{OLD}", "linux /vmlinuz\noptions $kernelopts\n")), "root")


def test_its_kernels_boot_what_runs_and_one_is_the_default() -> None:
    made = changes(found(snippet(OLD), snippet("5.0"), Snippet("a-0-rescue", snippet("0-rescue-a").text)))
    assert {each.id: each.subvolume for each in made.written} == {
        f"{MACHINE}-{OLD}": "root.overc-1",
        "a-0-rescue": "root.overc-1",
        f"{MACHINE}-{NEW}": "root.overc-1",
    }
    assert made.default == f"{MACHINE}-{NEW}"
    assert [each.id for each in made.others] == [f"{MACHINE}-5.0"], "no modules for it here"
    assert "overc." not in "".join(each.text for each in made.written).replace("root.overc-1", "")


def test_what_is_right_is_left_alone() -> None:
    assert changes(found(snippet(OLD, "root.overc-1"), snippet(NEW, "root.overc-1"))).written == ()
    # A snippet of that name which boots something else, or leaves its options to a variable
    for text in (snippet(OLD).text, "linux /vmlinuz-6.17.2\ninitrd /initramfs-6.17.2.img\noptions $kernelopts\n"):
        made = changes(found(Snippet(f"{MACHINE}-{NEW}", text)))
        assert [(each.id, each.kernel, each.subvolume) for each in made.written] == [
            (f"{MACHINE}-{NEW}", f"vmlinuz-{NEW}", "root.overc-1")
        ]


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(OvercError) as refused:
        changes(found(snippet(OLD), problem="its block is torn"))
    assert refused.value.error_id == "layout_unsupported"
    with pytest.raises(OvercError) as refused:
        changes(found(snippet("5.0"), menu=FIRST))
    assert "saved_entry" in refused.value.message
    assert changes(found(snippet(OLD), menu=FIRST)).default == f"{MACHINE}-{NEW}", "all of them boot what runs"
