# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of rings that cannot be meant are refused before anything is installed, and what the rings say of an outcome."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from ansible_collections.overc.system.plugins.plugin_utils import options, pull, pull_rings
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError

RINGS: list[dict[str, t.Any]] = [{"name": "canary", "hosts": ["h1"]}, {"name": "rest", "hosts": ["h2", "h3"]}]
GIVEN = {"verdicts": "/mnt/verdicts", "ring": "rest", "rings": RINGS, "verdict_signers": ["*/* ssh-ed25519 A"]}


def config(host: str = "h2", *, token: bool = False, **more: t.Any) -> dict[str, t.Any]:
    return pull_rings.config_of({**GIVEN, **more}, host, token=token)


def test_what_a_host_has_to_know() -> None:
    found = config(verdicts="s3+https://store.example.net/bucket")
    assert found["rings"][1] == {"name": "rest", "hosts": ["h2", "h3"], "successes": 1, "failures": 0, "soak": 0}
    assert (found["ring"], found["host"], found["region"]) == ("rest", "h2", "us-east-1")
    assert pull_rings.config_of({}, "h2", token=False) == {}


@pytest.mark.parametrize("store", [
    "/mnt/v", "https://store.example.net/v", "http://127.0.0.1:8/v", "s3+https://x/bucket/v", "git+https://x/v.git",
    "git+ssh://git@x/v.git", "git+/srv/v.git",
])  # fmt: skip
def test_places(store: str) -> None:
    assert config(verdicts=store)["store"] == store


@pytest.mark.parametrize(("more", "said"), [
    ({"verdicts": ""}, "need a place"),
    ({"verdicts": "verdicts"}, "it is a directory"),
    ({"verdicts": "ftp://x/v"}, "it is a directory"),
    ({"verdicts": "https://me:pw@x/v"}, "credentials have no place"),
    ({"verdicts": "http://x/v", "token": True}, "readable on its way"),
    ({"verdicts": "https://x/v", "rings": [{"name": "canary"}, {"name": "rest"}]}, "cannot be listed"),
    ({"ring": ""}, "is none of pull_rings"),
    ({"ring": "late"}, "is none of pull_rings"),
    ({"host": "h9"}, "not among the hosts of ring rest"),
    ({"rings": [*RINGS, {"name": "rest"}]}, "the same name"),
    ({"rings": [{"hosts": ["h1"]}, *RINGS]}, "entry 1 has no name"),
    ({"rings": [{"name": "rest", "successes": 0}]}, "at least 1"),
    ({"rings": [{"name": "rest", "successes": 2, "hosts": ["h2", "h2"]}]}, "has 1 hosts and needs 2"),
    ({"verdict_signers": []}, "whose verdicts count"),
    ({"verdicts_unsigned": True}, "whose verdicts count"),
    ({"host": "h" * 300, "rings": [{"name": "rest"}]}, "no name that a verdict can have"),
])  # fmt: skip
def test_refused(more: dict[str, t.Any], said: str) -> None:
    with pytest.raises(FleetError, match=said):
        config(**more)


@pytest.mark.parametrize(("answer", "status"), [
    ({}, "planned"),
    ({"stdout": json.dumps({"decision": "go", "reason": ""})}, "planned"),
    ({"stdout": json.dumps({"decision": "wait", "reason": "not yet"})}, "waiting"),
    ({"stdout": json.dumps({"decision": "withheld", "reason": "bad"})}, "withheld"),
    ({"stdout": "", "stderr": "no such file", "rc": 2}, "waiting"),
    ({"stdout": "go", "rc": 0}, "waiting"),
    ({"stdout": "[]", "rc": 0}, "waiting"),
    ({"stdout": json.dumps({"decision": "maybe", "reason": ""})}, "waiting"),
])  # fmt: skip
def test_only_a_clear_yes_goes_on(answer: dict[str, t.Any], status: str) -> None:
    found = pull.gated({"status": "planned", "reason": "", "fingerprint": "f", "reboot": True}, answer)
    assert found["status"] == status
    assert ("reboot" in found) == (status == "planned")


def test_the_documented_rings_can_be_meant() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs/fleet.md").read_text()
    (example,) = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "pull_rings" in block]
    given = {
        name.removeprefix("pull_"): options.converter(name)(value) for name, value in yaml.safe_load(example).items()
    }
    found = pull_rings.config_of(given, "web1", token=False)
    assert [ring["name"] for ring in found["rings"]] == ["canary", "early", "rest"]
    assert found["rings"][0]["successes"] == 2
