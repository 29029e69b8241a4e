# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mountinfo, fstab and what pins a subvolume."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.system.fstab import subvolume_pins
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import mount_at, parse_mountinfo, unescape
from hypothesis import given
from hypothesis import strategies as st

MOUNTINFO = r"""
22 1 0:20 /rootfs / rw,noatime shared:1 - btrfs /dev/sda2 rw,space_cache=v2,subvolid=256,subvol=/rootfs
30 22 8:1 / /boot rw,relatime shared:2 master:3 - ext4 /dev/sda1 ro
31 22 0:30 / /mnt/with\040space ro,relatime - tmpfs tm\011pfs rw
32 22 8:17 / /boot rw,relatime - vfat /dev/sdb1 rw
short line
""".strip().replace("\\\\", "\\")


def test_root_is_a_subvolume() -> None:
    root = mount_at(parse_mountinfo(MOUNTINFO), "/")
    assert root is not None
    assert (root.root, root.fstype, root.source, root.read_only) == ("/rootfs", "btrfs", "/dev/sda2", False)
    assert "subvolid=256" in root.options


def test_the_last_mount_on_a_path_is_the_visible_one() -> None:
    boot = mount_at(parse_mountinfo(MOUNTINFO), "/boot")
    assert boot is not None
    assert boot.fstype == "vfat"


@pytest.mark.parametrize(
    "line",
    ["1 0 8:1 / /x ro,relatime - ext4 /dev/sda1 rw", "1 0 8:1 / /x rw,relatime - ext4 /dev/sda1 ro"],
)
def test_read_only_as_mounted_or_as_a_whole(line: str) -> None:
    assert parse_mountinfo(line)[0].read_only


def test_escapes() -> None:
    assert [mount.target for mount in parse_mountinfo(MOUNTINFO)][2] == "/mnt/with space"
    assert unescape(r"a\134b\303\244".replace("\\\\", "\\")) == "a\\bä"
    assert unescape("ä") == "ä"


@given(st.text())
def test_parsers_survive_anything(text: str) -> None:
    parse_mountinfo(text)
    subvolume_pins(text)
    unescape(text)


def test_names_that_python_takes_for_the_end_of_a_line() -> None:
    """The kernel escapes blanks, tabs and newlines alone."""
    line = "31 22 0:30 / /mnt/a\rb\x0cc\u2028d rw - tmpfs tmpfs rw"
    assert [mount.target for mount in parse_mountinfo(f"{MOUNTINFO}\n{line}\n")][-1] == "/mnt/a\rb\x0cc\u2028d"


@pytest.mark.parametrize(
    ("line", "pins"),
    [
        ("UUID=1 / btrfs defaults,subvol=rootfs 0 0", ("subvol=rootfs",)),
        ("UUID=1\t/\tbtrfs  subvolid=256,ro", ("subvolid=256",)),
        (" UUID=1 / btrfs subvol=/x", ("subvol=/x",)),
        ("UUID=1 / btrfs noatime,x-subvol=1 0 0", ()),
        ("UUID=1 /srv btrfs subvol=data 0 0", ()),
        ("# UUID=1 / btrfs subvol=rootfs 0 0", ()),
        ("none /", ()),
    ],
)
def test_pins(line: str, pins: tuple[str, ...]) -> None:
    assert subvolume_pins(f"# comment\n\n{line}\n/dev/x /a\\040b ext4 subvol=y 0 0\n") == pins
