# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record is read back as it was, and after what changed as if it had been written as a whole; a large one is not written often."""

from __future__ import annotations

import json
import os
import typing as t
from functools import partial
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
    assert record_file.read(text) == {**record, "format": record_file.FORMAT, "part": 0}
    assert record_file.read(record_file.change(record)) == {**record, "format": record_file.FORMAT}
    assert record_file.change(record).count("\n") == 1
    assert record_file.part_of(text[:4096], record) == 0
    assert record_file.part_of(record_file.text({**record, "part": 7})[:4096], record) == 7
    assert record_file.part_of(text[:4096], {**record, "started": "another"}) is None


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


class Killed(BaseException):
    """In place of a kill: nothing that tidies up after an error is done."""


class Files:
    """``os`` for the files of reports, which kills the controller at one of the things that it does to them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __getattr__(self, name: str) -> t.Any:
        real = getattr(os, name)
        return self._counted(name, real) if name in ("replace", "unlink", "fsync", "fchmod") else real

    def _counted(self, name: str, real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*args: t.Any) -> t.Any:
            self.left -= 1
            if self.left == 0:
                if name == "fsync":  # half of it has come to the disk
                    os.truncate(args[0], os.fstat(args[0]).st_size - 9)
                raise Killed
            return real(*args)

        return call


def _steps(base: str) -> list[t.Callable[[], t.Any]]:
    """What two runs do to their files: the second one is large, ends in another way than its waves, and knows of both."""
    plan = planned({f"h{number}": PENDING for number in range(4)}, canary=0, serial=2)
    gate: dict[str, t.Any] = {"stop": None, "rejected": []}
    first = {"status": "upgraded", "upgrades": PENDING["upgrades"]}
    older = run_record.summary({**plan, "started": "2026-11-22T21:00:00Z"}, {"h0": first}, {}, NOW)
    found = [
        lambda: report_files.write(base, older),
        lambda: report_files.write(base, run_record.summary(plan, {}, {}, NOW)),
    ]
    for wave in plan["waves"]:
        for result in (run_gate.LOST, first):
            change = run_record.changes(plan, dict.fromkeys(wave, result), NOW, wave, gate)
            found.append(partial(report_files.add, base, change))
    back = {host: {"status": "rolled_back", "reason": "as was asked"} for host in plan["hosts"]}
    ended = run_record.summary(plan, dict.fromkeys(plan["hosts"], first), back, "2026-11-23T23:00:00Z")
    return [*found, lambda: report_files.write(base, ended)]


def _known(directory: Path) -> dict[str, t.Any]:
    """What the reports in a directory say of each run, and that their pages say the same."""
    runs = {}
    for path in directory.glob("upgrade*.json"):
        found = report_files.read_all(str(path).removesuffix(".json"))
        assert found is not None, path
        runs[found["started"]] = {name: host["status"] for name, host in found["hosts"].items()}
        if path.name != "upgrade.json":
            whole = report_files.read(str(path).removesuffix(".json"))
            assert whole is not None
            assert path.with_suffix(".html").read_text() == report_files.page(whole), path
    return runs


@pytest.mark.parametrize("at", range(1, 36))
def test_a_controller_that_is_killed_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Whatever it came to: every run is there, as it was before that step or after it, and the next run goes on."""
    monkeypatch.setattr(report_files, "_FEW", 0)
    monkeypatch.setattr(report_files, "_TIMES", 9)
    reference, base = tmp_path / "reference", tmp_path / "killed"
    reference.mkdir()
    base.mkdir()
    said = [_known(reference)]
    for step in _steps(str(reference / "upgrade")):
        step()
        said.append(_known(reference))
    files = Files(at)
    monkeypatch.setattr(report_files, "os", files)
    done = 0
    try:
        for step in _steps(str(base / "upgrade")):
            step()
            done += 1
    except Killed:
        pass
    monkeypatch.setattr(report_files, "os", os)
    if files.left > 0:
        pytest.skip("that many things are not done")
    found = _known(base)
    for run, hosts in said[done].items():
        assert found[run] in (hosts, said[done + 1].get(run)), (done, run)
    # The worker was killed, or the disk was full: the same run goes on
    if done > 1:
        for step in _steps(str(base / "upgrade"))[done:]:
            step()
        assert _known(base) == said[-1]
    monkeypatch.setattr(report_files, "_LEFT", -1.0)
    newer = {"command": "upgrade", "started": "2026-12-01T00:00:00Z", "of": 4, "hosts": {}}
    report_files.write(str(base / "upgrade"), run_record.summary({**planned({"h9": PENDING}), **newer}, {}, {}, NOW))
    assert set(_known(base)) >= {*said[done], "2026-12-01T00:00:00Z"}
    assert [path.name for path in base.iterdir() if path.suffix not in (".json", ".html")] == []


def test_what_is_no_report_is_put_aside(tmp_path: Path) -> None:
    """Damaged by a disk or a person: what is left of it may still say something to somebody."""
    (tmp_path / "upgrade.json").write_text('{"command": "upgrade", "hosts": {"h1": {"sta')
    (tmp_path / "upgrade.html").write_text("its page")
    report_files.write(str(tmp_path / "upgrade"), run_record.summary(planned({"h1": PENDING}), {}, {}, NOW))
    kept = [path.read_text() for path in sorted(tmp_path.glob("upgrade-*Z.*"))]
    assert kept == ["its page", '{"command": "upgrade", "hosts": {"h1": {"sta']


FORMAT_1 = """{
    "bad": [], "check_mode": false, "command": "upgrade", "counts": {"upgraded": 1}, "format": 1,
    "hosts": {"h1": {"status": "upgraded", "upgrades": [{"available": "2.0", "name": "lab-app"}]}},
    "of": 1, "started": "2026-11-20T21:00:00Z", "updated": "2026-11-20T21:05:00Z"
}
"""


def test_reports_of_format_1_are_read_and_kept(tmp_path: Path) -> None:
    base = str(tmp_path / "upgrade")
    (tmp_path / "upgrade.json").write_text(FORMAT_1)
    found = report_files.read_all(base)
    assert found is not None
    assert found["hosts"]["h1"]["upgrades"] == [{"available": "2.0", "name": "lab-app"}]
    report_files.write(base, run_record.summary(planned({"h1": PENDING}), {}, {}, NOW))
    assert (tmp_path / "upgrade-20261120T210000Z.json").read_text() == FORMAT_1
    assert "lab-app" in (tmp_path / "upgrade-20261120T210000Z.html").read_text()
