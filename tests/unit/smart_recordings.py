# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of the real smart 1.5, by backend and scenario (tests/unit/transcripts/smart-1.5)."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

Record = dict[str, t.Any]
DIRECTORY = pathlib.Path(__file__).parent / "transcripts" / "smart-1.5"
BACKENDS = ("deb", "rpm", "rpm-oe")
RECORDS: dict[tuple[str, str], Record] = {
    (backend, record["scenario"]): record
    for backend in BACKENDS
    for record in map(json.loads, (DIRECTORY / f"{backend}.jsonl").read_text("utf-8").splitlines())
}


def recorded(backend: str, scenario: str) -> Completed:
    record = RECORDS[backend, scenario]
    return Completed(tuple(record["cmd"].split()), record["rc"], record["stdout"], record["stderr"])


def each(*scenarios: str) -> list[t.Any]:
    """(backend, scenario) for all backends in which it was recorded."""
    return [pytest.param(b, s, id=f"{b}-{s}") for s in scenarios for b in BACKENDS if (b, s) in RECORDS]


def all_scenarios(beginning: str, *but: str) -> list[t.Any]:
    """The same, for every scenario whose name begins so."""
    names = sorted({s for _b, s in RECORDS if s.startswith(beginning) and s not in but})
    assert names
    return each(*names)
