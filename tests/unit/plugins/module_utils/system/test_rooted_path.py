# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths mean what they mean inside the root, whatever its links say."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.system.rooted_path import (
    plain_parent,
    regular_file_in_root,
    resolve_in_root,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "root"
    (inside / "boot").mkdir(parents=True)
    (inside / "boot/bzImage-5.10").write_text("kernel")
    (inside / "etc").mkdir()
    (tmp_path / "outside").write_text("secret")
    return inside


@pytest.mark.parametrize(
    "target", ["bzImage-5.10", "/boot/bzImage-5.10", "../boot/bzImage-5.10", "../../../../boot/bzImage-5.10"]
)
def test_links_are_resolved_inside(root: Path, target: str) -> None:
    (root / "boot/bzImage").symlink_to(target)
    assert regular_file_in_root(str(root), "boot/bzImage") == str(root / "boot/bzImage-5.10")


@pytest.mark.parametrize("target", ["../../outside", "/../outside", "nowhere", "bzImage"])
def test_nothing_outside_is_ever_named(root: Path, target: str) -> None:
    (root / "boot/bzImage").symlink_to(target)
    assert resolve_in_root(str(root), "/boot/bzImage") is None


def test_directories_and_devices_are_no_regular_files(root: Path) -> None:
    assert regular_file_in_root(str(root), "boot") is None
    assert resolve_in_root(str(root), "/") == str(root)


def test_a_parent_that_is_a_link_is_no_plain_parent(root: Path) -> None:
    (root / "link").symlink_to("etc")
    assert plain_parent(str(root), "/etc/app") == str(root / "etc")
    assert plain_parent(str(root), "/link/app") is None
    assert plain_parent(str(root), "/missing/app") is None
    assert plain_parent(str(root), "/boot/bzImage-5.10/x") is None
