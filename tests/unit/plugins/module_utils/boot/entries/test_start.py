# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where GRUB begins: in the files of the EFI system partition, and in a core of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries import start
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount

STUB = "search.fs_uuid 1-2 root \nset prefix=($root)'/{}/boot/grub'\nconfigfile $prefix/grub.cfg\n"


def test_the_stubs_name_their_subvolumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    esp = tmp_path / "efi"
    for vendor, name in (("debian", "@rootfs"), ("ubuntu", "@")):
        (esp / "EFI" / vendor).mkdir(parents=True)
        (esp / "EFI" / vendor / "grub.cfg").write_text(STUB.format(name))
    (esp / "EFI/BOOT").mkdir()
    monkeypatch.setattr(start, "ESP_DIRECTORIES", (str(esp), str(tmp_path / "none")))
    assert start.named_by_stubs(()) == frozenset()
    mount = Mount(str(esp), "/", "vfat", "/dev/sda1", frozenset())
    assert start.named_by_stubs((mount,)) == {"@rootfs", "@"}


def test_a_root_from_which_grub_was_installed_has_a_core_of_its_own(tmp_path: Path) -> None:
    for name, content in (("first", "core"), ("copy", "core"), ("later", "another")):
        place = tmp_path / name / "boot/grub/i386-pc"
        place.mkdir(parents=True)
        (place / "core.img").write_text(content)
    (tmp_path / "without").mkdir()
    assert [name for name in ("copy", "later", "without") if start.has_own_core(str(tmp_path), name, "first")] == [
        "later"
    ]
