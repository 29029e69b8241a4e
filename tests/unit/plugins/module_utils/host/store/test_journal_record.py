# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal and the record: round trips, torn writes, foreign content."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.store.journal import (
    Journal,
    discard_empty_journal,
    parse_journal,
    read_journal,
)
from ansible_collections.overc.system.plugins.module_utils.host.store.record import (
    Deployment,
    Pending,
    Record,
    format_record,
    parse_record,
    read_record,
    write_record,
)
from ansible_collections.overc.system.plugins.module_utils.system.own_dirs import STATE_DIR
from hypothesis import given
from hypothesis import strategies as st


def open_journal(top: Path) -> Journal:
    journal = Journal(str(top))
    journal.open("upgrade", "2026-01-01T00:00:00Z", ["one", "two"], {"base": "uuid"})
    return journal


def test_marks_and_notes_are_found_again(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.mark("one", "before")
    journal.mark("one", "after", {"new_uuid": "x"})
    journal.mark("two", "before")
    found = read_journal(str(tmp_path))
    assert found is not None
    assert (found.operation, found.steps, found.context) == ("upgrade", ("one", "two"), {"base": "uuid"})
    assert (found.begun, found.finished, found.notes) == (("one", "two"), ("one",), {"new_uuid": "x"})
    journal.close()
    assert read_journal(str(tmp_path)) is None


def test_every_torn_write_is_understood(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.mark("one", "before")
    data = (tmp_path / STATE_DIR / "journal.jsonl").read_bytes()
    first = data.index(b"\n") + 1
    for length in range(len(data) + 1):
        found = parse_journal(data[:length])
        if length < first - 1:
            assert found is None
        else:
            assert found is not None
            assert found.begun == (("one",) if length >= len(data) - 1 else ())
    journal.close()


def test_a_killed_run_is_continued_behind_its_torn_line(tmp_path: Path) -> None:
    killed = open_journal(tmp_path)
    killed.mark("one", "before")
    killed.let_go()
    path = tmp_path / STATE_DIR / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"step": "tw')
    again = Journal(str(tmp_path))
    again.resume()
    again.mark("two", "before")
    found = read_journal(str(tmp_path))
    assert found is not None
    assert found.begun == ("one", "two")
    again.close()


def test_a_journal_that_somebody_writes_is_nobody_elses(tmp_path: Path) -> None:
    """Whatever became of the host's lock: it is seen, not taken, not cut off and not tidied away."""
    working = open_journal(tmp_path)
    found = read_journal(str(tmp_path))
    assert found is not None
    assert found.is_written
    for begin in (lambda: Journal(str(tmp_path)).resume(), lambda: open_journal(tmp_path)):
        with pytest.raises(OvercError) as caught:
            begin()
        assert caught.value.error_id == "locked"
    discard_empty_journal(str(tmp_path))
    assert read_journal(str(tmp_path)) == found
    working.let_go()
    again = read_journal(str(tmp_path))
    assert again is not None
    assert not again.is_written


@pytest.mark.parametrize("data", [b"[]\n{}\n", b'{"operation": 1}\n', b"x\n{}\n", b'{}\n{"step": 1}\n'])
def test_a_damaged_journal_is_reported_not_guessed(data: bytes) -> None:
    with pytest.raises(OvercError) as caught:
        parse_journal(data)
    assert caught.value.error_id == "inconsistent"


@given(st.binary(max_size=200))
def test_no_content_ends_in_a_traceback(data: bytes) -> None:
    for parse in (parse_journal, parse_record):
        try:
            parse(data)
        except OvercError as error:
            assert error.error_id == "inconsistent"


@pytest.mark.parametrize("plant", ["link", "file", "writable"])
def test_a_planted_state_directory_is_refused(tmp_path: Path, plant: str) -> None:
    place = tmp_path / STATE_DIR
    if plant == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to("elsewhere")
    elif plant == "file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(OvercError) as caught:
        write_record(str(tmp_path), Record())
    assert caught.value.error_id == "inconsistent"


def test_record_round_trip(tmp_path: Path) -> None:
    record = Record(
        deployments={"u": Deployment("u", "upgrade", {"kernel": "s"}, "1.0", "b", "p", "f", ("0.9",), "now")},
        pending=Pending("upgrade", "u", "f"),
        events=({"operation": "upgrade"},),
        known_bad=("f",),
    )
    write_record(str(tmp_path), record)
    assert read_record(str(tmp_path)) == record
    assert (tmp_path / STATE_DIR).stat().st_mode & 0o077 == 0
    assert (tmp_path / STATE_DIR / "record.json").stat().st_mode & 0o077 == 0


def test_no_record_is_an_empty_one(tmp_path: Path) -> None:
    assert read_record(str(tmp_path)) == Record()


def test_a_record_of_another_version_is_refused() -> None:
    raw = json.loads(format_record(Record()))
    with pytest.raises(OvercError, match="version 2"):
        parse_record(json.dumps({**raw, "version": 2}).encode())


def test_only_the_last_events_are_kept() -> None:
    record = Record()
    for number in range(80):
        record = record.with_event({"number": number})
    assert [event["number"] for event in record.events] == list(range(30, 80))


@pytest.mark.parametrize("data", [b"", b"\0\1garbage", b"{", b"7" * 6000, b"\xff\xfe{}", b'{"version": 01}'])
def test_what_is_no_json_is_told_in_plain_words(data: bytes) -> None:
    with pytest.raises(OvercError) as caught:
        parse_record(data)
    assert caught.value.error_id == "inconsistent"
    for python in ("char 0", "codec", "sys.", "Expecting", "Extra data"):
        assert python not in caught.value.message
    assert "Move it away to start over" in caught.value.message


@pytest.mark.parametrize("read", [read_record, read_journal])
@pytest.mark.parametrize("shape", ["endless", "directory"])
def test_what_is_none_of_ours_is_told_with_its_remedy(
    tmp_path: Path, read: t.Callable[[str], object], shape: str
) -> None:
    name = "record.json" if read is read_record else "journal.jsonl"
    (tmp_path / ".overc").mkdir(mode=0o700)
    path = tmp_path / ".overc" / name
    if shape == "directory":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, 200 << 30)
    with pytest.raises(OvercError, match="cannot be read") as caught:
        read(str(tmp_path))
    assert caught.value.error_id == "inconsistent"
    assert read is read_journal or "Move it away to start over" in caught.value.message
