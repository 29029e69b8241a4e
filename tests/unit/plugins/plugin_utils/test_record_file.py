# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record is read back as it was, and after what changed as if it had been written as a whole; a large one is not written often."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import record_file, report_files, run_gate, run_record
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fleet_answers import BAD, NOW, PENDING, planned

CHANGE = st.fixed_dictionaries({"name": st.text(max_size=3), "available": st.sampled_from(["1", "2"])})
UPGRADES = st.lists(CHANGE, max_size=2)
ENTRY = st.fixed_dictionaries(
    {"status": st.sampled_from(sorted(run_record.STATUSES))},
    optional={
        "upgrades": UPGRADES, "reason": st.text(), "transactions": st.just("x"),
        "last_run": st.none() | st.fixed_dictionaries({"status": st.just("upgraded")}, optional={"upgrades": UPGRADES}),
    },
)  # fmt: skip
RECORD = st.fixed_dictionaries(
    {"command": st.just("upgrade"), "started": st.just(NOW), "hosts": st.dictionaries(st.text(), ENTRY, max_size=4)},
    optional={"stopped": st.none() | st.text()},
)


@settings(deadline=None, max_examples=200)
@given(RECORD)
def test_read_back_as_it_was(record: dict[str, t.Any]) -> None:
    text = record_file.text(record)
    for said in (text, record_file.change(record)):
        assert record_file.read(said) == {**record, "format": record_file.FORMAT}
    assert record_file.change(record).count("\n") == 1
    assert record_file.is_of(text[:4096], record)
    assert not record_file.is_of(text[:4096], {**record, "started": "another"})


def test_equal_lists_are_stored_once() -> None:
    many = [{"name": f"package-{number}", "available": "2.0"} for number in range(100)]
    hosts = {f"h{number}": {"status": "upgraded", "upgrades": [dict(one) for one in many]} for number in range(50)}
    text = record_file.text({"command": "upgrade", "started": NOW, "hosts": hosts})
    assert text.count("package-99") == 1
    assert list(json.loads(text)["transactions"]) == ["1"]


@pytest.mark.parametrize("lists", [None, [], {"1": "no list"}, {}])
def test_a_list_that_is_not_there_is_none(lists: t.Any) -> None:
    host = {"status": "upgraded", "transaction": "1", "last_run": {"transaction": ["x"]}}
    found = record_file.read(json.dumps({"transactions": lists, "hosts": {"h1": host}}))
    assert found is not None
    assert found["hosts"]["h1"] == {"status": "upgraded", "upgrades": [], "last_run": {"upgrades": []}}


def a_run(base: str, hosts: int, waves: int) -> t.Iterator[tuple[dict[str, t.Any], dict[str, t.Any]]]:
    """A run as the playbooks write it: after each wave, what the files say and what a whole record would say."""
    plan = planned({f"h{number:04}": PENDING for number in range(hosts)}, canary=0, serial=hosts // waves)
    results: dict[str, t.Any] = {}
    report_files.write(base, run_record.summary(plan, {}, {}, NOW))
    gate: dict[str, t.Any] = {}
    for number, wave in enumerate(plan["waves"]):
        gate = run_gate.gate(plan, {}, wave, NOW, gate)
        lost = dict.fromkeys(wave, run_gate.LOST)
        report_files.add(base, run_record.changes(plan, lost, NOW, wave, gate))
        found = report_files.read_all(base)
        assert found is not None
        yield found, run_record.summary(plan, {**results, **lost}, {}, NOW, at_work=True)
        done = {
            host: {"status": "upgraded", "upgrades": PENDING["upgrades"], "booted_after": f"r{number}"} for host in wave
        }
        results.update(done)
        gate = run_gate.gate(plan, done, wave, NOW, gate)
        report_files.add(base, run_record.changes(plan, done, NOW, wave, gate))
        found = report_files.read_all(base)
        assert found is not None
        yield found, run_record.summary(plan, results, {}, NOW)


@pytest.mark.parametrize(("hosts", "waves"), [(4, 4), (120, 12), (300, 3)])
def test_what_has_changed_says_what_a_whole_record_would(tmp_path: Path, hosts: int, waves: int) -> None:
    for number, (found, whole) in enumerate(a_run(str(tmp_path / "upgrade"), hosts, waves)):
        kept = ("command", "started", "updated", "stopped", "counts", "bad", "hosts")
        assert {key: found[key] for key in kept} == {key: whole[key] for key in kept}, number
        if hosts < 50:
            assert not (tmp_path / "upgrade.changes").exists()
            assert (
                f"{found['counts'].get('upgraded', 0)}</b> upgraded" in (tmp_path / "upgrade.html").read_text()
                or number == 0
            )


def test_a_large_run_is_written_as_a_whole_only_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many waves it has: else the report of thousands of hosts costs minutes."""
    whole: list[str] = []
    write = report_files.write

    def counted(base: str, record: dict[str, t.Any]) -> bool:
        whole.append(base)
        return write(base, record)

    monkeypatch.setattr(report_files, "write", counted)
    for waves in (20, 100):
        whole.clear()
        assert len(list(a_run(str(tmp_path / "upgrade"), 400, waves))) == 2 * waves
        assert len(whole) <= 6, waves


def test_a_run_that_was_cut_off_is_kept_with_its_last_lines(tmp_path: Path) -> None:
    base = tmp_path / "upgrade"
    last = list(a_run(str(base), 120, 12))[-1][0]
    with (tmp_path / "upgrade.changes").open("a") as stream:
        stream.write('{"command": "upgrade", "hosts": {"h0001": {"sta')  # the controller died
    assert report_files.read_all(str(base)) == last
    new = {**last, "started": "2026-12-01T00:00:00Z"}
    report_files.write(str(base), new)
    kept = record_file.read((tmp_path / "upgrade-20261123T210000Z.json").read_text())
    assert kept is not None
    assert kept["hosts"] == last["hosts"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".changes") == []


def test_nothing_is_added_to_another_run(tmp_path: Path) -> None:
    base = str(tmp_path / "upgrade")
    list(a_run(base, 4, 2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    change = {"command": "upgrade", "started": "2027-01-01T00:00:00Z", "of": 4, "hosts": {"h0000": BAD}}
    with pytest.raises(OSError, match="is gone"):
        report_files.add(base, change)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(FileNotFoundError):
        report_files.add(str(tmp_path / "nothing"), change)


def test_a_stop_stays() -> None:
    """What the last answer said is true after it, though the hosts of which it said that are not looked at again."""
    plan = planned({f"h{number}": PENDING for number in range(4)}, canary=0, serial=2)
    first = run_gate.gate(plan, {"h0": BAD, "h1": {"status": "upgraded"}}, ["h0", "h1"], NOW)
    then = run_gate.gate(plan, {}, ["h2", "h3"], NOW, first)
    assert (then["go"], then["stop"], then["rejected"]) == ([], first["stop"], ["f1"])
    assert "Wave 1 failed" in str(then["stop"])
