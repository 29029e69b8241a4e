# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of rings with a real store and real keys: whose turn it is, and what strangers in the store can do about it."""

from __future__ import annotations

import json
import os
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull import look, member
from ansible_collections.overc.system.plugins.module_utils.pull.signing import sign
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

from tests.unit.plugins.module_utils.pull.object_store import serving

RINGS: list[dict[str, t.Any]] = [{"name": "canary", "successes": 2}, {"name": "early"}, {"name": "rest", "failures": 1}]
UPGRADED = {"status": "upgraded", "fingerprint": "f"}
BROKEN = {"status": "rolled_back", "fingerprint": "f", "reason": "Health: https://me:pw123456@x is down"}


class Fleet:
    """Hosts with a key each, that share a directory."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.patch = tmp_path, monkeypatch
        self.store = tmp_path / "shared"
        (self.store / "v1").mkdir(parents=True)
        self.signers = tmp_path / "signers"
        self.signers.write_text("")
        self.options: dict[str, t.Any] = {}

    def key(self, ring: str, host: str) -> str:
        path = self.path / f"key-{ring}-{host}"
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
            with self.signers.open("a") as file:
                file.write(f'{ring}/{host} namespaces="overc-verdict" {path.with_suffix(".pub").read_text()}')
        return str(path)

    def host(self, ring: str, host: str, machine: str = "", **more: t.Any) -> member.Member:
        identity = self.path / f"machine-{ring}-{host}{machine}"
        identity.write_text(f"{ring}-{host}-{machine}")
        self.patch.setattr(member, "MACHINE_ID", str(identity))
        state = self.path / f"state-{ring}-{host}{machine}"
        state.mkdir(exist_ok=True)
        config = {
            "store": str(self.store), "token": "", "key_id": "", "region": "", "ring": ring, "host": host, "rings": RINGS,
            "signers": str(self.signers), "key": self.key(ring, host), **self.options, **more,
        }  # fmt: skip
        return member.Member(config, str(state))

    def judge(self, ring: str, host: str, status: str = GOOD, **more: t.Any) -> None:
        outcome = {GOOD: UPGRADED, BAD: BROKEN, FAILED: {**BROKEN, "status": "failed"}}[status]
        assert self.host(ring, host, **more).judge(status, outcome) == ""

    def answer(self, ring: str, host: str = "me", **more: t.Any) -> dict[str, t.Any]:
        return self.host(ring, host, **more).gate("f")

    def decision(self, ring: str, host: str = "me", **more: t.Any) -> str:
        return str(self.answer(ring, host, **more)["decision"])

    def forge(self, ring: str, host: str, status: str, by: tuple[str, str] | None = None, **change: t.Any) -> Path:
        """A file where that host's verdict belongs, signed by another one (or not at all)."""
        verdict = Verdict(host, ring, "f", status, int(time.time()))
        text = json.dumps({**json.loads(written(verdict)), **change})
        signature = sign(self.key(*by), text) if by else ""
        path = self.store / directory("f", ring, status) / file_name(host)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed(text, signature))
        return path


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, monkeypatch)


def test_the_way_of_a_good_upgrade(fleet: Fleet) -> None:
    assert [fleet.decision(ring) for ring in ("canary", "early", "rest")] == ["go", "wait", "wait"]
    fleet.judge("canary", "c1")
    assert fleet.decision("early") == "wait"
    fleet.judge("canary", "c1")
    assert fleet.decision("early") == "wait", "the same host again"
    fleet.judge("canary", "c2")
    assert [fleet.decision(ring) for ring in ("canary", "early", "rest")] == ["go", "go", "wait"]
    fleet.judge("early", "e1")
    assert fleet.decision("rest") == "go"


def test_the_end_of_a_bad_one(fleet: Fleet) -> None:
    for host in ("c1", "c2", "c3"):
        fleet.judge("canary", host)
    fleet.judge("early", "e1", BAD)
    answers = [fleet.answer(ring) for ring in ("canary", "early", "rest")]
    assert [answer["decision"] for answer in answers] == ["withheld"] * 3
    assert "e1 of ring early" in answers[0]["reason"]
    assert "pw123456" not in json.dumps(answers) + "".join(path.read_text() for path in fleet.store.rglob("*.json"))
    assert fleet.host("canary", "me").gate("another")["decision"] == "go"


def test_the_first_reason_of_a_failure_stays(fleet: Fleet) -> None:
    fleet.judge("canary", "c1", BAD)
    assert fleet.host("canary", "c1").judge(BAD, {**BROKEN, "reason": "It runs the old system again."}) == ""
    assert "is down" in fleet.answer("early")["reason"]
    path = fleet.forge("canary", "c2", BAD, ("rest", "evil"))
    fleet.judge("canary", "c2", BAD)
    assert "is down" in path.read_text(), "what a stranger put there is no reason to be silent"


