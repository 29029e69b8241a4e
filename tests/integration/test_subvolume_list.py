# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of subvolumes and the default one are what the `btrfs` command says, whatever their names and places are."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import roots
from ansible_collections.overc.system.plugins.module_utils.btrfs.ioctl import create_subvolume
from ansible_collections.overc.system.plugins.module_utils.btrfs.search import LAST, items
from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume, created, quota_limit
from ansible_collections.overc.system.plugins.module_utils.system.presence import holds_something

# Names that look like lines of the command's output, hold what Python takes for a line end, or are no text at all
HOSTILE: t.Final = (
    b"ID 999 gen 9 parent 5 top level 5 parent_uuid -    uuid f0 path rootfs_bakup",
    b"two\nlines",
    b"x\x0b\xc2\x85y",
    b"bl ank",
    b"-p",
    b"\xff\xfe",
    b"n" * 255,
)


def btrfs(*arguments: str) -> str:
    asked = ["btrfs", *arguments]
    return subprocess.run(asked, check=True, capture_output=True, text=True, errors="surrogateescape").stdout


def shown(top: Path, path: str) -> dict[str, str]:
    """What `btrfs subvolume show` says of one."""
    text = btrfs("subvolume", "show", f"{top}/{path}")
    return dict(re.findall(r"^\s*([A-Z][A-Za-z ]*[A-Za-z]):[ \t]+(\S.*?)[ \t]*$", text, re.MULTILINE))


def compared(top: Path, entry: Subvolume) -> None:
    said = shown(top, entry.path)
    assert said["Subvolume ID"] == str(entry.id)
    assert said["Parent ID"] == str(entry.parent)
    assert said["UUID"] == entry.uuid
    assert said["Parent UUID"] == (entry.parent_uuid or "-")
    assert said["Generation"] == str(entry.generation)
    assert said["Creation time"] == created(f"{top}/{entry.path}")


@contextlib.contextmanager
def file_system(tmp_path: Path) -> t.Iterator[Path]:
    """The top level of a new one, mounted as a path that the command accepts."""
    image, top = tmp_path / "image", tmp_path / "top"
    top.mkdir()
    with image.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.btrfs", "--quiet", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(top)], check=True)
    try:
        yield top
    finally:
        if subprocess.run(["umount", str(top)], check=False).returncode != 0:
            # Somebody still has it open, which is a failure; the loop device goes when they close it
            subprocess.run(["umount", "--lazy", str(top)], check=True)
            pytest.fail("the file system is in use")


def test_as_the_command_says(tmp_path: Path) -> None:
    with file_system(tmp_path) as top:
        btrfs("subvolume", "create", f"{top}/rootfs")
        deep = top / "rootfs/var" / ("d" * 200) / ("e" * 200) / ("f" * 200)
        deep.mkdir(parents=True)
        made = [os.fsencode(deep) + b"/" + name for name in HOSTILE] + [os.fsencode(top) + b"/" + HOSTILE[0]]
        made += [made[0] + b"/within"]
        for path in made:
            btrfs("subvolume", "create", os.fsdecode(path))
        btrfs("subvolume", "snapshot", f"{top}/rootfs", f"{top}/kept")
        Path(os.fsdecode(made[-2])).rename(f"{top}/moved")
        made[-2] = os.fsencode(f"{top}/moved")
        btrfs("subvolume", "create", f"{top}/gone")
        btrfs("subvolume", "delete", f"{top}/gone")
        btrfs("filesystem", "sync", str(top))
        found = {entry.path: entry for entry in roots.list_subvolumes(str(top))}
        number_listed = len(btrfs("subvolume", "list", str(top)).split("\nID "))
        for path in made:
            name = os.path.relpath(os.fsdecode(path), top)
            assert found[name].id == int(btrfs("inspect-internal", "rootid", os.fsdecode(path)))
        for entry in found.values():
            compared(top, entry)
        assert found["kept"].parent_uuid == found["rootfs"].uuid
        assert number_listed - len(found) == sum(name.count(b"\nID ") for name in made) == 0
        fd = os.open(top, os.O_RDONLY)
        try:  # in one answer of the kernel's, and in many: each holds a few items
            whole, parts = (
                [(key, bytes(content)) for key, content in items(fd, 1, objects=(256, LAST - 256), size=size)]
                for size in (1 << 18, 1 << 10)
            )
        finally:
            os.close(fd)
        assert len(whole) > 20
        assert whole == parts
        for wanted in (found["kept"].id, 5, found["rootfs"].id):
            btrfs("subvolume", "set-default", str(wanted), str(top))
            assert roots.get_default(str(top)) == wanted


def make_deep(top: Path, names: t.Sequence[str], *, subvolumes: bool = False) -> None:
    """A subvolume called ``deep`` below directories, or subvolumes, of these names: one in another."""
    fd = os.open(top, os.O_RDONLY)
    try:
        for name in names:
            (create_subvolume if subvolumes else lambda new, at: os.mkdir(new, dir_fd=at))(name, fd)
            below = os.open(name, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        create_subvolume("deep", fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("subvolumes", [False, True])
def test_a_subvolume_too_deep_for_a_path_hides_no_other(tmp_path: Path, subvolumes: bool) -> None:
    """Whoever may make a directory can do that; `btrfs subvolume list` then lists nothing at all."""
    with file_system(tmp_path) as top:
        for name in ("rootfs", "rootfs/usual"):
            btrfs("subvolume", "create", f"{top}/{name}")
        make_deep(top / "rootfs", ["d" * 250] * 20, subvolumes=subvolumes)
        btrfs("filesystem", "sync", str(top))
        found = roots.list_subvolumes(str(top))
        assert {"rootfs", "rootfs/usual"} <= {entry.path for entry in found}
        (deep,) = (entry for entry in found if entry.path.endswith("/deep"))
        assert deep.path.startswith(f"rootfs/{'d' * 250}/")
        assert len(deep.path) > 4096  # no path is mistaken for another one
        assert holds_something(f"{top}/{deep.path}")


def test_limits_as_the_command_says(tmp_path: Path) -> None:
    with file_system(tmp_path) as top:
        for name in ("rootfs", "data", "alone"):
            btrfs("subvolume", "create", f"{top}/{name}")
        number = {entry.path: entry.id for entry in roots.list_subvolumes(str(top))}
        assert quota_limit(number["rootfs"], str(top)) is None
        btrfs("quota", "enable", str(top))
        btrfs("qgroup", "limit", "100M", f"{top}/rootfs")
        btrfs("qgroup", "limit", "-e", "100M", f"{top}/alone")
        make_deep(top, ["d" * 250] * 20)
        found = {name: quota_limit(number[name], str(top)) for name in number}
        assert found == {"rootfs": 100 << 20, "data": None, "alone": None}
        btrfs("qgroup", "limit", "none", f"{top}/rootfs")
        assert quota_limit(number["rootfs"], str(top)) is None
