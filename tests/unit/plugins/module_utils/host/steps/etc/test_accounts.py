# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts that changed here and by an upgrade: every line of both, and nobody gets another one's number."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.steps.etc.accounts import FILES, merge_accounts
from hypothesis import given
from hypothesis import strategies as st

BASE: t.Final = {
    "passwd": b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
    "shadow": b"root:*:1:0:99999:7:::\nann:!:1:0:99999:7:::\n",
    "group": b"root:x:0:\nadm:x:4:ann\nann:x:1000:\n",
    "gshadow": b"root:*::\nadm:*::ann\nann:!::\n",
    "subuid": b"ann:100000:65536\n",
    "subgid": b"ann:100000:65536\n",
}


def changed(**files: bytes) -> dict[str, bytes]:
    return {**BASE, **files}


def added(**lines: bytes) -> dict[str, bytes]:
    return {name: content + lines.get(name, b"") for name, content in BASE.items()}


def test_one_side_only() -> None:
    here = added(passwd=b"new:x:1001:1001::/:/bin/sh\n", shadow=b"new:!:::::::\n")
    merged = merge_accounts(BASE, here, BASE)
    assert merged.files == {name: here[name] for name in ("passwd", "shadow")}
    assert not merge_accounts(BASE, BASE, here).files
    assert not merge_accounts(BASE, here, here).files


def test_both_sides_add() -> None:
    here = added(passwd=b"new:x:1001:1001::/:/bin/sh\n", group=b"new:x:1001:\n", subuid=b"new:165536:65536\n")
    there = added(passwd=b"svc:x:999:999::/:/bin/false\n", group=b"svc:x:999:\n", subuid=b"svc:300000:65536\n")
    merged = merge_accounts(BASE, here, there)
    assert not merged.clashes
    for name in ("passwd", "group", "subuid"):
        assert sorted(merged.files[name].split(b"\n")) == sorted({*here[name].split(b"\n"), *there[name].split(b"\n")})


def test_members_of_both_sides() -> None:
    here = changed(group=BASE["group"].replace(b"4:ann", b"4:ann,bob"))
    there = changed(group=BASE["group"].replace(b"4:ann", b"4:svc,ann"))
    assert b"adm:x:4:svc,ann,bob\n" in merge_accounts(BASE, here, there).files["group"]
    here = changed(group=BASE["group"].replace(b"4:ann", b"4:"))
    assert b"adm:x:4:svc\n" in merge_accounts(BASE, here, there).files["group"]


def test_fields_of_one_line() -> None:
    here = changed(passwd=BASE["passwd"].replace(b"/home/ann:/bin/sh", b"/home/ann:/bin/bash"))
    there = changed(passwd=BASE["passwd"].replace(b"1000::", b"1000:Ann:"))
    merged = merge_accounts(BASE, here, there)
    assert b"ann:x:1000:1000:Ann:/home/ann:/bin/bash\n" in merged.files["passwd"]
    assert not merged.clashes
    there = changed(passwd=BASE["passwd"].replace(b"/home/ann:/bin/sh", b"/home/ann:/bin/false"))
    merged = merge_accounts(BASE, here, there)
    assert not merged.files
    assert [(clash.file, clash.name) for clash in merged.clashes] == [("passwd", "ann")]


def test_removed_here() -> None:
    here = {
        name: b"".join(line + b"\n" for line in text.split(b"\n") if line and not line.startswith(b"ann"))
        for name, text in BASE.items()
    }
    there = added(passwd=b"svc:x:999:999::/:/bin/false\n", subuid=b"svc:300000:65536\n")
    merged = merge_accounts(BASE, here, there)
    assert not merged.clashes
    assert not [name for name in merged.files if b"\nann:" in b"\n" + merged.files[name]]
    assert b"svc:" in merged.files["passwd"]
    # ... and changed there; and the other way round
    there = changed(passwd=BASE["passwd"].replace(b"1000::", b"1000:Ann:"))
    assert [clash.name for clash in merge_accounts(BASE, here, there).clashes] == ["ann"]
    assert [clash.name for clash in merge_accounts(BASE, there, here).clashes] == ["ann"]