def test_a_failed_build_heals(fleet: Fleet) -> None:
    for host in ("c1", "c2"):
        fleet.judge("canary", host)
    fleet.judge("canary", "c3", FAILED)
    assert fleet.decision("early") == "wait"
    assert fleet.decision("canary", "c3") == "go", "it may try again"
    fleet.judge("canary", "c3")
    assert fleet.decision("early") == "go"


@pytest.mark.parametrize("by", [None, ("canary", "evil"), ("rest", "c1"), ("early", "c1")])
def test_nobody_judges_for_another_host_or_ring(fleet: Fleet, by: tuple[str, str] | None) -> None:
    for status in (GOOD, BAD, FAILED):
        for host in ("c1", "c2"):
            fleet.forge("canary", host, status, by)
    answer = fleet.answer("early")
    assert answer["decision"] == "wait", "no success of theirs counts"
    assert "0 hosts of ring canary" in answer["reason"]
    assert len(answer["ignored"]) == 6
    assert fleet.decision("canary") == "go", "and no failure of theirs"


def test_verdicts_of_other_upgrades_rings_and_statuses_cannot_be_replayed(fleet: Fleet) -> None:
    for host in ("c1", "c2"):
        fleet.judge("canary", host)
    good = fleet.store / directory("f", "canary", GOOD)
    for upgrade, ring, status in (
        ("g", "canary", GOOD),
        ("f", "early", GOOD),
        ("f", "canary", BAD),
        ("f", "rest", BAD),
    ):
        place = fleet.store / directory(upgrade, ring, status)
        place.mkdir(parents=True, exist_ok=True)
        for path in good.iterdir():
            (place / path.name).write_bytes(path.read_bytes())
        (place / "c9.json").write_bytes((good / "c1.json").read_bytes())
    assert fleet.host("early", "me").gate("g")["decision"] == "wait"
    assert fleet.decision("rest") == "wait"
    assert fleet.decision("early") == "go"


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 9000, b"\xff", b"x" * 50_000, b"null"])
def test_damaged_files(fleet: Fleet, data: bytes) -> None:
    for host in ("c1", "c2"):
        fleet.judge("canary", host)
    path = fleet.forge("canary", "c3", BAD)
    path.write_bytes(data)
    assert fleet.decision("early") == "go", "what nobody signed stops nobody"
    assert fleet.decision("early", signers="") == "wait", "but where all are trusted it may be half a failure"
    path.unlink()
    (fleet.store / directory("f", "canary", GOOD) / "c1.json").write_bytes(data)
    assert fleet.decision("early") == "wait"


def test_strange_files_in_the_store(fleet: Fleet) -> None:
    for host in ("c1", "c2"):
        fleet.judge("canary", host)
    for status in (GOOD, BAD):
        place = fleet.store / directory("f", "canary", status)
        place.mkdir(parents=True, exist_ok=True)
        (place / "README").write_text("hello")
        (place / "a b.json").write_text("{}")
    answer = fleet.answer("early")
    assert answer["decision"] == "go"
    assert any("README" in entry for entry in answer["ignored"])
    os.mkfifo(place / "pipe.json")
    assert fleet.decision("early") == "wait", "a file that cannot be read may be a failure"


def test_huge_listings(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "SCAN", 20)
    for host in ("c1", "c2"):
        fleet.judge("canary", host)
    place = fleet.store / directory("f", "canary", BAD)
    place.mkdir(parents=True)
    for number in range(19):
        (place / f"junk{number}.json").write_text("{}")
    assert fleet.decision("early") == "go"
    for number in range(9):
        (place / f"more{number}.json").write_text("{}")
    answer = fleet.answer("early")
    assert answer["decision"] == "wait"
    assert "more than 20 entries" in answer["reason"]


def test_two_machines_with_one_name(fleet: Fleet) -> None:
    fleet.judge("canary", "c1")
    assert fleet.decision("canary", "c1") == "go"
    answer = fleet.host("canary", "c1", machine="-clone").gate("f")
    assert answer["decision"] == "wait"
    assert "Another machine has written a verdict as c1" in answer["reason"]


