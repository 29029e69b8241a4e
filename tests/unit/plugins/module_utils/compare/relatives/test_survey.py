# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a tree that nobody wrote is counted without a look, by its inode flags: few kernels can set all of them."""

from __future__ import annotations

import stat
import struct
import types
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.compare.model import Kin
from ansible_collections.overc.system.plugins.module_utils.compare.relatives import survey
from ansible_collections.overc.system.plugins.module_utils.compare.relatives.tree import INODE, REF, Item

_DIRECTORY, _FILE = 256, 257
_READ_ONLY_HALF = 32  # struct btrfs_inode_item, linux/btrfs_tree.h: the flags that older kernels refuse lie there


def _inode(mode: int, flags: int) -> bytes:
    return struct.pack("<QQQQQIIIIQQ", 5, 5, 9000, 12288, 0, 1, 0, 0, mode, 0, flags).ljust(160, b"\0")


def _items(flags: int) -> t.Iterator[Item]:
    name = struct.pack("<QH", 2, 4) + b"file"
    for inode, offset, kind, content in (
        (_DIRECTORY, 0, INODE, _inode(stat.S_IFDIR | 0o755, 0)),
        (_FILE, 0, INODE, _inode(stat.S_IFREG | 0o644, flags)),
        (_FILE, _DIRECTORY, REF, name),
    ):
        yield bytearray(content), 0, inode, offset, kind, len(content)


@pytest.mark.parametrize(
    ("flags", "counted"),
    [(0, True), (1 << 3, True), (1 << 6, False), (1 << 7, False), (1 << _READ_ONLY_HALF, False)],
    ids=["nothing", "no compression", "immutable", "append-only", "fs-verity"],
)
def test_what_no_overlay_can_show_is_looked_at(monkeypatch: pytest.MonkeyPatch, flags: int, counted: bool) -> None:
    mine, theirs = types.SimpleNamespace(fd=1), types.SimpleNamespace(fd=2)
    monkeypatch.setattr(survey, "blocks", lambda fd, *_args: _items(flags) if fd == mine.fd else iter(()))
    found = survey.survey(t.cast("t.Any", mine), t.cast("t.Any", theirs), Kin(10, 1000, frozenset))
    assert found.count.get(_DIRECTORY, 0) == counted
    assert found.odd == ({} if counted else {_DIRECTORY: {b"file": _FILE}})
