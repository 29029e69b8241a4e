# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line for / of a new root names its own subvolume, and nothing else of the table changes."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.system.fstab import set_subvolume, subvolume_pins


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("defaults,subvol=@rootfs", "defaults,subvol=@new"),
        ("subvol=@,compress=zstd", "subvol=@new,compress=zstd"),
        ("noatime", "noatime,subvol=@new"),
        ("subvolid=256,subvol=/@,ro", "subvol=@new,ro"),
    ],
)
def test_only_the_subvolume_changes(options: str, wanted: str) -> None:
    before = "# /etc/fstab\nUUID=1\t/  btrfs  {}\t0 0\nUUID=1 /home btrfs subvol=@home 0 0\n\nUUID=2 /boot ext4 defaults 0 2\n"
    after = set_subvolume(before.format(options), "@new")
    assert after == before.format(wanted)
    assert subvolume_pins(after) == ("subvol=@new",)
    assert set_subvolume(after, "@new") == after


def test_a_table_without_a_root_stays() -> None:
    for text in ("", "# nothing\n", "UUID=2 /boot ext4 defaults 0 2", "UUID=3 / ext4 defaults 0 1\n"):
        assert set_subvolume(text, "@new") == text
