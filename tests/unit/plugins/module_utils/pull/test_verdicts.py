# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and files of verdicts: different hosts stay apart, and what anybody may have written is read or refused."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull import verdicts
from hypothesis import given
from hypothesis import strategies as st

WEB = verdicts.Verdict("web1.example.net", "canary", "f" * 64, verdicts.GOOD, 1_795_000_000, "i", "upgraded", "")
PLACE = (WEB.fingerprint, WEB.ring, WEB.status, WEB.host)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15)


@given(names, names)
def test_names_stay_apart_and_are_safe_everywhere(one: str, other: str) -> None:
    found = verdicts.component(one)
    assert re.fullmatch(r"[A-Za-z0-9_=-][A-Za-z0-9_=.-]*", found, re.ASCII)
    assert ".." not in found
    assert not found.endswith((".lock", "."))
    assert verdicts.host_of(verdicts.file_name(one)) == one
    if one != other:
        assert found != verdicts.component(other)


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        verdicts.component(name)


@pytest.mark.parametrize(
    "name", ["web1", ".json", "a b.json", "=zz.json", "=41.json", "../x.json", "x.json.json ", "\udcff"]
)
def test_files_that_are_nobodys(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        verdicts.host_of(name)


def test_what_is_written_is_read() -> None:
    text, signature = verdicts.unpacked(verdicts.packed(verdicts.written(WEB), "sig"))
    assert signature == "sig"
    assert verdicts.understood(text, *PLACE) == WEB


@pytest.mark.parametrize("change", [
    {"host": "web2"}, {"ring": "rest"}, {"status": "bad"}, {"fingerprint": "g"}, {"format": 2}, {"at": "now"}, {"at": True},
    {"at": -1}, {"at": 1 << 60}, {"at": 1.5}, {"reason": ["x"]}, {"outcome": {}}, {"instance": 1}, {"at": None},
])  # fmt: skip
def test_a_verdict_from_elsewhere_or_of_another_kind(change: dict[str, t.Any]) -> None:
    text = json.dumps({**json.loads(verdicts.written(WEB)), **change})
    with pytest.raises(ValueError, match="it"):
        verdicts.understood(text, *PLACE)


@pytest.mark.parametrize("data", [
    b"", b"{", b"[]", b"null", b'{"verdict": 1, "signature": ""}', b'{"verdict": ""}', b"\xff\xfe", b"[" * 16000, b"x" * 20000,
    b'{"verdict": "', b"0" * 9000,
])  # fmt: skip
def test_files_that_are_no_verdicts(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        verdicts.unpacked(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    try:
        text, _signature = verdicts.unpacked(data)
        verdicts.understood(text, *PLACE)
    except ValueError:
        pass


def test_words_of_a_host_do_not_steer_a_terminal() -> None:
    text = json.dumps(
        {**json.loads(verdicts.written(WEB)), "reason": "\x1b[2Jgone\n\u202e" + "x" * 900, "outcome": "a/b"}
    )
    found = verdicts.understood(text, *PLACE)
    assert found.reason.isprintable()
    assert len(found.reason) == 300
    assert found.outcome == "a=2Fb"
