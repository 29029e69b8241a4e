# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.runner import Completed
from ansible_collections.overc.system.plugins.module_utils.system.failed_units import failed_units


class Init:
    """An init that says ``output``."""

    def __init__(self, output: str, rc: int = 0, *, there: bool = True) -> None:
        self._output, self._rc, self._there = output, rc, there

    def find(self, program: str) -> str | None:
        return f"/bin/{program}" if self._there else None

    def run(self, argv: t.Sequence[str], **_more: t.Any) -> Completed:
        return Completed(tuple(argv), self._rc, self._output, "Failed to\nconnect" if self._rc else "")


@pytest.fixture(params=[True, False], ids=["systemd", "openrc"])
def _either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda _path: request.param)


@pytest.mark.usefixtures("_either")
def test_the_first_word_of_each_line() -> None:
    warnings: list[str] = []
    output = "a.service loaded failed failed A thing\n\n  b.mount not-found failed failed /b\n"
    assert failed_units(Init(output), warnings) == ["a.service", "b.mount"]
    assert warnings == []


@pytest.mark.usefixtures("_either")
def test_an_init_that_cannot_be_asked_is_no_obstacle() -> None:
    warnings: list[str] = []
    assert failed_units(Init("", there=False), warnings) == []
    assert warnings == []
    assert failed_units(Init("x", rc=1), warnings) == []
    assert len(warnings) == 1
    assert "ended with 1 (Failed to connect)" in warnings[0]
