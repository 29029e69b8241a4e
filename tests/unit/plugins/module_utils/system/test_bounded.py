# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t

from ansible_collections.overc.system.plugins.module_utils.system import bounded


def run(seconds: float, most: int, *argv: str) -> dict[str, t.Any]:
    """As a program of its own, with nothing but the standard library."""
    words = [sys.executable, "-I", "-S", "-c", bounded.program(), str(seconds), str(most), *argv]
    done = subprocess.run(words, capture_output=True, check=True, timeout=30)
    found: dict[str, t.Any] = json.loads(done.stdout)
    return found


def test_what_a_command_left() -> None:
    assert run(9, 99, "sh", "-c", r"cat; printf 'a\377'; echo b >&2; exit 3") == {
        "rc": 3, "timed_out": False, "cut": False, "stdout": "a\udcff", "stderr": "b\n",
    }  # fmt: skip
    assert run(9, 99, "sh", "-c", "kill -9 $$")["rc"] == -9


def test_of_much_output_the_end_is_kept() -> None:
    told = run(20, 10, "sh", "-c", "seq 200000; echo end")
    assert (told["stdout"], told["stderr"], told["cut"], told["rc"]) == ("00000\nend\n", "", True, 0)


def test_who_does_not_end_is_ended_be_it_silent_or_loud() -> None:
    for command in ("sleep 60", "yes", "exec >&- 2>&-; sleep 60"):
        began = time.monotonic()
        told = run(1, 10, "sh", "-c", command)
        assert (told["timed_out"], told["rc"]) == (True, -9), command
        assert time.monotonic() - began < 10


def test_whoever_may_take_for_ever_may() -> None:
    """More seconds than the kernel waits for at once, and than Python turns into a time."""
    for command in ("echo done", "exec >&- 2>&-; exit 0"):
        assert run(10**9, 99, "sh", "-c", command)["rc"] == 0
        assert run(10**18, 99, "sh", "-c", command)["rc"] == 0


def test_what_stays_with_the_output_open_is_not_waited_for() -> None:
    began = time.monotonic()
    told = run(1, 99, "sh", "-c", "echo done; sleep 60 & exit 0")
    assert (told["timed_out"], told["rc"], told["stdout"]) == (False, 0, "done\n")
    assert time.monotonic() - began < 10
