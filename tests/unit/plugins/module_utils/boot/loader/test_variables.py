# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.loader import variables
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError


@pytest.fixture(autouse=True)
def firmware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(variables, "DIRECTORY", str(tmp_path))
    return tmp_path


def test_what_is_written_is_what_systemd_writes(firmware: Path) -> None:
    assert variables.read(variables.DEFAULT) is None
    assert variables.write(variables.DEFAULT, "overc-1.conf")
    path = firmware / "LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    assert path.read_bytes() == b"\7\0\0\0" + "overc-1.conf\0".encode("utf-16-le")
    assert variables.read(variables.DEFAULT) == "overc-1.conf"
    assert not variables.write(variables.DEFAULT, "overc-1.conf")
    assert variables.write(variables.DEFAULT, None)
    assert not path.exists()
    assert not variables.write(variables.DEFAULT, None)


def test_one_write_for_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    written: list[int] = []

    def write(fd: int, data: bytes) -> int:
        written.append(len(data))
        return whole(fd, data)

    monkeypatch.setattr(os, "write", write)
    variables.write(variables.ONE_SHOT, "overc-try-12.conf")
    assert written == [4 + 2 * len("overc-try-12.conf\0")]


@pytest.mark.parametrize("left", [b"", b"\7\0\0\0", b"\7"])
def test_a_file_that_was_made_and_never_written_is_no_variable(left: bytes) -> None:
    Path(variables.path_of(variables.ONE_SHOT)).write_bytes(left)
    assert variables.read(variables.ONE_SHOT) is None


def test_what_cannot_be_told_is_no_no(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(variables.path_of(variables.INFO)).write_bytes(b"\7\0\0\0a\0")

    def fail(*_args: t.Any) -> t.NoReturn:
        raise OSError(errno.EIO, "firmware")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(OSError, match="firmware"):
        variables.read(variables.INFO)
    with pytest.raises(OvercError) as caught:
        variables.write(variables.INFO, "x")
    assert caught.value.error_id == "boot_write_failed"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EPERM])
def test_a_firmware_that_does_not_write(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(*_args: t.Any) -> t.NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OvercError) as caught:
        variables.write(variables.DEFAULT, "overc-1.conf")
    assert caught.value.error_id == "boot_write_failed"


def test_a_firmware_that_only_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda _fd, data: len(data))
    with pytest.raises(OvercError, match="after 'overc-1"):
        variables.write(variables.DEFAULT, "overc-1.conf")


def test_secure_boot(firmware: Path) -> None:
    assert not variables.secure_boot()
    path = firmware / "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    for value, expected in ((b"\0", False), (b"\1", True)):
        path.write_bytes(b"\6\0\0\0" + value)
        assert variables.secure_boot() is expected
