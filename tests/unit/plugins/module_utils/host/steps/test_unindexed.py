# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a kernel whose modules have no index is refused, and when it is no worse than what runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.kernel import hollow_releases, indexed_releases
from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import RootFacts
from ansible_collections.overc.system.plugins.module_utils.host.steps.complete import refuse_unindexed


def root(path: Path, **indexed: bool) -> RootFacts:
    """With these kernels' modules, and an index of those that are said to have one."""
    for release, index in indexed.items():
        home = path / "usr/lib/modules" / release
        home.mkdir(parents=True)
        (home / "lab.ko").touch()
        if index:
            (home / "modules.dep").touch()
    found = Subvolume(id=256, generation=1, parent=5, uuid=path.name, parent_uuid=None, path=path.name)
    return seen(RootFacts(found, str(path), frozenset(indexed)))


def seen(found: RootFacts) -> RootFacts:
    """With what is there now."""
    indexed, hollow = (look(found.path, found.modules) for look in (indexed_releases, hollow_releases))
    return replace(found, indexed=indexed, hollow=hollow)


@pytest.mark.parametrize(
    ("base", "new", "refused"),
    [
        ({"one": True}, {"one": True, "two": True}, False),
        ({"one": True}, {"one": True, "two": False}, True),
        ({"one": True, "two": True}, {"two": False}, True),
        ({"one": False}, {"two": False}, False),
        ({}, {"two": False}, False),
        ({"one": True}, {"one": True}, False),
        # Here it boots without, beside an old kernel that has one
        ({"one": True, "two": False}, {"one": True, "two": False}, False),
    ],
)
def test_without_an_index(tmp_path: Path, base: dict[str, bool], new: dict[str, bool], refused: bool) -> None:
    before, after = root(tmp_path / "base", **base), root(tmp_path / "new", **new)
    if not refused:
        refuse_unindexed(after, before, "two")
        return
    with pytest.raises(OvercError) as error:
        refuse_unindexed(after, before, "two")
    assert error.value.error_id == "kernel_modules_missing"


@pytest.mark.parametrize(
    ("there", "refused"),
    [
        ((), True),
        (("modules.alias", "modules.dep.bin", "modules.builtin.bin"), True),
        (("kernel/drivers/lab.ko",), False),
        (("updates/lab.ko.zst",), False),
        (("modules.builtin", "modules.order"), False),  # all of it is built in
    ],
)
def test_an_index_of_nothing(tmp_path: Path, there: tuple[str, ...], refused: bool) -> None:
    """A package without modules, whose script calls depmod as any other's does."""
    before, after = root(tmp_path / "base", one=True), root(tmp_path / "new", one=True, two=True)
    home = tmp_path / "new/usr/lib/modules/two"
    (home / "lab.ko").unlink()
    for name in there:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"x")
    after = seen(after)
    if not refused:
        refuse_unindexed(after, before, "two")
        return
    with pytest.raises(OvercError) as error:
        refuse_unindexed(after, before, "two")
    assert error.value.error_id == "kernel_modules_missing"
    (home / "modules.dep").write_text("kernel/lab.ko:\n")  # somebody else's modules, on another file system
    refuse_unindexed(seen(after), before, "two")
