# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files without flags, and file systems that have none."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.system.flags import first_locked, is_locked


def test_what_has_no_flag(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "below").mkdir()
    assert [is_locked(str(tmp_path / name)) for name in ("file", "link", "below", "gone")] == [False] * 4
    assert first_locked(str(tmp_path)) is None
    assert first_locked(str(tmp_path / "gone")) is None
    assert is_locked("/proc/self/status") is False
