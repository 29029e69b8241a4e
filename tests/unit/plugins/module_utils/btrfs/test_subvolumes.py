# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of btrfs' output, on recorded text of btrfs-progs 6.2."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.runner import Completed
from hypothesis import given
from hypothesis import strategies as st

LIST = """\
ID 256 gen 31 parent 5 top level 5 parent_uuid -                                    uuid 2e4771ca-f886-2f42-811d-a63fed6e8c81 path rootfs
ID 257 gen 12 parent 256 top level 256 parent_uuid -                                    uuid 00000000-f886-2f42-811d-a63fed6e8c81 path rootfs/var/lib/machines
ID 261 gen 29 parent 5 top level 5 parent_uuid 2e4771ca-f886-2f42-811d-a63fed6e8c81 uuid 81e0c3d9-da30-3844-9047-aef7d299682b path name with  spaces
and a second line
ID 262 gen 29 parent 5 top level 5 parent_uuid - uuid 91e0c3d9-da30-3844-9047-aef7d299682b path last
"""


def test_list_keeps_any_name_whole() -> None:
    found = subvolumes.parse_subvolume_list(LIST)
    assert [entry.path for entry in found] == [
        "rootfs",
        "rootfs/var/lib/machines",
        "name with  spaces\nand a second line",
        "last",
    ]
    assert (found[0].id, found[0].parent_uuid, found[0].generation) == (256, None, 31)
    assert (found[1].parent, found[2].parent_uuid) == (256, found[0].uuid)


@given(st.text())
def test_list_survives_anything(text: str) -> None:
    subvolumes.parse_subvolume_list(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("ID 256 gen 31 top level 5 path rootfs\n", 256), ("ID 5 (FS_TREE)\n", 5)]
)
def test_default(text: str, expected: int) -> None:
    assert subvolumes.parse_default(text) == expected


def test_default_that_cannot_be_understood_is_an_error_not_a_guess() -> None:
    with pytest.raises(OvercError) as caught:
        subvolumes.parse_default("something else")
    assert caught.value.error_id == "btrfs_failed"


QGROUPS = """\
Qgroupid    Referenced    Exclusive   Max referenced   Path
--------    ----------    ---------   --------------   ----
0/5              16384        16384             none   <toplevel>
0/256        573440000     12288000       2147483648   rootfs
0/257            16384        16384             none   data
"""


@pytest.mark.parametrize(("subvolume", "expected"), [(256, 2147483648), (257, None), (300, None)])
def test_quota_limit_counts_only_where_one_is_set(subvolume: int, expected: int | None) -> None:
    assert subvolumes.parse_qgroup_limit(QGROUPS, subvolume) == expected


class Scripted:
    """A runner that answers every command the same."""

    def __init__(self, rc: int, stderr: str) -> None:
        self.answer = (rc, stderr)

    def find(self, program: str) -> str | None:
        return f"/sbin/{program}"

    def run(self, argv: tuple[str, ...], **_more: object) -> Completed:
        return Completed(tuple(argv), self.answer[0], "", self.answer[1])


def test_quotas_that_are_off_are_no_error_and_no_limit() -> None:
    assert subvolumes.quota_limit(Scripted(1, "ERROR: can't list qgroups: quotas not enabled\n"), 256, "/top") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stderr", "error_id"),
    [("ERROR: cannot snapshot: No space left on device", "no_space"), ("ERROR: not a subvolume", "btrfs_failed")],
)
def test_no_exit_code_is_ignored(stderr: str, error_id: str) -> None:
    for call in (
        lambda runner: subvolumes.snapshot(runner, "/a", "/b"),
        lambda runner: subvolumes.delete(runner, "/a"),
        lambda runner: subvolumes.sync(runner, "/a"),
        lambda runner: subvolumes.set_default(runner, 256, "/a"),
        lambda runner: subvolumes.list_subvolumes(runner, "/a"),
        lambda runner: subvolumes.created(runner, "/"),  # one that is there
    ):
        with pytest.raises(OvercError) as caught:
            call(Scripted(1, stderr))
        assert caught.value.error_id == error_id
        assert stderr in caught.value.message
        assert caught.value.facts["rc"] == 1


def test_a_name_cannot_pass_for_a_further_line() -> None:
    """Any user may make a subvolume, and a name may contain newlines."""
    forged = "ID 999 gen 9 parent 5 top level 5 parent_uuid -    uuid f0 path rootfs_bakup"
    real = {"rootfs": 256, "rootfs_bakup": 258, f"home/me/a\n{forged}": 300}
    text = "".join(
        f"ID {number} gen 9 parent 5 top level 5 parent_uuid -    uuid u{number} path {path}\n"
        for path, number in [*real.items(), ("gone", 301), ("x\x0b\x85y", 302)]
    )
    real["x\x0b\x85y"] = 302
    found = subvolumes.parse_subvolume_list(text, lambda path, number: real.get(path) == number)
    assert {entry.path: entry.id for entry in found} == real
