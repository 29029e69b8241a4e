# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real boots have shown, one JSON object per line: the table of docs/reliability.md is made from it."""

from __future__ import annotations

import fcntl
import json
import os
import typing as t
from pathlib import Path

from tests.lab.settings import REPOSITORY

Row = dict[str, t.Any]


def path() -> Path:
    return Path(os.environ.get("OVERC_VM_RESULTS", REPOSITORY / "build/vm-results.jsonl"))


def note(kind: str, **what: t.Any) -> None:
    """Append one result; several processes may do so at once."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(json.dumps({"kind": kind, **what}) + "\n")


def read() -> list[Row]:
    if not path().exists():
        return []
    return [json.loads(line) for line in path().read_text().splitlines()]
