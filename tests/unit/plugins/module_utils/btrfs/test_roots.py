# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the items of the tree of roots say; the real tree is looked at in tests/integration/test_subvolume_list.py."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import roots
from ansible_collections.overc.system.plugins.module_utils.btrfs.roots import Place
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from hypothesis import given
from hypothesis import strategies as st


def entry(name: bytes, meant: int, data: bytes = b"") -> bytes:
    return struct.pack("<QBQQHHB", meant, 132, 0, 7, len(data), len(name), 2) + name + data


def test_the_default_is_the_entry_of_that_name() -> None:
    assert roots.parse_default([entry(b"other", 300, b"xyz") + entry(b"default", 261)]) == 261
    assert roots.parse_default([entry(b"other", 300)]) == roots.parse_default([]) == 5


@given(st.binary(max_size=300))
def test_any_content_is_understood_or_refused(content: bytes) -> None:
    for parse in (
        lambda: roots.parse_default([content]),
        lambda: roots.parse_root(content),
        lambda: roots.parse_place(5, content),
    ):
        try:
            parse()
        except ValueError as refused:
            assert str(refused)


def test_a_root_from_before_uuids_has_none() -> None:
    old = roots.parse_root(bytes(160) + (9).to_bytes(8, "little") + bytes(71))
    assert (old.generation, old.uuid, old.parent_uuid) == (9, bytes(16), bytes(16))


def test_a_name_keeps_every_byte() -> None:
    name = b"a\nID 9 gen 9 parent 5 top level 5 path rootfs\xff"
    assert roots.parse_place(5, struct.pack("<QQH", 256, 2, len(name)) + name) == Place(5, 256, name)
    with pytest.raises(ValueError, match="none"):
        roots.parse_place(5, struct.pack("<QQH", 256, 2, 3) + b"a/b")


def test_paths_through_directories_and_subvolumes() -> None:
    directories = {(5, 256): b"", (5, 300): b"home/me/", (256, 256): b"", (256, 9): None}
    places = {
        257: Place(256, 256, b"inner"),  # before the one that contains it
        256: Place(5, 256, b"rootfs"),
        258: Place(5, 300, b"own"),
        259: Place(256, 9, b"in a directory that is gone"),
        260: Place(999, 256, b"in a subvolume that is gone"),
        261: Place(262, 256, b"in"),
        262: Place(261, 256, b"itself"),
        263: Place(259, 256, b"below what is gone"),
    }
    found = roots.paths(places, lambda tree, inode: directories[tree, inode])
    assert found == {256: b"rootfs", 257: b"rootfs/inner", 258: b"home/me/own"}


def test_another_file_system_is_an_error_not_a_guess() -> None:
    for ask in (roots.list_subvolumes, roots.get_default):
        with pytest.raises(OvercError) as caught:
            ask("/proc")
        assert caught.value.error_id == "btrfs_failed"
        assert "/proc" in caught.value.message
        with pytest.raises(FileNotFoundError):
            ask("/nowhere")
