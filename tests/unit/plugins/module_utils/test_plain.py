# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Escapes go, words stay."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils import module_entry, runner
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.plain import plain
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("\x1b[0;1;31mOperation inhibited\x1b[0m by a backup.\r\n", "Operation inhibited by a backup.\n"),
        ("\x1b[38;5;185mPlease retry\x1b[39m\x1b[K", "Please retry"),
        ("10%\r 50%\r100%\n", "10%\n 50%\n100%\n"),
        ("\x1b]8;;file:///x\x1b\\name\x1b]8;;\x1b\\", "name"),
        ("\x1b]0;title\x07text", "text"),
        ("a\x08b\x00c\x9b1md\x1b(Be\x1b", "abcde"),
        (f"[1/2] package{' ' * 1900}100% |\n", "[1/2] package  100% |\n"),
        (" lab-app      noarch    2.0-1\n\ttab", " lab-app      noarch    2.0-1\n\ttab"),
        ("Größe \udce4 ✓", "Größe \udce4 ✓"),
    ],
)
def test_plain(said: str, left: str) -> None:
    assert plain(said) == left


@given(st.text(st.characters(codec="utf-8")))
def test_nothing_is_left_for_a_terminal(said: str) -> None:
    left = plain(f"\x1b[1m{said}\x1b[0m")
    assert not [c for c in left if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160]
    assert plain(left) == left or " " * 60 in left


def test_every_tool_and_every_message() -> None:
    done = runner.Completed(("x",), 1, "\x1b[1mout\x1b[0m\r\n", "\x1b[31merr\x1b[m\r")
    assert (done.facts()["stdout"], done.facts()["stderr"]) == ("out\n", "err\n")
    assert done.stdout.startswith("\x1b"), "what is parsed is left alone"
    error = OvercError("btrfs_failed", "\x1b[31mno\x1b[0m", **done.facts())
    assert module_entry.failure(error)["msg"].startswith("no. ")
