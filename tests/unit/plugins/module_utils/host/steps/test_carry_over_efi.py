# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying into a root that is not running: declared paths and EFI binaries."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.efi import efi_binaries, install_efi
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.steps.carry_over import (
    carry_over,
    check_carry_over,
    is_current,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed


class Local:
    """Runs for real."""

    def find(self, program: str) -> str | None:
        return shutil.which(program)

    def run(self, argv: Sequence[str], **_more: object) -> Completed:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


@pytest.fixture
def roots(tmp_path: Path) -> tuple[str, str]:
    for name in ("old", "new"):
        (tmp_path / name / "etc").mkdir(parents=True)
        (tmp_path / name / "etc/app.conf").write_text("shipped")
    return str(tmp_path / "old"), str(tmp_path / "new")


def test_a_changed_file_is_carried_once(roots: tuple[str, str]) -> None:
    old, new = roots
    Path(old, "etc/app.conf").write_text("edited")
    Path(old, "etc/app.conf").chmod(0o640)
    assert carry_over(Local(), old, new, "/etc/app.conf")
    assert Path(new, "etc/app.conf").read_text() == "edited"
    assert Path(new, "etc/app.conf").stat().st_mode & 0o777 == 0o640
    assert is_current(old, new, "/etc/app.conf")
    assert not carry_over(Local(), old, new, "/etc/app.conf")
    assert os.listdir(f"{new}/etc") == ["app.conf"]


def _back_in_time(path: Path) -> None:
    status = path.stat()
    path.write_text("EDITED!")  # as long as before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _attribute(path: Path) -> None:
    os.setxattr(path, "user.own", b"1")


UNSEEN = {"bytes, with the old time": _back_in_time, "an attribute": _attribute}


@pytest.mark.parametrize("name", UNSEEN)
@pytest.mark.parametrize("whole", ["/etc/app.conf", "/etc"])
def test_what_changes_neither_time_nor_size_is_carried(roots: tuple[str, str], name: str, whole: str) -> None:
    old, new = roots
    shutil.copystat(Path(old, "etc/app.conf"), Path(new, "etc/app.conf"))
    shutil.copystat(Path(old, "etc"), Path(new, "etc"))
    assert is_current(old, new, whole)
    UNSEEN[name](Path(old, "etc/app.conf"))
    assert not is_current(old, new, whole)
    assert carry_over(Local(), old, new, whole)
    assert is_current(old, new, whole)


def test_a_directory_becomes_what_it_was_deletions_included(roots: tuple[str, str]) -> None:
    old, new = roots
    Path(old, "srv/a b").mkdir(parents=True)
    Path(old, "srv/a b/-f").write_text("x")
    Path(old, "srv/link").symlink_to("/etc")
    Path(new, "srv").mkdir()
    Path(new, "srv/gone").touch()
    assert carry_over(Local(), old, new, "/srv")
    assert sorted(os.listdir(f"{new}/srv")) == ["a b", "link"]
    assert os.readlink(f"{new}/srv/link") == "/etc"
    assert is_current(old, new, "/srv")


@pytest.mark.parametrize("path", ["/missing", "/etc/missing", "/link/app.conf", "/link"])
def test_what_is_not_plainly_there_is_refused(roots: tuple[str, str], path: str) -> None:
    old, _new = roots
    Path(old, "link").symlink_to("etc")
    with pytest.raises(OvercError) as caught:
        check_carry_over(old, path)
    assert caught.value.error_id == "bad_argument"
    assert path in caught.value.message


def test_a_link_planted_in_the_new_root_is_not_followed(roots: tuple[str, str], tmp_path: Path) -> None:
    old, new = roots
    victim = tmp_path / "victim"
    victim.mkdir()
    shutil.rmtree(f"{new}/etc")
    Path(new, "etc").symlink_to(victim)
    Path(old, "etc/app.conf").write_text("edited")
    with pytest.raises(OvercError):
        carry_over(Local(), old, new, "/etc/app.conf")
    assert os.listdir(victim) == []


def efi_root(tmp_path: Path, name: str, content: str) -> str:
    place = tmp_path / name / "boot/EFI/BOOT"
    place.mkdir(parents=True)
    for file in ("bootx64.efi", "grub.cfg", "startup.nsh"):
        (place / file).write_text(content)
    return str(tmp_path / name)


def test_only_efi_binaries_travel(tmp_path: Path) -> None:
    old, new = efi_root(tmp_path, "old", "1"), efi_root(tmp_path, "new", "2")
    boot = tmp_path / "esp"
    (boot / "EFI/BOOT").mkdir(parents=True)
    (boot / "EFI/BOOT/grub.cfg").write_text("mine")
    assert install_efi(str(boot), new, efi_binaries(old))
    assert (boot / "EFI/BOOT/bootx64.efi").read_text() == "2"
    assert (boot / "EFI/BOOT/grub.cfg").read_text() == "mine"
    assert sorted(os.listdir(boot / "EFI/BOOT")) == ["bootx64.efi", "grub.cfg"]
    assert not install_efi(str(boot), new, efi_binaries(old))


def test_a_host_without_efi_gets_none(tmp_path: Path) -> None:
    (tmp_path / "esp").mkdir()
    assert not install_efi(str(tmp_path / "esp"), efi_root(tmp_path, "new", "2"), {})
    assert os.listdir(tmp_path / "esp") == []


def test_binaries_that_the_upgrade_did_not_change_are_left_alone(tmp_path: Path) -> None:
    root = efi_root(tmp_path, "root", "1")
    (tmp_path / "esp/EFI/BOOT").mkdir(parents=True)
    (tmp_path / "esp/EFI/BOOT/bootx64.efi").write_text("the administrator's own")
    assert not install_efi(str(tmp_path / "esp"), root, efi_binaries(root))
