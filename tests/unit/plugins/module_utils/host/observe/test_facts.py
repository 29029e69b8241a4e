# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who only looks takes no lock: what is there when it is listed may be gone when it is looked into."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot import kernel
from ansible_collections.overc.system.plugins.module_utils.boot.names import BootNames
from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes as btrfs
from ansible_collections.overc.system.plugins.module_utils.host.observe import facts as host_facts
from ansible_collections.overc.system.plugins.module_utils.host.observe.boot_files import observe_boot_files

from tests.unit import host_factory as make


def test_nested_subvolume_that_is_gone(tmp_path: Path) -> None:
    facts = make.clean("rootfs")
    nested = [replace(make.subvolume("x"), path=f"rootfs/var/{name}") for name in ("gone", "kept", "empty")]
    for name in ("kept/data", "empty"):
        (tmp_path / "rootfs/var" / name).mkdir(parents=True)
    facts = replace(facts, top=str(tmp_path), subvolumes=(*facts.subvolumes, *nested))
    assert facts.booted is not None
    assert host_facts._observe_nested(facts, facts.booted).data == ("rootfs/var/kept",)


def test_boot_file_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bzImage"
    path.touch()

    def gone(_path: str) -> None:
        path.unlink()
        os.stat(path)

    monkeypatch.setattr(kernel, "read_release", gone)
    assert observe_boot_files(str(tmp_path), BootNames("bzImage"), digest=True) == {}


def test_subvolume_that_is_gone(tmp_path: Path) -> None:
    assert btrfs.created(str(tmp_path / "gone")) is None
    with pytest.raises(OSError, match="ioctl"):
        btrfs.created("/proc")
