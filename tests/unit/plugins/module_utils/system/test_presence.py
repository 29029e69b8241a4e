# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there and what is not, and the difference to what cannot be told."""

from __future__ import annotations

import errno
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.system import presence


def test_kinds(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "place").symlink_to(".")

    def said(name: str) -> list[bool]:
        path = str(tmp_path / name)
        asked = (presence.is_there, presence.is_file, presence.is_plain_file, presence.is_link)
        return [question(path) for question in (*asked, presence.is_directory, presence.is_plain_directory)]

    assert said(".") == [True, False, False, False, True, True]
    assert said("file") == [True, True, True, False, False, False]
    assert said("link") == [True, True, False, True, False, False]
    assert said("place") == [True, False, False, True, True, False]
    assert said("nowhere") == said("loop") == [True, False, False, True, False, False]
    assert said("gone") == said("file/below") == said("x" * 300) == [False] * 6
    assert presence.text_of(str(tmp_path / "link")) == "text"
    assert presence.text_of(str(tmp_path / "gone")) is None
    (tmp_path / "endless").touch()
    os.truncate(tmp_path / "endless", 1 << 40)
    assert presence.text_of(str(tmp_path / "endless")) is None, "no memory holds it"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM, errno.EMFILE, errno.EACCES])
def test_what_cannot_be_told_is_raised(number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "stat", fails)
    monkeypatch.setattr(os, "scandir", fails)
    for question in (presence.is_there, presence.is_file, presence.is_directory, presence.is_link):
        with pytest.raises(OSError, match=os.strerror(number)):
            question(str(tmp_path))
    with pytest.raises(OSError, match=os.strerror(number)):
        list(presence.files_below(str(tmp_path)))
    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(OSError, match=os.strerror(number)):
        subvolumes.tree_of(str(tmp_path))