def test_a_number_that_is_somebody_elses() -> None:
    here = added(
        passwd=b"app:x:999:998::/:/bin/sh\n", shadow=b"app:$6$x:::::::\n", group=b"app:x:998:app\nteam:x:2000:app,ann\n",
        gshadow=b"app:!::\nteam:!::app,ann\n", subuid=b"app:200000:65536\n",
    )  # fmt: skip
    there = added(passwd=b"svc:x:999:999::/:/bin/false\n", shadow=b"svc:!:::::::\n", group=b"svc:x:999:\n")
    merged = merge_accounts(BASE, here, there)
    assert [(clash.file, clash.name) for clash in merged.clashes] == [("passwd", "app")]
    for name in ("passwd", "shadow", "subuid"):
        assert b"app:" not in merged.files.get(name, b""), name
    assert b"team:x:2000:ann\n" in merged.files["group"]
    assert b"team:!::ann\n" in merged.files["gshadow"]


def test_a_group_that_is_somebody_elses() -> None:
    here = added(passwd=b"app:x:1500:998::/:/bin/sh\n", group=b"app:x:998:\n", gshadow=b"app:!::\n")
    there = added(group=b"svc:x:998:\n", gshadow=b"svc:!::\n")
    merged = merge_accounts(BASE, here, there)
    assert {(clash.file, clash.name) for clash in merged.clashes} == {("group", "app"), ("passwd", "app")}
    assert not [name for name, content in merged.files.items() if b"app:" in content]


def test_ranges_that_overlap() -> None:
    here, there = added(subuid=b"new:165536:65536\n"), added(subuid=b"svc:200000:65536\n")
    merged = merge_accounts(BASE, here, there)
    assert [(clash.file, clash.name) for clash in merged.clashes] == [("subuid", "new")]
    assert not merged.files


def test_lines_of_nis_stay_last() -> None:
    base, here = (
        changed(passwd=BASE["passwd"] + b"+::::::\n"),
        BASE["passwd"] + b"new:x:1001:1001::/:/bin/sh\n+::::::\n",
    )
    there = BASE["passwd"] + b"svc:x:999:999::/:/bin/false\n+::::::\n"
    merged = merge_accounts(base, changed(passwd=here), changed(passwd=there)).files["passwd"]
    assert merged.endswith(b"+::::::\n")
    assert b"new:" in merged
    assert b"svc:" in merged


_LINE = st.one_of(
    st.builds(lambda name, number, rest: f"{name}:x:{number}:{number}:{rest}::".encode(), st.sampled_from("abcdef"), st.integers(0, 9), st.sampled_from(["", "x"])),
    st.binary(max_size=8).filter(lambda line: b"\n" not in line),
)  # fmt: skip
_FILE = st.lists(_LINE, max_size=6).map(lambda lines: b"".join(line + b"\n" for line in lines))


@given(*(st.fixed_dictionaries(dict.fromkeys(FILES, _FILE)) for _side in range(3)))
def test_any_lines(base: dict[str, bytes], here: dict[str, bytes], there: dict[str, bytes]) -> None:
    """No side alone changes what the other did, no line is made up, and whatever does not come along is told."""
    assert merge_accounts(base, base, there).files == {}
    assert {**there, **merge_accounts(there, here, there).files} == here
    merged = merge_accounts(base, here, there)
    told = {clash.file for clash in merged.clashes}
    for name, content in merged.files.items():
        if name in ("subuid", "subgid"):
            lines = {*here[name].split(b"\n"), *there[name].split(b"\n")}
            assert set(content.split(b"\n")) <= lines
    for name in FILES:
        new = set(here[name].split(b"\n")) - set(base[name].split(b"\n"))
        result = set(merged.files.get(name, there[name]).split(b"\n"))
        keys = {line.split(b":")[0] for line in result}
        lost = {line for line in new if line and line.split(b":")[0] not in keys}
        assert not lost or told, (name, lost)


@pytest.mark.parametrize("missing", FILES)
def test_a_file_that_one_side_lacks(missing: str) -> None:
    here = {name: text for name, text in added(passwd=b"n:x:7:7:::\n").items() if name != missing}
    assert missing not in merge_accounts(BASE, here, BASE).files
