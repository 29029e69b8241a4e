# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts of rings in the report."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull.signing import sign
from ansible_collections.overc.system.plugins.module_utils.pull.stores import DirectoryStore
from ansible_collections.overc.system.plugins.module_utils.pull.verdicts import (
    BAD,
    FAILED,
    GOOD,
    Verdict,
    directory,
    file_name,
    packed,
    written,
)
from ansible_collections.overc.system.plugins.plugin_utils import verdict_report


@pytest.fixture
def key(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    (tmp_path / "store/v1").mkdir(parents=True)
    return tmp_path / "key"


def put(key: Path, host: str, status: str, upgrade: str = "f", *, signed: bool = True, at: int = 1_795_000_000) -> None:
    verdict = Verdict(host, "canary", upgrade, status, at, reason=f"why {host}")
    text = written(verdict)
    place = f"{directory(upgrade, 'canary', status)}/{file_name(host)}"
    data = packed(text, sign(str(key), text) if signed else "")
    DirectoryStore(str(key.parent / "store")).put(place, data)


def test_counts_and_failures(key: Path) -> None:
    put(key, "a", GOOD)
    put(key, "b", GOOD)
    put(key, "b", FAILED)
    put(key, "c", BAD)
    put(key, "c", GOOD)
    put(key, "d", FAILED)
    put(key, "e", BAD, signed=False)
    put(key, "a", GOOD, "newer", at=1_796_000_000)
    (key.parent / "store/v1/README").write_text("hello")
    signers = f"canary/* {key.with_suffix('.pub').read_text()}"
    found = verdict_report.collected(str(key.parent / "store"), signers)
    assert json.loads(json.dumps(found)) == found
    assert [entry["fingerprint"] for entry in found["upgrades"]] == ["newer", "f"]
    assert found["upgrades"][1]["rings"] == {"canary": {"bad": 1, "failed": 1, "good": 2}}
    assert [(entry["host"], entry["reason"]) for entry in found["upgrades"][1]["failures"]] == [
        ("c", "why c"),
        ("d", "why d"),
    ]
    assert found["ignored"] == 2


def test_a_store_that_cannot_be_read(key: Path) -> None:
    found = verdict_report.collected(str(key.parent / "gone"), "")
    assert found["upgrades"] == []
    assert "cannot be read" in found["trouble"]
    assert "cannot be listed" in verdict_report.collected("http://127.0.0.1:9/", "")["trouble"]
