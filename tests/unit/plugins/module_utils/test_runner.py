# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs, run to their end."""

from __future__ import annotations

import os
import resource
import typing as t
from collections.abc import Sequence

import pytest
from ansible_collections.overc.system.plugins.module_utils import runner
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.runner import (
    Completed,
    ModuleRunner,
    with_system_directories,
)


class Module:
    """As much of an AnsibleModule as the runner uses."""

    def get_bin_path(self, program: str) -> str | None:
        return {"sh": "/bin/sh"}.get(program)


def run(script: str, **more: t.Any) -> Completed:
    return ModuleRunner(t.cast("t.Any", Module())).run(["sh", "-c", script], **more)


def test_programs_are_found_without_a_search_path() -> None:
    """Whoever calls with none, or one of their own, is not told to install what is there."""
    nothing = ModuleRunner(t.cast("t.Any", Module()))
    assert os.access(nothing.find("env") or "", os.X_OK)
    assert nothing.find("no-such-program") is None


@pytest.mark.parametrize("number", [0, 7])
def test_exit_code_and_output_are_what_the_program_left(number: int) -> None:
    done = run(f"echo out; echo err >&2; exit {number}")
    assert (done.argv[0], done.rc, done.stdout, done.stderr) == ("sh", number, "out\n", "err\n")


def test_nothing_of_a_long_output_is_lost() -> None:
    done = run("head -c 3000000 /dev/zero; head -c 300000 /dev/zero >&2; sleep 1.2; echo end")
    assert (len(done.stdout), len(done.stderr)) == (3000004, 300000)
    assert done.stdout.endswith("end\n")


def test_an_output_without_end_is_kept_at_both_ends() -> None:
    """As much as that is no output of a tool that we understand: somebody's script prints for ever."""
    size = 8 * runner.MOST
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = run(f"echo begin; yes | head -c {size}; echo end; echo begin >&2; yes | head -c {size} >&2; echo end >&2")
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    for text in (done.stdout, done.stderr):
        assert text.startswith("begin\ny\n")
        assert text.endswith("y\nend\n")
        assert f"{size + len('begin_end_') - runner.MOST} bytes were left out here" in text
        assert len(text) < runner.MOST + 100
    assert used < 8 * runner.MOST


def test_of_what_is_shown_both_ends_are_kept() -> None:
    lines = "".join(f"line {number}\n" for number in range(300_000))
    shown = Completed(("x",), 1, f"begin\n{lines}end\n", "short\n").facts()
    assert len(shown["stdout"]) < runner.MOST_SHOWN + 100
    assert shown["stdout"].startswith("begin\nline 0\n")
    assert shown["stdout"].endswith("line 299999\nend\n")
    assert "left out here" in shown["stdout"]
    assert shown["stderr"] == "short\n"


def test_where_it_is_cut_no_half_credential_is_shown() -> None:
    word = "https://user:secret@host/ "
    for length in range(len(word)):
        padded = f"{'x' * length} {word * (3 * runner.MOST_SHOWN // len(word))}"
        assert "secret" not in Completed(("x",), 1, padded, "").facts()["stdout"]
        assert "cret@" not in Completed(("x",), 1, padded, "").facts()["stdout"]


def test_a_word_without_end_is_cut_at_once() -> None:
    """Each letter of it was once looked at as a beginning of its own: days for what a script had encoded."""
    word = "x" * (3 * runner.MOST_SHOWN)
    for text in (word, f"{word} ", f" {word}", f"{word} {word}"):
        shown = Completed(("x",), 1, text, "").facts()["stdout"]
        assert "left out here" in shown
        assert len(shown) < runner.MOST_SHOWN + 100


def test_output_right_before_the_end_is_not_lost() -> None:
    """Also after a silence that is as long as the runner's own patience."""
    for pause in ("0.99", "1.0", "1.01", "1.05"):
        assert run(f"sleep {pause}; echo end").stdout == "end\n"


def test_output_of_what_a_program_leaves_behind_is_not_waited_for() -> None:
    """A service that a package starts may keep the pipe open for ever."""
    done = run("sleep 60 & echo $!; exit 3")
    os.kill(int(done.stdout), 9)
    assert done.rc == 3


def test_a_program_that_closes_its_output_is_waited_for() -> None:
    assert run("exec >&- 2>&-; sleep 1.5; exit 4").rc == 4


def test_input_is_empty_and_messages_are_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    assert run('cat; echo "$LC_ALL/$LANGUAGE/$WORD"', env={"WORD": "x"}).stdout == "C.UTF-8//x\n"


def test_undecodable_output_survives() -> None:
    assert run("printf '\\377'").stdout.encode(errors="surrogateescape") == b"\xff"


def test_only_the_descriptors_that_are_meant_are_handed_on() -> None:
    read, write = os.pipe()
    try:
        assert run(f"[ -e /proc/self/fd/{read} ]", pass_fds=[read]).rc == 0
        assert run(f"[ -e /proc/self/fd/{read} ]").rc == 1
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize(("argv", "error_id"), [(["nothing"], "tool_missing"), (["sh", "a\0b"], "bad_argument")])
def test_what_cannot_be_run(argv: Sequence[str], error_id: str) -> None:
    with pytest.raises(OvercError) as caught:
        ModuleRunner(t.cast("t.Any", Module())).run(argv)
    assert caught.value.error_id == error_id


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("/usr/bin:/opt/x", "/usr/bin:/opt/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"),
        ("/sbin::/bin", "/sbin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"),
    ],
)
def test_programs_find_what_administrators_have(path: str, wanted: str) -> None:
    assert with_system_directories(path) == wanted
