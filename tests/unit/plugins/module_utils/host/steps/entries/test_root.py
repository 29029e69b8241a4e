# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that are copied into a new root stay in it, whatever links its /boot has."""

from __future__ import annotations

import os
import subprocess
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.steps.entries.root import _copy_kernel

RELEASE: t.Final = "6.1.0-10-lab"


def _run(argv: t.Sequence[str]) -> t.Any:
    return types.SimpleNamespace(rc=subprocess.run(argv, check=False).returncode)


@pytest.fixture
def at(tmp_path: Path) -> t.Any:
    for name in ("boot", "new/boot", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / f"boot/vmlinuz-{RELEASE}").write_text("kernel")
    (tmp_path / "elsewhere/file").write_text("of the host")
    return types.SimpleNamespace(boot=str(tmp_path / "boot"), runner=types.SimpleNamespace(run=_run))


@pytest.mark.parametrize("name", [f"vmlinuz-{RELEASE}", f"vmlinuz-{RELEASE}.overc-new"])
def test_a_link_in_the_place_of_a_kernel_is_replaced(at: t.Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "new/boot" / name).symlink_to(tmp_path / "elsewhere/file")
    assert _copy_kernel(at, str(tmp_path / "new"), RELEASE)
    assert (tmp_path / f"new/boot/vmlinuz-{RELEASE}").read_text() == "kernel"
    assert not (tmp_path / f"new/boot/vmlinuz-{RELEASE}").is_symlink()
    assert (tmp_path / "elsewhere/file").read_text() == "of the host"


def test_a_boot_directory_that_leads_elsewhere_is_refused(at: t.Any, tmp_path: Path) -> None:
    (tmp_path / "new/boot").rmdir()
    (tmp_path / "new/boot").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OvercError) as caught:
        _copy_kernel(at, str(tmp_path / "new"), RELEASE)
    assert caught.value.error_id == "layout_unsupported"
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["file"]


def test_a_kernel_that_looks_alike_is_compared(at: t.Any, tmp_path: Path) -> None:
    """Of the same size and time, but damaged, or signed again."""
    source, target = (tmp_path / f"{place}boot/vmlinuz-{RELEASE}" for place in ("", "new/"))
    target.write_text("KERNEL")
    for path in (source, target):
        os.utime(path, (1, 1))
    assert _copy_kernel(at, str(tmp_path / "new"), RELEASE)
    assert target.read_text() == "kernel"
    assert not _copy_kernel(at, str(tmp_path / "new"), RELEASE), "now it is"
