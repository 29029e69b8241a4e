# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work for the next boot is there after a power cut, once a run has said that it waits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.overlay.at_boot import work


@pytest.mark.parametrize("seen", [False, True], ids=["made now", "seen, and perhaps only in memory"])
def test_what_leads_to_the_unit_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    places = work.Places(f"{tmp_path}/base", f"{tmp_path}/units")
    if seen:
        work.remember(places, str(tmp_path), "c0")
    on_disk: set[str] = set()
    real = os.fsync

    def fsync(fd: int) -> None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        on_disk.update(f"{path}/{name}" for name in (os.listdir(fd) if os.path.isdir(path) else ()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    work.remember(places, str(tmp_path), "c1")
    assert places.wants in on_disk
    assert work.will_do(places, str(tmp_path), "c1")
