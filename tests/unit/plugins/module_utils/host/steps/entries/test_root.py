# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels of a new root: which is chosen, what is refused, and that copies stay in it, whatever links its /boot has."""

from __future__ import annotations

import os
import subprocess
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.steps.entries.root import _copy_kernel, _kernel_of

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


OLDER, NEWER = "6.1.0-9-lab", "6.1.0-10-lab"


def _root(path: Path, *releases: str) -> t.Any:
    (path / "boot").mkdir(parents=True)
    for release in releases:
        (path / f"boot/vmlinuz-{release}").write_text("kernel")
        (path / f"boot/initrd.img-{release}").write_text("initrd")
    return types.SimpleNamespace(path=str(path), modules={OLDER, NEWER})


def _empty(path: Path) -> None:
    path.write_text("")


def _directory(path: Path) -> None:
    path.mkdir()


def _nowhere(path: Path) -> None:
    path.symlink_to("vmlinuz-gone")


@pytest.mark.parametrize("make", [_empty, _directory, _nowhere])
def test_a_kernel_that_is_none_is_not_passed_over_for_an_older_one(
    tmp_path: Path, make: t.Callable[[Path], None]
) -> None:
    base, new = _root(tmp_path / "base", OLDER), _root(tmp_path / "new", OLDER)
    make(tmp_path / f"new/boot/vmlinuz-{NEWER}")
    (tmp_path / f"new/boot/initrd.img-{NEWER}").write_text("initrd")
    with pytest.raises(OvercError) as caught:
        _kernel_of(new, base)
    assert caught.value.error_id == "kernel_broken"
    assert f"vmlinuz-{NEWER}" in caught.value.message
    # What the running root has like that is no matter of the packages
    make(tmp_path / f"base/boot/vmlinuz-{NEWER}")
    assert _kernel_of(new, base).release == OLDER


def test_a_kernel_that_the_packages_emptied(tmp_path: Path) -> None:
    base, new = _root(tmp_path / "base", OLDER, NEWER), _root(tmp_path / "new", OLDER, NEWER)
    assert _kernel_of(new, base).release == NEWER
    _empty(tmp_path / f"new/boot/vmlinuz-{NEWER}")
    with pytest.raises(OvercError) as caught:
        _kernel_of(new, base)
    assert caught.value.error_id == "kernel_broken"
