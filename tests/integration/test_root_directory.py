# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a subvolume itself: it has no name, and what is removed right in it is removed."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl
from ansible_collections.overc.system.plugins.module_utils.btrfs.paths import Paths
from ansible_collections.overc.system.plugins.module_utils.host.observe.changed_since import changed_since

from tests.integration.test_subvolume_list import btrfs, file_system


def test_what_changes_right_in_it(tmp_path: Path) -> None:
    with file_system(tmp_path) as top:
        _changes(top)


def _changes(top: Path) -> None:
    (top / "a").mkdir()
    (top / "b").mkdir()
    root, made = top / "a/root", top / "b/made"
    btrfs("subvolume", "create", str(root))
    (root / "gone").write_text("x")
    (root / "stays").write_text("x")
    btrfs("subvolume", "snapshot", str(root), str(made))
    (top / "b/other").write_text("of nobody's root")
    (root / "gone").unlink()
    (root / "new").write_text("x")
    fd = os.open(root, os.O_RDONLY)
    try:
        ioctl.sync(fd)
        assert list(Paths(fd).all_of(ioctl.SUBVOLUME_INODE)) == [b""]
        assert Paths(fd).within(ioctl.SUBVOLUME_INODE, b"x") is None
    finally:
        os.close(fd)
    found = changed_since("a/root", str(root), "b/made", str(made))
    assert {(change.path, change.change) for change in found.changes} == {("/gone", "removed"), ("/new", "added")}
