# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.command_line import words_of
from ansible_collections.overc.system.plugins.module_utils.boot.loader.entry import (
    entry_text,
    is_left_over,
    name_of,
    number_in,
    parse_entry,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.entry_factory import entry

_WORD = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"'), min_size=1, max_size=12)


def _lines(text: str, key: str) -> list[str]:
    return [line.partition(" ")[2] for line in text.splitlines() if line.startswith(f"{key} ")]


@pytest.mark.parametrize("trial", [False, True])
def test_what_the_loader_reads_and_what_we_read_back(trial: bool) -> None:
    text = entry_text(entry(3), 30, trial=trial)
    assert _lines(text, "linux") == ["/overc/files/k3"]
    assert _lines(text, "initrd") == ["/overc/files/i3"]
    assert _lines(text, "options") == ["root=x overc.id=3 panic=30" + (" overc.trial=1" if trial else "")]
    assert _lines(text, "title") == ["deployment 3" + (" on trial" if trial else "")]
    assert _lines(text, "sort-key") == []
    assert parse_entry(text, trial=trial) == entry(3)
    with pytest.raises(ValueError, match="not what was written"):
        parse_entry(text, trial=not trial)


@given(st.lists(_WORD, max_size=5).map(tuple))
def test_every_word_of_a_command_line_comes_back(words: tuple[str, ...]) -> None:
    made = replace(entry(1), args=words)
    text = entry_text(made, 1, trial=False)
    assert parse_entry(text, trial=False) == made
    said = words_of(_lines(text, "options")[0])
    if not any("\\" in word or word != word.strip() for word in words):  # how a kernel takes those is its own business
        assert said[: len(words)] == words or any(" " in word for word in words)


@pytest.mark.parametrize("bad", ["a\nb", 'a"b', "a\0b", "a\x7f"])
def test_what_an_entry_cannot_say(bad: str) -> None:
    changed: tuple[dict[str, t.Any], ...] = ({"title": bad}, {"args": (bad,)}, {"kernel": bad}, {"initrd": bad})
    for change in (*changed, {"kernel": "/with a space"}):
        with pytest.raises(ValueError, match="cannot be written"):
            entry_text(replace(entry(1), **change), 1, trial=False)


def test_any_other_byte_is_somebody_elses() -> None:
    """Torn at any place, or changed at any: never taken for ours."""
    text = entry_text(entry(1), 1, trial=False)
    for place in range(len(text)):
        with pytest.raises(ValueError, match=r".+"):
            parse_entry(text[:place], trial=False)
        changed = text[:place] + ("#" if text[place] != "#" else "+") + text[place + 1 :]
        with contextlib.suppress(ValueError):
            # Only what the loader does not read
            assert parse_entry(changed, trial=False) != entry(1)
            assert changed.splitlines()[2:] == text.splitlines()[2:]


@pytest.mark.parametrize("number", [0, 1, 42, 999999999])
def test_names(number: int) -> None:
    assert number_in(name_of(number)) == number
    assert number_in(name_of(number, trial=True), trial=True) == number
    assert number_in(name_of(number, trial=True)) is None
    assert number_in(name_of(number), trial=True) is None


@pytest.mark.parametrize(
    "name",
    [
        None, "", "overc-.conf", "overc-01.conf", "overc-1+1.conf", "overc-1+2-1.conf", "overc-try-.conf", "overc-1.CONF",
        "0123456789abcdef0123456789abcdef-6.1.0-1.conf", "overc-1.conf.overc-new", "xoverc-1.conf", "overc-\u00b2.conf",
        "opensuse-tumbleweed-6.9-1-default-12.conf",
    ],
)  # fmt: skip
def test_names_of_others(name: str | None) -> None:
    assert number_in(name) is None
    assert number_in(name, trial=True) is None


def test_what_a_power_cut_leaves_is_told_from_what_somebody_wrote(tmp_path: Path) -> None:
    path = tmp_path / "overc-1.conf"
    for left in (b"", bytes(1024), entry_text(entry(1), 1, trial=False).encode()[:100]):
        path.write_bytes(left)
        assert is_left_over(str(path))
    path.write_text("title my own\n")
    assert not is_left_over(str(path))
