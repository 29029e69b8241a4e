# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the btrfs command answers; what the kernel does is looked at in tests/integration/test_subvolume_list.py."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.runner import Completed


class Scripted:
    """A runner that answers every command the same."""

    def __init__(self, rc: int, stderr: str) -> None:
        self.answer = (rc, stderr)

    def find(self, program: str) -> str | None:
        return f"/sbin/{program}"

    def run(self, argv: tuple[str, ...], **_more: object) -> Completed:
        return Completed(tuple(argv), self.answer[0], "", self.answer[1])


@pytest.mark.parametrize(
    ("stderr", "error_id"),
    [("ERROR: cannot snapshot: No space left on device", "no_space"), ("ERROR: not a subvolume", "btrfs_failed")],
)
def test_no_exit_code_is_ignored(stderr: str, error_id: str) -> None:
    calls: tuple[t.Callable[[t.Any], object], ...] = (
        lambda runner: subvolumes.snapshot(runner, "/a", "/b"),
        lambda runner: subvolumes.delete(runner, "/a"),
        lambda runner: subvolumes.set_default(runner, 256, "/a"),
    )
    for call in calls:
        with pytest.raises(OvercError) as caught:
            call(Scripted(1, stderr))
        assert caught.value.error_id == error_id
        assert stderr in caught.value.message
        assert caught.value.facts["rc"] == 1


def test_a_sync_that_failed_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        subvolumes.sync(str(tmp_path / "gone"))