@pytest.mark.parametrize("seconds", [7 * 86400, 60 * 86400, -60 * 86400, 2_000_000_000])
def test_clocks(fleet: Fleet, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure counts whatever its clock said; a success that is too old, or from the future, does not."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: max(now - seconds, 0))
    for host in ("c1", "c2"):
        fleet.judge("canary", host)
    monkeypatch.undo()
    fleet.patch = monkeypatch
    assert fleet.decision("early") == ("go" if seconds == 7 * 86400 else "wait")
    monkeypatch.setattr(time, "time", lambda: max(now - seconds, 0))
    fleet.judge("canary", "c3", BAD)
    monkeypatch.undo()
    assert fleet.decision("early") == "withheld"


def test_an_unreachable_store(fleet: Fleet) -> None:
    fleet.options = {"store": str(fleet.path / "nowhere")}
    for ring in ("canary", "early"):
        answer = fleet.answer(ring)
        assert (answer["decision"], answer["trouble"]) == ("wait", True)
        assert "cannot be read, so this host waits" in answer["reason"]
    one = fleet.host("canary", "c1")
    assert "could not be handed in" in one.judge(GOOD, UPGRADED)
    (fleet.path / "nowhere/v1").mkdir(parents=True)
    assert fleet.host("canary", "c1").publish() == "", "the next run hands it in"
    assert fleet.host("canary", "c1").publish() == ""
    assert len(list((fleet.path / "nowhere").rglob("c1.json"))) == 1


@pytest.mark.parametrize("missing", ["signers", "key"])
def test_a_host_without_its_keys(fleet: Fleet, missing: str) -> None:
    fleet.judge("canary", "c1")
    fleet.options = {missing: str(fleet.path / "gone")}
    if missing == "key":
        assert "cannot sign" in fleet.host("canary", "c2").judge(GOOD, UPGRADED)
    else:
        assert fleet.decision("early") == "wait"


def test_a_store_that_keeps_half_of_it(fleet: Fleet) -> None:
    hosts: list[dict[str, t.Any]] = [{**ring, "hosts": ["c1", "c2", "e1", "me"], "successes": 1} for ring in RINGS]
    with serving(fleet.path / "served") as server:
        fleet.options = {"store": f"{server.url}/v", "token": "t0ken-t0ken", "rings": hosts}
        server.keeps = 100
        assert "does not have the verdict that it took" in fleet.host("canary", "c1").judge(GOOD, UPGRADED)
        assert fleet.decision("early") == "wait"
        server.keeps = None
        assert fleet.host("canary", "c1").publish() == ""
        assert fleet.decision("early") == "go"
        assert server.asked[0][2]["Authorization"] == "Bearer t0ken-t0ken"
        server.status, server.body = 500, b"t0ken-t0ken"
        answer = fleet.answer("early")
        assert answer["decision"] == "wait"
        assert "t0ken" not in json.dumps(answer)


def test_one_authority_for_all_keys(fleet: Fleet) -> None:
    """A line for each of 100,000 hosts is not needed: their certificates name ring and host."""
    authority = fleet.path / "authority"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(authority)], check=True)
    key = fleet.key("canary", "c1")
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "c1", "-n", "canary/c1", f"{key}.pub"]
    subprocess.run(sign, check=True)
    fleet.signers.write_text(f"canary/* cert-authority {authority.with_suffix('.pub').read_text()}")
    fleet.options = {"rings": [{"name": "canary"}, {"name": "early"}]}
    assert fleet.decision("early") == "wait"
    fleet.judge("canary", "c1", key=f"{key}-cert.pub")
    assert fleet.decision("early") == "go"
    fleet.forge("canary", "c2", BAD, ("canary", "c1"))
    assert fleet.decision("early") == "go"


@pytest.mark.parametrize(("phase", "outcome", "reboots", "says"), [
    ("verify", {"status": "upgraded"}, False, GOOD),
    ("verify", {"status": "failed"}, True, BAD),  # going back: the others are told at once
    ("verify", {"status": "failed"}, False, ""),
    ("verify", {"status": "rolled_back"}, False, BAD),
    ("verify", {"status": "rollback_failed"}, False, BAD),
    ("verify", {"status": "postponed"}, False, ""),  # a power cut while building
    ("verify", {"status": "failed", "again": True}, False, ""),
    ("upgrade", {"status": "failed"}, False, FAILED),
    ("upgrade", {"status": "staged"}, True, ""),
    ("upgrade", {"status": "current"}, False, ""),
    ("upgrade", {"status": "withheld"}, False, ""),
    ("upgrade", {"status": "unready"}, False, ""),
])  # fmt: skip
def test_what_an_outcome_says_of_its_upgrade(phase: str, outcome: dict[str, t.Any], reboots: bool, says: str) -> None:
    assert member.judged(phase, {**outcome, "fingerprint": "f"}, reboots=reboots) == says
    assert member.judged(phase, outcome, reboots=reboots) == ""
