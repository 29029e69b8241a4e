# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going from one directory to the next below a root: the same places as opened from the root, and as safe."""

from __future__ import annotations

import os
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.system.safe_path import OPEN_DIR, Descent, write_atomically


@pytest.fixture
def root(tmp_path: Path) -> t.Iterator[int]:
    fd = os.open(tmp_path, OPEN_DIR)
    yield fd
    os.close(fd)


def opened() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_any_order_gives_the_directory_asked_for(tmp_path: Path, root: int) -> None:
    # names that are beginnings of each other, and paths deeper than what is held open
    paths = [
        [],
        ["a"],
        ["a", "b"],
        ["a-b"],
        ["a", "b", "c"],
        ["a-b", "b"],
        ["d"] * 7,
        ["d"] * 8,
        ["d"] * 9,
        ["d"] * 60,
    ]
    for parts in paths:
        tmp_path.joinpath(*parts).mkdir(parents=True, exist_ok=True)
    before, rng = opened(), random.Random(1)
    descent = Descent(root)
    for _turn in range(300):
        parts = rng.choice(paths)
        assert os.fstat(descent.to(parts)).st_ino == tmp_path.joinpath(*parts).stat().st_ino
        assert opened() <= before + 10
    descent.close()
    assert opened() == before


@pytest.mark.parametrize("depth", [1, 2, 40])
def test_a_link_is_refused_and_the_rest_still_reached(tmp_path: Path, root: int, depth: int) -> None:
    above = ["x"] * depth
    place = tmp_path.joinpath(*above)
    (place / "there").mkdir(parents=True)
    (place / "link").symlink_to("there")
    (place / "out").symlink_to("/")
    before = opened()
    descent = Descent(root)
    for _turn in range(2):
        for wrong, why in (
            ("link", "Not a dir|symbolic"),
            ("out", "Not a dir|symbolic"),
            ("..", "component"),
            ("none", "No such"),
        ):
            with pytest.raises(OSError, match=why):
                descent.to([*above, wrong])
            with pytest.raises(OSError, match=why):
                descent.to([*above, wrong, "there"])
            assert os.fstat(descent.to([*above, "there"])).st_ino == (place / "there").stat().st_ino
    descent.close()
    assert opened() == before


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()  # cannot be replaced by a file
    fd = os.open(tmp_path, OPEN_DIR)
    try:
        with pytest.raises(IsADirectoryError):
            write_atomically("name", b"data", fd)
    finally:
        os.close(fd)
    assert os.listdir(tmp_path) == ["name"]
