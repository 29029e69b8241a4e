# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that came to the running deployment in place."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.in_place import Source, running, sources
from ansible_collections.overc.system.plugins.module_utils.boot.entries.place import GrubPlace


def place(copies: bool) -> GrubPlace:
    return GrubPlace("/boot/overc", "/boot", "b007", "/overc", "/boot/grub/custom.cfg", copies)


def put(root: Path, release: str, *, boot: str = "boot", initrd: bool = True, modules: bool = True) -> None:
    (root / boot).mkdir(parents=True, exist_ok=True)
    (root / boot / f"vmlinuz-{release}").write_bytes(b"kernel of " + boot.encode())
    if initrd:
        (root / boot / f"initrd.img-{release}").write_bytes(b"initrd")
    if modules:
        home = root / "usr/lib/modules" / release
        home.mkdir(parents=True, exist_ok=True)
        (home / "modules.dep").write_text("")


def test_only_what_could_boot_the_newest_first(tmp_path: Path) -> None:
    for release in ("6.1.0-9-lab", "6.1.0-10-lab"):
        put(tmp_path, release)
    put(tmp_path, "6.1.0-11-lab", initrd=False)
    put(tmp_path, "6.1.0-12-lab", modules=False)
    put(tmp_path, "6.1.0-13-lab")
    (tmp_path / "boot/vmlinuz-6.1.0-13-lab").write_bytes(bytes(4096))
    found = sources(place(copies=False), 0, str(tmp_path), "/boot")
    assert [each.release for each in found] == ["6.1.0-10-lab", "6.1.0-9-lab"]
    assert found[0].size == len(b"kernel of boot") + len(b"initrd")


def test_what_was_staged_with_a_deployment_comes_before_what_it_shares(tmp_path: Path) -> None:
    put(tmp_path, "6.1.0-9-lab")
    shared = tmp_path / "shared"
    for release in ("6.1.0-9-lab", "6.1.0-10-lab"):
        put(tmp_path, release, boot="shared")
    found = sources(place(copies=True), 1, str(tmp_path), str(shared))
    assert [(each.release, Path(each.kernel).parent) for each in found] == [
        ("6.1.0-10-lab", shared),
        ("6.1.0-9-lab", tmp_path / "boot"),
        ("6.1.0-9-lab", shared),
    ]


@pytest.mark.parametrize(
    ("line", "release"),
    [
        ("BOOT_IMAGE=/vmlinuz-6.1.0-9-lab root=x ro", "6.1.0-9-lab"),
        ("BOOT_IMAGE=(hd0,gpt2)/@rootfs/boot/vmlinuz-6.1.0-10-lab root=x", "6.1.0-10-lab"),
        ("BOOT_IMAGE=/vmlinuz-6.1.0-8-lab root=x", None),
        ("root=x", None),
    ],
)
def test_what_runs_is_what_the_boot_loader_says_where_the_kernel_itself_is_not_there(
    line: str, release: str | None
) -> None:
    found = [
        Source(each, f"/boot/vmlinuz-{each}", f"/boot/initrd.img-{each}") for each in ("6.1.0-10-lab", "6.1.0-9-lab")
    ]
    runs = running(found, line)
    assert (runs.release if runs else None) == release
