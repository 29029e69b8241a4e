# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel of a root it boots with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.kernels import (
    Kernel,
    choose,
    compare_releases,
    files_of,
    kernels_in,
    versioned,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RELEASES = ("6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-50-amd64", "6.12.118+deb13-amd64", "6.12.0~rc1-amd64")


def test_the_newest_comes_first() -> None:
    found = versioned([f"vmlinuz-{release}" for release in RELEASES] + ["vmlinuz", "initrd.img", "grub"])
    assert [kernel.release for kernel in found] == [
        "6.12.118+deb13-amd64",
        "6.12.0~rc1-amd64",
        "6.1.0-50-amd64",
        "6.1.0-10-amd64",
        "6.1.0-9-amd64",
    ]


@settings(max_examples=40, deadline=None)
@given(*[st.from_regex(r"[0-9][0-9A-Za-z.+~]{0,8}", fullmatch=True)] * 2)
def test_the_order_is_dpkgs(one: str, other: str) -> None:
    if shutil.which("dpkg") is None:
        pytest.skip("dpkg is not installed")
    said = compare_releases(one, other)
    for word, holds in (("lt", said < 0), ("eq", said == 0), ("gt", said > 0)):
        done = subprocess.run(["dpkg", "--compare-versions", one, word, other], check=False, capture_output=True)
        assert (done.returncode == 0) is holds, (one, word, other)


@pytest.mark.parametrize("initrd", ["initrd.img-6.1", "initramfs-6.1.img", "initrd-6.1", "initrd-6.1.img"])
def test_the_initrd_of_each_distribution(initrd: str) -> None:
    assert versioned(["vmlinuz-6.1", initrd]) == (Kernel("6.1", "vmlinuz-6.1", initrd),)
    assert initrd in files_of("6.1")


def test_only_a_kernel_with_initrd_and_modules_is_chosen() -> None:
    names = ["vmlinuz-3", "vmlinuz-2", "initrd.img-2", "vmlinuz-1", "initrd.img-1"]
    assert choose(versioned(names), {"1", "3"}) == Kernel("1", "vmlinuz-1", "initrd.img-1")
    assert choose(versioned(names), {"2", "1"}) == Kernel("2", "vmlinuz-2", "initrd.img-2")
    assert choose(versioned(names), {"3"}) is None


def test_what_is_empty_or_leads_out_of_the_root_is_none(tmp_path: Path) -> None:
    boot = tmp_path / "root/boot"
    boot.mkdir(parents=True)
    (tmp_path / "outside").write_text("x")
    for name, text in (("vmlinuz-1", "x"), ("initrd.img-1", ""), ("vmlinuz-2", "")):
        (boot / name).write_text(text)
    (boot / "vmlinuz-3").symlink_to("../../outside")
    (boot / "vmlinuz-4").symlink_to("vmlinuz-1")
    assert [kernel.release for kernel in kernels_in(str(tmp_path / "root"))] == ["4", "1"]
    assert kernels_in(str(tmp_path / "root"))[1].initrd is None
    assert kernels_in(str(tmp_path / "none")) == ()
